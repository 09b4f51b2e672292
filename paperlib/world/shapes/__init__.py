"""Shapes: from what a pen notes to points, and from points to pixels."""
