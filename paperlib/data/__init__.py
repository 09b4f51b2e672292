"""Data sets: readers of the COCO and VOC formats, checks of them, batches, and proposals from outside."""
