"""Claims of Feature Pyramid Networks (arXiv 1612.03144v2)."""
