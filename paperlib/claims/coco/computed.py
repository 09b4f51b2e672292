"""The exact claims of COCO, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import itertools
from dataclasses import dataclass

import numpy as np

from paperlib.claims.compare import agrees, all_agree, printed, stated
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.studies.annotation import simulated_workers


def _stats(*names: str) -> list[float]:
    table = printed("coco/stats")
    return [table[name]["value"] for name in names]


def all_miss():
    (workers,) = _stats("workers that label each image's categories")
    chance = 0.5**workers
    return chance, agrees(chance, stated("coco-annotator-miss"), 3), "0.5^8"


def _annotation(number: int, box: list[int], crowd: int = 0) -> dict:
    area = box[2] * box[3]
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": box, "area": area, "iscrowd": crowd}


def _detection(box: list[int], score: float) -> dict:
    return {"image_id": 1, "category_id": 1, "bbox": box, "score": score}


def crowd_is_ignored():
    """A crowd region beside three objects; detections inside it must not change any score."""
    objects = [[5, 5, 20, 20], [40, 5, 30, 20], [5, 40, 10, 30]]
    annotations = [_annotation(number, box) for number, box in enumerate(objects, 1)]
    annotations.append(_annotation(9, [100, 100, 90, 90], crowd=1))
    gt = {"images": [{"id": 1, "width": 200, "height": 200}], "categories": [{"id": 1, "name": "a"}],
          "annotations": annotations}
    hits = [_detection(objects[0], 0.6), _detection(objects[1], 0.5)]
    inside, outside = [], []  # of the crowd
    for left in range(100, 175, 5):
        inside.append(_detection([left, 120, 9, 9], 0.9))
        outside.append(_detection([left - 80, 120, 9, 9], 0.9))
    alone = coco_metrics(gt, hits)["AP"]
    crowded = coco_metrics(gt, hits + inside)["AP"]
    wrong = coco_metrics(gt, hits + outside)["AP"]
    formula = "AP with 15 detections inside a crowd minus AP without them"
    return crowded - alone, crowded == alone > wrong, formula


def splits():
    first = _stats("2014 training images", "2014 validation images", "2014 test images")
    both = _stats("2015 training images", "2015 validation images", "2015 test images")
    train, val, test = (images / sum(first) for images in first)
    near = abs(train - 0.5) < 0.01 and abs(val - 0.25) < 0.01 and abs(test - 0.25) < 0.01
    fits = first == stated("coco-splits") and near and 2 * sum(first) == sum(both)
    formula = "shares of train, val, test in 2014; 2014 over both releases"
    return [train, val, test, sum(first) / sum(both)], fits, formula


def worker_hours():
    label, spot, rate, instances = _stats("hours of category labelling", "hours of instance spotting",
                                          "hours for a thousand segments", "instances")
    hours = 1000 * (label + spot) + rate * instances / 1000
    formula = "20,000 + 10,000 + 22 * 2,500; the claim is a lower bound"
    return hours, hours > stated("coco-worker-hours"), formula


def categories():
    chosen, without_segments, released = _stats("categories", "categories without segments in 2014",
                                                "categories of the 2014 release")
    fits = [chosen, without_segments, released] == stated("coco-category-list")
    return chosen - without_segments, fits and chosen - without_segments == released, "91 - 11 = 80"


def averages():
    means, printed_means = [], []
    for row in printed("coco/1").values():
        total = sum(row[name] for name in row if name != "avg")
        means.append(total / 20)
        printed_means.append(row["avg"])
    fits = all_agree(means, printed_means, 1) and printed_means == stated("coco-dpm-averages")
    return means, fits, "mean over 20 classes"


def classes_won():
    rows = printed("coco/1")
    coco_to_voc, voc_to_voc = rows["COCO to VOC"], rows["VOC to VOC"]
    won = 0
    for name in voc_to_voc:
        if name != "avg" and coco_to_voc[name] > voc_to_voc[name]:
            won += 1
    return won, won == stated("coco-dpm-6of20"), "classes where COCO to VOC exceeds VOC to VOC"


def votes():
    """Over all sequences of votes: three yes at once keep a segment, and without them it takes four."""
    needed, judges = stated("coco-verify-vote")
    first, extra, least = map(int, _stats("first judges of a segment", "extra judges of a doubted segment",
                                          "votes that keep a segment"))
    kept, fits = 0, (first + extra, least) == (judges, needed)
    for sequence in itertools.product((0.0, 1.0), repeat=judges):
        draws = _Votes(1 - np.array(sequence))
        keeps, taken = simulated_workers.verify(np.array([0.5]), draws, first, extra, least)
        at_once = all(sequence[:first])
        kept += int(keeps[0])
        fits = fits and bool(keeps[0]) == (at_once or sum(sequence) >= needed)
        fits = fits and int(taken[0]) == (first if at_once else judges)
    return kept, fits, "of 32 vote sequences: 4 begin with three yes, 3 have one no among these and four yes"


@dataclass(frozen=True)
class _Votes:
    """In place of a generator: draws of 0, below any approval, for a yes and of 1 for a no."""

    draws: np.ndarray  # (judges,)

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        return np.broadcast_to(self.draws, shape)


FACTS = {
    "coco-annotator-miss": all_miss, "coco-crowd-ignored": crowd_is_ignored, "coco-splits": splits,
    "coco-worker-hours": worker_hours, "coco-category-list": categories, "coco-dpm-averages": averages,
    "coco-dpm-6of20": classes_won, "coco-verify-vote": votes,
}
