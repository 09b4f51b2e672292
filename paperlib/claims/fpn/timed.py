"""What is timed for the claims of FPN on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from functools import partial

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.fast_rcnn.timed import SCALES, SHORT
from paperlib.claims.timed_nets import C4Detector, FPNDetector, photo, regions
from paperlib.config import override
from paperlib.systems.deepmask import DeepMask
from paperlib.systems.fpn_masks import FPNMasks
from paperlib.systems.presets import deepmask, fpn_masks

ZOOM = (-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # log2 of the image sizes of DeepMask's zoom variant


def fpn_extra(device, shrink):
    net, image = FPNDetector("resnet50", device), photo(800 / shrink, device)
    maps = net.trunk(image)
    parts = {"pyramid": lambda: net.pyramid(maps), "trunk": lambda: net.trunk(image)}
    return Race(parts, over("pyramid", "trunk"), "ResNet-50, P2 to P6 of 256 channels.")


def fpn_against_c4(device, shrink):
    fpn, c4, image = FPNDetector("resnet50", device), C4Detector(device), photo(800 / shrink, device)
    rois, features = regions(fewer(1000, shrink), image), c4.features(image)
    some = rois[: max(1, len(rois) // 8)]
    parts = {"fpn": lambda: fpn(image, rois), "c4": lambda: c4.propose(c4.features(image)),
             "head": lambda: c4.classify(features, some)}
    return Race(parts, lambda s: (s["c4"] + len(rois) / len(some) * s["head"]) / s["fpn"],
                "ResNet-50, 1000 proposals; C4's head is timed on an eighth of them.")


def fpn_depth(device, shrink):
    image = photo(800 / shrink, device)
    rois = regions(fewer(1000, shrink), image)
    parts = {name: partial(FPNDetector(name, device), image, rois) for name in ("resnet101", "resnet50")}
    return Race(parts, over("resnet101", "resnet50"), "Faster R-CNN on the pyramid, 1000 proposals.")


def image_pyramid(device, shrink):
    net = FPNDetector("resnet50", device)
    images = [photo(short / shrink / 2, device) for short in (SHORT, *SCALES)]
    rois = [regions(fewer(1000, 2 * shrink) // (5 if i else 1), image) for i, image in enumerate(images)]
    parts = {"5 scales": lambda: [net(*pair) for pair in zip(images[1:], rois[1:])],
             "1 scale": lambda: net(images[0], rois[0])}
    return Race(parts, over("5 scales", "1 scale"),
                "ResNet-50 with FPN at Fast R-CNN's scales of half that size, 1000 proposals in all.")


def mask_proposals(device, shrink):
    of_images = DeepMask(override(deepmask.resnet50(), {"window.scales": ZOOM})).to(device).eval()
    of_maps = FPNMasks(fpn_masks.resnet50()).to(device).eval()
    small, large = photo(480 / shrink, device), photo(800 / shrink, device)
    parts = {"image pyramid": lambda: of_images.detect(small),
             "feature pyramid": lambda: of_maps.detect(large)}
    return Race(parts, over("image pyramid", "feature pyramid"),
                "DeepMask-ours on eight sizes of 480 px; both MLPs, 28 px masks on 800 px; 1000 masks each.")


TIMED = {"fpn-extra-cost-marginal": fpn_extra, "fpn-faster-than-c4": fpn_against_c4, "fpn-r101-cost": fpn_depth,
         "fpn-image-pyramid-cost": image_pyramid, "fpn-mask-speed": mask_proposals}
REDUCED = dict.fromkeys(TIMED, ("sides", "regions"))
REDUCED |= dict.fromkeys(("fpn-extra-cost-marginal", "fpn-mask-speed"), ("sides",))
