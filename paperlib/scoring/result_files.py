"""COCO's numbers of two files on disk: the ground truth and any tool's results."""
import json
from pathlib import Path

from paperlib.data.record_checks.faults import parse_json
from paperlib.scoring.average_recall import areas_of
from paperlib.scoring.checked_arrays import truth
from paperlib.scoring.coco_metrics import coco_metrics


def read_json(path) -> object:
    """A JSON file's content. Errors: FileNotFoundError, or ValueError with file, line and column."""
    try:
        return parse_json(Path(path).read_bytes())  # UTF-8 or UTF-16, with a mark in front or without
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON at line {error.lineno}, column {error.colno}: "
                         f"{error.msg}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:                # numbers of 5,000 digits, lists 10,000 deep
        raise ValueError(f"{path}: not valid JSON ({error})") from None


def score_files(gt_file, results_file, kind: str = "bbox", **options) -> dict:
    """COCO's numbers of any results file, as the command `paperlib score` prints them.

    `options` are those of `coco_metrics`.
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
