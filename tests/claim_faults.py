"""Faults that must turn a computed claim's verdict: FAULTS[id] is [(owner, name, what stands in its place)].

They are in the part of the library that the claim calls, in a paper's printed numbers, or in the claim's image.
"""
import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from paperlib.claims import compare, paper_nets
from paperlib.claims.coco import computed as coco
from paperlib.claims.fast_rcnn import computed as fast
from paperlib.claims.faster_rcnn import computed as faster
from paperlib.claims.faster_rcnn import computed_rpn as rpn
from paperlib.claims.focal_loss import computed as loss
from paperlib.claims.focal_loss import computed_retinanet as retina
from paperlib.claims.fpn import computed as fpn
from paperlib.claims.fpn import computed_pyramid as maps
from paperlib.claims.rcnn import computed as rcnn
from paperlib.claims.sharpmask import computed as sharp
from paperlib.parts import boxes, heads, losses, matching, roi_pooling, roi_training, sampling
from paperlib.parts.anchors import AnchorConfig, base_anchors
from paperlib.parts.crops.warp import CropConfig
from paperlib.parts.heads import HeadConfig
from paperlib.parts.matching import MatchConfig
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.windows import refinement
from paperlib.parts.windows.levels import LevelWindowConfig
from paperlib.studies.annotation import simulated_workers

ENCODE, MATCH, TRUNCATED, BOX_LOSSES = boxes.encode, matching.match, heads.truncated, roi_training.losses
UP, VERIFY, HEAD = refinement.double, simulated_workers.verify, heads.ProposalHead.forward
DENSE_HEAD = heads.DenseHead.forward
VGG16_RPN, METRICS, SUM_OF_PYRAMID = rpn.rpn_vgg16, coco.coco_metrics, pyramid
with torch.device("meta"):
    VGG13 = torchvision.models.vgg13()
GROUPED = paper_nets.alexnet(2)


def tampered(table: str, variant: str, metric: str, value: float):
    """`compare.printed` with one cell changed; "*" changes it in every variant."""
    def printed(name):
        rows = copy.deepcopy(compare.printed(name))
        if name == table:
            for variant_there in rows if variant == "*" else [variant]:
                rows[variant_there][metric] = value
        return rows
    return printed


def restated(claim: str, value):
    """`compare.stated` with one claim's number changed."""
    return lambda name: value if name == claim else compare.stated(name)


def with_biased_first_layer(layer, kept):
    first, second = TRUNCATED(layer, kept)
    biased = nn.Linear(first.in_features, kept, dtype=first.weight.dtype)
    biased.weight.data, biased.bias.data = first.weight.data, torch.zeros(kept, dtype=first.weight.dtype)
    return nn.Sequential(biased, second)


def unfitted(layer, kept):
    return nn.Sequential(nn.Linear(40, kept, bias=False, dtype=torch.float64),
                         nn.Linear(kept, 24, dtype=torch.float64))


def background_learns(logits, deltas, rois, labels, goals):
    return BOX_LOSSES(logits, deltas, rois, labels.clamp(min=1), goals)


def rpn_with(**changed):
    """The VGG16 proposal network's configuration with other values of its proposer."""
    return lambda: replace(VGG16_RPN(), rpn=replace(VGG16_RPN().rpn, **changed))


def sees_where_it_is(self, x):
    return HEAD(self, x + torch.arange(x.shape[-1]))


def centred_deltas(self, x):
    logits, deltas = HEAD(self, x)
    return logits, deltas - deltas.mean(1, keepdim=True)


def of_the_first_level(self, features):
    outputs = DENSE_HEAD(self, features)
    return tuple([each[0]] for each in outputs)


def without_crowds(gt, results):
    flat = [{**record, "iscrowd": 0} for record in gt["annotations"]]
    return METRICS({**gt, "annotations": flat}, results)


def rectified(cfg, channels):
    net = SUM_OF_PYRAMID(cfg, channels)
    net.register_forward_hook(lambda module, inputs, outputs: {level: x.relu() for level, x in outputs.items()})
    return net


def rounded_level(b, levels):
    return torch.round(4 + torch.log2(boxes.area(b).sqrt() / 224)).clamp(min(levels), max(levels))


FEWER_SHAPES = AnchorConfig(levels=(4,), sizes=((128.0, 256.0),))
R_CNN = {
    "rcnn-pool5-rf": [(paper_nets, "receptive_field", lambda layers: (194, 32))],
    "rcnn-fc7-share": [(paper_nets, "alexnet", lambda groups=1: GROUPED),
                       (rcnn, "stated", restated("rcnn-fc7-share", [29, 18.6]))],
    "rcnn-pool5-share": [(paper_nets, "alexnet", lambda groups=1: GROUPED)],
    "rcnn-predictor-memory": [(rcnn, "GB", 10**9)],
    "rcnn-warp-padding-geometry": [
        (rcnn.warp, "CropConfig", lambda: CropConfig(context=8)), (rcnn.warp, "sources", lambda regions, cfg: regions)],
    "rcnn-bbox-param": [(boxes, "encode", lambda a, b: ENCODE(a, b) * torch.tensor([1, 1, 0.5, 0.5]))],
    "rcnn-pool5-dim": [(paper_nets, "map_size", lambda layers, *size: (256, 7, 7))],
    "rcnn-feature-dim": [(rcnn, "stated", restated("rcnn-feature-dim", [36, 4]))],
    "rcnn-minibatch-mix": [(sampling, "sample", lambda label, num, share, g: label)],
    "rcnn-rel-61": [(rcnn, "printed", tampered("rcnn/2", "DPM v5", "mAP", 34.3))],
    "rcnn-seg-11of21": [(rcnn, "printed", tampered("rcnn/6", "O2P", "car", 59.0))],
    "rcnn-seg-margin": [(rcnn, "printed", tampered("rcnn/5", "full fc6", "mean accuracy", 44.0))],
}
FAST = {
    "frcn-svd-fc6": [(fast, "truncated", lambda layer, kept: TRUNCATED(layer, kept + 64))],
    "frcn-svd-fc7": [(fast, "truncated", lambda layer, kept: TRUNCATED(layer, kept + 64))],
    "frcn-svd-two-layers": [(fast, "truncated", unfitted), (fast, "truncated", with_biased_first_layer)],
    "frcn-smooth-l1": [(losses, "smooth_l1", lambda pred, target, beta=1.0: (pred - target) ** 2 / 2)],
    "frcn-hier-sampling": [(fast, "_multiply_adds", lambda layers, *shape: 1)],  # heads as heavy as the trunk
    "frcn-roipool-backward": [(roi_pooling, "KINDS", {"max": roi_pooling._align})],
    "frcn-bg-no-loc": [(roi_training, "losses", background_learns)],
    "frcn-roipool-is-spp1": [(roi_pooling, "KINDS", {"max": roi_pooling._align})],
    "frcn-stride-10": [(paper_nets, "receptive_field", lambda layers: (196, 32))],
    "frcn-9of13": [(paper_nets, "vgg16", lambda: VGG13)],
    "frcn-speed-arithmetic": [(fast, "printed", tampered("fast_rcnn/4", "FRCN M", "test speedup", 90))],
}
FASTER = {
    "faster-output-params": [(faster, "ANCHORS", FEWER_SHAPES)],
    "faster-proposal-params": [(faster, "ANCHORS", AnchorConfig(levels=(4,), sizes=((32.0,) * 50,)))],
    "faster-rf-zf": [(paper_nets, "zf", lambda: paper_nets.alexnet()["pool5"])],
    "faster-rf-vgg": [(paper_nets, "vgg16", lambda: VGG13)],
    "faster-anchor-count": [(faster, "ANCHORS", FEWER_SHAPES)],
    "faster-inside-anchors": [(faster, "IMAGE", (600, 800))],
    "faster-translation-invariant": [(heads.ProposalHead, "forward", sees_where_it_is)],
    "faster-loss-balance": [(faster, "stated", restated("faster-loss-balance", ["1/256", "1/24"]))],
    "faster-output-dims": [(rpn, "rpn_vgg16", rpn_with(anchors=FEWER_SHAPES))],
    "faster-reg-only-positive": [(rpn, "rpn_vgg16", rpn_with(match=MatchConfig(0.5, 0.4, True))),
                                 (rpn, "rpn_vgg16", rpn_with(match=MatchConfig(0.7, 0.3, False)))],
    "faster-bbox-param": [(boxes, "encode", lambda a, b: ENCODE(b, a)),
                          (heads.ProposalHead, "forward", centred_deltas)],
    "faster-stride-10": [(paper_nets, "receptive_field", lambda layers: (228, 8))],
    "faster-anchor-exceeds-rf": [(faster, "printed", tampered("faster_rcnn/1", "*", "width", 70))],
    "faster-timing-sums": [
        (faster, "printed", tampered("faster_rcnn/5", "ZF, RPN + Fast R-CNN", "conv", 30)),
        (faster, "printed", tampered("faster_rcnn/5", "VGG, SS + Fast R-CNN", "rate", 0.6))],
    "faster-coco-best-every-class": [(faster, "printed", tampered("faster_rcnn/6", "SS, 07", "cat", 90.0))],
    "faster-rule-i-needed": [(rpn, "match", lambda o, hi, lo, best: MATCH(o, hi, lo, False))],
}
SHARPER = [(loss, "focal", lambda x, t, gamma=2.0, alpha=None: losses.focal(x, t, gamma + 0.1, alpha))]
SHIFTED = [(loss, "focal_star", lambda x, t, gamma, beta, alpha: losses.focal_star(x, t, gamma, beta + 0.1, alpha))]
HEAVIER = [(loss, "cross_entropy", lambda x, t, alpha=None: 1.01 * losses.cross_entropy(x, t, alpha) ** 1.01)]
FEWER = [(retina, "AnchorConfig", lambda **settings: AnchorConfig(**{"scales": (1.0,), **settings}))]
FOCAL = {
    "focal-gamma0-is-ce": SHARPER, "focal-100x": SHARPER, "focal-1000x": SHARPER, "focal-at-most-4x": SHARPER,
    "focal-dfl": SHARPER, "focal-dflstar": SHIFTED, "focal-flstar-reduces": SHIFTED, "focal-dce": HEAVIER,
    "focal-limits": HEAVIER, "focal-prior-loss": HEAVIER, "focal-100k-anchors": FEWER,
    "focal-small-gradient": [(loss, "focal", lambda x, t, gamma, alpha: losses.focal(x, t, 1.0, alpha))],
    "focal-prior-bias": [(loss, "HeadConfig", lambda prior: HeadConfig(prior=2 * prior))],
    "focal-normalise-assigned": [(loss, "ClassLossConfig", lambda gamma: losses.ClassLossConfig(gamma=0.0))],
    "focal-implicit-alpha": [(loss, "sample", lambda label, num, share, g: sampling.sample(label, num, 0.125, g)),
                             (loss, "stated", restated("focal-implicit-alpha", "1:2"))],
    "focal-anchor-range": [(retina, "base_anchors", lambda cfg, level: 1.01 * base_anchors(cfg, level))],
    "focal-p2-3x": [(retina, "P3_TO_P7", (3,))],
    "focal-subnet-shape": [(retina, "HeadConfig", lambda: HeadConfig(convs=3)),
                           (heads.DenseHead, "forward", of_the_first_level)],
    "focal-class-agnostic-params": [(retina, "HeadConfig", lambda class_agnostic: HeadConfig())],
    "focal-assignment": [(retina, "match", lambda overlaps, hi, lo: MATCH(overlaps, 0.6, 0.3))],
    "focal-r50-500": [(retina, "printed", tampered("focal_loss/1e", "101-600", "AP", 33.0))],
    "focal-5fps": [(retina, "printed", tampered("focal_loss/1e", "101-800", "time", 150))],
    "focal-deltas": [(retina, "printed", tampered("focal_loss/1d", "FL", "AP", 36.1))],
}
FPN = {
    "fpn-anchors-c4": [(fpn, "IMAGE", (600, 1000))],
    "fpn-anchors-c5": [(fpn, "IMAGE", (600, 1000))],
    "fpn-anchors-p2": [(fpn, "IMAGE", (600, 1000))],
    "fpn-anchors-fpn": [(fpn, "SPREAD", AnchorConfig(levels=(2, 3, 4, 5), scales=(1.0,)))],
    "fpn-15-anchors": [(fpn, "SPREAD", AnchorConfig(levels=(2, 3, 4, 5, 6), scales=(1.0,)))],
    "fpn-roi-level": [(roi_pooling, "level_of", rounded_level)],
    "fpn-strides": [(maps, "LAYERS", PyramidConfig(levels=(2, 3, 4, 5, 6), extra="conv"))],
    "fpn-linear-extra": [(maps, "pyramid", rectified)],
    "fpn-sharing-reduces-test-time": [(maps, "replace", lambda cfg, training: replace(cfg, training="joint"))],
    "fpn-mask-center-rule": [(maps, "LevelWindowConfig", lambda: LevelWindowConfig(reach=0.8))],
    "fpn-mask-regions": [(maps, "LevelWindowConfig", lambda: LevelWindowConfig(padding=0.2))],
    "fpn-mask-fps": [(fpn, "printed", tampered("fpn/6", "*", "time", 0.15))],
    "fpn-mask-batch": [(fpn, "stated", restated("fpn-mask-batch", [128, 8, 2048]))],
    "fpn-2fc-head-light": [(fpn, "_cost", lambda layers, *shape: [len(layers), len(layers)])],
    "fpn-image-pyramid-scales": [(fpn, "stated", restated("fpn-image-pyramid-scales", 8))],
    "fpn-fps": [(fpn, "printed", tampered("fpn/text", "time of FPN, ResNet-101", "value", 0.2))],
    "fpn-deltas": [(fpn, "printed", tampered("fpn/3", "FPN", "AP50", 57.0))],
}
COCO = {
    "coco-annotator-miss": [
        (coco, "printed", tampered("coco/stats", "workers that label each image's categories", "value", 7))],
    "coco-crowd-ignored": [(coco, "coco_metrics", without_crowds)],
    "coco-splits": [(coco, "printed", tampered("coco/stats", "2015 test images", "value", 81435))],
    "coco-worker-hours": [(coco, "printed", tampered("coco/stats", "hours for a thousand segments", "value", 15))],
    "coco-category-list": [(coco, "printed", tampered("coco/stats", "categories", "value", 92))],
    "coco-dpm-averages": [(coco, "printed", tampered("coco/1", "VOC to COCO", "dog", 8.5))],
    "coco-dpm-6of20": [(coco, "printed", tampered("coco/1", "COCO to VOC", "car", 53.6))],
    "coco-verify-vote": [(simulated_workers, "verify", lambda p, rng, *counts: VERIFY(p, rng, 3, 2, 3)),
                         (simulated_workers, "verify", lambda p, rng, *counts: VERIFY(p, rng, 2, 3, 4))],
}
SHARP = {
    "sharp-kernel-size": [(sharp, "printed", tampered("sharpmask/1", "W112-P4-D39", "P", 3))],
    "sharp-stride-density": [(sharp, "printed", tampered("sharpmask/1", "W112-P4-D39", "S", 8))],
    "sharp-refactor-equivalent": [(refinement.Refinement, "bordered", lambda self, x: F.pad(x, (0, 2, 1, 1)))],
    "sharp-refactor-faster": [(sharp, "WINDOWS", 10)],
    "sharp-skip-special-case": [(refinement, "double", lambda x: UP(x.relu()))],
    "sharp-params-75-17": [(sharp, "stated", restated("sharp-params-75-17", [75, 30]))],
    "sharp-refine-params": [(sharp, "stated", restated("sharp-refine-params", 2))],
    "sharp-skip-features-shared": [(sharp, "_random", lambda *shape: torch.ones(*shape, dtype=torch.float64))],
    "sharp-full-resolution": [(refinement, "double", lambda x: x)],
    "sharp-schedules": [(sharp, "stated", restated("sharp-schedules", [32, 16, 8, 2]))],
    "sharp-time-arithmetic": [(sharp, "printed", tampered("sharpmask/2", "DeepMask", "total time", 1.32))],
}
FAULTS = R_CNN | FAST | FASTER | FOCAL | FPN | COCO | SHARP
