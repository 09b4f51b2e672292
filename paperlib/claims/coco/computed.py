"""The exact claims of COCO, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import itertools

from paperlib.claims.compare import agrees, printed, stated
from paperlib.scoring.coco_metrics import coco_metrics


def _stats(*names: str) -> list[float]:
    table = printed("coco/stats")
    return [table[name]["value"] for name in names]


def all_miss():
    (workers,) = _stats("workers that label each image's categories")
    chance = 0.5**workers
    return chance, agrees(chance, stated("coco-annotator-miss"), 3), "0.5^8"


def crowd_is_ignored():
    """A crowd region beside three objects; detections inside it must not change any score."""
    def record(i, box, crowd=0):
        return {"id": i, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}

    objects = [[5, 5, 20, 20], [40, 5, 30, 20], [5, 40, 10, 30]]
    gt = {"images": [{"id": 1, "width": 200, "height": 200}], "categories": [{"id": 1, "name": "a"}],
          "annotations": [record(i + 1, b) for i, b in enumerate(objects)] + [record(9, [100, 100, 90, 90], crowd=1)]}
    found = [{"image_id": 1, "category_id": 1, "bbox": b, "score": s} for b, s in zip(objects[:2], (0.6, 0.5))]
    inside = [{"image_id": 1, "category_id": 1, "bbox": [100 + 5 * i, 120, 9, 9], "score": 0.9} for i in range(15)]
    outside = [{**d, "bbox": [d["bbox"][0] - 80, *d["bbox"][1:]]} for d in inside]
    alone, crowded, wrong = (coco_metrics(gt, found + more)["AP"] for more in ([], inside, outside))
    return crowded - alone, crowded == alone > wrong, "AP with 15 detections inside a crowd minus AP without them"


def splits():
    first = _stats("2014 training images", "2014 validation images", "2014 test images")
    both = _stats("2015 training images", "2015 validation images", "2015 test images")
    shares = [n / sum(first) for n in first]
    near = all(abs(s - quarter) < 0.01 for s, quarter in zip(shares, (0.5, 0.25, 0.25)))
    return [*shares, sum(first) / sum(both)], first == stated("coco-splits") and near and 2 * sum(first) == sum(both), \
        "shares of train, val, test in 2014; 2014 over both releases"


def worker_hours():
    label, spot, rate, instances = _stats("hours of category labelling", "hours of instance spotting",
                                          "hours for a thousand segments", "instances")
    hours = 1000 * (label + spot) + rate * instances / 1000
    return hours, hours > stated("coco-worker-hours"), "20,000 + 10,000 + 22 * 2,500; the claim is a lower bound"


def categories():
    found = _stats("candidate categories", "categories", "categories without segments in 2014",
                   "scene categories queried")
    (released,) = _stats("categories of the 2014 release")
    return found, found == stated("coco-category-list") and found[1] - found[2] == released, "91 - 11 = 80"


def averages():
    rows = printed("coco/1").values()
    found = [sum(v for k, v in row.items() if k != "avg") / 20 for row in rows]
    fits = all(agrees(f, row["avg"], 1) for f, row in zip(found, rows))
    return found, fits and [row["avg"] for row in rows] == stated("coco-dpm-averages"), "mean over 20 classes"


def classes_won():
    rows = printed("coco/1")
    won = sum(rows["COCO to VOC"][c] > rows["VOC to VOC"][c] for c in rows["VOC to VOC"] if c != "avg")
    return won, won == stated("coco-dpm-6of20"), "classes where COCO to VOC exceeds VOC to VOC"


def segment_is_kept(votes) -> bool:
    """Whether a segment stays, given up to five votes in order (COCO, App. A of the thesis)."""
    first, extra, needed = _stats("first judges of a segment", "extra judges of a doubted segment",
                                  "votes that keep a segment")
    return all(votes[:first]) or sum(votes[:first + extra]) >= needed


def votes():
    needed, judges = stated("coco-verify-vote")
    cases = list(itertools.product((False, True), repeat=judges))
    kept = [v for v in cases if segment_is_kept(v)]
    doubted = [v for v in kept if not all(v[:3])]
    fits = all(sum(v) >= needed for v in doubted) and not any(
        segment_is_kept(v) for v in cases if not all(v[:3]) and sum(v) < needed)
    return len(kept), fits, "of 32 vote sequences: 4 begin with three yes, 3 have one no among these and four yes"


FACTS = {
    "coco-annotator-miss": all_miss, "coco-crowd-ignored": crowd_is_ignored, "coco-splits": splits,
    "coco-worker-hours": worker_hours, "coco-category-list": categories, "coco-dpm-averages": averages,
    "coco-dpm-6of20": classes_won, "coco-verify-vote": votes,
}
