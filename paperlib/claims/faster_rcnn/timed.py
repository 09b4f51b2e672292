"""What is timed for the claims of Faster R-CNN on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind
(crops, windows) where running all would show nothing more.
"""
from functools import partial

import cv2
import numpy as np

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.fast_rcnn.timed import SHORT
from paperlib.claims.timed_nets import FastRCNN, photo, regions
from paperlib.data.selective_search import selective_search


def fewer_proposals(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    features = net.convs(image)
    parts = {str(n): partial(net.classify, features, regions(fewer(n, shrink), image)) for n in (2000, 300)}
    return Race(parts, over("2000", "300"), "VGG16; pooling and the two layers.")


def rpn_share(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    rois, features = regions(fewer(300, shrink), image), net.convs(image)
    parts = {"convolutions": lambda: net.convs(image), "rpn": lambda: net.propose(features),
             "regions": lambda: net.classify(features, rois)}
    return Race(parts, lambda s: 100 * s["rpn"] / sum(s.values()), "VGG16, 300 proposals; the RPN's share in %.")


def zf_against_vgg(device, shrink):
    image = photo(SHORT / shrink, device)
    rois = regions(fewer(300, shrink), image)
    parts = {name: partial(FastRCNN(name, device).faster, image, rois) for name in ("VGG16", "ZF")}
    return Race(parts, over("VGG16", "ZF"), "300 proposals.")


def one_stage(device, shrink):
    net, image = FastRCNN("ZF", device), photo(SHORT / shrink, device)
    rois, features = regions(fewer(300, shrink), image), net.convs(image)
    windows, chunk = fewer(20_000, shrink), regions(fewer(1000, shrink), image)
    parts = {"two stages": lambda: net.faster(image, rois), "convolutions": lambda: net.convs(image),
             "windows": lambda: net.classify(features, chunk)}
    return Race(parts, lambda s: (s["convolutions"] + windows / len(chunk) * s["windows"]) / s["two stages"],
                "ZF; 20000 windows, timed on 1000, against 300 proposals.")


def _picture(height: int, width: int) -> np.ndarray:
    """Forty coloured ellipses with a little noise, (H, W, 3) uint8: something for selective search to group."""
    rng = np.random.default_rng(0)
    picture = np.full((height, width, 3), 128, np.uint8)
    for _ in range(40):
        centre = rng.integers(0, (width, height)).tolist()
        axes = (rng.uniform(0.03, 0.25, 2) * height).astype(int).tolist()
        colour = rng.integers(0, 256, 3).tolist()
        cv2.ellipse(picture, centre, axes, int(rng.integers(180)), 0, 360, colour, -1)
    noise = rng.normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def search_and_detect(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    many, few = regions(fewer(2000, shrink), image), regions(fewer(300, shrink), image)
    picture = _picture(round(375 / shrink), round(500 / shrink))
    parts = {"selective search": lambda: selective_search(picture), "detector": lambda: net(image, many),
             "both in one": lambda: net.faster(image, few)}
    return Race(parts, lambda s: (s["selective search"] + s["detector"]) / s["both in one"],
                "VGG16; OpenCV's fast mode on a picture of 375 x 500 px, 2000 regions against 300 proposals.")


TIMED = {
    "faster-rpn-cheap": rpn_share, "faster-region-wise-cheap": fewer_proposals,
    "faster-zf-17fps": zf_against_vgg, "faster-one-stage-slower": one_stage,
    "faster-vs-ss-time": search_and_detect}
REDUCED = dict.fromkeys(TIMED, ("sides", "regions"))
