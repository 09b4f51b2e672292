"""Scores on draws of the images: equal to those of a set in which the drawn images are written out."""
from functools import partial

import numpy as np
import pytest

from paperlib.data.record_checks.values import area_ranges
from paperlib.scoring import average_recall as average_recall_module
from paperlib.scoring.average_recall import recall_on_draws
from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.coco_metrics import average_recall, coco_metrics, numbers, recall_numbers
from paperlib.scoring.image_draws import drawn, image_draws, scores_on_draws
from paperlib.scoring.voc_ap import numbers as pascal_numbers
from paperlib.scoring.voc_ap import voc_ap

COCO_AREAS = area_ranges()


def score(gt, dt) -> dict:
    return numbers(gt, dt, COCO_AREAS)


def made(num_images: int = 12):
    """A ground truth with empty images, and detections near its boxes with distinct scores."""
    random, objects, results = np.random.default_rng(3), [], []
    scores = iter(random.permutation(10_000) / 10_000)
    for image in range(10, 10 + num_images):
        for _ in range(random.integers(0, 4)):
            box = [*random.uniform(0, 80, 2), *random.uniform(5, 120, 2)]
            record = {"image_id": image, "category_id": int(random.integers(1, 4)), "bbox": box}
            objects.append(record | {"id": len(objects) + 1, "area": box[2] * box[3], "iscrowd": 0})
            for _ in range(3):
                moved = (np.array(box) + random.normal(0, 6, 4)).clip(1).tolist()
                results.append(record | {"bbox": moved, "score": float(next(scores))})
    images = [{"id": i, "height": 200, "width": 200, "file_name": ""} for i in range(10, 10 + num_images)]
    return {"images": images, "annotations": objects,
            "categories": [{"id": k, "name": f"c{k}"} for k in (1, 2, 3)]}, results


def written_out(gt: dict, results: list, ranks):
    """The drawn set as a dictionary: each copy is an image of its own."""
    images, objects, found = [], [], []
    for copy, rank in enumerate(ranks, 1):
        image = gt["images"][rank - 1]
        images.append(image | {"id": copy})
        for record in gt["annotations"]:
            if record["image_id"] == image["id"]:
                objects.append(record | {"image_id": copy, "id": len(objects) + 1})
        found += [record | {"image_id": copy} for record in results if record["image_id"] == image["id"]]
    return gt | {"images": images, "annotations": objects}, found


@pytest.mark.parametrize(("of_dicts", "of_columns", "classes"), [
    (coco_metrics, lambda gt, dt: numbers(gt, dt, COCO_AREAS), True),
    (average_recall, lambda gt, dt: recall_numbers(gt, dt, COCO_AREAS), False),
    (lambda *given: voc_ap(*given)["per_category"], lambda *given: pascal_numbers(*given)["per_category"], True),
])
def test_a_draw_scores_as_the_set_that_it_stands_for(of_dicts, of_columns, classes):
    gt, results = made()
    columns = truth(gt)
    dt = detections(columns, results, classes=classes)
    for ranks in image_draws(len(gt["images"]), 5):
        assert len(set(ranks.tolist())) < len(ranks)                    # some image is drawn twice
        expected = of_dicts(*written_out(gt, results, ranks))
        measured = of_columns(*drawn(columns, dt, ranks))
        assert measured == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_each_image_once_is_the_set_itself():
    gt, results = made()
    columns = truth(gt)
    dt = detections(columns, results)
    whole = drawn(columns, dt, np.arange(1, 13))
    assert numbers(*whole, COCO_AREAS) == pytest.approx(numbers(columns, dt, COCO_AREAS), nan_ok=True, abs=0)


def test_every_run_sees_the_same_draws_and_they_spread():
    gt, results = made()
    columns = truth(gt)
    dt = detections(columns, results)
    first, again = ([ranks.tolist() for ranks in image_draws(12, 20)] for _ in range(2))
    assert first == again and len(set(map(tuple, first))) == 20
    assert {rank for ranks in first for rank in ranks} == set(range(1, 13))
    values = scores_on_draws(score, columns, dt, 20)
    assert set(values) == {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"}
    spread = np.array(values["AP"], float)
    assert len(spread) == 20 and np.std(spread) > 0.005
    assert abs(spread.mean() - numbers(columns, dt, COCO_AREAS)["AP"]) < 3 * np.std(spread)


@pytest.mark.parametrize("spoil", [None, "iscrowd", "difficult", "nothing found"])
def test_recall_that_is_matched_once_is_the_recall_of_each_draw(spoil, monkeypatch):
    monkeypatch.setattr(average_recall_module, "AT_ONCE", 5)  # of 12 images
    gt, results = made()
    for record in gt["annotations"][::5]:
        record |= {spoil: 1}
    columns = truth(gt)
    dt = detections(columns, [] if spoil == "nothing found" else results, classes=False)
    counts = (2, 10, 100)
    slowly = scores_on_draws(partial(recall_numbers, area_ranges=COCO_AREAS, k=counts), columns, dt, 20)
    quickly = recall_on_draws(columns, dt, COCO_AREAS, counts, 20)
    assert set(quickly) == {"AR100", "AUC"} == set(slowly)
    for name, values in slowly.items():
        assert quickly[name] == pytest.approx(values, abs=1.01e-4)  # both are rounded to four digits


def test_no_object_at_all_has_no_recall_on_any_draw():
    gt, results = made()
    empty = truth(gt | {"annotations": []})
    dt = detections(empty, results, classes=False)
    assert recall_on_draws(empty, dt, COCO_AREAS, (10, 100), 2)["AR100"] == [None, None]


def test_nothing_found_and_nothing_to_find():
    gt, _ = made()
    empty = truth(gt | {"annotations": []})
    values = scores_on_draws(score, empty, detections(empty, []), 2)
    assert values["AP"] == [None, None]
    columns = truth(gt)
    assert scores_on_draws(score, columns, detections(columns, []), 2)["AP"] == [0, 0]
