"""What is timed for the claims of DeepMask and SharpMask on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from functools import partial

import torch

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.timed_nets import classifier


def vgg_depth(device, shrink):
    crops = torch.rand(fewer(8, shrink), 3, 160, 160, device=device)
    parts = {name: partial(classifier(name, device).features, crops) for name in ("vgg16", "vgg11")}
    return Race(parts, over("vgg16", "vgg11"), "Convolutions only, windows of 160 px.")


TIMED = {"sharp-vgg-d-double": vgg_depth}
REDUCED = {"sharp-vgg-d-double": ()}  # the window is in full
