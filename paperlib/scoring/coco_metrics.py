"""COCO's twelve numbers and the scores of a whole system on a data set.

All numbers are fractions in 0..1, as the official tools give them; the papers print percent.
"""
import json
from pathlib import Path

import numpy as np
import torch

from paperlib.data.detection_set import DetectionSet
from paperlib.data.given_proposals import with_proposals
from paperlib.data.record_checks.faults import parse_json
from paperlib.data.record_checks.values import AREA_BOUNDS, area_bounds
from paperlib.parts.boxes import iou
from paperlib.scoring.checked_arrays import found, truth
from paperlib.scoring.coco_curves import curves
from paperlib.scoring.detect import detect_all
from paperlib.scoring.voc_ap import voc_ap
from paperlib.training.trained import category_ids

__all__ = ["average_recall", "coco_metrics", "detect_all", "evaluate", "score_files", "voc_ap"]

COCO_AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
SHORT = {"small": "s", "medium": "m", "large": "l"}
PROPOSALS = (2, 10, 20, 100, 300, 1000)                          # counts at which proposals are scored
AUC_COUNTS = 31                                                  # knots of the recall curve over log proposals


def areas_of(gt) -> dict[str, tuple[float, float]]:
    """The area ranges of a ground truth, px^2: the set's own if it says so (info["area_bounds"]), else COCO's.

    Errors: ValueError for bounds that are no two sides.
    """
    if isinstance(gt, DetectionSet):
        return gt.area_ranges
    bounds, wrong = area_bounds(gt) if isinstance(gt, dict) else (AREA_BOUNDS, None)
    if wrong:
        raise ValueError(f"info: found {wrong[0]}; expected {wrong[1]}")
    small, large = (float(b) ** 2 for b in bounds)
    return {"all": (0.0, 1e10), "small": (0.0, small), "medium": (small, large), "large": (large, 1e10)}


def coco_metrics(gt, results: list[dict], kind: str = "bbox", max_dets=(1, 10, 100), area_ranges: dict | None = None,
                 per_category: bool = False, engine: str | None = None) -> dict:
    """COCO's numbers: AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl (for the limits and ranges asked for).

    Source:  COCO's evaluation as in pycocotools, which the tests hold it to; Lin's thesis, Sec. 4.5.2.
    `gt` is a DetectionSet or COCO's dictionary; `results` are COCO result records. `per_category` adds
    "per_category": {name: AP}. See `curves` for `engine`.
    Results of categories that the ground truth lacks do not count; a warning says how many.
    Differs: nan, not -1, where the ground truth has no object; the set's own area ranges are the default;
             PASCAL's `difficult` objects are ignored; AP uses the largest of `max_dets`, whatever it is.
    Errors:  ValueError or KeyError naming the record.
    """
    ranges, limits = area_ranges or areas_of(gt), sorted(max_dets)
    labels = ["all", *(label for label in ranges if label != "all")]
    columns = truth(gt, kind)
    dt = found(columns, results, kind, strangers=True)
    precision, recall = curves(columns, dt, limits, [ranges[l] for l in labels], engine=engine)
    precision = precision[..., -1]                               # (T, R, K, A) at the largest limit
    out = {"AP": _mean(precision[..., 0]), "AP50": _mean(precision[0, ..., 0]), "AP75": _mean(precision[5, ..., 0])}
    out |= {f"AP{SHORT.get(l, l)}": _mean(precision[..., a]) for a, l in enumerate(labels) if a}
    out |= {f"AR{k}": _mean(recall[..., 0, m]) for m, k in enumerate(limits)}
    out |= {f"AR{SHORT.get(l, l)}": _mean(recall[..., a, -1]) for a, l in enumerate(labels) if a}
    if per_category:
        out["per_category"] = {name: _mean(precision[..., k, 0]) for k, name in enumerate(columns.names)}
    return out


def _mean(values: np.ndarray) -> float:
    """Mean over the settings that had something to find (-1 marks the others); nan if none had."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float("nan")


def average_recall(gt, results: list[dict], k=(10, 100, 1000), kind: str = "bbox", area_ranges: dict | None = None,
                   engine: str | None = None) -> dict:
    """Class-agnostic recall of proposals: AR{k} for each k, ARs ARm ARl at the largest k, AUC AUCs AUCm AUCl.

    Source:  Lin's thesis, Sec. 3.5 (AR over IoU .5 to .95 at a number of proposals) and Table 3.3 (AUC, by size).
    AUC is the mean of AR over log(number of proposals) from 1 to max(k), trapezoids between 31 counts. Records need
    no category_id; AR by size is also given at every k as AR{k}s, AR{k}m, AR{k}l.
    Differs: the thesis does not name the axis of AUC; a logarithmic one agrees with its AR10/100/1K columns.
    """
    ranges, wanted = area_ranges or areas_of(gt), sorted(k)
    labels = ["all", *(label for label in ranges if label != "all")]
    counts = np.unique(np.geomspace(1, wanted[-1], AUC_COUNTS).round().astype(int))
    limits = sorted({*wanted, *counts.tolist()})
    columns = truth(gt, kind)
    dt = found(columns, results, kind, classes=False)
    _, recall = curves(columns, dt, limits, [ranges[l] for l in labels], recalls=[0.0], classes=False, engine=engine)
    by_area = np.where(recall[:, 0] > -1, recall[:, 0], np.nan).mean(0)      # (A, M)
    at, axis = {n: m for m, n in enumerate(limits)}, np.log(counts)
    curve = by_area[:, [at[n] for n in counts.tolist()]]
    auc = ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(axis)).sum(1) / axis[-1] if len(axis) > 1 else curve[:, 0]
    out = {}
    for a, suffix in enumerate(["", *(SHORT.get(l, l) for l in labels[1:])]):
        out |= {f"AR{n}{suffix}": float(by_area[a, at[n]]) for n in wanted} | {f"AUC{suffix}": float(auc[a])}
        out |= {f"AR{suffix}": float(by_area[a, -1])} if suffix else {}
    return out


def evaluate(system, dataset, device, batch: int = 16, short: int | None = None, long: int | None = None) -> dict:
    """The numbers that `system` is scored by on `dataset`: COCO's, with "per_category": {name: AP}, or recall.

    PASCAL sets also have "mAP" by the rule of 2007, systems on given proposals "given_AR" of those. A proposal method
    (`scored_by = "recall"`) gets the numbers of `average_recall` at PROPOSALS: the papers' counts, and 2 and 20, the
    same shares of the 4,092 anchors of a 128 px image as 100 and 1000 are of FPN's 200,000. Sizes and classes: as in
    `detect_all`.
    """
    category_ids(system, dataset)  # sets that do not fit are refused before any work
    given = system.cfg.needs_proposals()
    if given and dataset.proposals is None:
        dataset = with_proposals(dataset, system.cfg.proposals)
    results = detect_all(system, dataset, device, batch, short, long)
    if system.scored_by == "recall":
        return average_recall(dataset, results, PROPOSALS)
    metrics = coco_metrics(dataset, results, per_category=True)
    if dataset.has_difficult:
        metrics["mAP"] = voc_ap(dataset, results, 2007)["mAP"]
    if given:
        metrics["given_AR"] = covered(dataset)
    return metrics


def covered(dataset) -> float:
    """The share of objects that some given proposal overlaps enough, mean over IoU .5 to .95 (average recall).

    Differs: two objects may be found by one proposal; it is about proposals before any system has seen them.
    """
    best = []
    for given, target in zip(dataset.proposals, map(dataset.target, range(len(dataset)))):
        wanted = target["boxes"][~(target["crowd"] | target.get("difficult", target["crowd"]))]
        best.append(iou(wanted, given).amax(1) if len(given) else wanted.new_zeros(len(wanted)))
    return float((torch.cat(best)[:, None] >= torch.arange(0.5, 1, 0.05)).float().mean())


def read_json(path) -> object:
    """A JSON file's content. Errors: FileNotFoundError, or ValueError with file, line and column."""
    try:
        return parse_json(Path(path).read_bytes())               # UTF-8 or UTF-16, with a mark in front or without
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:                # numbers of 5,000 digits, lists 10,000 deep
        raise ValueError(f"{path}: not valid JSON ({error})") from None


def score_files(gt_file, results_file, kind: str = "bbox", **options) -> dict:
    """COCO's numbers of any results file, as the command `paperlib score` prints them; `options` as in `coco_metrics`.

    Errors: ValueError, KeyError or FileNotFoundError naming the file and the record.
    """
    gt, results = read_json(gt_file), read_json(results_file)
    try:
        truth(gt, kind)
        areas_of(gt)
    except (ValueError, KeyError) as error:
        raise type(error)(f"{gt_file}: {error.args[0]}") from None
    try:
        return coco_metrics(gt, results, kind, per_category=True, **options)
    except (ValueError, KeyError) as error:
        raise type(error)(f"{results_file}: {error.args[0]}") from None
