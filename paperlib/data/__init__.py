"""Data sets: readers for the COCO and VOC formats, and the drawn world."""
