"""The exact claims of R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import math

import torch
from torchvision import ops

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts import boxes, sampling

GB = 2**30


def some_boxes(num: int, seed: int = 0) -> torch.Tensor:
    """Random boxes of 8 to 200 px in float64, (num, 4)."""
    corner = torch.rand(num, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.cat([300 * corner[:, :2], 300 * corner[:, :2] + 8 + 192 * corner[:, 2:]], dim=1)


def pool5_receptive_field():
    field, step = paper_nets.receptive_field(paper_nets.alexnet()["pool5"])
    return field, (field, step) == (stated("rcnn-pool5-rf"), 32), "field += (kernel - 1) * step; step *= stride"


def _share(part: str) -> float:
    counts = {name: paper_nets.parameters(module) for name, module in paper_nets.alexnet().items()}
    return 100 * counts[part] / sum(counts.values())


def fc7_share():
    share = _share("fc7")
    return share, agrees(share, stated("rcnn-fc7-share")), "fc7 / (conv1..5 + fc6 + fc7), convolutions not grouped"


def pool5_share():
    share = _share("pool5")
    return share, agrees(share, stated("rcnn-pool5-share")), "conv1..5 / (conv1..5 + fc6 + fc7), not grouped"


def predictor_memory():
    short = paper_nets.alexnet()["fc7"].out_features
    need = [100_000 * features * 4 / GB for features in (short, 360_000)]
    small, large = stated("rcnn-predictor-memory")
    return need, agrees(need[0], small, 1) and agrees(need[1], large), "100k classes * features * 4 bytes / 2^30"


def warp_padding(side: int = 227):
    """Warp a white box on black with its surroundings and count the black border on each side."""
    context, borders = stated("rcnn-warp-padding-geometry"), []
    for box in some_boxes(8):
        image = torch.zeros(1, 1, 560, 560)
        x1, y1, x2, y2 = (int(v) + 30 for v in box)
        image[..., y1:y2, x1:x2] = 1
        grow = torch.tensor([x2 - x1, y2 - y1, x1 - x2, y1 - y2]) * -context / (side - 2 * context)
        window = torch.tensor([x1, y1, x2, y2]) + grow
        crop = ops.roi_align(image, [window[None]], side, aligned=True)[0, 0] > 0.5
        rows, columns = crop.any(1).nonzero(), crop.any(0).nonzero()
        borders += [int(rows[0]), int(columns[0]), side - 1 - int(rows[-1]), side - 1 - int(columns[-1])]
    formula = "box enlarged by 227 / (227 - 2 * 16), warped to 227"
    return sorted(set(borders)), all(abs(b - context) <= 1 for b in borders), formula


def box_code():
    source, target = some_boxes(64, 1), some_boxes(64, 2)
    deltas = boxes.encode(source, target)
    back = (boxes.decode(source, deltas) - target).abs().max().item()
    scaled = (boxes.encode(3.7 * source, 3.7 * target) - deltas).abs().max().item()
    return max(back, scaled), max(back, scaled) < 1e-9, "decode(P, encode(P, G)) = G; encode(sP, sG) = encode(P, G)"


def pool5_size():
    size = math.prod(paper_nets.map_size(paper_nets.alexnet()["pool5"], 227, 227))
    return size, size == stated("rcnn-pool5-dim") == paper_nets.alexnet()["fc6"].in_features, "6 * 6 * 256"


def feature_length():
    long, short = stated("rcnn-feature-dim")
    features = paper_nets.alexnet()["fc7"].out_features / 1000
    orders = math.log10(long / features)
    return orders, agrees(features, short) and agrees(orders, 2), "log10(360 / 4.096)"


def minibatch_mix():
    positives, negatives = stated("rcnn-minibatch-mix")
    label = torch.cat([torch.ones(500), torch.zeros(1500)]).long()
    drawn = sampling.sample(label, positives + negatives, 0.25, torch.Generator().manual_seed(0))
    counts = [int((drawn == 1).sum()), int((drawn == 0).sum())]
    return counts, counts == [positives, negatives], "sample(label, 128, 0.25)"


def relative_gain():
    table = printed("rcnn/2")
    gain = 100 * (table["R-CNN FT fc7"]["mAP"] / table["DPM v5"]["mAP"] - 1)
    return gain, agrees(gain, stated("rcnn-rel-61")), "R-CNN FT fc7 / DPM v5 - 1"


def segmentation_lead():
    table = printed("rcnn/6")
    *others, ours = table.values()
    led = [c for c in ours if c != "mean" and all(ours[c] > other[c] for other in others)]
    return len(led), len(led) == stated("rcnn-seg-11of21"), "categories in which R-CNN full+fg fc6 exceeds both others"


def segmentation_margin():
    accuracy = {name: row["mean accuracy"] for name, row in printed("rcnn/5").items() if name != "O2P"}
    margin = accuracy["full+fg fc6"] - max(v for k, v in accuracy.items() if not k.startswith("full+fg"))
    return margin, agrees(margin, stated("rcnn-seg-margin"), 1), "full+fg fc6 - best of full and fg"


FACTS = {
    "rcnn-pool5-rf": pool5_receptive_field,
    "rcnn-fc7-share": fc7_share,
    "rcnn-pool5-share": pool5_share,
    "rcnn-predictor-memory": predictor_memory,
    "rcnn-warp-padding-geometry": warp_padding,
    "rcnn-bbox-param": box_code,
    "rcnn-pool5-dim": pool5_size,
    "rcnn-feature-dim": feature_length,
    "rcnn-minibatch-mix": minibatch_mix,
    "rcnn-rel-61": relative_gain,
    "rcnn-seg-11of21": segmentation_lead,
    "rcnn-seg-margin": segmentation_margin,
}
