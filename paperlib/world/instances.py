"""The instances of a painted scene: what is visible of each drawing; crowds where a category is many."""
import numpy as np
from cv2 import boundingRect
from pycocotools import mask as rle_tools

from paperlib.world.catalogue import CATEGORIES
from paperlib.world.layout import Placed


def instances_of(world, placed: list[Placed], owner: np.ndarray, full: list[int]) -> list[dict | None]:
    """For each drawing its instance, or None if there is too little to see.

    Shapes: owner (size, size), at each pixel the place of a drawing in `placed`, from 1, or 0.
    Units:  full is the number of pixels that each drawing covers before others hide it.
    """
    visible = np.bincount(owner.ravel(), minlength=len(placed) + 1)[1:].tolist()
    out: list[dict | None] = []
    for k, (item, pixels, drawn) in enumerate(zip(placed, visible, full), 1):
        if item.category is None or pixels < max(world.min_pixels, world.min_visible * drawn):
            out.append(None)
            continue
        x0, y0, x1, y1 = item.box
        cut = min(x0, y0, world.size - x1, world.size - y1) < -1
        out.append(_record(item.category, owner == k, cut, pixels / drawn))
    return out


def _record(category: int, mask: np.ndarray, truncated: bool, visible: float, crowd=False) -> dict:
    return {"category": category + 1, "name": CATEGORIES[category].name, "mask": mask,
            "bbox": list(boundingRect(mask.view(np.uint8))), "area": int(np.count_nonzero(mask)),
            "crowd": crowd, "truncated": truncated, "visible": round(visible, 3)}


def twin(records: list[dict | None]) -> int | None:
    """The place of a drawing whose box is nearly that of a nearer one: nobody could tell them apart."""
    places = [k for k, record in enumerate(records) if record]
    if len(places) < 2:
        return None
    boxes = np.array([records[k]["bbox"] for k in places], float)
    overlaps = rle_tools.iou(boxes, boxes, [0] * len(boxes))
    if np.count_nonzero(overlaps > 0.75) == len(boxes):                     # each with itself only
        return None
    kinds, overlaps = np.array([records[k]["category"] for k in places]), np.triu(overlaps, 1)
    same = (overlaps > np.where(kinds[:, None] == kinds, 0.75, 0.9)).any(1)
    if not same.any():
        return None
    return places[int(same.argmax())]


def with_crowds(world, records: list[dict], rng) -> list[dict]:
    """By category; where one is many, the largest stay by themselves and the rest become one crowd region."""
    groups: dict[int, list[dict]] = {}
    for record in records:
        groups.setdefault(record["category"], []).append(record)
    out = []
    for category, group in groups.items():
        limit = int(rng.integers(world.crowd_after[0], world.crowd_after[1] + 1))
        if len(group) > limit:
            group = sorted(group, key=lambda record: -record["area"])
            rest = np.logical_or.reduce([record["mask"] for record in group[limit:]])
            cut = any(record["truncated"] for record in group[limit:])
            group = [*group[:limit], _record(category - 1, rest, cut, 1.0, crowd=True)]
        out += group
    return out
