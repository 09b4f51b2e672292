"""Whole detectors; each file wires parts and states its targets, losses and test-time steps."""
from paperlib.systems.retinanet import RetinaNet, RetinaNetConfig

SYSTEMS = {"retinanet": (RetinaNetConfig, RetinaNet)}
