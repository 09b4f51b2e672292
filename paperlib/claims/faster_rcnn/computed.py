"""The exact claims of Faster R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
from fractions import Fraction

import torch
from torch import nn

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts import boxes, losses
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors, inside
from paperlib.parts.matching import match

ANCHORS = AnchorConfig(levels=(4,), sizes=((128.0, 256.0, 512.0),))  # Sec. 3.3: 3 sizes, 3 ratios, stride 16
IMAGE = (600, 1000)  # the typical image of Sec. 3.3


def _rpn_layers(channels: int = 512) -> list[nn.Module]:
    k = ANCHORS.shapes_per_position
    with torch.device("meta"):
        return [nn.Conv2d(channels, channels, 3), nn.Conv2d(channels, (4 + 2) * k, 1, bias=False)]


def _grid(size: tuple[int, int]) -> dict[int, tuple[int, int]]:
    return {4: paper_nets.map_size(paper_nets.vgg16().features[:-1], *size)[1:]}


def output_parameters():
    counts = [paper_nets.parameters(_rpn_layers()[1]), 1536 * (4 + 1) * 800]
    ours, multibox = stated("faster-output-params")
    fits = agrees(counts[0] / 1e4, ours / 1e4, 1) and agrees(counts[1] / 1e6, multibox / 1e6, 1)
    return counts, fits, "512 * (4 + 2) * 9; 1536 * (4 + 1) * 800"


def proposal_parameters():
    window, outputs = _rpn_layers()
    ours = window.weight.numel() + outputs.weight.numel()
    multibox = 7 * 7 * (64 + 96 + 64 + 64) * 1536 + 1536 * 5 * 800
    small, large = stated("faster-proposal-params")
    fits = agrees(ours / 1e6, small / 1e6, 1) and multibox // 10**6 == large // 10**6  # the paper cuts off 27.8
    return [ours, multibox], fits, "3 * 3 * 512 * 512 + 512 * 6 * 9; 7 * 7 * 288 * 1536 + 1536 * 5 * 800"


def zf_field():
    field, step = paper_nets.receptive_field([*paper_nets.zf(), _rpn_layers(256)[0]])
    return field, (field, step) == (stated("faster-rf-zf"), 16), "field += (kernel - 1) * step; step *= stride"


def vgg_field():
    field, step = paper_nets.receptive_field([*paper_nets.vgg16().features[:-1], _rpn_layers()[0]])
    return field, (field, step) == (stated("faster-rf-vgg"), 16), "field += (kernel - 1) * step; step *= stride"


def anchor_count():
    count = len(anchors_for(ANCHORS, _grid(IMAGE)))
    return count, abs(count / stated("faster-anchor-count") - 1) < 0.05, "62 x 37 positions of conv5_3, 9 each"


def anchors_inside():
    """On the stated image, and on what becomes of a 500 x 375 photograph, PASCAL's usual size."""
    counts = [int(inside(anchors_for(ANCHORS, _grid(size)), size).sum()) for size in (IMAGE, (600, 800))]
    fits = abs(counts[1] / stated("faster-inside-anchors") - 1) < 0.05
    return counts, fits, "anchors inside 1000 x 600; inside 800 x 600"


def translation():
    """A random RPN on a random trunk of stride 16: shifting the image shifts the map; half a stride does not."""
    torch.manual_seed(0)
    step = stated("faster-translation-invariant")
    layers = [m for inputs in (3, 4, 4, 4) for m in (nn.Conv2d(inputs, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))]
    net = nn.Sequential(*layers, nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 54, 1)).double()
    image = torch.randn(1, 3, 160, 192, dtype=torch.float64)
    with torch.no_grad():
        here, moved, half = (net(image.roll(shift, -1)) for shift in (0, step, step // 2))
    middle = slice(4, -4)  # away from the border, which the roll and the padding disturb
    error = (moved[..., middle, 5:-3] - here[..., middle, 4:-4]).abs().max().item()
    off = (half[..., middle, 5:-3] - here[..., middle, 4:-4]).abs().max().item()
    grid = anchors_for(ANCHORS, {4: (1, 2)}).view(2, -1, 4)
    shifts = torch.allclose(grid[1] - grid[0], torch.tensor([step, 0.0, step, 0.0]).expand(9, 4), atol=1e-4)
    return error, error < 1e-9 < off and shifts, "out(image shifted by 16) = out shifted by one position; anchors + 16"


def loss_balance():
    """One anchor's weight in each term, with the positions that a typical image really has in place of 2400."""
    height, width = _grid(IMAGE)[4]
    weights = [1 / 256, 10 / (height * width)]
    told = [float(Fraction(w)) for w in stated("faster-loss-balance")]
    fits = all(abs(w / t - 1) < 0.05 for w, t in zip(weights, told)) and abs(weights[0] / weights[1] - 1) < 0.15
    return weights, fits, "1 / N_cls against lambda / N_reg: 1 / 256, 10 / (62 * 37)"


def output_channels():
    k = ANCHORS.shapes_per_position
    return [4 * k, 2 * k], [4 * k, 2 * k] == stated("faster-output-dims"), "4k and 2k with k = 9"


def who_learns():
    """Labels by IoU from `match`; then which anchors get a gradient from Eq. 1."""
    anchors = anchors_for(ANCHORS, _grid((600, 800)))
    gt = torch.tensor([[100.0, 120, 330, 400], [400, 50, 560, 200]])
    index, label = match(boxes.iou(gt, anchors), 0.7, 0.3, best=True)
    logits, deltas = torch.zeros(len(anchors), requires_grad=True), torch.zeros(len(anchors), 4, requires_grad=True)
    scored, positive = label >= 0, label == 1
    loss = losses.cross_entropy(logits[scored], positive[scored].float()).sum() / 256
    target = boxes.encode(anchors[positive], gt[index[positive]])
    loss = loss + 10 * losses.smooth_l1(deltas[positive], target).sum() / 2400
    score_grad, box_grad = torch.autograd.grad(loss, (logits, deltas))
    best = boxes.iou(gt, anchors).amax(0)
    between = (best >= 0.3) & (best < 0.7) & ~positive
    fits = torch.equal(score_grad == 0, between) and torch.equal((box_grad == 0).all(1), ~positive)
    counts = [int(positive.sum()), int(between.sum())]
    return counts, fits and counts[1] > 0, "gradient of the box loss 0 unless p* = 1; none at all where the label is -1"


def offsets():
    anchors = anchors_for(ANCHORS, {4: (2, 2)}).double()
    target = anchors + torch.tensor([30.0, -12, 55, 20], dtype=torch.float64)
    (x, y), (w, h) = (target[:, :2] + target[:, 2:]).T / 2, (target[:, 2:] - target[:, :2]).T
    (xa, ya), (wa, ha) = (anchors[:, :2] + anchors[:, 2:]).T / 2, (anchors[:, 2:] - anchors[:, :2]).T
    eq2 = torch.stack([(x - xa) / wa, (y - ya) / ha, (w / wa).log(), (h / ha).log()], 1)
    error = (boxes.encode(anchors, target) - eq2).abs().max().item()
    return error, error < 1e-12, "tx = (x - xa) / wa, ty = (y - ya) / ha, tw = log(w / wa), th = log(h / ha)"


def stride_on_photo():
    step = paper_nets.receptive_field(paper_nets.vgg16().features[:-1])[1] / (600 / 375)
    return step, agrees(step, stated("faster-stride-10")), "16 / (600 / 375)"


def anchors_beyond_field():
    areas = boxes.area(base_anchors(ANCHORS, 4))
    counts = [int((areas > stated(f"faster-rf-{net}") ** 2).sum()) for net in ("zf", "vgg")]
    return counts, all(f"{n} of 9" in stated("faster-anchor-exceeds-rf") for n in counts), "anchor area > field^2"


def timing_sums():
    table = printed("faster_rcnn/5")
    sums = [row["conv"] + row["proposal"] + row["region-wise"] for row in table.values()]
    rates = [1000 / row["total"] for row in table.values()]
    fits = sums == stated("faster-timing-sums") == [row["total"] for row in table.values()]
    rounds = all(agrees(r, row["rate"]) for r, row in zip(rates, table.values()))
    return sums + rates, fits and rounds, "conv + proposal + region-wise; 1000 / total"


def coco_best():
    *others, last = printed("faster_rcnn/6").values()
    best = sum(all(last[c] > other[c] for other in others) for c in last if c != "mAP")
    return best, best == stated("faster-coco-best-every-class"), "classes in which the COCO+07+12 row is the largest"


def boxes_without_anchor(num: int = 2000):
    """Share of random objects of the anchors' own sizes and ratios (128 to 512 px, 1:2 to 2:1) without an IoU > .7."""
    draw = torch.rand(num, 4, generator=torch.Generator().manual_seed(0))
    side, ratio = 128 * 4 ** draw[:, 0], 2 ** (2 * draw[:, 1] - 1)
    wh = torch.stack([side / ratio.sqrt(), side * ratio.sqrt()], 1)
    room = torch.tensor([IMAGE[1], IMAGE[0]]) - wh
    corner = draw[:, 2:] * room.clamp(min=0)
    objects = torch.cat([corner, corner + wh], 1)[(room > 0).all(1)]
    anchors = anchors_for(ANCHORS, _grid(IMAGE))
    best = boxes.iou(objects, anchors[inside(anchors, IMAGE)]).amax(1)
    share = (best <= 0.7).float().mean().item()
    return share, 0 < share < 1, "share of objects whose best anchor has IoU <= 0.7"


FACTS = {
    "faster-output-params": output_parameters,
    "faster-proposal-params": proposal_parameters,
    "faster-rf-zf": zf_field,
    "faster-rf-vgg": vgg_field,
    "faster-anchor-count": anchor_count,
    "faster-inside-anchors": anchors_inside,
    "faster-translation-invariant": translation,
    "faster-loss-balance": loss_balance,
    "faster-output-dims": output_channels,
    "faster-reg-only-positive": who_learns,
    "faster-bbox-param": offsets,
    "faster-stride-10": stride_on_photo,
    "faster-anchor-exceeds-rf": anchors_beyond_field,
    "faster-timing-sums": timing_sums,
    "faster-coco-best-every-class": coco_best,
    "faster-rule-i-needed": boxes_without_anchor,
}
