"""Ground truth and detections as checked columns: one error that names the record, or arrays to be trusted.

Boxes here are COCO's (x, y, width, height) in pixels, as in the files.
"""
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle

from paperlib.data.detection_set import DetectionSet
from paperlib.data.record_checks.values import brief, whole
from paperlib.scoring.record_columns import (
    Records,
    Size,
    area_column,
    box_column,
    flag_column,
    image_size,
    mask_column,
    number_column,
    rank_columns,
)


@dataclass(frozen=True)
class Truth:
    """Ground truth as columns; image and category ids are replaced by their rank (1..) among sorted ids."""
    images: dict[int, int]
    categories: dict[int, int]
    names: list[str]
    similar: list[str]              # super-category of each category
    sizes: list[Size]               # (height, width) px of each image
    image: np.ndarray               # (G,)
    category: np.ndarray            # (G,)
    boxes: np.ndarray               # (G, 4)
    area: np.ndarray                # (G,) px^2, of the mask where the file says so
    crowd: np.ndarray               # (G,) bool
    difficult: np.ndarray           # (G,) bool, PASCAL's flag
    masks: list[dict] | None        # G run-length codes, for kind "segm"


@dataclass(frozen=True)
class Detections:
    """Detections as columns, ids replaced as in `Truth`."""
    image: np.ndarray               # (D,)
    category: np.ndarray            # (D,)
    boxes: np.ndarray               # (D, 4)
    scores: np.ndarray              # (D,)
    area: np.ndarray                # (D,) px^2
    masks: list[dict] | None


def as_coco(gt, masks: bool = False) -> dict:
    """A ground truth as COCO's dictionary, whether it is one already or a DetectionSet."""
    if isinstance(gt, DetectionSet):
        return gt.coco_dict(masks=masks)
    return gt


def truth(gt, kind: str = "bbox") -> Truth:
    """Columns of a ground truth: a DetectionSet or COCO's dictionary.

    Errors: ValueError or KeyError naming the annotation, what was found and what was expected.
    """
    if kind not in ("bbox", "segm"):
        raise ValueError(f"kind is {kind!r}; expected 'bbox' or 'segm'")
    gt = as_coco(gt, masks=kind == "segm")
    for key in ("images", "annotations", "categories"):
        if not isinstance(gt, dict) or not isinstance(gt.get(key), list):
            raise ValueError(f"ground truth has no list {key!r}; "
                             "expected COCO's images, annotations and categories")
    images, categories = _ranks(gt["images"], "image"), _ranks(gt["categories"], "category")
    sizes = [image_size(image) for image in sorted(gt["images"], key=_id)]
    names, similar = _names(gt["categories"])
    records = Records("annotation", gt["annotations"], range(len(gt["annotations"])))
    image, category = rank_columns(records, images, categories)
    boxes = box_column(records)
    crowd, difficult = flag_column(records, "iscrowd"), flag_column(records, "difficult")
    size_of_each = _sizes_of(image, sizes)
    masks = mask_column(records, size_of_each) if kind == "segm" else None
    area = area_column(records, size_of_each)
    return Truth(images, categories, names, similar, sizes,
                 image, category, boxes, area, crowd, difficult, masks)


def _names(categories: list[dict]) -> tuple[list[str], list[str]]:
    """Names and super-categories in the order of ids; a category without a super-category is its own."""
    names, similar = [], []
    for category in sorted(categories, key=_id):
        name = str(category.get("name", category["id"]))
        names.append(name)
        similar.append(str(category.get("supercategory", name)))
    return names, similar


def _id(record: dict):
    return record["id"]


def _sizes_of(image: np.ndarray, sizes: list[Size]) -> list[Size]:
    """The size of each record's image, by its rank."""
    return [sizes[rank - 1] for rank in image.tolist()]


def detections(gt: Truth, results: list[dict], kind: str = "bbox", classes: bool = True,
               strangers: bool = False) -> Detections:
    """Columns of a results list in COCO's format; `kind` "segm" reads the masks, and takes areas from them.

    `classes=False` neither needs nor reads category_id: proposals are all of category rank 1.
    With `strangers` results of categories that the ground truth lacks are left out, as COCO's own tool leaves
    them out, and counted in a warning.

    Differs: pycocotools takes a detection's area from its box whenever the first record has one,
             even for "segm".
    Errors:  ValueError or KeyError naming the record, what was found and what was expected.
    """
    if not isinstance(results, list):
        raise ValueError(f"results are a {type(results).__name__}; expected a list of records "
                         "{image_id, category_id, bbox or segmentation, score}")
    records = Records("result", results, range(len(results)))
    if strangers:
        records = _without_strangers(results, gt.categories)
    image, category = rank_columns(records, gt.images, gt.categories if classes else None)
    scores = number_column(records, "score")
    if kind == "bbox" and all("bbox" in row for row in records.rows):
        boxes = box_column(records)
        return Detections(image, category, boxes, scores, boxes[:, 2] * boxes[:, 3], None)
    masks = mask_column(records, _sizes_of(image, gt.sizes))
    boxes = rle.toBbox(masks).reshape(-1, 4)
    if kind == "bbox":
        return Detections(image, category, boxes, scores, boxes[:, 2] * boxes[:, 3], None)
    area = np.array([rle.area(mask) for mask in masks], float)   # one by one: of a list it overflows
    return Detections(image, category, boxes, scores, area, masks)


def _ranks(records: list[dict], kind: str) -> dict[int, int]:
    """{id: rank from 1}. Ids are whole numbers, or all of them texts."""
    ids = []
    for n, record in enumerate(records):
        if not isinstance(record, dict) or record.get("id") is None:
            raise KeyError(f"{kind} number {n} has no 'id'")
        ids.append(record["id"])
    texts = bool(ids) and all(isinstance(i, str) for i in ids)
    for n, i in enumerate(ids):
        if not texts and whole(i) is None:
            raise ValueError(f"{kind} number {n}: id is {brief(i)}; "
                             f"expected a whole number (or text for every {kind})")
    ranks = {i: rank for rank, i in enumerate(sorted(ids), 1)}
    if len(ranks) < len(ids):
        twice = next(i for i, times in Counter(ids).items() if times > 1)
        raise ValueError(f"{kind} id {twice!r} appears twice; expected unique ids")
    return ranks


def _without_strangers(results: list, categories: dict) -> Records:
    """The results whose category the ground truth has; those without any category stay, to be named."""
    kept = [n for n, row in enumerate(results) if not _is_stranger(row, categories)]
    if len(kept) < len(results):
        first = next(n for n, row in enumerate(results) if _is_stranger(row, categories))
        warnings.warn(f"{len(results) - len(kept)} of {len(results)} results are of categories that the "
                      f"ground truth lacks (result {first}: category_id {results[first]['category_id']}) "
                      "and do not count", stacklevel=4)
    return Records("result", [results[n] for n in kept], kept)


def _is_stranger(row: object, categories: dict) -> bool:
    if not isinstance(row, dict):
        return False
    category = row.get("category_id")
    return whole(category) is not None and category not in categories
