"""The exact claims of R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import math

import torch

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts import boxes, sampling
from paperlib.parts.crops import warp

GB = 2**30


def some_boxes(num: int, seed: int = 0) -> torch.Tensor:
    """Random boxes of 8 to 200 px in float64, (num, 4)."""
    draw = torch.rand(num, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    corner = 300 * draw[:, :2]
    return torch.cat([corner, corner + 8 + 192 * draw[:, 2:]], dim=1)


def pool5_receptive_field():
    field, step = paper_nets.receptive_field(paper_nets.alexnet()["pool5"])
    fits = (field, step) == (stated("rcnn-pool5-rf"), 32)
    return field, fits, "field += (kernel - 1) * step; step *= stride"


def _share(part: str) -> float:
    """The percentage of the network's parameters that one part holds."""
    net = paper_nets.alexnet()
    return 100 * paper_nets.parameters(net[part]) / paper_nets.parameters(net)


def fc7_share():
    share, millions = _share("fc7"), paper_nets.parameters(paper_nets.alexnet()["fc7"]) / 1e6
    stated_share, stated_millions = stated("rcnn-fc7-share")
    fits = agrees(share, stated_share) and agrees(millions, stated_millions, 1)
    return [share, millions], fits, "fc7 / (conv1..5 + fc6 + fc7), convolutions not grouped; 4096 * 4097"


def pool5_share():
    share = _share("pool5")
    formula = "conv1..5 / (conv1..5 + fc6 + fc7), not grouped"
    return share, agrees(share, stated("rcnn-pool5-share")), formula


def predictor_memory():
    """Of 100k linear predictors: on R-CNN's features, and on the 360k features of the system before it."""
    features = paper_nets.alexnet()["fc7"].out_features
    on_fc7, on_long_features = 100_000 * features * 4 / GB, 100_000 * 360_000 * 4 / GB
    small, large = stated("rcnn-predictor-memory")
    fits = agrees(on_fc7, small, 1) and agrees(on_long_features, large)
    return [on_fc7, on_long_features], fits, "100k classes * features * 4 bytes / 2^30"


def warp_padding():
    """Crop white boxes on black with their surroundings and count the black border on each side."""
    borders = set()
    for box in some_boxes(8).long() + 30:
        x1, y1, x2, y2 = box.tolist()
        image = torch.zeros(3, 560, 560)
        image[:, y1:y2, x1:x2] = 1
        (crop,) = warp.crops(image, box[None].float(), warp.CropConfig())[:, 0] > 0.5
        rows, columns = crop.any(1).nonzero(), crop.any(0).nonzero()
        last = len(crop) - 1
        borders |= {int(rows[0]), int(columns[0]), last - int(rows[-1]), last - int(columns[-1])}
    formula = "black px on the four sides of crops of eight boxes"
    return sorted(borders), borders == {stated("rcnn-warp-padding-geometry")}, formula


def box_code():
    source, target = some_boxes(64, 1), some_boxes(64, 2)
    deltas = boxes.encode(source, target)
    back = (boxes.decode(source, deltas) - target).abs().max().item()
    scaled = (boxes.encode(3.7 * source, 3.7 * target) - deltas).abs().max().item()
    error = max(back, scaled)
    return error, error < 1e-9, "decode(P, encode(P, G)) = G; encode(sP, sG) = encode(P, G)"


def pool5_size():
    size = math.prod(paper_nets.map_size(paper_nets.alexnet()["pool5"], 227, 227))
    return size, size == stated("rcnn-pool5-dim") == paper_nets.alexnet()["fc6"].in_features, "6 * 6 * 256"


def feature_length():
    long, short = stated("rcnn-feature-dim")
    features = paper_nets.alexnet()["fc7"].out_features / 1000
    orders = math.log10(long / features)
    return orders, agrees(features, short) and agrees(orders, 2), "log10(360 / 4.096)"


def minibatch_mix():
    """A batch of R-CNN's mix; too few positives, of which the paper does not speak, are filled up."""
    positives, negatives = stated("rcnn-minibatch-mix")
    size = positives + negatives
    counts = []
    for available in (500, positives // 2):
        label = torch.cat([torch.ones(available), torch.zeros(1500)]).long()
        drawn = sampling.sample(label, size, positives / size, torch.Generator().manual_seed(0))
        counts.append([int((drawn == 1).sum()), int((drawn == 0).sum())])
    fits = counts == [[positives, negatives], [positives // 2, size - positives // 2]]
    return counts, fits, "sample(label, 128, 0.25) of 500 positives, and of 16"


def relative_gain():
    table = printed("rcnn/2")
    gain = 100 * (table["R-CNN FT fc7"]["mAP"] / table["DPM v5"]["mAP"] - 1)
    return gain, agrees(gain, stated("rcnn-rel-61")), "R-CNN FT fc7 / DPM v5 - 1"


def segmentation_lead():
    table = printed("rcnn/6")
    regions_and_parts, o2p, rcnn = table.values()
    led = 0
    for category, accuracy in rcnn.items():
        if category != "mean" and accuracy > max(regions_and_parts[category], o2p[category]):
            led += 1
    return led, led == stated("rcnn-seg-11of21"), "categories in which R-CNN full+fg fc6 exceeds both others"


def segmentation_margin():
    table = printed("rcnn/5")
    best_alone = max(table[name]["mean accuracy"] for name in ("full fc6", "full fc7", "fg fc6", "fg fc7"))
    margin = table["full+fg fc6"]["mean accuracy"] - best_alone
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
