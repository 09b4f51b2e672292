"""Boxes for one's own pictures, drawn in a notebook, in COCO's format."""
