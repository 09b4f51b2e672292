"""What kind of mistake each detection is, and what average precision mending one kind would gain."""
import numpy as np

from paperlib.scoring.checked_arrays import Found, Truth, as_coco, found, truth
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.scoring.voc_ap import paired_iou

KINDS = ("Cor", "Loc", "Sim", "Oth", "BG")


def error_types(gt, results: list[dict], iou: float = 0.5, near: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each detection, and the annotation (its position in the file; -1: none) that the kind refers to.

    Source: Hoiem et al.'s analysis as used in R-CNN, Sec. 3.4 and Fig. 5. In this order, the first that applies:
    Cor  matched at `iou` by COCO's rule (best score first, each object once);
    Ign  on a crowd or a `difficult` object of its category: counts neither way;
    Loc  IoU >= `near` with an object of its category: a bad box, or a second box for an object already found;
    Sim  IoU >= `near` with an object of another category of the same super-category;
    Oth  IoU >= `near` with an object of any other category;
    BG   none of these.
    Shapes: -> (D,) of str, (D,) of int, in the order of `results`.
    """
    columns = truth(gt)
    dt = found(columns, results)
    d, g, overlap = _pairs(columns, dt)
    same = dt.category[d] == columns.category[g]
    skip = (columns.crowd | columns.difficult)[g]
    kinds, blamed = np.full(len(results), "BG", dtype="<U3"), np.full(len(results), -1)
    group = np.array(columns.similar)
    kin = group[dt.category[d] - 1] == group[columns.category[g] - 1]
    close = (overlap >= near) & ~skip
    for kind, which in (("Oth", close & ~kin), ("Sim", close & kin & ~same), ("Loc", close & same),
                        ("Ign", (overlap >= iou) & skip & same)):        # later ones overrule earlier ones
        at = np.flatnonzero(which)
        at = at[np.argsort(overlap[at], kind="stable")]                   # the last write is the greatest overlap
        kinds[d[at]], blamed[d[at]] = kind, g[at]
    for det, obj in _match(dt.scores, d, g, overlap, (overlap >= iou) & same & ~skip).items():
        kinds[det], blamed[det] = "Cor", obj
    return kinds, blamed


def _pairs(gt: Truth, dt: Found) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All (detection, annotation) of one image that touch, and their IoU; over the detection's own area for a crowd."""
    order = np.argsort(gt.image, kind="stable")
    start, stop = (np.searchsorted(gt.image[order], dt.image, side) for side in ("left", "right"))
    d = np.repeat(np.arange(len(dt.image)), stop - start)
    g = order[np.arange(len(d)) - np.repeat(np.cumsum(stop - start) - stop, stop - start)]
    overlap = paired_iou(dt.boxes[d], gt.boxes[g], gt.crowd[g])
    touch = overlap > 0
    return d[touch], g[touch], overlap[touch]


def _match(scores, d, g, overlap, allowed) -> dict[int, int]:
    """COCO's greedy matching: detections by falling score each take the free object that they overlap most."""
    options: dict[int, list] = {}
    for det, obj, value in zip(d[allowed].tolist(), g[allowed].tolist(), overlap[allowed].tolist()):
        options.setdefault(det, []).append((value, obj))
    taken, out = set(), {}
    for det in sorted(options, key=lambda n: -scores[n]):
        if free := [pair for pair in options[det] if pair[1] not in taken]:
            out[det] = max(free)[1]
            taken.add(out[det])
    return out


def false_positives(gt, results: list[dict], top: int | None = None) -> dict[str, int]:
    """Number of false positives of each kind among the `top` highest-scoring ones (None: all); R-CNN's Fig. 5."""
    kinds = error_types(gt, results)[0]
    wrong = [n for n in np.argsort([-r["score"] for r in results], kind="stable") if kinds[n] in KINDS[1:]][:top]
    return {kind: int(sum(kinds[n] == kind for n in wrong)) for kind in KINDS[1:]}


def fix(gt, results: list[dict], kind: str) -> list[dict]:
    """The results as they would be without mistakes of one kind ("Loc", "Sim", "Oth" or "BG").

    Such a detection gets the box and category of the object it refers to, if nothing else has found that object;
    otherwise (a duplicate, or background) it goes.
    """
    if kind not in KINDS[1:]:
        raise ValueError(f"kind is {kind!r}; expected one of {KINDS[1:]}")
    annotations = as_coco(gt)["annotations"]
    kinds, blamed = error_types(gt, results)
    taken, out = set(blamed[kinds == "Cor"].tolist()), dict(enumerate(results))
    for n in sorted(np.flatnonzero(kinds == kind).tolist(), key=lambda n: -results[n]["score"]):
        record = out.pop(n)
        if kind != "BG" and blamed[n] not in taken:
            taken.add(int(blamed[n]))
            target = annotations[blamed[n]]
            out[n] = {**record, "bbox": target["bbox"], "category_id": target["category_id"]}
    return [out[n] for n in sorted(out)]


def fix_gains(gt, results: list[dict], metric: str = "AP50") -> dict[str, float]:
    """What mending each kind of mistake alone would add to `metric` (any number of `coco_metrics`)."""
    before = coco_metrics(gt, results)[metric]
    return {kind: coco_metrics(gt, fix(gt, results, kind))[metric] - before for kind in KINDS[1:]}
