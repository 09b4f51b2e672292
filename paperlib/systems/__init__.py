"""Whole detectors; each file wires parts and states its targets, losses and test-time steps."""
from paperlib.systems.retinanet import RetinaNet
from paperlib.systems.retinanet_configs import resnet50, resnet101, tiny, torchvision_resnet50

SYSTEMS = {"retinanet": RetinaNet}
PRESETS = {"retinanet": {"tiny": tiny, "resnet50": resnet50, "resnet101": resnet101,
                         "torchvision_resnet50": torchvision_resnet50}}
