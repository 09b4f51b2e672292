"""Whole detectors; each file wires parts and states its targets, losses and test-time steps."""
from paperlib.systems.deepmask import DeepMask
from paperlib.systems.fast_rcnn import FastRCNN
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.fpn_masks import FPNMasks
from paperlib.systems.presets import deepmask, fast_rcnn, faster_rcnn, fpn_masks, rcnn, retinanet, sharpmask
from paperlib.systems.rcnn import RCNN
from paperlib.systems.retinanet import RetinaNet
from paperlib.systems.rpn import RPN
from paperlib.systems.selective_search import SelectiveSearch, SelectiveSearchConfig
from paperlib.systems.sharpmask import SharpMask

SYSTEMS = {"retinanet": RetinaNet, "fast_rcnn": FastRCNN, "rpn": RPN, "faster_rcnn": FasterRCNN, "rcnn": RCNN,
           "deepmask": DeepMask, "sharpmask": SharpMask, "fpn_masks": FPNMasks}
UNTRAINED = {"selective_search": SelectiveSearch}  # rows of tables that have no weights, and nothing to train
ONE_STAGE = ("tiny", "scale", "resnet18", "resnet50", "resnet101", "torchvision_resnet50")
TWO_STAGE = ("small", "tiny", "scale", "vgg16", "resnet18", "resnet50")
OF_MASKS = ("scale", "resnet18", "resnet50")
PRESETS = {"retinanet": {name: getattr(retinanet, name) for name in ONE_STAGE},
           "fast_rcnn": {name: getattr(fast_rcnn, name) for name in TWO_STAGE},
           "rpn": {name: getattr(faster_rcnn, f"rpn_{name}") for name in TWO_STAGE},
           "faster_rcnn": {name: getattr(faster_rcnn, name) for name in (*TWO_STAGE, "torchvision_resnet50")},
           "rcnn": {"small": rcnn.small, "tiny": rcnn.tiny, "vgg16": rcnn.vgg16},
           "deepmask": {name: getattr(deepmask, name) for name in OF_MASKS},
           "sharpmask": {name: getattr(sharpmask, name) for name in OF_MASKS},
           "fpn_masks": {name: getattr(fpn_masks, name) for name in OF_MASKS},
           "selective_search": {"scale": SelectiveSearchConfig}}


def class_of(name: str) -> type:
    """A system's class, with weights or without."""
    return (SYSTEMS | UNTRAINED)[name]
