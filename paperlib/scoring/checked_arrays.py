"""Ground truth and detections as checked columns: one error that names the record, or arrays that can be trusted.

Boxes here are COCO's (x, y, width, height) in pixels, as in the files.
"""
import contextlib
import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle

from paperlib.data.detection_set import DetectionSet
from paperlib.data.record_checks.segmentations import encode, thin, wrong_mask
from paperlib.data.record_checks.values import FAR, brief, finite, flag, whole, wrong_size


@dataclass(frozen=True)
class Truth:
    """Ground truth as columns; image and category ids are replaced by their rank (1..) among the sorted ids."""
    images: dict[int, int]
    categories: dict[int, int]
    names: list[str]
    similar: list[str]              # super-category of each category
    sizes: list[tuple[int, int]]    # (height, width) px of each image
    image: np.ndarray               # (G,)
    category: np.ndarray            # (G,)
    boxes: np.ndarray               # (G, 4)
    area: np.ndarray                # (G,) px^2, of the mask where the file says so
    crowd: np.ndarray               # (G,) bool
    difficult: np.ndarray           # (G,) bool, PASCAL's flag
    masks: list[dict] | None        # G run-length codes, for kind "segm"


@dataclass(frozen=True)
class Found:
    """Detections as columns, ids replaced as in `Truth`."""
    image: np.ndarray               # (D,)
    category: np.ndarray            # (D,)
    boxes: np.ndarray               # (D, 4)
    scores: np.ndarray              # (D,)
    area: np.ndarray                # (D,) px^2
    masks: list[dict] | None


def as_coco(gt, masks: bool = False) -> dict:
    """A ground truth as COCO's dictionary, whether it is one already or a DetectionSet."""
    return gt.coco_dict(masks=masks) if isinstance(gt, DetectionSet) else gt


def truth(gt, kind: str = "bbox") -> Truth:
    """Columns of a ground truth: a DetectionSet or COCO's dictionary.

    Errors: ValueError or KeyError naming the annotation, what was found and what was expected.
    """
    if kind not in ("bbox", "segm"):
        raise ValueError(f"kind is {kind!r}; expected 'bbox' or 'segm'")
    gt = as_coco(gt, masks=kind == "segm")
    for key in ("images", "annotations", "categories"):
        if not isinstance(gt, dict) or not isinstance(gt.get(key), list):
            raise ValueError(f"ground truth has no list {key!r}; expected COCO's images, annotations and categories")
    images, categories = _ranks(gt["images"], "image"), _ranks(gt["categories"], "category")
    by_id = sorted(gt["categories"], key=lambda c: c["id"])
    sizes = [_size(i) for i in sorted(gt["images"], key=lambda i: i["id"])]
    records, names = gt["annotations"], [str(c.get("name", c["id"])) for c in by_id]
    what = [f"annotation {a['id']}" if isinstance(a, dict) and "id" in a else f"annotation number {n}"
            for n, a in enumerate(records)]
    image, category = _ids(records, what, images, categories)
    boxes = _boxes(records, what)
    crowd, difficult = (_flags(records, what, key) for key in ("iscrowd", "difficult"))
    masks = [_mask(a, w, sizes[i - 1]) for a, w, i in zip(records, what, image)] if kind == "segm" else None
    area = np.array([_area(a, w, sizes[i - 1]) for a, w, i in zip(records, what, image)], float)
    similar = [str(c.get("supercategory", n)) for c, n in zip(by_id, names)]
    return Truth(images, categories, names, similar, sizes, image, category, boxes, area, crowd, difficult, masks)


def found(gt: Truth, results: list[dict], kind: str = "bbox", classes: bool = True, strangers: bool = False) -> Found:
    """Columns of a results list in COCO's format; `kind` "segm" reads the masks, and takes areas from them.

    `classes=False` neither needs nor reads category_id: proposals are all of category rank 1. With `strangers` results
    of categories that the ground truth lacks are left out and counted in a warning, as COCO's own tool leaves them out.

    Differs: pycocotools takes a detection's area from its box whenever the first record has one, even for "segm".
    Errors:  ValueError or KeyError naming the record, what was found and what was expected.
    """
    if not isinstance(results, list):
        raise ValueError(f"results are a {type(results).__name__}; expected a list of records "
                         "{image_id, category_id, bbox or segmentation, score}")
    what = range(len(results))
    if strangers:
        what, results = _without_strangers(results, gt.categories)
    image, category = _ids(results, what, gt.images, gt.categories if classes else None)
    scores = _numbers(results, what, lambda r: r["score"], "score", ())
    masks = None
    if kind == "segm" or any("bbox" not in r for r in results):
        masks = [_mask(r, _say(n), gt.sizes[i - 1]) for n, r, i in zip(what, results, image)]
    boxes = _boxes(results, what) if kind == "bbox" and masks is None else rle.toBbox(masks).reshape(-1, 4)
    area = np.array([rle.area(m) for m in masks], float) if kind == "segm" else boxes[:, 2] * boxes[:, 3]
    return Found(image, category, boxes, scores, area, masks if kind == "segm" else None)


def _ranks(records: list[dict], what: str) -> dict[int, int]:
    """{id: rank from 1}. Ids are whole numbers, or all of them texts."""
    ids = [r["id"] if isinstance(r, dict) and "id" in r else None for r in records]
    if None in ids:
        raise KeyError(f"{what} number {ids.index(None)} has no 'id'")
    texts = bool(ids) and all(isinstance(i, str) for i in ids)
    for n, i in enumerate(ids):
        if not texts and whole(i) is None:
            raise ValueError(f"{what} number {n}: id is {brief(i)}; expected a whole number (or text for every {what})")
    if twice := [i for i, n in Counter(ids).items() if n > 1]:
        raise ValueError(f"{what} id {twice[0]!r} appears twice; expected unique ids")
    return {i: n for n, i in enumerate(sorted(ids), 1)}


def _size(image: dict) -> tuple[int, int]:
    """(height, width) px; (0, 0) where the file has none that can be: only masks need it."""
    height, width = image.get("height"), image.get("width")
    return (0, 0) if wrong_size(height, width) else (int(height), int(width))


def _ids(records, what, images: dict, categories: dict | None) -> tuple[np.ndarray, np.ndarray]:
    """Image and category ranks of all records; the slow path only runs to name the first bad record."""
    try:
        image = np.array([images[r["image_id"]] for r in records], np.int64)
        if categories is None:
            return image, np.ones_like(image)
        return image, np.array([categories[r["category_id"]] for r in records], np.int64)
    except (KeyError, TypeError):
        for w, r in zip(what, records):
            if not isinstance(r, dict):
                raise ValueError(f"{_say(w)} is {r!s:.80}; expected a record (a JSON object)") from None
            for key, known in (("image_id", images), ("category_id", categories)):
                if known is not None and not _is_one_of(r.get(key), known):
                    raise KeyError(f"{_say(w)}: {key} {brief(r.get(key))} is not in the ground truth, which has "
                                   f"{len(known)} ({', '.join(map(str, list(known)[:5]))}, ...)") from None
        raise


def _is_one_of(key, known: dict) -> bool:
    return isinstance(key, int | float | str) and key in known   # nothing else can be looked up


def _without_strangers(results: list, categories: dict) -> tuple[list[int], list]:
    """Places and records of the results whose category the ground truth has; those without any stay, to be named."""
    strange = [n for n, r in enumerate(results) if isinstance(r, dict) and whole(r.get("category_id")) is not None
               and r["category_id"] not in categories]
    if strange:
        first = f"result {strange[0]}: category_id {results[strange[0]]['category_id']}"
        warnings.warn(f"{len(strange)} of {len(results)} results are of categories that the ground truth lacks "
                      f"({first}) and do not count", stacklevel=4)
    lost = set(strange)
    kept = [n for n in range(len(results)) if n not in lost]
    return kept, [results[n] for n in kept]


def _say(what) -> str:
    return f"result {what}" if isinstance(what, int) else what


def _numbers(records, what, get, name: str, shape: tuple) -> np.ndarray:
    """float64 of the given shape from each record; texts, true, nan and numbers beyond FAR are refused."""
    if not records:
        return np.zeros((0, *shape))
    with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
        out = np.array([get(r) for r in records])
        if out.shape == (len(records), *shape) and out.dtype.kind in "iuf" and ((out >= -FAR) & (out <= FAR)).all():
            return out.astype(float)
    for w, r in zip(what, records):
        value = r.get(name)
        row = value if isinstance(value, list | tuple) and shape else [value]
        if len(row) != (shape or (1,))[0] or not all(map(finite, row)):
            want = f"{shape[0]} finite numbers" if shape else "a finite number"
            raise ValueError(f"{_say(w)}: {name} is {value!s:.80}; expected {want}, at most {FAR:.0e}")
    raise ValueError(f"{name}: expected finite numbers of shape {shape} in each record")


def _boxes(records, what) -> np.ndarray:
    boxes = _numbers(records, what, lambda r: r["bbox"], "bbox", (4,))
    if (bad := (boxes[:, 2:] < 0).any(1)).any():
        n = int(bad.argmax())
        raise ValueError(f"{_say(what[n])}: bbox {boxes[n].tolist()} has a negative side; "
                         "expected [x, y, width, height]")
    return boxes


def _flags(records, what, key: str) -> np.ndarray:
    values = [flag(record, key) for record in records]
    if None in values:
        n = values.index(None)
        raise ValueError(f"{what[n]}: {key} is {brief(records[n][key])}; expected 0 or 1")
    return np.array(values, bool)


def _area(record: dict, what: str, size: tuple[int, int]) -> float:
    """A record's area, px^2; where it states none, that of its mask, else of its box."""
    area, mask = record.get("area"), record.get("segmentation")
    if area is not None:
        if not finite(area, 0, np.finfo(float).max):
            raise ValueError(f"{what}: area is {brief(area)}; expected a finite number, not negative")
        return area
    if mask and min(size) and not wrong_mask(mask, size) and not (isinstance(mask, list) and thin(mask)):
        return float(rle.area(encode(mask, size)))
    return record["bbox"][2] * record["bbox"][3]


def _mask(record: dict, what: str, size: tuple[int, int]) -> dict:
    """A record's mask as compressed run lengths; polygons are drawn by pycocotools, so engines cannot differ in it."""
    mask = record.get("segmentation")
    if not mask:
        raise ValueError(f"{what} has no segmentation")
    if not min(size):
        raise ValueError(f"{what}: its image has no height and width; expected whole numbers above 0")
    wrong = wrong_mask(mask, size)
    if not wrong and isinstance(mask, list) and (points := thin(mask)):
        wrong = f"a polygon {brief(points[0])}", "polygons of three points or more"
    if wrong:
        raise ValueError(f"{what}: segmentation is {wrong[0]}; expected {wrong[1]}")
    return encode(mask, size)
