"""The exact claims about RetinaNet, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import torch
from torch import nn

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors
from paperlib.parts.heads import DenseHead, HeadConfig
from paperlib.parts.matching import MatchConfig, match

ONE_SHAPE = {"scales": (1.0,), "ratios": (1.0,)}
P3_TO_P7 = (3, 4, 5, 6, 7)
NUM_ANCHORS, NUM_CLASSES = 9, 80  # a position; COCO


def anchor_range():
    cfg = AnchorConfig()
    wh = torch.cat([base_anchors(cfg, level)[:, 2:] for level in cfg.levels]) * 2
    sides = wh.prod(1).sqrt()
    least, largest = sides.min().item(), sides.max().item()
    low, high = map(float, stated("focal-anchor-range").split(" - "))
    fits = agrees(least, low) and agrees(largest, high)
    return [least, largest], fits, "least and largest root of an anchor's area over P3 to P7"


def _count(levels: tuple[int, ...], height: int, width: int, **shape) -> int:
    """The number of anchors of an image."""
    cfg = AnchorConfig(levels=levels, **shape)
    return len(anchors_for(cfg, paper_nets.level_sizes(levels, height, width)))


def positions_of_p2():
    of_p2, of_the_others = _count((2,), 1024, 1024, **ONE_SHAPE), _count(P3_TO_P7, 1024, 1024, **ONE_SHAPE)
    ratio = of_p2 / of_the_others
    fits = agrees(ratio, stated("focal-p2-3x"), 1)
    return ratio, fits, "positions of P2 / positions of P3 to P7, 1024 x 1024 px"


def anchors_of_an_image():
    narrow, wide = _count(P3_TO_P7, 600, 800), _count(P3_TO_P7, 600, 1000)
    fits = narrow < stated("focal-100k-anchors") < wide
    return [narrow, wide], fits, "anchors of P3 to P7 for 600 x 800 and 600 x 1000 px"


def _head(config: HeadConfig) -> DenseHead:
    """RetinaNet's head for COCO, without memory."""
    with torch.device("meta"):
        return DenseHead(256, NUM_ANCHORS, NUM_CLASSES, config)


def subnets():
    head = _head(HeadConfig())
    outputs, fits = [], set(head.cls.parameters()).isdisjoint(head.box.parameters())
    for net in (head.cls, head.box):
        *tower, last = (layer for layer in net if isinstance(layer, nn.Conv2d))
        shapes = [tuple(layer.weight.shape) for layer in tower]
        fits = fits and shapes == [(256, 256, 3, 3)] * 4
        outputs.append(last.out_channels)
    channels = {"KA": NUM_CLASSES * NUM_ANCHORS, "4A": 4 * NUM_ANCHORS}
    of_scores, of_boxes = stated("focal-subnet-shape")
    fits = fits and outputs == [channels[of_scores], channels[of_boxes]] and _serves_every_level(head)
    return outputs, fits, "output channels K A and 4 A for K = 80, A = 9, after four 3x3 layers of 256 each"


def _serves_every_level(head: DenseHead) -> bool:
    """Whether one head takes maps of two levels, with sides of 4 and 2, and answers for every anchor."""
    maps = {level: torch.empty(1, 256, 32 >> level, 32 >> level, device="meta") for level in (3, 4)}
    scores, deltas = head(maps)
    of_scores = [x.shape[1] for x in scores]
    of_deltas = [x.shape[1] for x in deltas]
    return of_scores == of_deltas == [16 * NUM_ANCHORS, 4 * NUM_ANCHORS]


def agnostic_outputs():
    box_of_each_class = _head(HeadConfig(class_agnostic=False)).box[-1].weight.numel()
    one_box = _head(HeadConfig(class_agnostic=True)).box[-1].weight.numel()
    ratio = box_of_each_class / one_box
    return ratio, ratio == stated("focal-class-agnostic-params"), "weights of the last box layer, 4 A K / 4 A"


def assignment():
    hi, lo = stated("focal-assignment")
    rule = MatchConfig()
    overlaps = torch.tensor([[lo - 0.01, lo, hi - 0.01, hi]])
    label = match(overlaps, rule.hi, rule.lo)[1].tolist()
    fits = label == [0, -1, -1, 1] and (rule.hi, rule.lo) == (hi, lo)
    return label, fits, "label of IoU 0.39, 0.4, 0.49, 0.5"


def _dominates(row: dict, other: dict) -> bool:
    """Whether a row is faster and more accurate than another."""
    return row["time"] < other["time"] and row["AP"] > other["AP"]


def fast_and_shallow():
    rows = printed("focal_loss/1e")
    deep = [row for row in rows.values() if row["depth"] == 101]
    winners = []
    for name, row in rows.items():
        if row["depth"] == 50 and any(_dominates(row, other) for other in deep):
            winners.append(name)
    fits = winners == [stated("focal-r50-500")]
    return winners, fits, "rows of depth 50 that beat a row of depth 101 in time and AP"


def frames_a_second():
    rate = 1000 / printed("focal_loss/1e")["101-800"]["time"]
    return rate, agrees(rate, stated("focal-5fps")), "1000 / time of row 101-800"


def differences():
    alphas, gammas, losses = printed("focal_loss/1a"), printed("focal_loss/1b"), printed("focal_loss/1d")
    speeds, systems = printed("focal_loss/1e"), printed("focal_loss/2")
    paper, thesis = systems["RetinaNet-101"], systems["RetinaNet-101, thesis"]
    dssd, tdm = systems["DSSD513"], systems["Faster R-CNN w TDM"]
    pairs = [(alphas["alpha 0.75"], alphas["alpha 0.5"]), (gammas["gamma 2"], gammas["gamma 0"]),
             (losses["FL"], losses["OHEM 128, nms 0.5"]), (paper, dssd), (thesis, dssd), (paper, tdm),
             (thesis, tdm), (paper, speeds["101-800"]), (systems["RetinaNet-X101"], paper)]
    deltas = []
    for better, worse in pairs:
        deltas.append(round(better["AP"] - worse["AP"], 6))
    return deltas, deltas == stated("focal-deltas"), "differences of printed rows"


FACTS = {
    "focal-anchor-range": anchor_range, "focal-p2-3x": positions_of_p2,
    "focal-100k-anchors": anchors_of_an_image, "focal-subnet-shape": subnets,
    "focal-class-agnostic-params": agnostic_outputs, "focal-assignment": assignment,
    "focal-r50-500": fast_and_shallow, "focal-5fps": frames_a_second, "focal-deltas": differences,
}
