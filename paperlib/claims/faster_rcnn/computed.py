"""The exact claims of Faster R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
from fractions import Fraction

import torch
from torch import Tensor, nn

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, all_agree, printed, stated
from paperlib.parts import boxes, losses
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors, inside
from paperlib.parts.matching import match

ANCHORS = AnchorConfig(levels=(4,), sizes=((128.0, 256.0, 512.0),))  # Sec. 3.3: 3 sizes, 3 ratios, stride 16
IMAGE = (600, 1000)  # the typical image of Sec. 3.3
PHOTOGRAPH = (600, 800)  # PASCAL's usual 375 x 500, enlarged


def _rpn_layers(channels: int = 512) -> list[nn.Module]:
    """The window that slides over the map, and scores and boxes of the k anchors as one 1x1 convolution."""
    k = ANCHORS.shapes_per_position
    with torch.device("meta"):
        return [nn.Conv2d(channels, channels, 3), nn.Conv2d(channels, (4 + 2) * k, 1, bias=False)]


def _anchors_of(size: tuple[int, int]) -> Tensor:
    """The anchors of an image on VGG's conv5_3, (positions * 9, 4)."""
    return anchors_for(ANCHORS, {4: _conv5_3(size)})


def _conv5_3(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of VGG's last map of convolution."""
    _, height, width = paper_nets.map_size(paper_nets.vgg16().features[:-1], *size)
    return height, width


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
    count = len(_anchors_of(IMAGE))
    return count, _close(count, stated("faster-anchor-count")), "62 x 37 positions of conv5_3, 9 each"


def anchors_inside():
    on_stated_image = int(inside(_anchors_of(IMAGE), IMAGE).sum())
    on_photograph = int(inside(_anchors_of(PHOTOGRAPH), PHOTOGRAPH).sum())
    fits = _close(on_photograph, stated("faster-inside-anchors"))
    return [on_stated_image, on_photograph], fits, "anchors inside 1000 x 600; inside 800 x 600"


def _random_rpn() -> nn.Sequential:
    """A random RPN on a random trunk of stride 16."""
    layers = []
    for inputs in (3, 4, 4, 4):
        layers += [nn.Conv2d(inputs, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 54, 1)).double()


def translation():
    """Shifting the image by a stride shifts the RPN's map by one position; half a stride does not."""
    torch.manual_seed(0)
    step = stated("faster-translation-invariant")
    net = _random_rpn()
    image = torch.randn(1, 3, 160, 192, dtype=torch.float64)
    with torch.no_grad():
        still, moved, half_moved = net(image), net(image.roll(step, -1)), net(image.roll(step // 2, -1))
    middle = slice(4, -4)  # away from the border, which the roll and the padding disturb
    expected = still[..., middle, 4:-4]
    error = (moved[..., middle, 5:-3] - expected).abs().max().item()
    error_of_half = (half_moved[..., middle, 5:-3] - expected).abs().max().item()
    left, right = anchors_for(ANCHORS, {4: (1, 2)}).view(2, -1, 4)
    anchors_move = torch.allclose(right - left, torch.tensor([step, 0.0, step, 0.0]).expand(9, 4), atol=1e-4)
    fits = error < 1e-9 < error_of_half and anchors_move
    return error, fits, "out(image shifted by 16) = out shifted by one position; anchors + 16"


def loss_balance():
    """One anchor's weight in each term, with a typical image's real number of positions in place of 2400."""
    height, width = _conv5_3(IMAGE)
    score_weight, box_weight = 1 / 256, 10 / (height * width)
    stated_score, stated_box = map(Fraction, stated("faster-loss-balance"))
    close = _close(score_weight, float(stated_score)) and _close(box_weight, float(stated_box))
    fits = close and _close(score_weight, box_weight, 0.15)
    return [score_weight, box_weight], fits, "1 / N_cls against lambda / N_reg: 1 / 256, 10 / (62 * 37)"


def output_channels():
    k = ANCHORS.shapes_per_position
    channels = [4 * k, 2 * k]
    return channels, channels == stated("faster-output-dims"), "4k and 2k with k = 9"


def who_learns():
    """Labels by IoU from `match`; then which anchors get a gradient from Eq. 1."""
    anchors = _anchors_of(PHOTOGRAPH)
    gt = torch.tensor([[100.0, 120, 330, 400], [400, 50, 560, 200]])
    index, label = match(boxes.iou(gt, anchors), 0.7, 0.3, best=True)
    logits = torch.zeros(len(anchors), requires_grad=True)
    deltas = torch.zeros(len(anchors), 4, requires_grad=True)
    scored, positive = label >= 0, label == 1
    score_loss = losses.cross_entropy(logits[scored], positive[scored].float()).sum() / 256
    target = boxes.encode(anchors[positive], gt[index[positive]])
    box_loss = 10 * losses.smooth_l1(deltas[positive], target).sum() / 2400
    score_grad, box_grad = torch.autograd.grad(score_loss + box_loss, (logits, deltas))
    best = boxes.iou(gt, anchors).amax(0)
    between = (best >= 0.3) & (best < 0.7) & ~positive
    num_positive, num_between = int(positive.sum()), int(between.sum())
    fits = torch.equal(score_grad == 0, between) and torch.equal((box_grad == 0).all(1), ~positive)
    formula = "gradient of the box loss 0 unless p* = 1; none at all where the label is -1"
    return [num_positive, num_between], fits and num_between > 0, formula


def _centre_and_size(xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """(x, y) and (w, h) of N boxes, each (2, N)."""
    return (xyxy[:, :2] + xyxy[:, 2:]).T / 2, (xyxy[:, 2:] - xyxy[:, :2]).T


def offsets():
    anchors = anchors_for(ANCHORS, {4: (2, 2)}).double()
    target = anchors + torch.tensor([30.0, -12, 55, 20], dtype=torch.float64)
    (x, y), (w, h) = _centre_and_size(target)
    (xa, ya), (wa, ha) = _centre_and_size(anchors)
    eq2 = torch.stack([(x - xa) / wa, (y - ya) / ha, (w / wa).log(), (h / ha).log()], 1)
    error = (boxes.encode(anchors, target) - eq2).abs().max().item()
    return error, error < 1e-12, "tx = (x - xa) / wa, ty = (y - ya) / ha, tw = log(w / wa), th = log(h / ha)"


def stride_on_photo():
    _, stride = paper_nets.receptive_field(paper_nets.vgg16().features[:-1])
    step = stride / (600 / 375)
    return step, agrees(step, stated("faster-stride-10")), "16 / (600 / 375)"


def anchors_beyond_field():
    areas = boxes.area(base_anchors(ANCHORS, 4))
    beyond_zf = int((areas > stated("faster-rf-zf") ** 2).sum())
    beyond_vgg = int((areas > stated("faster-rf-vgg") ** 2).sum())
    sentence = stated("faster-anchor-exceeds-rf")
    fits = f"{beyond_zf} of 9" in sentence and f"{beyond_vgg} of 9" in sentence
    return [beyond_zf, beyond_vgg], fits, "anchor area > field^2"


def timing_sums():
    sums, rates, printed_sums, printed_rates = [], [], [], []
    for row in printed("faster_rcnn/5").values():
        sums.append(row["conv"] + row["proposal"] + row["region-wise"])
        rates.append(1000 / row["total"])
        printed_sums.append(row["total"])
        printed_rates.append(row["rate"])
    fits = sums == stated("faster-timing-sums") == printed_sums and all_agree(rates, printed_rates)
    return sums + rates, fits, "conv + proposal + region-wise; 1000 / total"


def coco_best():
    *others, last = printed("faster_rcnn/6").values()
    best = 0
    for name in last:
        if name != "mAP" and last[name] > max(row[name] for row in others):
            best += 1
    formula = "classes in which the COCO+07+12 row is the largest"
    return best, best == stated("faster-coco-best-every-class"), formula


def boxes_without_anchor(num: int = 2000):
    """Share of random objects, of the anchors' sizes (128 to 512 px) and shapes, without an IoU > .7."""
    draw = torch.rand(num, 4, generator=torch.Generator().manual_seed(0))
    side, ratio = 128 * 4 ** draw[:, 0], 2 ** (2 * draw[:, 1] - 1)
    wh = torch.stack([side / ratio.sqrt(), side * ratio.sqrt()], 1)
    room = torch.tensor([IMAGE[1], IMAGE[0]]) - wh
    corner = draw[:, 2:] * room.clamp(min=0)
    objects = torch.cat([corner, corner + wh], 1)[(room > 0).all(1)]
    anchors = _anchors_of(IMAGE)
    best = boxes.iou(objects, anchors[inside(anchors, IMAGE)]).amax(1)
    share = (best <= 0.7).float().mean().item()
    return share, 0 < share < 1, "share of objects whose best anchor has IoU <= 0.7"


FACTS = {
    "faster-output-params": output_parameters, "faster-proposal-params": proposal_parameters,
    "faster-rf-zf": zf_field, "faster-rf-vgg": vgg_field, "faster-anchor-count": anchor_count,
    "faster-inside-anchors": anchors_inside, "faster-translation-invariant": translation,
    "faster-loss-balance": loss_balance, "faster-output-dims": output_channels,
    "faster-reg-only-positive": who_learns, "faster-bbox-param": offsets, "faster-stride-10": stride_on_photo,
    "faster-anchor-exceeds-rf": anchors_beyond_field, "faster-timing-sums": timing_sums,
    "faster-coco-best-every-class": coco_best, "faster-rule-i-needed": boxes_without_anchor,
}
