"""What is timed for the claims of R-CNN on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from functools import partial

import torch
from torch import nn

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims import paper_nets as geometry
from paperlib.claims.timed_nets import classifier, real


def onet(device, shrink):
    crops = torch.rand(fewer(8, shrink), 3, 227, 227, device=device)
    parts = {name: partial(classifier(name, device), crops) for name in ("vgg16", "AlexNet")}
    return Race(parts, over("vgg16", "AlexNet"), "A few crops of 227 px; AlexNet in two groups.")


def overfeat(device, shrink):
    net, crops = real(geometry.alexnet(groups=2), device), torch.rand(4, 3, 227, 227, device=device)
    fc = nn.Sequential(nn.Conv2d(256, 4096, 6), nn.ReLU(), nn.Conv2d(4096, 4096, 1))
    dense = nn.Sequential(net["pool5"], *real(fc, device))
    sides = ((245, 245), (281, 317), (317, 389), (389, 461), (425, 497), (461, 569))
    images = [torch.rand(1, 3, h, w, device=device) for h, w in sides]
    parts = {"4 crops": partial(classifier("AlexNet", device), crops), "6 scales": lambda: [dense(x) for x in images]}
    return Race(parts, lambda s: 500 * s["4 crops"] / s["6 scales"],
                "One AlexNet for 2000 crops (timed on 4) and for the whole image at OverFeat's six scales.")


def class_cost(device, shrink):
    features, classes = torch.rand(2000, 4096, device=device), fewer(25000, shrink)
    weights = torch.rand(4096, classes, device=device)
    return Race({"product": lambda: features @ weights}, lambda s: s["product"] * 100_000 / classes,
                f"Timed on {classes} classes; seconds on one thread where the paper has several.")


TIMED = {"rcnn-onet-7x": onet, "rcnn-overfeat-9x": overfeat, "rcnn-class-cost-small": class_cost}
REDUCED = {"rcnn-onet-7x": (), "rcnn-overfeat-9x": (), "rcnn-class-cost-small": ()}  # crops and scales are in full
