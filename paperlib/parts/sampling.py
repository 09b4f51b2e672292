"""Drawing examples: a number of each image's anchors or proposals, a share of them positive.

Legend: N images, A anchors, G objects (padded to the fullest image); (…) any leading dimensions.
"""
import math

import torch
from torch import Tensor

from paperlib.distributed import ranks


def _ranks(keys: Tensor) -> Tensor:
    return keys.argsort(dim=-1, descending=True).argsort(dim=-1)


def _keys(shape: torch.Size, generator: torch.Generator | None) -> Tensor:
    """Uniform numbers of `shape` (…, A), a stream a row: this process's rows of what all processes draw."""
    rank, world = ranks()
    rows = math.prod(shape[:-1])
    device = "cpu" if generator is None else generator.device
    seeds = torch.randint(2**62, (world, rows), generator=generator, device=device)[rank].tolist()
    streams = [torch.rand(shape[-1], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(streams).view(shape) if streams else torch.zeros(shape)


def sample(label: Tensor, num: int, positive_fraction: float,
           generator: torch.Generator | None = None) -> Tensor:
    """Keep `num` random anchors of each image, a share of them positive; the others' labels become -1.

    At most `positive_fraction` of them are positive.
    Source: Faster R-CNN Sec. 3.1.3: 256 an image, up to half positive, padded with negatives.
    Shapes: label (…, A) -> (…, A). `generator` may live on another device than `label`.
    Each image has a stream of its own: its draw is the same for two processes as for one.
    """
    keys = _keys(label.shape, generator).to(label.device)
    positive, negative = label == 1, label == 0
    keep_pos = positive & (_ranks(keys.masked_fill(~positive, -1)) < int(num * positive_fraction))
    room = num - keep_pos.sum(dim=-1, keepdim=True)
    keep_neg = negative & (_ranks(keys.masked_fill(~negative, -1)) < room)
    return label.masked_fill(~(keep_pos | keep_neg), -1)


def pad_targets(targets: list[dict], device=None):
    """A batch's boxes as rectangular tensors.

    Shapes: list of {"boxes" (G_i, 4), "labels" (G_i,)[, "crowd", "difficult" (G_i,) bool]}
            -> boxes (N, G, 4), labels (N, G), valid (N, G), crowd (N, G), with G the largest G_i.
    Units:  `valid` marks objects to be found; `crowd` marks crowd and difficult ones, never both;
            padding is neither.
    """
    num, most = len(targets), max((len(t["boxes"]) for t in targets), default=0)
    like = targets[0]["boxes"] if targets else torch.zeros(0, 4)
    boxes = like.new_zeros(num, most, 4)
    labels = torch.zeros(num, most, dtype=torch.int64, device=like.device)
    valid, crowd = labels.bool(), labels.bool()
    for i, t in enumerate(targets):
        g = len(t["boxes"])
        boxes[i, :g], labels[i, :g], valid[i, :g] = t["boxes"], t["labels"], True
        for flag in ("crowd", "difficult"):
            if flag in t:
                crowd[i, :g] |= t[flag]
    return tuple(x.to(device or like.device) for x in (boxes, labels, valid & ~crowd, crowd))
