"""What is timed for the claims of the focal loss's paper on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from dataclasses import replace
from functools import partial

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.fast_rcnn.timed import SHORT
from paperlib.claims.timed_nets import FPNDetector, photo, regions
from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.pyramids import PyramidConfig
from paperlib.systems.presets.retinanet import resnet50, resnet101
from paperlib.systems.retinanet import RetinaNet


def one_against_two_stages(device, shrink):
    one, two = RetinaNet(resnet101()).to(device).eval(), FPNDetector("resnet101", device)
    small, large = photo(600 / shrink, device), photo(800 / shrink, device)
    rois = regions(fewer(1000, shrink), large)
    return Race({"two stages": lambda: two(large, rois), "one stage": lambda: one.predict(small)},
                over("two stages", "one stage"), "RetinaNet-101 at 600 px, Faster R-CNN on FPN with ResNet-101 at 800.")


def retinanet_scale(device, shrink):
    net = RetinaNet(resnet50()).to(device).eval()
    parts = {str(s): partial(net.predict, photo(s / shrink, device)) for s in (800, 400)}
    return Race(parts, over("800", "400"), "RetinaNet-50; the network, without suppression.")


def without_p2(device, shrink):
    image, parts = photo(SHORT / shrink, device), {}
    for first in (2, 3):
        levels = tuple(range(first, 8))
        cfg = replace(resnet50(), pyramid=PyramidConfig(levels), anchors=AnchorConfig(levels))
        parts[f"from P{first}"] = partial(RetinaNet(cfg).to(device).eval().predict, image)
    return Race(parts, over("from P2", "from P3"), "RetinaNet-50; the network, without suppression.")


TIMED = {"focal-vs-fpn-speed": one_against_two_stages, "focal-scale-cost": retinanet_scale,
         "focal-drop-p2-saves": without_p2}
REDUCED = {"focal-vs-fpn-speed": ("sides", "regions"), "focal-scale-cost": ("sides",),
           "focal-drop-p2-saves": ("sides",)}
