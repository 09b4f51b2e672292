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
PAD_TO = 32                                                # px; images are padded to a multiple, as the loader does


@dataclass(frozen=True)
class Coverage:
    """One entry per object (G), at the training size."""
    best: Tensor               # (G,) highest IoU with any anchor (or given proposal, likewise below)
    side: Tensor               # (G,) square root of the box's area, px
    ratio: Tensor              # (G,) height / width
    label: Tensor              # (G,) 1..K
    anchors: float             # mean number of anchors an image
    sides: tuple[float, float]  # px, of the smallest and the largest anchor
    images: int

    def share(self, threshold: float, where: Tensor | None = None) -> float:
        """The share of objects (of those in `where`) whose best IoU reaches `threshold`; nan for none."""
        best = self.best if where is None else self.best[where]
        return float((best >= threshold).float().mean()) if len(best) else math.nan

    def size_bins(self) -> dict[str, Tensor]:
        """Octaves of the side, "16-32" px ... -> (G,) bool; the first and last occupied bins bound them."""
        if not len(self.side):
            return {}
        octave = self.side.clamp(min=1).log2().floor().int()
        return {f"{2**o}-{2 * 2**o}": octave == o for o in range(int(octave.min()), int(octave.max()) + 1)}

    def ratio_bins(self) -> dict[str, Tensor]:
        """"flat" (height below .4 of the width) ... "thin" (above 2.5) -> (G,) bool."""
        index = torch.bucketize(self.ratio, torch.tensor(RATIO_EDGES))
        return {name: index == i for i, name in enumerate(RATIO_NAMES)}

    def table(self, threshold: float) -> str:
        """Percent of objects reached at `threshold`, by size (rows) and shape (columns); "." where there are none."""
        shapes = self.ratio_bins()
        rows = [["px", *shapes, "all", "objects"]]
        for name, in_size in [*self.size_bins().items(), ("all", torch.ones_like(self.label, dtype=torch.bool))]:
            cells = [self.share(threshold, in_size & s) for s in (*shapes.values(), torch.ones_like(in_size))]
            rows.append([name, *("." if math.isnan(c) else f"{100 * c:.0f}" for c in cells), str(int(in_size.sum()))])
        return "\n".join("".join(f"{cell:>9}" for cell in row) for row in rows)

    def worst(self, threshold: float, classes: list[str], at_least: int = 5, count: int = 5) -> list[tuple]:
        """(class, share, objects) of the classes that are reached least, among those with `at_least` objects."""
        by_class = [(classes[k - 1], self.share(threshold, self.label == k), int((self.label == k).sum()))
                    for k in self.label.unique().tolist()]
        return sorted((c for c in by_class if c[2] >= at_least), key=lambda c: c[1])[:count]


def anchor_coverage(dataset: DetectionSet, cfg: AnchorConfig, size=None, limit: int = 1000,
                    border: float | None = None, scale: float = 1.0) -> Coverage:
    """Best IoU of each object (no crowds, no difficult ones) with the anchors at the training size; opens no image.

    `size` is as in `Batches`. Of a larger set, `limit` images at even distances are taken. With `border` only anchors
    that cross the image's edge by no more than so many px count, as an RPN's in training.
    Units: px of the resized image.
    """
    def anchors(i: int, h: int, w: int) -> Tensor:
        shapes = map_shapes(_canvas(h, w), cfg.levels, scale=scale)
        laid = anchors_for(cfg, shapes, image_size=_canvas(h, w), scale=scale)
        return laid if border is None else laid[inside(laid, (h, w), border)]

    step = max(1, math.ceil(len(dataset) / limit))
    sides = box_parts.area(torch.cat([base_anchors(cfg, level, scale) for level in cfg.levels])).sqrt()
    return _coverage(dataset, range(0, len(dataset), step), size, anchors, (float(sides.min()), float(sides.max())))


def proposal_coverage(dataset: DetectionSet, source: ProposalSource, size=None, limit: int = 100) -> Coverage:
    """As `anchor_coverage`, with the proposals that come with the first `limit` images; searches them if need be."""
    given = with_proposals(dataset.subset(limit), source)

    def proposals(i: int, h: int, w: int) -> Tensor:
        record = given.images[i]
        return given.proposals[i] * torch.tensor((w / record["width"], h / record["height"])).repeat(2)

    return _coverage(given, range(len(given)), size, proposals, (0.0, math.inf))


def _coverage(dataset: DetectionSet, picks: range, size, regions: Callable, sides: tuple[float, float]) -> Coverage:
    """`regions(i, h, w)` are the boxes (A, 4) that image i is looked at through when it is h x w px large."""
    best, boxes, labels, counts = [], [], [], []
    for i in progress(picks, desc="coverage", unit="image"):
        record, target = dataset.images[i], dataset.target(i)
        h, w = fit_size(record["height"], record["width"], size)
        there = regions(i, h, w)
        counts.append(len(there))
        wanted = ~(target["crowd"] | target.get("difficult", False))
        gt = target["boxes"][wanted] * torch.tensor((w / record["width"], h / record["height"])).repeat(2)
        if len(gt):
            best.append(box_parts.iou(gt, there).amax(1) if len(there) else gt.new_zeros(len(gt)))
            boxes.append(gt)
            labels.append(target["labels"][wanted])
    gt = torch.cat(boxes) if boxes else torch.zeros(0, 4)
    side_w, side_h = (gt[:, 2:] - gt[:, :2]).unbind(1)
    return Coverage(torch.cat(best) if best else torch.zeros(0), (side_w * side_h).sqrt(), side_h / side_w,
                    torch.cat(labels) if labels else torch.zeros(0, dtype=torch.int64), sum(counts) / len(counts),
                    sides, len(counts))


def _canvas(h: int, w: int) -> tuple[int, int]:
    return -(-h // PAD_TO) * PAD_TO, -(-w // PAD_TO) * PAD_TO
