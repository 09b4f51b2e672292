"""Object proposals that come with the images: selective search, a dense grid, or another system's file."""
import dataclasses
from functools import lru_cache

import torch
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.data.selective_search import read_proposals, searched
from paperlib.parts import boxes
from paperlib.parts.anchors import AnchorConfig, anchors_for, inside
from paperlib.parts.proposals import ProposalSource

GRID = AnchorConfig(levels=(3, 4, 5), size_per_stride=2.0, scales=(1.0, 2**0.5))
RICH = AnchorConfig(levels=(2, 3, 4), size_per_stride=4.0, scales=(1.0, 2**0.25, 2**0.5, 2**0.75),
                    ratios=(0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83))
# windows of one stage: the RPN's own anchors (Faster R-CNN Sec. 4.1: 128 to 512 px; here 24, 48 and 96)
ANCHORS = AnchorConfig(levels=(3,), size_per_stride=3.0, scales=(1.0, 2.0, 4.0))
GRIDS = {"dense": GRID, "dense_rich": RICH, "anchors": ANCHORS}
SEARCHED = ("selective_search", "quality", "nearest_dense", "nearest_rich", "beside_rich")
BORDER = 16                    # px by which a grid's box may cross the image's edge before it is cut there


@lru_cache(maxsize=64)
def dense_boxes(size: tuple[int, int], rule: AnchorConfig = GRID) -> Tensor:
    """The same boxes for every image of `size` (h, w): over scale, position and aspect ratio, (D, 4) px.

    Source: Fast R-CNN Sec. 5.5, which takes about 45k of 600 x 1000 px.
    Differs: cut at the image's border; 6 shapes of 16 to 90 px at every 8, 16 or 32 px, about 2,000 at 128 x
             128 px, or by `rule` RICH those of `closest_dense`.
    """
    shapes, (height, width) = {}, size
    for level in rule.levels:
        shapes[level] = -(-height // 2**level), -(-width // 2**level)
    grid = anchors_for(rule, shapes)
    return boxes.clip(grid[inside(grid, size, BORDER)], size)


def closest_dense(targets: Tensor, size: tuple[int, int]) -> Tensor:
    """The box of a rich grid that overlaps each of `targets` most, in an image of `size` (h, w): (P, 4) px.

    Source: Fast R-CNN Sec. 5.5: so many boxes (45k) that one lies close to any box. Here 34,000 at 128 x 128
            px, 28 shapes of 16 to 108 px at every 4, 8 or 16 px.
    Of all boxes of one shape that with the nearest centre overlaps most, and of those that the image's edge
    cuts, that with the nearest uncut side: one of each of 84 shapes is tried. Near edges a slightly closer
    box may be missed.
    """
    shapes = anchors_for(RICH, dict.fromkeys(RICH.levels, (1, 1)))  # (S, 4), at the first place of each map
    shapes_per_level = len(shapes) // len(RICH.levels)
    step = torch.tensor(RICH.levels).exp2().repeat_interleave(shapes_per_level)[:, None]  # (S, 1)
    edge = torch.tensor(size[::-1], dtype=shapes.dtype)  # w, h
    first = ((-BORDER - shapes[:, :2]) / step).ceil().clamp(min=0)
    last = ((edge + BORDER - shapes[:, 2:]) / step).floor().minimum((edge / step).ceil() - 1)
    low, high = targets[:, None, :2], targets[:, None, 2:]
    place = ((low + high) / 2 / step).floor().maximum(first).minimum(last)  # (P, S, 2)
    left, right = ((low - shapes[:, :2]) / step).round(), ((high - shapes[:, 2:]) / step).round()
    cut_right = torch.where(shapes[:, 2:] + place * step > edge, left, place)
    place = torch.where(shapes[:, :2] + place * step < 0, right, cut_right).maximum(first).minimum(last)
    near = boxes.clip(shapes + (place * step).repeat(1, 1, 2), size)
    overlap = boxes.iou(targets[:, None], near)[:, 0].masked_fill((last < first).any(1), -1)
    return near[torch.arange(len(near)), overlap.argmax(1)]


def with_proposals(dataset: DetectionSet, source: ProposalSource, jobs: int | None = None) -> DetectionSet:
    """The same set, whose targets hold "proposals" (P, 4) px.

    Selective search is run for images that lack it.
    Errors: ValueError for an unknown kind, or a proposal file of other images; FileNotFoundError.
    """
    sizes, seeds = dataset.sizes, dataset.image_ids
    if source.kind in GRIDS:
        rule = GRIDS[source.kind]
        proposals = [_some(dense_boxes(size, rule), source.keep, seed) for size, seed in zip(sizes, seeds)]
    elif source.kind in SEARCHED:
        proposals = searched(dataset, source.kind == "quality", jobs)
    elif source.kind.endswith(".npz"):
        proposals = read_proposals(source.kind, dataset)
    else:
        raise ValueError(f"proposals.kind {source.kind!r}: expected 'selective_search', 'quality', 'dense', "
                         "'dense_rich', 'anchors', 'nearest_dense', 'nearest_rich', 'beside_rich' or the "
                         "path of an .npz file, or of weights, .safetensors")
    return treated(dataset, proposals, source)


def treated(dataset: DetectionSet, ranked: list[Tensor], source: ProposalSource) -> DetectionSet:
    """The same set with the best of the `ranked` boxes of each image, (P, 4) px, as `source` wants them."""
    proposals = []
    for of_image, size, seed in zip(ranked, dataset.sizes, dataset.image_ids):
        proposals.append(_treated(of_image[:source.keep], source, size, seed))
    return dataclasses.replace(dataset, proposals=proposals)


def _treated(proposals: Tensor, source: ProposalSource, size: tuple[int, int], seed: int) -> Tensor:
    """The proposals of one image as `source` wants them: moved to a grid, dense boxes added."""
    if source.kind == "nearest_dense":
        grid = dense_boxes(size)
        proposals = grid[boxes.iou(proposals, grid).argmax(1)]
    if source.kind == "nearest_rich":
        proposals = closest_dense(proposals, size)
    if source.dense:
        grid = dense_boxes(size, added_grid(source.kind))
        proposals = torch.cat([proposals, _some(grid, source.dense, seed)])
    return proposals


def added_grid(kind: str) -> AnchorConfig:
    """The grid whose boxes are added to proposals of this kind."""
    if kind == "beside_rich":
        return RICH
    return GRID


def _some(grid: Tensor, num: int, seed: int) -> Tensor:
    if num >= len(grid):
        return grid
    return grid[torch.randperm(len(grid), generator=torch.Generator().manual_seed(seed))[:num]]
