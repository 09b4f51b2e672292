"""Normalised AP by groups of objects, against cases worked by hand."""
import numpy as np
import pytest

from paperlib.scoring.sensitivity import aspect, sensitivity, size, truncated


def scene(boxes, cut=()):
    """One image for each box of one class, as COCO's dictionary."""
    annotations = []
    for i, box in enumerate(boxes, 1):
        annotations.append({"id": i, "image_id": i, "category_id": 1, "bbox": box, "area": box[2] * box[3],
                            "iscrowd": 0, "truncated": int(i in cut)})
    images = [{"id": i, "width": 100, "height": 100, "file_name": f"{i}.png"} for i in range(1, len(boxes) + 1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}


def detections(boxes, scores):
    pairs = enumerate(zip(boxes, scores), 1)
    return [{"image_id": i, "category_id": 1, "bbox": box, "score": score} for i, (box, score) in pairs]


BOXES = [[0, 0, 10 + 5 * i, 20] for i in range(10)]  # wider and larger from image to image


def test_perfect_detections_have_ap_1_in_every_group():
    for measure in (size, aspect):
        groups = sensitivity(scene(BOXES), detections(BOXES, [0.9] * 10), measure)
        assert list(groups) == ["extra small", "small", "medium", "large", "extra large"]
        assert set(groups.values()) == {1.0}


def test_only_the_groups_that_are_missed_lose():
    small_missed = detections(BOXES, [0.9] * 10)[3:]
    groups = sensitivity(scene(BOXES), small_missed)
    assert groups["extra small"] == groups["small"] == 0 and groups["medium"] == groups["extra large"] == 1


def test_precision_is_that_of_a_group_of_the_usual_number():
    """One group of 2 objects of 10 and one false positive ahead: precision 10 r / (10 r + 1)."""
    false = [{"image_id": 9, "category_id": 1, "bbox": [0, 50, 5, 5], "score": 0.99}]
    cut = sensitivity(scene(BOXES, cut=(1, 2)), false + detections(BOXES, [0.9] * 10), truncated)
    assert cut == {"0": pytest.approx(10 / 11), "1": pytest.approx(10 / 11)}
    half = sensitivity(scene(BOXES, cut=(1, 2)), false + detections(BOXES, [0.9] * 10)[1:], truncated)
    assert half["1"] == pytest.approx(0.5 * 5 / 6) and half["0"] == pytest.approx(10 / 11)


def test_a_second_detection_of_an_object_is_wrong_in_its_group_alone():
    again = {"image_id": 1, "category_id": 1, "bbox": BOXES[0], "score": 0.95}
    twice = [*detections(BOXES, np.linspace(0.9, 0.8, 10)), again]
    groups = sensitivity(scene(BOXES, cut=(1, 2)), twice, truncated)
    assert groups["0"] == 1 and 0.9 < groups["1"] < 1


def test_an_object_on_a_bound_is_in_the_group_above_it():
    boxes = [*BOXES, [0, 0, 60, 20]]  # of eleven a tenth lies below the second
    found = detections(boxes, [0.9] * 11)
    groups = sensitivity(scene(boxes), found[:1] + found[2:])
    assert groups["extra small"] == 1 and groups["small"] == 0.5


def test_difficult_objects_are_in_no_group_and_no_mean_number():
    """Two of ten objects are difficult: of the eight others, one false positive ahead, precision is 8 r / (8 r + 1)."""
    gt = scene(BOXES, cut=(1, 2))
    for annotation in gt["annotations"][-2:]:
        annotation["difficult"] = 1
    false = [{"image_id": 9, "category_id": 1, "bbox": [0, 50, 5, 5], "score": 0.99}]
    groups = sensitivity(gt, false + detections(BOXES, [0.9] * 10), truncated)
    assert groups == {"0": pytest.approx(8 / 9), "1": pytest.approx(8 / 9)}


def test_nothing_detected():
    assert set(sensitivity(scene(BOXES), []).values()) == {0.0}
