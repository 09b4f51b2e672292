"""COCO's twelve numbers and the scores of a whole system on a data set.

All numbers are fractions in 0..1, as the official tools give them; the papers print percent.
"""
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from paperlib.parts.boxes import iou
from paperlib.scoring.average_recall import (
    areas_of,
    average_recall,
    by_size,
    recall_numbers,
    recall_on_draws,
)
from paperlib.scoring.checked_arrays import Detections, Truth, detections, truth
from paperlib.scoring.coco_curves import curves
from paperlib.scoring.detect import detect_all
from paperlib.scoring.image_draws import scores_on_draws
from paperlib.scoring.segmentation import region_accuracy
from paperlib.scoring.segments.bounds import upper_bound
from paperlib.scoring.segments.outlines import outlines
from paperlib.scoring.voc_ap import numbers as pascal_numbers
from paperlib.scoring.voc_ap import voc_ap
from paperlib.training.own_proposals import with_tested_proposals
from paperlib.training.trained import category_ids, lacks_masks, sides_for

__all__ = ["average_recall", "coco_metrics", "detect_all", "evaluate", "voc_ap"]

PROPOSALS = (2, 10, 20, 100, 300, 1000)          # counts at which proposals are scored


def coco_metrics(gt, results: list[dict], kind: str = "bbox", max_dets=(1, 10, 100),
                 area_ranges: dict | None = None, per_category: bool = False,
                 engine: str | None = None) -> dict:
    """COCO's numbers, for the limits and ranges asked for.

    By default AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl.
    Source:  COCO's evaluation as in pycocotools, which the tests hold it to; Lin's thesis, Sec. 4.5.2.
    `gt` is a DetectionSet or COCO's dictionary; `results` are COCO result records. `per_category` adds
    "per_category": {name: AP}. See `curves` for `engine`.
    Results of categories that the ground truth lacks do not count; a warning says how many.
    Differs: nan, not -1, where the ground truth has no object; the set's own area ranges are the default;
             PASCAL's `difficult` objects are ignored; AP uses the largest of `max_dets`, whatever it is.
    Errors:  ValueError or KeyError naming the record.
    """
    columns = truth(gt, kind)
    dt = detections(columns, results, kind, strangers=True)
    return numbers(columns, dt, area_ranges or areas_of(gt), max_dets, per_category, engine)


def numbers(columns: Truth, dt: Detections, area_ranges: dict, max_dets=(1, 10, 100),
            per_category: bool = False, engine: str | None = None) -> dict:
    """`coco_metrics` of columns that were checked before."""
    sizes, ranges = by_size(area_ranges)
    limits = sorted(max_dets)
    precision, recall = curves(columns, dt, limits, ranges, engine=engine)
    precision = precision[..., -1]                               # (T, R, K, A) at the largest limit
    recall_at_most = recall[..., -1]                             # (T, K, A) likewise
    metrics = {"AP": _mean(precision[..., 0]), "AP50": _mean(precision[0, ..., 0]),
               "AP75": _mean(precision[5, ..., 0])}
    for a, size in enumerate(sizes[1:], 1):
        metrics[f"AP{size}"] = _mean(precision[..., a])
    for m, limit in enumerate(limits):
        metrics[f"AR{limit}"] = _mean(recall[..., 0, m])
    for a, size in enumerate(sizes[1:], 1):
        metrics[f"AR{size}"] = _mean(recall_at_most[..., a])
    if per_category:
        metrics["per_category"] = {name: _mean(precision[..., k, 0]) for k, name in enumerate(columns.names)}
    return metrics


def _mean(values: np.ndarray) -> float:
    """Mean over the settings that had something to find (-1 marks the others); nan if none had."""
    values = values[values > -1]
    if not values.size:
        return float("nan")
    return float(values.mean())


def evaluate(system, dataset, device, batch: int = 16, short: int | None = None,
             long: int | None = None, draws: int = 0, results: list[dict] | None = None,
             besides: Callable | None = None) -> dict:
    """The numbers that `system` is scored by on `dataset`: COCO's, with "per_category" {name: AP}, or recall.

    PASCAL sets also have "mAP" by the rule of 2007, systems on given proposals "given_AR" of those.
    A proposal method (`scored_by = "recall"`) gets the numbers of `average_recall` at PROPOSALS: the papers'
    counts, and 2 and 20, the same shares of the 4,092 anchors of a 128 px image as 100 and 1000 are of FPN's
    200,000. Sizes and classes: as in `detect_all`.
    `results` are detections of `detect_all` that are there already.
    `draws` adds "draws": {metric: its value on each of so many draws of the images} (see `image_draws`).
    A system that names pixels (`scored_by = "regions"`) gets what `segmentation.region_accuracy` gives, one
    that proposes masks (`scored_by = "segments"`) the `average_recall` of its boxes, "box AR10", and of its
    masks, "seg AR10", and so on, and how sharp these are (`segments.outlines`), with `propose.bound` also
    "bound AR" (`segments.bounds`); only the recall has draws.
    `besides(dataset, results)` adds what it gives to the metrics.
    """
    if system.scored_by == "regions":
        return region_accuracy(system, dataset, draws)
    category_ids(system, dataset)  # sets that do not fit are refused before any work
    if wrong := lacks_masks(system, dataset):
        raise ValueError(wrong)
    dataset = with_tested_proposals(dataset, system)
    if results is None:
        results = detect_all(system, dataset, device, batch, short, long)
    if system.scored_by == "segments":
        recall = segment_recall(dataset, results, draws) | outlines(dataset, results)
        return recall | _bound(system, dataset, device, short, long)
    columns, proposes = truth(dataset), system.scored_by == "recall"
    dt = detections(columns, results, classes=not proposes, strangers=not proposes)
    ranges = areas_of(dataset)
    if proposes:
        score = partial(recall_numbers, area_ranges=ranges, k=PROPOSALS)
        metrics = score(columns, dt)
    else:
        score = partial(_detector_numbers, area_ranges=ranges, pascal=dataset.has_difficult)
        metrics = score(columns, dt, per_category=True)
    if system.cfg.needs_proposals():
        metrics["given_AR"] = covered(dataset)
    if draws and proposes:
        metrics["draws"] = recall_on_draws(columns, dt, ranges, PROPOSALS, draws)
    elif draws:
        metrics["draws"] = scores_on_draws(score, columns, dt, draws)
    if besides is not None:
        metrics |= besides(dataset, results)
    return metrics


def segment_recall(dataset, results: list[dict], draws: int = 0) -> dict:
    """`average_recall` of the boxes and of the masks of proposals: {"box AR10", ..., "seg AUCl"}.

    `draws` adds "draws": {metric: its value on each of so many draws of the images}.
    """
    metrics, on_draws, ranges = {}, {}, areas_of(dataset)
    for kind, name in (("bbox", "box"), ("segm", "seg")):
        columns = truth(dataset, kind)
        dt = detections(columns, results, kind, classes=False)
        for key, value in recall_numbers(columns, dt, ranges).items():
            metrics[f"{name} {key}"] = value
        if draws:
            for key, values in recall_on_draws(columns, dt, ranges, draws=draws).items():
                on_draws[f"{name} {key}"] = values
    if draws:
        metrics["draws"] = on_draws
    return metrics


def _bound(system, dataset, device, short: int | None, long: int | None) -> dict[str, float]:
    """`segments.bounds.upper_bound`, where the system's configuration asks for it."""
    if not system.cfg.propose.bound:
        return {}
    return upper_bound(system, dataset, device, *sides_for(system, short, long))


def _detector_numbers(columns: Truth, dt: Detections, area_ranges: dict, pascal: bool,
                      per_category: bool = False) -> dict:
    """COCO's numbers, and of a PASCAL set also "mAP" by the rule of 2007."""
    metrics = numbers(columns, dt, area_ranges, per_category=per_category)
    if pascal:
        metrics["mAP"] = pascal_numbers(columns, dt, 2007)["mAP"]
    return metrics


def covered(dataset) -> float:
    """The share of objects that some given proposal overlaps enough, mean over IoU .5 to .95.

    Differs: average recall, but that one proposal may find two objects; no system has seen the proposals.
    """
    best = []
    for i, proposals in enumerate(dataset.proposals):
        target = dataset.target(i)
        objects = target["boxes"][~(target["crowd"] | target.get("difficult", target["crowd"]))]
        nothing = proposals.new_zeros(1, 4)                      # overlaps no object
        best.append(iou(objects, torch.cat([proposals, nothing])).amax(1))
    return float((torch.cat(best)[:, None] >= torch.arange(0.5, 1, 0.05)).float().mean())
