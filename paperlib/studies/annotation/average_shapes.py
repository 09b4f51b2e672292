"""Average shapes of classes, and how crude a box is: what a mask says that a box does not."""
from dataclasses import dataclass

import cv2
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation.outlines import mask_iou

SIDE = 32           # an average shape has SIDE x SIDE cells
ARTICULATED = ("person", "animal")   # super-categories with limbs
# VOC's sets name no super-categories, so names of classes count too
WITH_LIMBS = ("person", "bird", "cat", "cow", "dog", "horse", "sheep", "elephant", "giraffe", "zebra", "bear")


@dataclass(frozen=True)
class Shapes:
    """Objects cut out by their boxes, G of them."""
    label: np.ndarray    # (G,)
    masks: np.ndarray    # (G, SIDE, SIDE) uint8 in 0..255
    aspect: np.ndarray   # (G,) log2 of width by height
    fill: np.ndarray     # (G,) share of the box on the object
    image: np.ndarray    # (G,)
    box: np.ndarray      # (G, 4) xyxy px


@dataclass(frozen=True)
class Mixtures:
    """Average shapes: M of each of K classes."""
    mean: np.ndarray     # (K, M, SIDE, SIDE) in 0..1
    edges: np.ndarray    # (K, M - 1): the aspects that divide the M


@dataclass(frozen=True)
class Overlap:
    """For each object a pasted shape: `label` (G,), `box_iou` (G,), `mask_iou` (G,)."""
    label: np.ndarray
    box_iou: np.ndarray
    mask_iou: np.ndarray


def cut_out(dataset: DetectionSet, least: float = 8.0) -> Shapes:
    """Every object whose box is at least `least` px wide and high, without crowds."""
    rows = []
    for i in range(len(dataset)):
        target = dataset.target(i, masks=True)
        for k in np.flatnonzero(~target["crowd"].numpy()):
            box, mask = target["boxes"][k].numpy(), target["masks"][k].numpy()
            x1, y1, x2, y2 = np.rint(box).astype(int)
            if min(x2 - x1, y2 - y1) < least or not mask[y1:y2, x1:x2].any():
                continue
            inside = mask[y1:y2, x1:x2].astype(np.float32)
            small = cv2.resize(inside, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            rows.append((int(target["labels"][k]), (255 * small).round().astype(np.uint8),
                         np.log2((x2 - x1) / (y2 - y1)), inside.mean(), i, box))
    if not rows:
        raise ValueError(f"{dataset.name}: no object of {least:g} px or more with a mask")
    return Shapes(*(np.stack(column) for column in zip(*rows)))


def box_fill(shapes: Shapes, classes: list[str]) -> dict[str, tuple[float, float, int]]:
    """{class: (mean share of box pixels on the object, half of its 95% interval, objects)}, fullest first.

    Figure 2.8. The claim coco-box-crude is judged on this; `articulated` says which classes it is about.
    """
    fills = {}
    for label, name in enumerate(classes, 1):
        fill = shapes.fill[shapes.label == label]
        if len(fill) > 1:
            half = 1.96 * fill.std(ddof=1) / len(fill) ** 0.5
            fills[name] = float(fill.mean()), float(half), len(fill)
    return dict(sorted(fills.items(), key=lambda item: -item[1][0]))


def articulated(dataset: DetectionSet) -> list[str]:
    """The classes with limbs: people and animals."""
    names = []
    for category in dataset.categories:
        if category.get("supercategory") in ARTICULATED or category["name"] in WITH_LIMBS:
            names.append(category["name"])
    return names


def average_shapes(shapes: Shapes, classes: int, mixtures: int = 3) -> Mixtures:
    """Mean mask of each class and aspect group, all ones without objects. Groups are equally large.

    Source: COCO, Sec. 2.7, Figure 2.7. Differs: its mixtures are a part-based detector's; ours are by aspect.
    """
    mean = np.ones((classes, mixtures, SIDE, SIDE), np.float32)
    edges = np.zeros((classes, mixtures - 1))
    for k in range(classes):
        of_class = shapes.label == k + 1
        if of_class.any():
            masks, aspects = shapes.masks[of_class], shapes.aspect[of_class]
            edges[k] = np.quantile(aspects, np.arange(1, mixtures) / mixtures)
            groups = np.searchsorted(edges[k], aspects, side="right")
            for m in range(mixtures):
                in_group = groups == m
                part = masks[in_group] if in_group.any() else masks
                mean[k, m] = part.mean(0) / 255
    return Mixtures(mean, edges)


def paste(shape: np.ndarray, box: np.ndarray, height: int, width: int, bar: float = 0.5) -> np.ndarray:
    """A shape stretched over a box (xyxy px): a mask (H, W) bool of where it is at least `bar`."""
    x1, y1, x2, y2 = np.rint(box).astype(int)
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    size = int(x2 - x1), int(y2 - y1)
    full = cv2.resize(np.asarray(shape, np.float32), size, interpolation=cv2.INTER_LINEAR) >= bar
    out = np.zeros((height, width), bool)
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if left < right and top < bottom:
        out[top:bottom, left:right] = full[top - y1:bottom - y1, left - x1:right - x1]
    return out


def correct_box(box: np.ndarray, rng: np.random.Generator, least: float = 0.5) -> tuple[np.ndarray, float]:
    """A correct detection: the true box moved and stretched at random, at an IoU of `least` or more."""
    x1, y1, x2, y2 = box
    wh = np.array([x2 - x1, y2 - y1])
    spread = rng.uniform(0, 0.2)
    while True:
        middle = np.array([x1 + x2, y1 + y2]) / 2 + spread * wh * rng.standard_normal(2)
        half = wh / 2 * np.exp(spread * rng.standard_normal(2))
        moved = np.concatenate([middle - half, middle + half])
        both = np.clip(np.minimum(moved[2:], box[2:]) - np.maximum(moved[:2], box[:2]), 0, None).prod()
        iou = both / (wh.prod() + 4 * half.prod() - both)
        if iou >= least:
            return moved, float(iou)


def shape_mask_overlap(train: DetectionSet, test: DetectionSet, seed: int = 0, least: float = 8.0,
                       perfect: bool = False, mixtures: int = 3) -> Overlap:
    """Paste the average shapes of `train` into correct boxes of `test`; compare with the masks. Figure 2.9.

    `perfect`: the boxes are the true ones. This is what the claim coco-shape-mask-poor is judged on.
    """
    rng = np.random.default_rng((12, seed))
    model = average_shapes(cut_out(train, least), len(train.classes), mixtures)
    rows = []
    for i in range(len(test)):
        target = test.target(i, masks=True)
        height, width = target["size"].tolist()
        for k in np.flatnonzero(~target["crowd"].numpy()):
            true, mask = target["boxes"][k].numpy(), target["masks"][k].numpy()
            if min(true[2] - true[0], true[3] - true[1]) < least or not mask.any():
                continue
            box, iou = (true, 1.0) if perfect else correct_box(true, rng)
            label = int(target["labels"][k])
            rows.append((label, iou, mask_iou(paste(shape_for(model, label, box), box, height, width), mask)))
    return Overlap(*(np.array(column) for column in zip(*rows)))


def shape_for(model: Mixtures, label: int, box: np.ndarray) -> np.ndarray:
    """The average shape of a class whose aspect group the box belongs to."""
    x1, y1, x2, y2 = box
    aspect = np.log2(max(x2 - x1, 1) / max(y2 - y1, 1))
    return model.mean[label - 1, np.searchsorted(model.edges[label - 1], aspect, side="right")]
