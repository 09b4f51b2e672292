"""The exact claims of Faster R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
from fractions import Fraction

import torch
from torch import nn

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.claims.faster_rcnn import computed_rpn
from paperlib.claims.faster_rcnn.anchors import ANCHORS, IMAGE, PHOTOGRAPH, anchors_of, conv5_3
from paperlib.parts.anchors import inside


def _rpn_layers(channels: int = 512) -> list[nn.Module]:
    """The window that slides over the map, and scores and boxes of the k anchors as one 1x1 convolution."""
    k = ANCHORS.shapes_per_position
    with torch.device("meta"):
        return [nn.Conv2d(channels, channels, 3), nn.Conv2d(channels, (4 + 2) * k, 1, bias=False)]


def _close(value: float, stated_value: float, share: float = 0.05) -> bool:
    """Whether a value lies within a share of the stated one, where the paper only gives a round number."""
    return abs(value / stated_value - 1) < share


def output_parameters():
    rpn, multibox = paper_nets.parameters(_rpn_layers()[1]), 1536 * (4 + 1) * 800
    stated_rpn, stated_multibox = stated("faster-output-params")
    fits = agrees(rpn / 1e4, stated_rpn / 1e4, 1) and agrees(multibox / 1e6, stated_multibox / 1e6, 1)
    return [rpn, multibox], fits, "512 * (4 + 2) * 9; 1536 * (4 + 1) * 800"


def proposal_parameters():
    window, outputs = _rpn_layers()
    rpn = window.weight.numel() + outputs.weight.numel()
    multibox = 7 * 7 * (64 + 96 + 64 + 64) * 1536 + 1536 * 5 * 800  # 27.8 million; the paper cuts off to 27
    stated_rpn, stated_multibox = stated("faster-proposal-params")
    fits = agrees(rpn / 1e6, stated_rpn / 1e6, 1) and multibox // 10**6 == stated_multibox // 10**6
    return [rpn, multibox], fits, "3 * 3 * 512 * 512 + 512 * 6 * 9; 7 * 7 * 288 * 1536 + 1536 * 5 * 800"


def _field(claim: str, layers: list[nn.Module]):
    field, step = paper_nets.receptive_field(layers)
    return field, (field, step) == (stated(claim), 16), "field += (kernel - 1) * step; step *= stride"


def zf_field():
    return _field("faster-rf-zf", [*paper_nets.zf(), _rpn_layers(256)[0]])


def vgg_field():
    return _field("faster-rf-vgg", [*paper_nets.vgg16().features[:-1], _rpn_layers()[0]])


def anchor_count():
    count = len(anchors_of(IMAGE, ANCHORS))
    return count, _close(count, stated("faster-anchor-count")), "62 x 37 positions of conv5_3, 9 each"


def anchors_inside():
    on_stated_image = int(inside(anchors_of(IMAGE), IMAGE).sum())
    on_photograph = int(inside(anchors_of(PHOTOGRAPH), PHOTOGRAPH).sum())
    fits = _close(on_stated_image, stated("faster-inside-anchors"))
    return [on_stated_image, on_photograph], fits, "anchors inside 1000 x 600; inside 800 x 600"


def loss_balance():
    """One anchor's weight in each term, with a typical image's real number of positions in place of 2400."""
    height, width = conv5_3(IMAGE)
    score_weight, box_weight = 1 / 256, 10 / (height * width)
    stated_score, stated_box = map(Fraction, stated("faster-loss-balance"))
    close = _close(score_weight, float(stated_score)) and _close(box_weight, float(stated_box))
    fits = close and _close(score_weight, box_weight, 0.15)
    return [score_weight, box_weight], fits, "1 / N_cls against lambda / N_reg: 1 / 256, 10 / (62 * 37)"


def stride_on_photo():
    _, stride = paper_nets.receptive_field(paper_nets.vgg16().features[:-1])
    step = stride / (600 / 375)
    return step, agrees(step, stated("faster-stride-10")), "16 / (600 / 375)"


def proposals_beyond_field():
    """The average proposal of each anchor (Table 1) against the receptive field, by area."""
    areas = []
    for row in printed("faster_rcnn/1").values():
        areas.append(row["width"] * row["height"])
    beyond_zf = sum(area > stated("faster-rf-zf") ** 2 for area in areas)
    beyond_vgg = sum(area > stated("faster-rf-vgg") ** 2 for area in areas)
    fits = min(beyond_zf, beyond_vgg) > len(areas) / 2
    return [beyond_zf, beyond_vgg], fits, "average proposals of Table 1, of 9, whose area exceeds the field's"


def timing_sums():
    fits, sums, rates = True, [], []
    for row in printed("faster_rcnn/5").values():
        rate = 1000 / row["total"]
        sums.append(row["conv"] + row["proposal"] + row["region-wise"])
        rates.append(rate)
        fits = fits and sums[-1] == row["total"] and agrees(rate, row["rate"], 1 if row["rate"] < 1 else 0)
    fits = fits and sums == stated("faster-timing-sums")
    return sums + rates, fits, "conv + proposal + region-wise; 1000 / total, to the printed digit"


def coco_best():
    *others, last = printed("faster_rcnn/6").values()
    best = 0
    for name in last:
        if name != "mAP" and last[name] > max(row[name] for row in others):
            best += 1
    formula = "classes in which the COCO+07+12 row is the largest"
    return best, best == stated("faster-coco-best-every-class"), formula


FACTS = computed_rpn.FACTS | {
    "faster-output-params": output_parameters, "faster-proposal-params": proposal_parameters,
    "faster-rf-zf": zf_field, "faster-rf-vgg": vgg_field, "faster-anchor-count": anchor_count,
    "faster-inside-anchors": anchors_inside, "faster-loss-balance": loss_balance,
    "faster-stride-10": stride_on_photo, "faster-anchor-exceeds-rf": proposals_beyond_field,
    "faster-timing-sums": timing_sums, "faster-coco-best-every-class": coco_best,
}
