"""Seven object-detection papers, from R-CNN to RetinaNet, on one small set of parts."""
