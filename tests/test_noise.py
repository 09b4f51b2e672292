"""Made detections: each part of the noise model alone, on a ground truth without any other noise."""
import numpy as np
import pytest

from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.simulated_detector import made_detections, made_truth
from paperlib.scoring.voc_ap import paired_iou

NONE = {"recall": 1.0, "copies": 0.0, "jitter": 0.0, "blur": 0.0, "similar": 0.0, "other": 0.0, "background": 0.0}


@pytest.fixture
def gt():
    """Ids that fall, with gaps, where their order in the file rises."""
    out = made_truth(60, 3, categories=20, crowd=0.2)
    for record in out["images"]:
        record["id"] = 1000 - 3 * record["id"]
    for record in out["categories"]:
        record["id"] = 500 - 7 * record["id"]
    for record in out["annotations"]:
        record["image_id"], record["category_id"] = 1000 - 3 * record["image_id"], 500 - 7 * record["category_id"]
    return out


def rows(records):
    return sorted((r["image_id"], r["category_id"], *np.round(r["bbox"], 1)) for r in records)


def made(gt, seed=0, **noise):
    return made_detections(gt, seed, **{**NONE, **noise})


def test_without_noise_the_objects_come_back_and_crowds_do_not(gt):
    objects = [a for a in gt["annotations"] if not a["iscrowd"]]
    got = np.array(rows(made(gt)))
    assert got.shape == (len(objects), 6)
    np.testing.assert_allclose(got, np.array(rows(objects)), atol=0.11)
    assert len({r["score"] for r in made(gt)}) > len(objects) / 2           # scores are noisy all the same


def test_every_seed_gives_its_own(gt):
    assert made_detections(gt, 1) == made_detections(gt, 1) != made_detections(gt, 2)


def test_objects_are_seen_as_often_as_asked_and_difficult_ones_half_as_often(gt):
    objects = [a for a in gt["annotations"] if not a["iscrowd"]]
    for a in gt["annotations"]:
        a["difficult"] = int(a["category_id"] % 2)
    hard = sum(a["difficult"] for a in objects)
    got = [r["category_id"] % 2 for seed in range(10) for r in made(gt, seed, recall=0.8)]
    assert got.count(0) == pytest.approx(8 * (len(objects) - hard), rel=0.05)
    assert got.count(1) == pytest.approx(4 * hard, rel=0.08)


def test_boxes_and_scores_follow_the_error(gt):
    columns = truth(gt)
    results = made(gt, jitter=0.1)
    dt = detections(columns, results)
    overlap, ratio = [], []
    for n in range(len(results)):
        same = np.flatnonzero((columns.image == dt.image[n]) & (columns.category == dt.category[n]) & ~columns.crowd)
        value = paired_iou(columns.boxes[same], dt.boxes[n].repeat(len(same)).reshape(4, -1).T)
        overlap.append(value.max())
        ratio.append(np.prod(dt.boxes[n, 2:] / columns.boxes[same[value.argmax()], 2:]))
    assert 0.1 < np.std(np.log(ratio)) < 0.6                                # sides change too
    assert np.corrcoef(overlap, dt.scores)[0, 1] > 0.3                      # worse boxes score less


def test_boxes_stay_in_the_image(gt):
    size = {i["id"]: (i["width"], i["height"]) for i in gt["images"]}
    for r in made(gt, jitter=1.0, background=2.0):
        (x, y, w, h), (width, height) = r["bbox"], size[r["image_id"]]
        assert 0 <= x <= x + w <= width + 0.01 and 0 <= y <= y + h <= height + 0.01 and min(w, h) >= 1


def test_labels_turn_into_similar_ones_or_any(gt):
    kind = {c["id"]: c["supercategory"] for c in gt["categories"]}
    at = {tuple(row[:1] + row[2:]): row[1] for row in rows(a for a in gt["annotations"] if not a["iscrowd"])}

    def mistaken(**noise):
        pairs = [(at[key], row[1]) for row in rows(made(gt, **noise)) if (key := tuple(row[:1] + row[2:])) in at]
        assert len(pairs) > 200
        return [(a, b) for a, b in pairs if a != b], len(pairs)

    wrong, total = mistaken(similar=0.4)
    assert all(kind[a] == kind[b] for a, b in wrong)
    assert len(wrong) / total == pytest.approx(0.2, abs=0.06)               # two of a kind: half stay what they are
    wrong, total = mistaken(other=0.4)
    assert len(wrong) / total == pytest.approx(0.38, abs=0.06)
    assert np.mean([kind[a] == kind[b] for a, b in wrong]) < 0.2


def test_copies_are_as_many_as_asked(gt):
    assert len(made(gt, copies=2.0)) == pytest.approx(3 * len(made(gt)), rel=0.1)


def test_background_is_as_much_as_asked(gt):
    assert len(made(gt, recall=0.0, background=4.0)) == pytest.approx(4 * len(gt["images"]), rel=0.15)
