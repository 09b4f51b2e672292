"""Is a model to scale? Cells and anchors to an object, beside those of the papers' networks on photographs.

A network whose maps are coarse for its images sees an object in one or two cells, and few anchors fit it.
Its losses, and what one design gains over another, then mean little. All of this is seen without training.

Legend: A anchors of an image, G objects of an image.
"""
import math
import tomllib
from dataclasses import asdict, dataclass
from functools import cache

import torch
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.finding import Finding
from paperlib.doctor.training_size import even_picks, laid_anchors, resized_objects, resized_size
from paperlib.parts import boxes as box_parts
from paperlib.parts.convs import stride_of
from paperlib.parts.roi_pooling import level_of
from paperlib.paths import DATA
from paperlib.progress import progress
from paperlib.systems.contract import TrainedAnchors

FIT, OVERLAP = 0.7, 0.5  # IoU of an anchor that fits an object well; of one that answers for it in RetinaNet
LARGEST = 0.3  # share of the objects that count as large
SHORT = {  # measure: the finding (value, bound, the paper's network on photographs), and what helps
    "large_fit": ("{:.0%} of large objects have an anchor of IoU >= .7 (expected {:.0%}; photographs {:.0%})",
                  "a larger anchors.size_per_stride, more anchors.scales, or larger images with it"),
    "positives": ("{:.1f} anchors of IoU >= .5 to an object (expected {:g}; {:.1f} on photographs)",
                  "larger images, finer levels, or a larger anchors.size_per_stride"),
    "canonical_cells": ("the canonical RoI is {:.1f} cells wide (expected {:g}; {:.1f} in the paper)",
                        "larger images with a larger roi.canonical_size, so that RoIs come from finer maps"),
}


@dataclass(frozen=True)
class ModelScale:
    """What a model's grids make of a set's objects; nan for what the model does not have."""

    cells: float  # along a side of an object, on the map of its best anchor (median)
    large_fit: float  # share of the largest 30% of the objects that have an anchor of IoU >= .7
    positives: float  # anchors of IoU >= .5 to an object (mean)
    roi_cells: float  # along a side of an object, on the map that its RoI is read from (median)
    canonical_cells: float  # along a side of the RoI of roi.canonical_size (FPN Eq. 1), on its level's map
    objects: int
    images: int


def model_scale(dataset: DetectionSet, cfg, size=None, limit: int = 1000) -> ModelScale:
    """Measure the model of a system's configuration on a set, at the training `size` (see `Batches`).

    Crowds and difficult objects are left out; no image is opened. Of a larger set, `limit` images at even
    distances are taken.
    """
    trained = cfg.trained_anchors()
    boxes, rows = [], []
    picks = even_picks(dataset, limit)
    for i in progress(picks, desc="scale", unit="image"):
        gt, _ = resized_objects(dataset, i, size)
        boxes.append(gt)
        if trained is not None and len(gt):
            rows.append(_best_anchors(trained, gt, resized_size(dataset.images[i], size)))
    gt = torch.cat(boxes)
    side = box_parts.area(gt).sqrt()
    cells = large = positives = math.nan
    if rows:
        best, stride, count = (torch.cat(column) for column in zip(*rows))
        cells, positives = float((side / stride).median()), float(count.mean())
        large = float((best[side >= side.quantile(1 - LARGEST)] >= FIT).float().mean())
    roi, canonical = _roi_cells(cfg, gt)
    return ModelScale(cells, large, positives, roi, canonical, len(gt), len(picks))


def _best_anchors(trained: TrainedAnchors, gt: Tensor,
                  size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """How the anchors of an image of `size` (h, w) px fit its objects, (G,) each.

    The highest IoU with an anchor, the stride px of that anchor's map, and how many anchors reach .5.
    """
    anchors, strides = laid_anchors(trained.anchors, size, trained.scale, trained.border)
    overlaps = box_parts.iou(gt, anchors)  # (G, A)
    best, nearest = overlaps.max(1)
    return best, strides[nearest], (overlaps >= OVERLAP).sum(1).float()


def _roi_cells(cfg, gt: Tensor) -> tuple[float, float]:
    """Cells along a side of an object's RoI (median) and of the canonical RoI.

    Both are nan without RoIs, the second also for a system that reads a single map.
    """
    if not getattr(cfg, "pools_rois", False) or not len(gt):
        return math.nan, math.nan
    levels, scale, rule = cfg.roi.levels or cfg.pyramid.levels, cfg.trunk.scale, cfg.roi
    chosen = level_of(gt, levels, rule.canonical_level, rule.canonical_size)
    cells = float((box_parts.area(gt).sqrt() / (2.0**chosen * scale)).median())
    if len(levels) == 1:
        return cells, math.nan
    return cells, rule.canonical_size / stride_of(rule.canonical_level, scale)


def on_photographs() -> dict[str, ModelScale]:
    """The papers' networks on photographs, by system: data/results/scale.toml, where their source stands."""
    measured = {}
    for system, row in _stored()["photographs"].items():
        numbers = {name: row.get(name, math.nan) for name in ModelScale.__annotations__}
        measured[system] = ModelScale(**numbers)
    return measured


def least(system: str) -> dict[str, float]:
    """{measure: the number under which a model of this `system` is too coarse}."""
    return _stored()["least"].get(system, {})


@cache
def _stored() -> dict:
    with open(DATA / "results" / "scale.toml", "rb") as file:
        return tomllib.load(file)


def examine_scale(measured: ModelScale, system: str) -> list[Finding]:
    """Whether a model is as fine for its objects as `least` asks; [] for a system that `least` leaves out."""
    photographs = on_photographs().get(system)
    if photographs is None or not measured.objects:
        return []
    findings = []
    for name, bound in least(system).items():
        value = getattr(measured, name)
        if value < bound:  # never for nan: the model has no such number
            form, advice = SHORT[name]
            text = form.format(value, bound, getattr(photographs, name))
            findings.append(Finding("scale", "look", text, advice))
    if findings:
        return findings
    places = [(measured.cells, photographs.cells, "on the map of its best anchor"),
               (measured.roi_cells, photographs.roi_cells, "on the map of its RoI")]
    lines = []
    for cells, reference, place in places:
        if not math.isnan(cells):
            lines.append(f"{cells:.1f} cells wide {place} ({reference:.1f} on photographs)")
    return [Finding("scale", "ok", f"the median object is {' and '.join(lines)}")]


def table(rows: dict[str, ModelScale]) -> str:
    """The measures of several models, a line each; "." for what a model does not have."""
    heads = ["", "cells", "large fit", "positives", "RoI cells", "canonical"]
    lines = ["{:<34}{:>8}{:>11}{:>11}{:>11}{:>11}".format(*heads)]
    for name, measured in rows.items():
        numbers = asdict(measured)
        cells = [_number(numbers["cells"], "{:.1f}"), _number(numbers["large_fit"], "{:.0%}")]
        for key in ("positives", "roi_cells", "canonical_cells"):
            cells.append(_number(numbers[key], "{:.1f}"))
        lines.append("{:<34}{:>8}{:>11}{:>11}{:>11}{:>11}".format(name, *cells))
    return "\n".join(lines)


def _number(value: float, form: str) -> str:
    if math.isnan(value):
        return "."
    return form.format(value)
