"""What is timed for the claims of DeepMask and SharpMask on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind
(crops, windows) where running all would show nothing more.
"""
from functools import partial

import torch

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.sharpmask.nets import (
    InterleavedScore,
    MaskNet,
    Refinement,
    deepmask,
    rebuilt,
    score_of_vector,
    vgg_trunk,
)
from paperlib.claims.timed_nets import classifier, photo


def vgg_depth(device, shrink):
    crops = torch.rand(fewer(8, shrink), 3, 160, 160, device=device)
    parts = {name: partial(classifier(name, device).features, crops) for name in ("vgg16", "vgg11")}
    return Race(parts, over("vgg16", "vgg11"), "Convolutions only, windows of 160 px.")


def window_size(device, shrink):
    wide, narrow = deepmask(device), MaskNet(vgg_trunk(), 512, 512, 10).to(device).eval()
    parts = {"224 px": partial(wide, photo(672 / shrink, device)),
             "160 px": partial(narrow, photo(480 / shrink, device))}
    return Race(parts, over("224 px", "160 px"),
                "VGG-A, 512 features; one image of 480 px, enlarged by 1.4 for windows of 224.")


def feature_channels(device, shrink):
    image = photo(480 / shrink, device)
    parts = {str(f): partial(rebuilt(device, 4, f, 10), image) for f in (512, 128)}
    return Race(parts, over("512", "128"), "W160-P4-D39; one image of 480 px.")


def more_poolings(device, shrink):
    image = photo(336 / shrink, device)
    parts = {"P3": partial(rebuilt(device, 3, 512, 14), image),
             "P4": partial(rebuilt(device, 4, 512, 7), image)}
    return Race(parts, over("P3", "P4"),
                "W112-P3-D21 and W112-P4-D39, 512 features; one image of 336 px.")


def resnet_against_vgg(device, shrink):
    image = photo(480 / shrink, device)
    vgg = MaskNet(vgg_trunk(), 512, 512, 10).to(device).eval()
    parts = {"ResNet": partial(rebuilt(device, 4, 512, 10), image), "VGG-A": partial(vgg, image)}
    return Race(parts, over("ResNet", "VGG-A"), "W160-P4, 512 features; one image of 480 px.")


def score_branches(device, shrink):
    net, large = deepmask(device), InterleavedScore().to(device).eval()
    small = score_of_vector().to(device).eval()
    features = net.reduce(net.trunk(photo(672 / shrink, device)))
    ours = rebuilt(device, 4, 128, 10)
    vectors = ours.encode(ours.reduce(ours.trunk(photo(480 / shrink, device))))
    parts = {"DeepMask": lambda: large(features), "head C": lambda: small(vectors)}
    return Race(parts, over("DeepMask", "head C"),
                "The score branches alone, on windows of 224 and of 160 px.")


def score_share(device, shrink):
    net, score = deepmask(device), InterleavedScore().to(device).eval()
    image = photo(672 / shrink, device)
    features = net.reduce(net.trunk(image))
    parts = {"mask network": lambda: net(image), "score": lambda: score(features)}
    return Race(parts, lambda s: 100 * s["score"] / sum(s.values()),
                "DeepMask; the score branch's share in %.")


def refining(device, shrink):
    net, refine = rebuilt(device, 4, 128, 10), Refinement().to(device).eval()
    image, count = photo(max(160, 480 / shrink), device), fewer(500, shrink)
    rows, columns = image.shape[2] // 16, image.shape[3] // 16
    maps = []
    for i, depth in enumerate((1024, 512, 256, 64)):
        maps.append(torch.rand(1, depth, 2**i * rows, 2**i * columns, device=device))
    corners = [(i % (rows - 9), i % (columns - 9)) for i in range(count)]
    vectors = torch.rand(count, 512, device=device)
    parts = {"forward": lambda: net(image), "refining": lambda: refine(maps, vectors, corners)}
    return Race(parts, lambda s: sum(s.values()) / s["forward"],
                "W160-P4-D39-F128, one image of 480 px, 500 windows; with refinement over without.")


TIMED = {
    "sharp-vgg-d-double": vgg_depth, "sharp-w160-faster": window_size, "sharp-f128-faster": feature_channels,
    "sharp-pooling-speed": more_poolings, "sharp-resnet-same-time": resnet_against_vgg,
    "sharp-head-speed": score_branches, "sharp-deepmask-split": score_share, "sharp-refine-cost": refining}
REDUCED = dict.fromkeys(TIMED, ("sides",)) | {
    "sharp-vgg-d-double": (), "sharp-refine-cost": ("sides", "windows")}
