"""What is timed for the claims of Fast R-CNN on time: `TIMED[id](device, shrink)`.

Sides of images are divided by `shrink`, regions by its square. One part's seconds stand for many of a kind (crops,
windows) where running all would show nothing more.
"""
from functools import partial
from itertools import chain

import torch

from paperlib.bench.timing import Race, fewer, over
from paperlib.claims.timed_nets import FastRCNN, classifier, photo, regions

SHORT = 600  # px, the shorter side of an image in Fast and Faster R-CNN; FPN has 800
SCALES = (480, 576, 688, 864, 1200)  # px, Fast R-CNN's image pyramid


def shared_convolutions(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    rois, crops = regions(fewer(2000, shrink), image), torch.rand(2, 3, 224, 224, device=device)
    parts = {"2 crops": partial(classifier("vgg16", device), crops), "image": lambda: net(image, rois)}
    return Race(parts, lambda s: len(rois) / 2 * s["2 crops"] / s["image"], "VGG16, 2000 regions (crops timed on 2).")


def fc_share(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink, device)
    rois = regions(fewer(2000, shrink), image)
    features = net.convs(image)
    pooled = net.pool(features, rois)
    parts = {"convolutions": lambda: net.convs(image), "pooling": lambda: net.pool(features, rois),
             "fc": lambda: net.head(pooled)}
    return Race(parts, lambda s: 100 * s["fc"] / sum(s.values()), "VGG16, 2000 regions.")


def svd(device, shrink):
    net, small = FastRCNN("VGG16", device), FastRCNN("VGG16", device, kept=(1024, 256))
    image = photo(SHORT / shrink, device)
    rois = regions(fewer(2000, shrink), image)
    pooled = net.pool(net.convs(image), rois)
    parts = {"features": lambda: net.pool(net.convs(image), rois), "full": lambda: net.head(pooled),
             "svd": lambda: small.head(pooled)}
    return Race(parts, lambda s: 100 * (s["full"] - s["svd"]) / (s["features"] + s["full"]),
                "VGG16, 2000 regions; layers of the shapes that 1024 and 256 singular values leave.")


def multiscale(device, shrink):
    net = FastRCNN("AlexNet", device)
    images = [photo(short / shrink, device) for short in (SHORT, *SCALES)]
    rois = [regions(fewer(2000, shrink) // (5 if i else 1), image) for i, image in enumerate(images)]
    parts = {"5 scales": lambda: [net(*pair) for pair in zip(images[1:], rois[1:])],
             "1 scale": lambda: net(images[0], rois[0])}
    return Race(parts, over("5 scales", "1 scale"), "Model S, 2000 regions, each pooled at one scale.")


def trained_layers(device, shrink):
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink / 2, device)
    rois = regions(fewer(32, shrink), image)

    @torch.enable_grad()
    def step(first: int):
        for i, layer in enumerate(net.convs):
            layer.requires_grad_(i >= first)
        net(image, rois).square().mean().backward()
        for p in (*net.convs.parameters(), *net.head.parameters()):
            p.grad = None

    return Race({"conv2_1": partial(step, 5), "conv3_1": partial(step, 10)}, over("conv2_1", "conv3_1"),
                "VGG16, one image of half that size, regions in proportion; forward and backward pass.")


def training(device, shrink):
    """All of R-CNN's training that a network does against all of Fast R-CNN's, each from a small part."""
    net, image = FastRCNN("VGG16", device), photo(SHORT / shrink / 2, device)
    rois, crops = regions(fewer(16, shrink), image), torch.rand(2, 3, 224, 224, device=device)
    windows = classifier("vgg16", device)

    @torch.enable_grad()
    def step(network, layers, *inputs):
        weights = list(chain.from_iterable(layer.parameters() for layer in layers))
        for p in weights:
            p.requires_grad_(True)
        network(*inputs).square().mean().backward()
        for p in weights:
            p.grad = None

    parts = {"2 crops learnt from": partial(step, windows, [windows], crops),
             "2 crops": partial(windows, crops),
             "quarter image learnt from": partial(step, net, [net.convs, net.head], image, rois)}

    def quotient(s):
        tuning = 70_000 * 128 / 2 * s["2 crops learnt from"]  # steps of the published code, windows a step
        features = 5011 * 2000 / 2 * s["2 crops"]  # images of VOC 2007 trainval, proposals of each
        shared = 40_000 * 2 * 4 * s["quarter image learnt from"]  # steps, images a step, quarters of an image
        return (tuning + features) / shared

    return Race(parts, quotient,
                "VGG16; an image of half the sides, counted four times; without SVMs, ridge and disk.")


TIMED = {"frcn-vs-rcnn-train": training, "frcn-vs-rcnn-speed": shared_convolutions,
         "frcn-fc-45pct": fc_share, "frcn-svd-30pct": svd,
         "frcn-multiscale-cost": multiscale, "frcn-conv2-slower": trained_layers}
REDUCED = dict.fromkeys(TIMED, ("sides", "regions"))
