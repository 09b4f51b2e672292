"""The exact claims about RetinaNet and its tables, computed: `FACTS[id]()` is (value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import math

import torch

from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors
from paperlib.parts.heads import DenseHead, HeadConfig
from paperlib.parts.matching import MatchConfig, match

ONE_SHAPE = {"scales": (1.0,), "ratios": (1.0,)}


def anchor_range():
    cfg = AnchorConfig()
    wh = torch.cat([base_anchors(cfg, level)[:, 2:] for level in cfg.levels]) * 2
    sides = wh.prod(1).sqrt()
    found = [sides.min().item(), sides.max().item()]
    fits = all(map(agrees, found, map(float, stated("focal-anchor-range").split(" - "))))
    return found, fits, "least and largest root of an anchor's area over P3 to P7"


def _positions(levels: tuple, height: int, width: int, **shape) -> int:
    cfg = AnchorConfig(levels=levels, **shape)
    return len(anchors_for(cfg, {l: (math.ceil(height / 2**l), math.ceil(width / 2**l)) for l in levels}))


def positions_of_p2():
    ratio = _positions((2,), 1024, 1024, **ONE_SHAPE) / _positions((3, 4, 5, 6, 7), 1024, 1024, **ONE_SHAPE)
    return ratio, agrees(ratio, stated("focal-p2-3x"), 1), "positions of P2 / positions of P3 to P7, 1024 x 1024 px"


def anchors_of_an_image():
    found = [_positions((3, 4, 5, 6, 7), 600, width) for width in (800, 1000)]
    told = stated("focal-100k-anchors")
    return found, found[0] < told < found[1], "anchors of P3 to P7 for 600 x 800 and 600 x 1000 px"


def subnets():
    with torch.device("meta"):
        head = DenseHead(256, 9, 80, HeadConfig())
    convs = [[m for m in net if hasattr(m, "weight")] for net in (head.cls, head.box)]
    towers = [[tuple(m.weight.shape) for m in net[:-1]] for net in convs]
    outputs = [net[-1].out_channels for net in convs]
    apart = not {id(p) for p in head.cls.parameters()} & {id(p) for p in head.box.parameters()}
    known = {"K": 80, "A": 9, "4": 4}
    want = [math.prod(known[letter] for letter in word) for word in stated("focal-subnet-shape")]
    fits = towers == [[(256, 256, 3, 3)] * 4] * 2 and outputs == want and apart
    return outputs, fits, "output channels K A and 4 A for K = 80, A = 9, after four 3x3 layers of 256 each"


def agnostic_outputs():
    with torch.device("meta"):
        each, one = (DenseHead(256, 9, 80, HeadConfig(class_agnostic=a)).box[-1].weight.numel() for a in (False, True))
    return each / one, each / one == stated("focal-class-agnostic-params"), "weights of the last box layer, 4 A K / 4 A"


def assignment():
    hi, lo = stated("focal-assignment")
    rule = MatchConfig()
    overlaps = torch.tensor([[lo - 0.01, lo, hi - 0.01, hi]])
    label = match(overlaps, rule.hi, rule.lo)[1].tolist()
    fits = label == [0, -1, -1, 1] and (rule.hi, rule.lo) == (hi, lo)
    return label, fits, "label of IoU 0.39, 0.4, 0.49, 0.5"


def fast_and_shallow():
    rows = printed("focal_loss/1e").items()
    shallow, deep = ([(n, r) for n, r in rows if r["depth"] == d] for d in (50, 101))
    found = [n for n, r in shallow if any(r["time"] < d["time"] and r["AP"] > d["AP"] for _, d in deep)]
    return found, found == [stated("focal-r50-500")], "rows of depth 50 that beat a row of depth 101 in time and AP"


def frames_a_second():
    rate = 1000 / printed("focal_loss/1e")["101-800"]["time"]
    return rate, agrees(rate, stated("focal-5fps")), "1000 / time of row 101-800"


def differences():
    a, b, d, e, two = (printed(f"focal_loss/{n}") for n in ("1a", "1b", "1d", "1e", "2"))
    paper, thesis, tdm = two["RetinaNet-101"], two["RetinaNet-101, thesis"], two["Faster R-CNN w TDM"]
    pairs = [(a["alpha 0.75"], a["alpha 0.5"]), (b["gamma 2"], b["gamma 0"]), (d["FL"], d["OHEM 128, nms 0.5"]),
             (paper, two["DSSD513"]), (thesis, two["DSSD513"]), (paper, tdm), (thesis, tdm), (paper, e["101-800"]),
             (two["RetinaNet-X101"], paper)]
    found = [round(x["AP"] - y["AP"], 6) for x, y in pairs]
    return found, found == stated("focal-deltas"), "differences of printed rows"


FACTS = {
    "focal-anchor-range": anchor_range, "focal-p2-3x": positions_of_p2, "focal-100k-anchors": anchors_of_an_image,
    "focal-subnet-shape": subnets, "focal-class-agnostic-params": agnostic_outputs, "focal-assignment": assignment,
    "focal-r50-500": fast_and_shallow, "focal-5fps": frames_a_second, "focal-deltas": differences,
}
