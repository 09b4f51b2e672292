"""Claims of DeepMask and SharpMask (arXiv 1506.06204v2, 1603.08695v2)."""
