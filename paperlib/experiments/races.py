"""What is timed for each claim on time: `RACES[id](device, shrink)`, sides divided by `shrink`, regions by its square.

One part's seconds stand for many of a kind (crops, windows) where running all would show nothing more."""
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from paperlib.experiments import geometry
from paperlib.experiments.ratio_nets import C4Detector, FastRCNN, FPNDetector, classifier, photo, real, regions
from paperlib.experiments.ratios import Race
from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.pyramids import PyramidConfig
from paperlib.systems.retinanet import RetinaNet
from paperlib.systems.retinanet_configs import resnet50, resnet101

SHORT = 600  # px, the shorter side of an image in Fast and Faster R-CNN; FPN has 800
SCALES = (480, 576, 688, 864, 1200)  # px, Fast R-CNN's image pyramid


def fewer(number: int, shrink: int) -> int:
    return max(2, number // shrink**2)


def over(top: str, bottom: str):
    """The quotient of two parts' seconds."""
    return lambda s: s[top] / s[bottom]


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


def vgg_depth(device, shrink):
    crops = torch.rand(fewer(8, shrink), 3, 160, 160, device=device)
    parts = {name: partial(classifier(name, device).features, crops) for name in ("vgg16", "vgg11")}
    return Race(parts, over("vgg16", "vgg11"), "Convolutions only, windows of 160 px.")


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


def shared_features(device, shrink):
    net, image = FPNDetector("resnet50", device), photo(800 / shrink, device)
    rois, features = regions(fewer(1000, shrink), image), net.features(image)
    parts = {"features": lambda: net.features(image), "proposals": lambda: net.propose(features),
             "regions": lambda: net.classify(features, rois)}
    return Race(parts, lambda s: 1 + s["features"] / sum(s.values()), "Test time, features computed twice over once.")


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


RACES = {
    "rcnn-onet-7x": onet, "rcnn-overfeat-9x": overfeat, "rcnn-class-cost-small": class_cost,
    "frcn-vs-rcnn-speed": shared_convolutions, "frcn-fc-45pct": fc_share, "frcn-svd-30pct": svd,
    "frcn-multiscale-cost": multiscale, "frcn-conv2-slower": trained_layers,
    "faster-rpn-cheap": rpn_share, "faster-region-wise-cheap": fewer_proposals, "faster-zf-17fps": zf_against_vgg,
    "faster-one-stage-slower": one_stage, "sharp-vgg-d-double": vgg_depth, "fpn-extra-cost-marginal": fpn_extra,
    "fpn-faster-than-c4": fpn_against_c4, "fpn-r101-cost": fpn_depth, "fpn-image-pyramid-cost": image_pyramid,
    "fpn-sharing-reduces-test-time": shared_features, "focal-vs-fpn-speed": one_against_two_stages,
    "focal-scale-cost": retinanet_scale, "focal-drop-p2-saves": without_p2,
}
