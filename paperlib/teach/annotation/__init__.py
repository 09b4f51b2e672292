"""The annotation tasks of the COCO paper as widgets."""
