"""Seven object-detection papers, from R-CNN to RetinaNet, on one small set of parts."""
__version__ = "0.1.0"
