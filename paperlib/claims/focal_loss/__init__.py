"""Claims of the focal loss and RetinaNet (arXiv 1708.02002v2)."""
