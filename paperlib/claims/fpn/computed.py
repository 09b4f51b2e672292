"""The exact claims of FPN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import math

import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.trunks import TrunkConfig, trunk

IMAGE = (800, 1000)  # gives all four anchor counts of Table 1; the paper names only the shorter side
SIDES = (32.0, 64.0, 128.0, 256.0, 512.0)
LEVELS = (2, 3, 4, 5, 6)
SPREAD = AnchorConfig(levels=LEVELS, sizes=tuple((s,) for s in SIDES))  # one side a level (Sec. 4.1)
LAYERS = PyramidConfig(levels=LEVELS, extra="pool")  # the paper's pyramid, P6 by subsampling


def _on_one_map(level: int) -> AnchorConfig:
    return AnchorConfig(levels=(level,), sizes=(SIDES,))


def _count(cfg: AnchorConfig) -> int:
    return len(anchors_for(cfg, {l: tuple(math.ceil(side / 2**l) for side in IMAGE) for l in cfg.levels}))


def _anchors(claim: str, cfg: AnchorConfig):
    count = _count(cfg)
    formula = "anchors a position * sum of ceil(H / 2^l) ceil(W / 2^l), 800 x 1000 px"
    return count, agrees(count / 1000, stated(claim) / 1000), formula


def anchor_shapes():
    found = torch.cat([base_anchors(SPREAD, level) for level in LEVELS])
    areas = (2 * found[:, 2:]).prod(1).reshape(len(SIDES), -1)
    want = torch.tensor(SIDES, dtype=torch.float64)[:, None].square().expand_as(areas)
    return len(found), len(found) == stated("fpn-15-anchors") and torch.allclose(areas, want), "5 levels * 3 ratios"


def level_of(width: float, height: float) -> int:
    """The pyramid level that an RoI is pooled from, before it is kept to P2..P5 (FPN eq. 1)."""
    return math.floor(4 + math.log2(math.sqrt(width * height) / 224))


def roi_levels():
    pairs = [tuple(map(int, text.split(" -> "))) for text in stated("fpn-roi-level")]
    found = [level_of(side, side) for side, _ in pairs]
    edges = level_of(223.9, 224) == 3 and level_of(448, 112) == 4 and level_of(447.9, 447.9) == 4
    return found, found == [level for _, level in pairs] and edges, "floor(4 + log2(sqrt(w h) / 224))"


@torch.no_grad()
def strides():
    torch.manual_seed(0)
    body = trunk(TrunkConfig("resnet18")).eval()
    features = body(torch.rand(1, 3, 128, 192))
    out = pyramid(LAYERS, body.channels)(features)
    steps = [128 // x.shape[2] for x in out.values()]
    same = [128 // features[level].shape[2] for level in (2, 3, 4, 5)] == steps[:4]
    fits = same and steps == stated("fpn-strides") and {x.shape[1] for x in out.values()} == {256}
    return steps, fits and torch.equal(out[6], out[5][..., ::2, ::2]), "image side / map side of P2 to P6"


@torch.no_grad()
def linear_layers():
    torch.manual_seed(0)
    channels = {2: 6, 3: 8, 4: 10, 5: 12}
    layers = pyramid(LAYERS, channels).double()
    for p in layers.parameters():
        p.copy_(torch.randn_like(p) if p.dim() > 1 else torch.zeros_like(p))
    a, b = ({l: torch.randn(1, c, 64 >> l, 96 >> l, dtype=torch.float64) for l, c in channels.items()} for _ in "ab")
    mixed, pa, pb = layers({l: 2 * a[l] - 3 * b[l] for l in channels}), layers(a), layers(b)
    gap = max((mixed[l] - (2 * pa[l] - 3 * pb[l])).abs().max().item() for l in mixed)
    return gap, gap < 1e-9, "max |P(2 C - 3 C') - (2 P(C) - 3 P(C'))| without biases"


def head_weight():
    with torch.device("meta"):
        mlp = nn.Sequential(nn.Flatten(), nn.Linear(256 * 7 * 7, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU())
        conv5 = torchvision.models.resnet50().layer4
        inputs = torch.empty(1, 256, 7, 7), torch.empty(1, 1024, 14, 14)
    found = []
    for layers, x in zip((mlp, conv5), inputs):
        with FlopCounterMode(display=False) as counter:
            layers(x)
        found.append([sum(p.numel() for p in layers.parameters()), counter.get_total_flops() // 2])
    lighter = all(small < large for small, large in zip(*found))
    return found, lighter == (stated("fpn-2fc-head-light") == "lighter"), "parameters, multiply-adds: two fc, conv5"


def mask_regions():
    found = [1.25 * side for side in SIDES]
    fits = found == stated("fpn-mask-regions") and abs(7 / 5 / math.sqrt(2) - 1) < 0.011
    return found, fits, "1.25 * 32, 64, 128, 256, 512; the 7x7 window is sqrt(2) larger to 1%"


def mask_rate():
    models = ("5x5 windows", "7x7 windows", "both windows", "28x28 masks", "longer schedule")
    found = [1 / printed("fpn/6")[name]["time"] for name in models]
    low, high = stated("fpn-mask-fps")
    inside = [low <= rate <= high for rate in found]
    return found, inside == [True, *[False] * 4], "1 / time of Table 6; only the 5x5 model is in the range"


def centre_rule():
    found = [[-(2**level) // 2**level, 2**level // 2**level] for level in LEVELS]
    return found[0], all(cells == stated("fpn-mask-center-rule") for cells in found), "2^k px / stride 2^k px"


def mask_batch():
    return 128 * 16, stated("fpn-mask-batch") == 128 * 16, "128 samples * 16 images"


def image_sizes():
    scales = [2**s for s in torch.arange(-2, 1.01, 0.5).tolist()]
    fits = len(scales) == stated("fpn-image-pyramid-scales") and (scales[0], scales[-1]) == (0.25, 2.0)
    return len(scales), fits, "2^s for s from -2 to 1 by 0.5"


def frames_a_second():
    text = printed("fpn/text")
    found = [1 / text[f"time of FPN, ResNet-{depth}"]["value"] for depth in (50, 101)]
    fits = all(agrees(f, s, 1) for f, s in zip(found, stated("fpn-fps")))
    return found, fits and agrees(found[1], text["fps of the method, abstract"]["value"]), "1 / 0.148 s, 1 / 0.172 s"


def differences():
    one, two, three, four, six = (printed(f"fpn/{n}") for n in (1, 2, 3, 4, 6))

    def gap(table, better, worse, metric):
        return round(table[better][metric] - table[worse][metric], 6)

    found = [gap(one, "FPN", "C4 baseline", "AR1k"), gap(one, "FPN", "C4 baseline", "AR1k_s"),
             gap(two, "FPN", "C4 baseline", "AP"), gap(two, "FPN", "C4 baseline", "APs"),
             gap(two, "FPN", "C5 baseline", "AP"), gap(three, "FPN", "C4 baseline", "AP"),
             gap(three, "FPN", "C4 baseline", "AP50"), gap(three, "FPN", "C4, He et al.", "AP"),
             gap(three, "FPN", "C4, He et al.", "AP50"), gap(four, "FPN", "AttractioNet", "dev AP"),
             gap(four, "FPN", "Faster R-CNN+++", "dev AP50"), gap(six, "longer schedule", "SharpMask", "AR")]
    return found, found == stated("fpn-deltas"), "differences of printed rows"


FACTS = {
    "fpn-anchors-c4": lambda: _anchors("fpn-anchors-c4", _on_one_map(4)),
    "fpn-anchors-c5": lambda: _anchors("fpn-anchors-c5", _on_one_map(5)),
    "fpn-anchors-fpn": lambda: _anchors("fpn-anchors-fpn", SPREAD),
    "fpn-anchors-p2": lambda: _anchors("fpn-anchors-p2", _on_one_map(2)),
    "fpn-roi-level": roi_levels, "fpn-strides": strides, "fpn-mask-regions": mask_regions, "fpn-mask-fps": mask_rate,
    "fpn-2fc-head-light": head_weight, "fpn-15-anchors": anchor_shapes, "fpn-linear-extra": linear_layers,
    "fpn-mask-center-rule": centre_rule, "fpn-mask-batch": mask_batch, "fpn-image-pyramid-scales": image_sizes,
    "fpn-fps": frames_a_second, "fpn-deltas": differences,
}
