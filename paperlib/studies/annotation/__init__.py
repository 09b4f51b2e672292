"""Annotation as the COCO paper describes it, with simulated workers on drawn images."""
