"""Kinds of mistakes: one hand-made case of each, agreement with pycocotools on what is correct, the gain of mending."""
import numpy as np
import pytest
from pycocotools import mask as rle
from test_evaluate import oracle

from paperlib.scoring.error_types import KINDS, error_types, false_positives, fix, fix_gains
from paperlib.scoring.mistakes import kinds_of_mistakes
from paperlib.scoring.simulated_detector import made_detections, made_truth

CATEGORIES = [{"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 2, "name": "dog", "supercategory": "animal"},
              {"id": 3, "name": "bus", "supercategory": "vehicle"}]


def scene():
    def thing(n, category, box, **more):
        area = box[2] * box[3]
        return {"id": n, "image_id": 1, "category_id": category, "bbox": box, "area": area, "iscrowd": 0, **more}
    return {"images": [{"id": 1, "height": 100, "width": 200}, {"id": 2, "height": 100, "width": 200}],
            "categories": CATEGORIES,
            "annotations": [thing(0, 1, [10, 10, 40, 40]), thing(1, 2, [80, 10, 40, 40]),
                            thing(2, 3, [140, 10, 40, 40]), thing(3, 1, [0, 60, 100, 40], iscrowd=1),
                            thing(4, 3, [140, 60, 40, 40], difficult=1)]}


@pytest.mark.parametrize("category, box, image, kind, blamed", [
    (1, [10, 10, 40, 40], 1, "Cor", 0),
    (1, [10, 10, 40, 30], 1, "Cor", 0),                # IoU 3/4
    (1, [30, 10, 40, 40], 1, "Loc", 0),                # IoU 1/3
    (1, [44, 10, 40, 40], 1, "BG", -1),                # IoU 6/74 with the cat, 4/76 with the dog: below .1
    (2, [12, 10, 40, 40], 1, "Sim", 0),
    (3, [12, 10, 40, 40], 1, "Oth", 0),
    (1, [5, 65, 20, 20], 1, "Ign", 3),                 # inside the crowd of cats
    (2, [5, 65, 20, 20], 1, "BG", -1),                 # no cat, and crowds are nobody's mistake
    (3, [140, 60, 40, 40], 1, "Ign", 4),
    (1, [10, 10, 40, 40], 2, "BG", -1),                # the same box on another image
])
def test_each_kind_by_hand(category, box, image, kind, blamed):
    kinds, objects = error_types(scene(), [{"image_id": image, "category_id": category, "bbox": box, "score": 0.5}])
    assert (kinds[0], objects[0]) == (kind, blamed)


def test_duplicates_are_localisation_errors_and_the_better_score_wins():
    results = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "score": s} for s in (0.3, 0.9, 0.6)]
    kinds, objects = error_types(scene(), results)
    assert kinds.tolist() == ["Loc", "Cor", "Loc"] and objects.tolist() == [0, 0, 0]
    assert false_positives(scene(), results, top=1) == {"Loc": 1, "Sim": 0, "Oth": 0, "BG": 0}


@pytest.mark.parametrize("seed", range(5))
def test_correct_ones_are_those_of_pycocotools(seed):
    gt = made_truth(15, seed, categories=5, crowd=0.15, size=(96, 128))
    results = made_detections(gt, seed, copies=1.5)
    kinds, blamed = error_types(gt, results)
    want = {}
    for e in oracle(gt, results).evalImgs:
        if e and e["aRng"] == [0, 1e10]:
            for n, match, ignore in zip(e["dtIds"], e["dtMatches"][0], e["dtIgnore"][0]):
                want[n - 1] = "Ign" if ignore else int(match)
    assert len(want) == len(results)
    for n, (kind, obj) in enumerate(zip(kinds, blamed)):
        assert (kind == "Ign") == (want[n] == "Ign")
        if kind == "Cor":
            assert gt["annotations"][obj]["id"] == want[n]
        elif kind != "Ign":
            assert want[n] == 0
    for n in np.flatnonzero(kinds == "BG"):            # nothing within reach, by pycocotools' own IoU
        here = [a["bbox"] for a in gt["annotations"] if a["image_id"] == results[n]["image_id"] and not a["iscrowd"]]
        assert not here or rle.iou([results[n]["bbox"]], here, [0] * len(here)).max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_mending_leaves_none_of_the_kind_and_never_costs(seed):
    gt = made_truth(15, seed, categories=5, size=(96, 128))
    results = made_detections(gt, seed)
    assert all(gain >= -1e-12 for gain in fix_gains(gt, results).values())
    for kind in KINDS[1:]:
        results = fix(gt, results, kind)
        assert kind not in error_types(gt, results)[0]
    assert set(error_types(gt, results)[0]) <= {"Cor", "Ign"}
    with pytest.raises(ValueError, match="'Miss'"):
        fix(gt, results, "Miss")


def kinds_of(*records, near=0.1, gt=None):
    """Kinds and blamed objects of (category, box) on image 1, scores falling."""
    results = [{"image_id": 1, "category_id": c, "bbox": b, "score": 0.9 - n / 10} for n, (c, b) in enumerate(records)]
    return [x.tolist() for x in error_types(gt or scene(), results, near=near)], results


def test_as_many_false_positives_count_as_a_class_has_objects_that_are_no_crowd():
    results = [{"image_id": 1, "category_id": 1, "bbox": [30, 10, 40, 40], "score": 0.9},
               {"image_id": 2, "category_id": 1, "bbox": [10, 10, 40, 40], "score": 0.8}]
    assert kinds_of_mistakes(scene(), results) == {"Loc": 1, "Sim": 0, "Oth": 0, "BG": 0}  # one cat, and a crowd


def test_the_bound_of_localisation_counts_as_near():
    assert kinds_of((1, [30, 10, 40, 40]), near=1 / 3)[0] == [["Loc"], [0]]   # IoU 800 / 2400
    assert kinds_of((2, [30, 10, 40, 40]), near=0.34)[0] == [["BG"], [-1]]


def test_the_first_kind_that_applies_and_the_closest_object_are_blamed():
    gt = scene()
    gt["annotations"][2]["bbox"] = [12, 12, 40, 40]                          # a bus on the cat
    gt["annotations"][1]["bbox"] = [26, 10, 40, 40]                          # and a dog
    assert kinds_of((1, [14, 14, 38, 38]), gt=gt)[0] == [["Cor"], [0]]
    gt["annotations"][0]["bbox"] = [150, 0, 5, 5]
    assert kinds_of((1, [12, 12, 40, 40]), gt=gt)[0] == [["Sim"], [1]]       # the bus is closer, the dog is kin
    gt["annotations"][0] |= {"category_id": 2, "bbox": [10, 10, 40, 40]}     # two dogs, the first one closer
    assert kinds_of((1, [10, 10, 40, 40]), gt=gt)[0] == [["Sim"], [0]]


def test_of_two_bad_boxes_the_better_score_is_mended():
    (kinds, _), results = kinds_of((1, [30, 10, 40, 40]), (1, [28, 10, 40, 40]))
    assert kinds == ["Loc", "Loc"]
    for order in (results, results[::-1]):
        (left,) = fix(scene(), order, "Loc")
        assert (left["bbox"], left["score"]) == ([10, 10, 40, 40], 0.9)
