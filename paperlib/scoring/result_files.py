"""COCO's numbers of two files on disk: the ground truth and any tool's results."""
import json
from pathlib import Path, PurePath

from paperlib.data.record_checks.faults import parse_json
from paperlib.scoring.average_recall import areas_of
from paperlib.scoring.checked_arrays import truth
from paperlib.scoring.coco_metrics import coco_metrics

SET_NAME = "pictures"  # what the list of pictures beside the results of `paperlib detect` calls itself


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


def read_results(path, gt: dict) -> object:
    """The results of a file; those of `paperlib detect` with the ids of this ground truth, a checked one.

    Errors: as `read_json`; ValueError naming the file and a picture that the ground truth lacks or has twice.
    """
    results, beside = read_json(path), Path(path).with_name("images.json")
    if not beside.is_file():
        return results
    listed = read_json(beside)
    info = listed.get("info") if isinstance(listed, dict) else None
    if not isinstance(info, dict) or info.get("description") != SET_NAME:
        return results
    try:
        return as_ids_of(gt, results, listed)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (KeyError, TypeError):
        raise ValueError(f"{path}: expected records of the pictures and categories that {beside.name} beside "
                         "it lists, as `paperlib detect` wrote both") from None


def as_ids_of(gt: dict, results: list[dict], listed: dict) -> list[dict]:
    """Results with the ground truth's ids of images and categories.

    `listed`: the "images.json" that `paperlib detect` writes beside its results, which counts pictures and
    classes from 1. A picture is known by its file name without folders. A class that the ground truth lacks
    gets a number that it does not have.
    Errors: ValueError naming a picture that the ground truth lacks or has twice, if anything was found on it.
    """
    names = {image["id"]: _name(image) for image in listed["images"]}
    images, twice = {}, set()
    for image in gt["images"]:
        if _name(image) in images:
            twice.add(_name(image))
        images[_name(image)] = image["id"]
    known = {category["name"]: category["id"] for category in gt["categories"]}
    numbers = [i for i in known.values() if not isinstance(i, str)]
    unknown = 1 + max(numbers, default=0)  # a number, as ids of results are that do not count
    classes = {each["id"]: known.get(each["name"], unknown) for each in listed["categories"]}
    renamed = []
    for result in results:
        name = names[result["image_id"]]
        if name not in images or name in twice:
            found = "lists twice" if name in twice else "does not list"
            raise ValueError(f"picture {name!r}, which the ground truth {found}; expected each picture once")
        renamed.append({**result, "image_id": images[name], "category_id": classes[result["category_id"]]})
    return renamed


def _name(image: dict) -> str:
    return PurePath(str(image.get("file_name", ""))).name


def score_files(gt_file, results_file, kind: str = "bbox", **options) -> dict:
    """COCO's numbers of any results file, as the command `paperlib score` prints them.

    `options` are those of `coco_metrics`.
    Errors: ValueError, KeyError or FileNotFoundError naming the file and the record.
    """
    gt = read_json(gt_file)
    try:
        truth(gt, kind)
        areas_of(gt)
    except (ValueError, KeyError) as error:
        raise type(error)(f"{gt_file}: {error.args[0]}") from None
    results = read_results(results_file, gt)
    try:
        return coco_metrics(gt, results, kind, per_category=True, **options)
    except (ValueError, KeyError) as error:
        raise type(error)(f"{results_file}: {error.args[0]}") from None
