"""What kind of mistake each detection is, and what average precision mending one kind would gain."""
from collections import Counter, defaultdict

import numpy as np

from paperlib.scoring.checked_arrays import Detections, Truth, as_coco, detections, truth
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.scoring.voc_ap import paired_iou

KINDS = ("Cor", "Loc", "Sim", "Oth", "BG")


def error_types(gt, results: list[dict], iou: float = 0.5,
                near: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each detection, and the annotation that it refers to (its place in the file; -1: none).

    Source: Hoiem et al.'s analysis as used in R-CNN, Sec. 3.4 and Fig. 5.
    The first of these that applies:
    Cor  matched at `iou` by COCO's rule (best score first, each object once);
    Ign  on a crowd or a `difficult` object of its category: counts neither way;
    Loc  IoU >= `near` with an object of its category: a bad box, or a second box for an object already found;
    Sim  IoU >= `near` with an object of another category of the same super-category;
    Oth  IoU >= `near` with an object of any other category;
    BG   none of these.
    Shapes: -> (D,) of str, (D,) of int, in the order of `results`.
    """
    columns = truth(gt)
    return kinds_of(columns, detections(columns, results), iou, near)


def kinds_of(columns: Truth, dt: Detections, iou: float = 0.5,
             near: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """`error_types` of columns that were checked before."""
    d, g, overlap = pairs(columns, dt)
    same = dt.category[d] == columns.category[g]
    skip = (columns.crowd | columns.difficult)[g]
    kinds, blamed = np.full(len(dt.scores), "BG", dtype="<U3"), np.full(len(dt.scores), -1)
    group = np.array(columns.similar)
    kin = group[dt.category[d] - 1] == group[columns.category[g] - 1]
    close = (overlap >= near) & ~skip
    for kind, which in (("Oth", close & ~kin), ("Sim", close & kin & ~same), ("Loc", close & same),
                        ("Ign", (overlap >= iou) & skip & same)):  # later ones overrule earlier ones
        at = np.flatnonzero(which)
        at = at[np.argsort(overlap[at], kind="stable")]        # the last write is the greatest overlap
        kinds[d[at]], blamed[d[at]] = kind, g[at]
    for det, obj in greedy_match(dt.scores, d, g, overlap, (overlap >= iou) & same & ~skip).items():
        kinds[det], blamed[det] = "Cor", obj
    return kinds, blamed


def pairs(gt: Truth, dt: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All (detection, annotation) of one image that touch, and their IoU.

    With a crowd: the intersection over the detection's own area.
    """
    order = np.argsort(gt.image, kind="stable")
    image = gt.image[order]
    start, stop = np.searchsorted(image, dt.image, "left"), np.searchsorted(image, dt.image, "right")
    num_objects = stop - start                                 # in each detection's image
    d = np.repeat(np.arange(len(dt.image)), num_objects)
    g = order[np.arange(len(d)) - np.repeat(np.cumsum(num_objects) - stop, num_objects)]
    overlap = paired_iou(dt.boxes[d], gt.boxes[g], gt.crowd[g])
    touch = overlap > 0
    return d[touch], g[touch], overlap[touch]


def greedy_match(scores, d, g, overlap, allowed) -> dict[int, int]:
    """COCO's greedy matching {detection: object}: by falling score, each the free one it overlaps most."""
    options = defaultdict(list)
    for det, obj, value in zip(d[allowed].tolist(), g[allowed].tolist(), overlap[allowed].tolist()):
        options[det].append((value, obj))
    object_of, taken = {}, set()
    for det in sorted(options, key=lambda n: -scores[n]):
        free = [pair for pair in options[det] if pair[1] not in taken]
        if free:
            _, object_of[det] = max(free)
            taken.add(object_of[det])
    return object_of


def false_positives(gt, results: list[dict], top: int | None = None) -> dict[str, int]:
    """False positives of each kind among the `top` highest-scoring ones (None: all); R-CNN's Fig. 5."""
    kinds, _ = error_types(gt, results)
    scores = np.array([result["score"] for result in results])
    by_score = kinds[np.argsort(-scores, kind="stable")]
    counts = Counter(by_score[np.isin(by_score, KINDS[1:])][:top].tolist())
    return {kind: counts[kind] for kind in KINDS[1:]}


def fix(gt, results: list[dict], kind: str) -> list[dict]:
    """The results as they would be without mistakes of one kind ("Loc", "Sim", "Oth" or "BG").

    Such a detection gets the box and category of the object it refers to, if nothing else has found that
    object; otherwise (a duplicate, or background) it goes.
    """
    if kind not in KINDS[1:]:
        raise ValueError(f"kind is {kind!r}; expected one of {KINDS[1:]}")
    annotations = as_coco(gt)["annotations"]
    kinds, blamed = error_types(gt, results)
    taken = set(blamed[kinds == "Cor"].tolist())
    mended = dict(enumerate(results))
    for n in sorted(np.flatnonzero(kinds == kind).tolist(), key=lambda n: -results[n]["score"]):
        record = mended.pop(n)
        if kind != "BG" and blamed[n] not in taken:
            taken.add(int(blamed[n]))
            target = annotations[blamed[n]]
            mended[n] = {**record, "bbox": target["bbox"], "category_id": target["category_id"]}
    return [mended[n] for n in sorted(mended)]


def fix_gains(gt, results: list[dict], metric: str = "AP50") -> dict[str, float]:
    """What mending each kind of mistake alone would add to `metric` (any number of `coco_metrics`)."""
    before = coco_metrics(gt, results)[metric]
    gains = {}
    for kind in KINDS[1:]:
        gains[kind] = coco_metrics(gt, fix(gt, results, kind))[metric] - before
    return gains
