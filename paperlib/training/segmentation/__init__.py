"""Learning to name the pixels of regions (R-CNN Sec. 5): the regions, their features, a regressor a class."""
