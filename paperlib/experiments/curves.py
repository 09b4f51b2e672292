"""Judges of the claims about curves and figures, by claim id; each gives (difference, verdict, remark), or None."""
from paperlib.experiments import curves_coco, curves_fast_rcnn, curves_faster_rcnn, curves_focal_loss

CURVES = curves_coco.CURVES | curves_fast_rcnn.CURVES | curves_faster_rcnn.CURVES | curves_focal_loss.CURVES
