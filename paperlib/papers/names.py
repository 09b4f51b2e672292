"""The seven papers: their keys and their names."""

PAPERS = ("rcnn", "fast_rcnn", "faster_rcnn", "coco", "sharpmask", "fpn", "focal_loss")

NAMES = {"rcnn": "R-CNN", "fast_rcnn": "Fast R-CNN", "faster_rcnn": "Faster R-CNN", "coco": "Microsoft COCO",
         "sharpmask": "DeepMask, SharpMask", "fpn": "FPN", "focal_loss": "Focal loss, RetinaNet"}
