"""Do anchors or proposals reach the objects? The best IoU of every object with those of a configuration."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.data.batches import fit_size
from paperlib.data.detection_set import DetectionSet
from paperlib.data.given_proposals import with_proposals
from paperlib.parts import boxes as box_parts
from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors, inside, map_shapes
from paperlib.parts.proposals import ProposalSource
from paperlib.progress import progress

RATIO_EDGES = (0.4, 0.7, 1.4, 2.5)                         # height / width, between the names that follow
RATIO_NAMES = ("flat", "wide", "square", "tall", "thin")
PAD_TO = 32                    # px; images are padded to a multiple, as the loader does


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
    distances are taken. With `border` only anchors that cross the image's edge by no more than so many px
    count, as an RPN's in training.
    Units: px of the resized image.
    """
    def anchors(i: int, h: int, w: int) -> Tensor:
        shapes = map_shapes(_canvas(h, w), cfg.levels, scale=scale)
        laid = anchors_for(cfg, shapes, image_size=_canvas(h, w), scale=scale)
        if border is None:
            return laid
        return laid[inside(laid, (h, w), border)]

    step = max(1, math.ceil(len(dataset) / limit))
    sides = box_parts.area(torch.cat([base_anchors(cfg, level, scale) for level in cfg.levels])).sqrt()
    bounds = float(sides.min()), float(sides.max())
    return _coverage(dataset, range(0, len(dataset), step), size, anchors, bounds)


def proposal_coverage(dataset: DetectionSet, source: ProposalSource, size=None, limit: int = 100) -> Coverage:
    """As `anchor_coverage`, with the proposals of the first `limit` images, which are searched if need be."""
    first = with_proposals(dataset.subset(limit), source)

    def proposals(i: int, h: int, w: int) -> Tensor:
        return first.proposals[i] * _scale(first.images[i], h, w)

    return _coverage(first, range(len(first)), size, proposals, (0.0, math.inf))


def _coverage(dataset: DetectionSet, picks: range, size, regions: Callable,
              sides: tuple[float, float]) -> Coverage:
    """`regions(i, h, w)` are the boxes (A, 4) that image i is looked at through when it is h x w px large."""
    best, boxes, labels = [torch.zeros(0)], [torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.int64)]
    counts = []
    for i in progress(picks, desc="coverage", unit="image"):
        record, target = dataset.images[i], dataset.target(i)
        h, w = fit_size(record["height"], record["width"], size)
        laid = regions(i, h, w)
        counts.append(len(laid))
        counted = ~(target["crowd"] | target.get("difficult", False))
        gt = target["boxes"][counted] * _scale(record, h, w)
        boxes.append(gt)
        labels.append(target["labels"][counted])
        if len(laid):
            best.append(box_parts.iou(gt, laid).amax(1))
        else:
            best.append(gt.new_zeros(len(gt)))
    gt = torch.cat(boxes)
    side_w, side_h = (gt[:, 2:] - gt[:, :2]).unbind(1)
    return Coverage(torch.cat(best), (side_w * side_h).sqrt(), side_h / side_w, torch.cat(labels),
                    sum(counts) / len(counts), sides, len(counts))


def _scale(record: dict, h: int, w: int) -> Tensor:
    """What boxes on the stored image are multiplied by to lie on one of h x w px: (4,)."""
    return torch.tensor((w / record["width"], h / record["height"])).repeat(2)


def _canvas(h: int, w: int) -> tuple[int, int]:
    return -(-h // PAD_TO) * PAD_TO, -(-w // PAD_TO) * PAD_TO
