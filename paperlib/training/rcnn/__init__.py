"""R-CNN, stage by stage: features on disk, SVMs on hard negatives, ridge regression, segmentation."""
