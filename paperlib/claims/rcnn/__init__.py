"""Claims of R-CNN (arXiv 1311.2524v5)."""
