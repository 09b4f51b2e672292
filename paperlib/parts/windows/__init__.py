"""Masks of objects in square windows: sampling images and masks, grids of windows, which of them hold an object."""
