"""Masks of objects in square windows: cutting and pasting, grids, and which windows hold an object."""
