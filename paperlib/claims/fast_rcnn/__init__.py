"""Claims of Fast R-CNN (arXiv 1504.08083v2)."""
