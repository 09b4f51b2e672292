"""Do anchors or proposals reach the objects? The best IoU of every object with those of a configuration."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.training_size import (
    even_picks,
    laid_anchors,
    resized_boxes,
    resized_objects,
    resized_size,
)
from paperlib.parts import boxes as box_parts
from paperlib.parts.anchors import AnchorConfig, base_anchors
from paperlib.parts.proposals import ProposalSource
from paperlib.progress import progress
from paperlib.training.own_proposals import with_given_proposals

RATIO_EDGES = (0.4, 0.7, 1.4, 2.5)                         # height / width, between the names that follow
RATIO_NAMES = ("flat", "wide", "square", "tall", "thin")


@dataclass(frozen=True)
class Coverage:
    """One entry per object (G), at the training size."""
    best: Tensor               # (G,) highest IoU with any anchor (or proposal, likewise below)
    side: Tensor               # (G,) square root of the box's area, px
    ratio: Tensor              # (G,) height / width
    label: Tensor              # (G,) 1..K
    anchors: float             # mean number of anchors an image
    sides: tuple[float, float]  # px, of the smallest and the largest anchor
    images: int

    def share(self, threshold: float, where: Tensor | None = None) -> float:
        """The share of objects (of those in `where`) whose best IoU reaches `threshold`; nan for none."""
        best = self.best
        if where is not None:
            best = best[where]
        if not len(best):
            return math.nan
        return float((best >= threshold).float().mean())

    def size_bins(self) -> dict[str, Tensor]:
        """Octaves of the side, "16-32" px ... -> (G,) bool; the first and last occupied bins bound them."""
        if not len(self.side):
            return {}
        octaves = self.side.clamp(min=1).log2().floor().int()
        bins = {}
        for octave in range(int(octaves.min()), int(octaves.max()) + 1):
            bins[f"{2**octave}-{2 * 2**octave}"] = octaves == octave
        return bins

    def ratio_bins(self) -> dict[str, Tensor]:
        """"flat" (height below .4 of the width) ... "thin" (above 2.5) -> (G,) bool."""
        index = torch.bucketize(self.ratio, torch.tensor(RATIO_EDGES))
        return {name: index == i for i, name in enumerate(RATIO_NAMES)}

    def table(self, threshold: float) -> str:
        """Percent of objects reached at `threshold`, by size (rows) and shape (columns); "." for none."""
        every = torch.ones_like(self.label, dtype=torch.bool)
        shapes = {**self.ratio_bins(), "all": every}
        lines = [_line(["px", *shapes, "objects"])]
        for name, in_size in {**self.size_bins(), "all": every}.items():
            cells = [_percent(self.share(threshold, in_size & in_shape)) for in_shape in shapes.values()]
            lines.append(_line([name, *cells, str(int(in_size.sum()))]))
        return "\n".join(lines)

    def worst(self, threshold: float, classes: list[str], at_least: int = 5, count: int = 5) -> list[tuple]:
        """(class, share, objects) of the classes reached least, among those with `at_least` objects."""
        by_class = []
        for label in self.label.unique().tolist():
            of_class = self.label == label
            objects = int(of_class.sum())
            if objects >= at_least:
                by_class.append((classes[label - 1], self.share(threshold, of_class), objects))
        return sorted(by_class, key=lambda entry: entry[1])[:count]


def _percent(share: float) -> str:
    return "." if math.isnan(share) else f"{100 * share:.0f}"


def _line(cells: list[str]) -> str:
    return "".join([f"{cell:>9}" for cell in cells])


def anchor_coverage(dataset: DetectionSet, cfg: AnchorConfig, size=None, limit: int = 1000,
                    border: float | None = None, scale: float = 1.0) -> Coverage:
    """Best IoU of each object with the anchors at the training size; opens no image.

    Without crowds and difficult objects. `size` is as in `Batches`. Of a larger set, `limit` images at even
    distances are taken. `border` and `scale` are as in `laid_anchors`.
    Units: px of the resized image.
    """
    def anchors(i: int) -> Tensor:
        return laid_anchors(cfg, resized_size(dataset.images[i], size), scale, border)[0]

    sides = box_parts.area(torch.cat([base_anchors(cfg, level, scale) for level in cfg.levels])).sqrt()
    bounds = float(sides.min()), float(sides.max())
    return _coverage(dataset, even_picks(dataset, limit), size, anchors, bounds)


def proposal_coverage(dataset: DetectionSet, source: ProposalSource, size=None, limit: int = 40) -> Coverage:
    """As `anchor_coverage`, with the proposals of the first `limit` images, which are searched if need be."""
    first = with_given_proposals(dataset.subset(limit), source)

    def proposals(i: int) -> Tensor:
        return resized_boxes(first.proposals[i], first.images[i], size)

    return _coverage(first, range(len(first)), size, proposals, (0.0, math.inf))


def _coverage(dataset: DetectionSet, picks: range, size, regions_of: Callable[[int], Tensor],
              sides: tuple[float, float]) -> Coverage:
    """`regions_of(i)` are the boxes (A, 4) that image i is looked at through, at the training size."""
    best, boxes, labels = [torch.zeros(0)], [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)]
    counts = []
    for i in progress(picks, desc="coverage", unit="image"):
        regions = regions_of(i)
        counts.append(len(regions))
        gt, label = resized_objects(dataset, i, size)
        best.append(best_iou(gt, regions))
        boxes.append(gt)
        labels.append(label)
    gt = torch.cat(boxes)
    side_w, side_h = (gt[:, 2:] - gt[:, :2]).unbind(1)
    return Coverage(torch.cat(best), (side_w * side_h).sqrt(), side_h / side_w, torch.cat(labels),
                    sum(counts) / len(counts), sides, len(counts))


def best_iou(gt: Tensor, boxes: Tensor) -> Tensor:
    """(G,) the highest IoU of each object with a box; 0 without boxes."""
    if not len(boxes):
        return gt.new_zeros(len(gt))
    return box_parts.iou(gt, boxes).amax(1)
