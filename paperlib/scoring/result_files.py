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


def is_results(path) -> bool:
    """Whether a file holds COCO's results: a JSON list of records with an "image_id", perhaps of none."""
    try:
        records = read_json(path)
    except ValueError:
        return False
    if not isinstance(records, list):
        return False
    return all(isinstance(record, dict) and "image_id" in record for record in records)


def detected_list(path) -> dict | None:
    """The list of pictures that `paperlib detect` left in a file; None for any other, or with labels."""
    try:
        listed = read_json(path)
    except (ValueError, OSError):
        return None
    if not _is_of_detect(listed) or listed.get("annotations"):
        return None
    return listed


def _is_of_detect(listed: object) -> bool:
    info = listed.get("info") if isinstance(listed, dict) else None
    return isinstance(info, dict) and info.get("description") == SET_NAME


def read_results(path, gt: dict) -> object:
    """The results of a file; those of `paperlib detect` with the ids of this ground truth, a checked one.

    Errors: as `read_json`; ValueError naming the file and a picture that the ground truth lacks or has twice.
    """
    results, beside = read_json(path), Path(path).with_name("images.json")
    if not beside.is_file():
        return results
    listed = read_json(beside)
    if not _is_of_detect(listed):
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
    classes from 1. A picture is known by its file name, and of several of one name by the folders that it
    lies in. A class that the ground truth lacks gets a number that it does not have.
    Errors: ValueError naming a picture that the ground truth lacks or has twice, or that cannot be told from
        another in the list, if anything was found on it.
    """
    pictures = {image["id"]: _parts(image) for image in listed["images"]}
    truths, rivals = _by_name(gt["images"]), _by_name(listed["images"])
    images = {}
    for number in dict.fromkeys(result["image_id"] for result in results):
        images[number] = _id_in(truths, rivals, pictures[number])
    known = {category["name"]: category["id"] for category in gt["categories"]}
    numbers = [i for i in known.values() if not isinstance(i, str)]
    unknown = 1 + max(numbers, default=0)  # a number, as ids of results are that do not count
    classes = {each["id"]: known.get(each["name"], unknown) for each in listed["categories"]}
    renamed = []
    for result in results:
        renamed.append({**result, "image_id": images[result["image_id"]],
                        "category_id": classes[result["category_id"]]})
    return renamed


Parts = tuple[str, ...]                                    # of a file name: its folders and its own name


def _parts(image: dict) -> Parts:
    return PurePath(str(image.get("file_name", ""))).parts


def _by_name(images: list[dict]) -> dict[str, list[tuple[Parts, object]]]:
    """File name without folders -> (parts, id) of the pictures that have it."""
    named: dict[str, list[tuple[Parts, object]]] = {}
    for image in images:
        parts = _parts(image)
        named.setdefault(parts[-1] if parts else "", []).append((parts, image["id"]))
    return named


def _id_in(known: dict, listed: dict, parts: Parts) -> object:
    """The ground truth's id of a picture of the list: each must be the one most alike to the other.

    `known`, `listed`: `_by_name` of the ground truth and of the list. Errors: ValueError.
    """
    name = parts[-1] if parts else ""
    best = _most_alike(known.get(name, []), parts)
    if len(best) > 1:
        raise ValueError(f"picture {name!r}, which the ground truth lists twice; expected each picture once")
    rivals = _most_alike(listed[name], best[0][0]) if best else []
    if parts not in [rival for rival, _ in rivals]:
        raise ValueError(f"picture {name!r}, which the ground truth does not list; "
                         "expected each picture once")
    if len(rivals) > 1:
        both = " and ".join(repr(str(PurePath(*rival))) for rival, _ in rivals[:2])
        raise ValueError(f"pictures {both}, both of which may be {str(PurePath(*best[0][0]))!r} of the "
                         "ground truth; expected names that tell them apart, as with the folders in both")
    return best[0][1]


def _most_alike(pictures: list[tuple[Parts, object]], parts: Parts) -> list[tuple[Parts, object]]:
    """Those of some pictures of one name that have the most folders in common with another, from the end."""
    shared = [_shared_end(each, parts) for each, _ in pictures]
    return [picture for picture, num in zip(pictures, shared) if num == max(shared)]


def _shared_end(a: Parts, b: Parts) -> int:
    """How many parts two file names have in common, counted from the end."""
    num = 0
    while num < min(len(a), len(b)) and a[-1 - num] == b[-1 - num]:
        num += 1
    return num


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
