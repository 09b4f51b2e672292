"""Ground truth and detections as checked columns: one error that names the record, or arrays that can be trusted.

Boxes here are COCO's (x, y, width, height) in pixels, as in the files.
"""
import contextlib
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle


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


def truth(gt, kind: str = "bbox") -> Truth:
    """Columns of a ground truth: a DetectionSet or COCO's dictionary.

    Errors: ValueError or KeyError naming the annotation, what was found and what was expected.
    """
    if kind not in ("bbox", "segm"):
        raise ValueError(f"kind is {kind!r}; expected 'bbox' or 'segm'")
    gt = gt.coco_dict() if hasattr(gt, "coco_dict") else gt
    for key in ("images", "annotations", "categories"):
        if not isinstance(gt, dict) or not isinstance(gt.get(key), list):
            raise ValueError(f"ground truth has no list {key!r}; expected COCO's images, annotations and categories")
    images, categories = _ranks(gt["images"], "image"), _ranks(gt["categories"], "category")
    by_id = sorted(gt["categories"], key=lambda c: c["id"])
    sizes = [(i.get("height", 0), i.get("width", 0)) for i in sorted(gt["images"], key=lambda i: i["id"])]
    records, names = gt["annotations"], [str(c.get("name", c["id"])) for c in by_id]
    what = [f"annotation {a['id']}" if isinstance(a, dict) and "id" in a else f"annotation number {n}"
            for n, a in enumerate(records)]
    image, category = _ids(records, what, images, categories)
    boxes = _boxes(records, what)
    crowd = np.array([bool(a.get("iscrowd", 0)) for a in records], bool)
    area = np.array([a.get("area", w * h) for a, (w, h) in zip(records, boxes[:, 2:].tolist())], float)
    masks = [_mask(a, w, sizes[i - 1]) for a, w, i in zip(records, what, image)] if kind == "segm" else None
    difficult = np.array([bool(a.get("difficult", 0)) for a in records], bool)
    similar = [str(c.get("supercategory", n)) for c, n in zip(by_id, names)]
    return Truth(images, categories, names, similar, sizes, image, category, boxes, area, crowd, difficult, masks)


def found(gt: Truth, results: list[dict], kind: str = "bbox", classes: bool = True) -> Found:
    """Columns of a results list in COCO's format; `kind` "segm" reads the masks, and takes areas from them.

    `classes=False` neither needs nor reads category_id: proposals are all of category rank 1.

    Differs: pycocotools takes a detection's area from its box whenever the first record has one, even for "segm".
    Errors:  ValueError or KeyError naming the record, what was found and what was expected.
    """
    if not isinstance(results, list):
        raise ValueError(f"results are a {type(results).__name__}; expected a list of records "
                         "{image_id, category_id, bbox or segmentation, score}")
    what = range(len(results))
    image, category = _ids(results, what, gt.images, gt.categories if classes else None)
    scores = _numbers(results, what, lambda r: r["score"], "score", ())
    masks = None
    if kind == "segm" or any("bbox" not in r for r in results):
        masks = [_mask(r, f"result {n}", gt.sizes[i - 1]) for n, (r, i) in enumerate(zip(results, image))]
    boxes = _boxes(results, what) if kind == "bbox" and masks is None else rle.toBbox(masks).reshape(-1, 4)
    area = np.array([rle.area(m) for m in masks], float) if kind == "segm" else boxes[:, 2] * boxes[:, 3]
    return Found(image, category, boxes, scores, area, masks if kind == "segm" else None)


def _ranks(records: list[dict], what: str) -> dict[int, int]:
    ids = [r["id"] if isinstance(r, dict) and "id" in r else None for r in records]
    if None in ids:
        raise KeyError(f"{what} number {ids.index(None)} has no 'id'")
    if len(set(ids)) < len(ids):
        raise ValueError(f"{what} id {next(i for i in ids if ids.count(i) > 1)!r} appears twice; expected unique ids")
    return {i: n for n, i in enumerate(sorted(ids), 1)}


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
                if known is None:
                    continue
                if not isinstance(r.get(key), int) or r[key] not in known:
                    raise KeyError(f"{_say(w)}: {key} {r.get(key)!r} is not in the ground truth, which has "
                                   f"{len(known)} ({', '.join(map(str, list(known)[:5]))}, ...)") from None
        raise


def _say(what) -> str:
    return f"result {what}" if isinstance(what, int) else what


def _numbers(records, what, get, name: str, shape: tuple) -> np.ndarray:
    """Finite float64 of the given shape from each record."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        out = np.array([get(r) for r in records], float).reshape(len(records), *shape)
        if np.isfinite(out).all():
            return out
    for w, r in zip(what, records):
        value = r.get(name)
        try:
            good = np.isfinite(row := np.array(value, float)).all() and row.shape == shape
        except (TypeError, ValueError):
            good = False
        if not good:
            want = f"{shape[0]} finite numbers" if shape else "a finite number"
            raise ValueError(f"{_say(w)}: {name} is {value!s:.80}; expected {want}")
    raise ValueError(f"{name}: expected finite numbers of shape {shape} in each record")


def _boxes(records, what) -> np.ndarray:
    boxes = _numbers(records, what, lambda r: r["bbox"], "bbox", (4,))
    if (bad := (boxes[:, 2:] < 0).any(1)).any():
        n = int(bad.argmax())
        raise ValueError(f"{_say(what[n])}: bbox {boxes[n].tolist()} has a negative side; "
                         "expected [x, y, width, height]")
    return boxes


def _mask(record: dict, what: str, size: tuple[int, int]) -> dict:
    """A record's mask as compressed run lengths; polygons are drawn by pycocotools, so engines cannot differ in it."""
    mask = record.get("segmentation")
    if isinstance(mask, dict) and tuple(mask.get("size", ())) != tuple(size):
        raise ValueError(f"{what}: mask of size {mask.get('size')}; its image has [height, width] = {list(size)}")
    try:
        if isinstance(mask, list):
            return rle.merge(rle.frPyObjects(mask, *size))
        code = rle.frPyObjects(mask, *size) if isinstance(mask["counts"], list) else mask
        text = code["counts"]
        code = {"size": list(size), "counts": text.encode() if isinstance(text, str) else text}
        total = _run_total(code["counts"])
    except Exception as error:                                   # pycocotools raises bare Exception
        raise ValueError(f"{what}: segmentation {mask!s:.60} is not polygons or run lengths ({error})") from None
    if total != size[0] * size[1]:
        raise ValueError(f"{what}: run lengths add up to {total} pixels; its image has {size[0] * size[1]} "
                         f"({size[0]} x {size[1]})")
    return code


def _run_total(text: bytes) -> int:
    """Number of pixels that a compressed code describes; pycocotools reads past the image when it is wrong."""
    c = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((c & 32) == 0)                         # a character without bit 5 ends its number
    first = np.concatenate([[0], last[:-1] + 1]) if len(last) else last
    number = np.repeat(np.arange(len(last)), last - first + 1)
    place = np.arange(len(number)) - first[number]
    x = np.zeros(len(last), np.int64)
    np.add.at(x, number, (c[:len(number)] & 31) << 5 * place)
    x -= ((c[last] & 16) > 0) * (32 << 5 * place[last])          # sign extension
    return int(x[:1].sum() + x[1::2].cumsum().sum() + x[2::2].cumsum().sum())
