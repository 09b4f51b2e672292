"""Claims of the COCO paper (arXiv 1405.0312v3)."""
