"""The exact claims of FPN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.claims.fpn import computed_pyramid
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors

IMAGE = (800, 1000)  # gives all four anchor counts of Table 1; the paper names only the shorter side
SIDES = (32.0, 64.0, 128.0, 256.0, 512.0)
LEVELS = (2, 3, 4, 5, 6)
SPREAD = AnchorConfig(levels=LEVELS, sizes=tuple((s,) for s in SIDES))  # one side a level (Sec. 4.1)


def _on_one_map(level: int) -> AnchorConfig:
    return AnchorConfig(levels=(level,), sizes=(SIDES,))


def _count(cfg: AnchorConfig) -> int:
    return len(anchors_for(cfg, paper_nets.level_sizes(cfg.levels, *IMAGE)))


def _anchors(claim: str, cfg: AnchorConfig):
    count = _count(cfg)
    formula = "anchors a position * sum of ceil(H / 2^l) ceil(W / 2^l), 800 x 1000 px"
    return count, agrees(count / 1000, stated(claim) / 1000), formula


def anchor_shapes():
    anchors = torch.cat([base_anchors(SPREAD, level) for level in LEVELS])       # (15, 4), around (0, 0)
    areas = (2 * anchors[:, 2:]).prod(1).reshape(len(SIDES), -1)                 # (5, 3)
    squares = torch.tensor(SIDES, dtype=torch.float64)[:, None].square().expand_as(areas)
    fits = len(anchors) == stated("fpn-15-anchors") and torch.allclose(areas, squares)
    return len(anchors), fits, "5 levels * 3 ratios"


def _cost(layers: nn.Module, *shape: int) -> list[int]:
    """Parameters and multiply-adds of layers on an input of this shape."""
    with FlopCounterMode(display=False) as counter:
        layers(torch.empty(shape, device="meta"))
    return [paper_nets.parameters(layers), counter.get_total_flops() // 2]


def head_weight():
    with torch.device("meta"):
        two_fc = nn.Sequential(
            nn.Flatten(), nn.Linear(256 * 7 * 7, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU())
        conv5 = torchvision.models.resnet50().layer4
    of_two_fc, of_conv5 = _cost(two_fc, 1, 256, 7, 7), _cost(conv5, 1, 1024, 14, 14)
    lighter = of_two_fc[0] < of_conv5[0] and of_two_fc[1] < of_conv5[1]
    fits = lighter == (stated("fpn-2fc-head-light") == "lighter")
    return [of_two_fc, of_conv5], fits, "parameters, multiply-adds: two fc, conv5"


MASK_MODELS = ("5x5 windows", "7x7 windows", "both windows", "28x28 masks", "longer schedule")  # of Table 6


def mask_rate():
    table, (low, high) = printed("fpn/6"), stated("fpn-mask-fps")
    rates = [1 / table[model]["time"] for model in MASK_MODELS]
    return rates, low <= min(rates) and max(rates) <= high, "1 / time of each model of Table 6"


def mask_batch():
    samples, images, batch = stated("fpn-mask-batch")
    return samples * images, samples * images == batch, "128 samples * 16 images"


def image_sizes():
    scales = (2 ** torch.arange(-2, 1.01, 0.5)).tolist()
    fits = len(scales) == stated("fpn-image-pyramid-scales") and (scales[0], scales[-1]) == (0.25, 2.0)
    return len(scales), fits, "2^s for s from -2 to 1 by 0.5"


def frames_a_second():
    text = printed("fpn/text")
    rates = [1 / text[f"time of FPN, ResNet-{depth}"]["value"] for depth in (101, 50)]
    in_the_abstract = text["fps of the method, abstract"]["value"]
    fits = agrees(rates[0], stated("fpn-fps")) and in_the_abstract == stated("fpn-fps")
    return rates, fits, "1 / 0.172 s; 1 / 0.148 s"


DELTAS = (  # table, the better and the worse row, metric
    (1, "FPN", "C4 baseline", "AR1k"),
    (1, "FPN", "C4 baseline", "AR1k_s"),
    (2, "FPN", "C4 baseline", "AP"),
    (2, "FPN", "C4 baseline", "APs"),
    (2, "FPN", "C5 baseline", "AP"),
    (3, "FPN", "C4 baseline", "AP"),
    (3, "FPN", "C4 baseline", "AP50"),
    (3, "FPN", "C4, He et al.", "AP"),
    (3, "FPN", "C4, He et al.", "AP50"),
    (4, "FPN", "AttractioNet", "dev AP"),
    (4, "FPN", "Faster R-CNN+++", "dev AP50"),
    (6, "longer schedule", "SharpMask", "AR"))


def differences():
    deltas = []
    for table, better, worse, metric in DELTAS:
        rows = printed(f"fpn/{table}")
        deltas.append(round(rows[better][metric] - rows[worse][metric], 6))
    return deltas, deltas == stated("fpn-deltas"), "differences of printed rows"


FACTS = computed_pyramid.FACTS | {
    "fpn-anchors-c4": lambda: _anchors("fpn-anchors-c4", _on_one_map(4)),
    "fpn-anchors-c5": lambda: _anchors("fpn-anchors-c5", _on_one_map(5)),
    "fpn-anchors-fpn": lambda: _anchors("fpn-anchors-fpn", SPREAD),
    "fpn-anchors-p2": lambda: _anchors("fpn-anchors-p2", _on_one_map(2)),
    "fpn-mask-fps": mask_rate, "fpn-2fc-head-light": head_weight,
    "fpn-15-anchors": anchor_shapes, "fpn-mask-batch": mask_batch, "fpn-image-pyramid-scales": image_sizes,
    "fpn-fps": frames_a_second, "fpn-deltas": differences,
}
