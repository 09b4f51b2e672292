"""The numbers that COCO's evaluation is summed up in: which cell of its tables each is, and what `evaluate` adds."""
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from paperlib.data.read_coco import read_coco
from paperlib.data.record_checks.values import area_ranges
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring import coco_metrics as module
from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.coco_curves import curves
from paperlib.scoring.coco_metrics import average_recall, coco_metrics, evaluate
from paperlib.scoring.result_files import as_ids_of, score_files
from paperlib.scoring.simulated_detector import made_detections, made_truth
from paperlib.training import own_proposals

CPU = torch.device("cpu")
COCO_AREAS = area_ranges()


@pytest.fixture(scope="module")
def case():
    """Ground truth with objects of every size, and results with false ones."""
    gt = made_truth(10, 3, categories=3, size=(160, 200))
    return gt, made_detections(gt, 4, copies=3.0)


def perfect(dataset):
    """Results that are the set's own boxes."""
    return [{"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.5}
            for anns in dataset.annotations.values() for a in anns]


def without_classes(results):
    return [{key: value for key, value in record.items() if key != "category_id"} for record in results]


def test_a_categorys_number_is_its_mean_over_all_ious(case):
    gt, results = case
    columns = truth(gt)
    precision, _ = curves(columns, detections(columns, results), areas=list(COCO_AREAS.values()))   # (T, R, K, A, M)
    got = coco_metrics(gt, results, per_category=True)["per_category"]
    assert list(got) == columns.names
    for k, name in enumerate(columns.names):
        assert got[name] == pytest.approx(precision[:, :, k, 0, -1].mean())


def test_limits_and_ranges_may_come_in_any_order(case):
    gt, results = case
    turned = dict(reversed(COCO_AREAS.items()))
    assert coco_metrics(gt, results, max_dets=(3, 1)) == coco_metrics(gt, results, max_dets=(1, 3))
    assert coco_metrics(gt, results, area_ranges=turned) == pytest.approx(coco_metrics(gt, results), nan_ok=True)
    proposals = without_classes(results)
    assert average_recall(gt, proposals, k=(9, 2)) == average_recall(gt, proposals, k=(2, 9))
    assert average_recall(gt, proposals, area_ranges=turned) == pytest.approx(average_recall(gt, proposals),
                                                                              nan_ok=True)


def test_results_of_other_categories_do_not_count(case, recwarn):
    gt, results = case
    stranger = {**results[0], "category_id": 77, "score": 1.0}
    assert coco_metrics(gt, [stranger, *results]) == coco_metrics(gt, results)
    assert any("1 of" in str(warning.message) for warning in recwarn)


def test_a_set_is_scored_by_its_own_ranges(scenes):
    dataset = read_coco(scenes / "instances.json")
    own = {"all": (0.0, 1e10), "small": (0.0, 1.0), "medium": (1.0, 2.0), "large": (2.0, 1e10)}
    dataset = replace(dataset, area_ranges=own)
    results = perfect(dataset)
    stated = coco_metrics(dataset, results)
    assert stated == pytest.approx(coco_metrics(dataset, results, area_ranges=dataset.area_ranges), nan_ok=True)
    assert stated != pytest.approx(coco_metrics(dataset, results, area_ranges=COCO_AREAS), nan_ok=True)


# -- average recall

def test_recall_is_a_mean_over_ious_by_size_at_the_largest_number(case):
    gt, results = case
    got = average_recall(gt, without_classes(results), k=(1, 5))
    columns = truth(gt)
    rows = detections(columns, without_classes(results), classes=False)
    _, recall = curves(columns, rows, [1, 5], list(COCO_AREAS.values()), classes=False)    # (T, 1, A, M)
    for a, suffix in enumerate(("", "s", "m", "l")):
        assert got[f"AR1{suffix}"] == pytest.approx(recall[:, 0, a, 0].mean())
        assert got[f"AR5{suffix}"] == pytest.approx(recall[:, 0, a, 1].mean())
    assert got["ARs"] == got["AR5s"] != got["AR1s"]


def test_recall_of_a_size_that_is_absent_is_nan(case):
    gt, results = case
    none = {"all": (0.0, 1e10), "huge": (1e9, 1e10)}
    got = average_recall(gt, without_classes(results), k=(1, 5), area_ranges=none)
    assert np.isnan([got["ARhuge"], got["AR1huge"], got["AUChuge"]]).all() and got["AR5"] > 0


def test_one_proposal_has_an_area_too(case):
    gt, results = case
    got = average_recall(gt, without_classes(results), k=(1,))
    assert got["AUC"] == got["AR1"] > 0


def test_the_area_under_recall_has_31_knots():
    """Objects far apart, one found by every second proposal: AR(n) = ceil(n / 2) / 50 at the knots."""
    boxes = [[20.0 * n, 0.0, 10.0, 10.0] for n in range(100)]
    gt = {"images": [{"id": 1, "height": 60, "width": 2000}], "categories": [{"id": 1, "name": "a"}],
          "annotations": [{"id": n + 1, "image_id": 1, "category_id": 1, "bbox": boxes[n], "area": 100.0,
                           "iscrowd": 0} for n in range(0, 100, 2)]}
    proposals = [{"image_id": 1, "bbox": box, "score": 1 - n / 200} for n, box in enumerate(boxes)]
    knots = np.unique(np.geomspace(1, 100, 31).round())
    recall = np.ceil(knots / 2) / 50
    want = np.trapezoid(recall, np.log(knots)) / np.log(100)
    assert average_recall(gt, proposals, k=(10, 100))["AUC"] == pytest.approx(want, abs=1e-12)


# -- files

def files(folder, gt, results):
    (folder / "gt.json").write_text(json.dumps(gt))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "gt.json", folder / "results.json"


def test_options_reach_the_score_of_files(case, tmp_path):
    assert {"AR2", "AR7"} <= set(score_files(*files(tmp_path, *case), max_dets=(2, 7)))


def test_bad_area_bounds_are_the_ground_truths_fault(case, tmp_path):
    gt, results = case
    bad = {**gt, "info": {"area_bounds": [32]}}
    with pytest.raises(ValueError, match=r"gt.json: info: found area_bounds \[32\]; expected \[small") as error:
        score_files(*files(tmp_path, bad, results))
    assert "results.json" not in str(error.value)


@pytest.mark.parametrize("text", ["[" * 200_000, "[1" + "0" * 6000 + "]"])
def test_json_that_no_parser_takes_is_named(case, tmp_path, text):
    truths, results = files(tmp_path, *case)
    results.write_text(text)
    with pytest.raises(ValueError, match=r"results.json: "):
        score_files(truths, results)


# -- what a system is scored by

TESTED = ProposalSource("all of them", keep=3)


@pytest.fixture
def scored(monkeypatch, scenes):
    """A set, and `evaluate` of a system whose detections are the truth; what was searched for is listed."""
    dataset, searched = read_coco(scenes / "instances.json"), []
    results = perfect(dataset)

    def with_given_proposals(data, source):
        searched.append(source)
        return replace(data, proposals=[data.target(i)["boxes"] for i in range(len(data))])

    monkeypatch.setattr(own_proposals, "with_given_proposals", with_given_proposals)
    monkeypatch.setattr(module, "category_ids", lambda *_: None)
    monkeypatch.setattr(module, "detect_all", lambda *_: results)

    def scores(data=dataset, needs=False):
        source = ProposalSource("all of them", tested=3)
        cfg = SimpleNamespace(needs_proposals=lambda: needs, proposals=source)
        return evaluate(SimpleNamespace(cfg=cfg, scored_by="boxes", needs_masks=False), data, CPU)

    return dataset, scores, searched


def test_proposals_are_searched_for_only_where_they_are_missing_and_needed(scored):
    dataset, scores, searched = scored
    assert "given_AR" not in scores() and not searched
    assert scores(needs=True)["given_AR"] == 1 and searched == [TESTED]
    kept = replace(dataset, proposals=[torch.zeros(1, 4)] * len(dataset))
    assert scores(kept, needs=True)["given_AR"] == 0 and searched == [TESTED]
    assert "given_AR" not in scores(kept)


def test_a_set_that_does_not_fit_is_refused_before_any_work(scored, monkeypatch):
    def misfit(system, dataset):
        raise ValueError("other classes")

    _, scores, searched = scored
    monkeypatch.setattr(module, "category_ids", misfit)
    monkeypatch.setattr(module, "detect_all", None)
    with pytest.raises(ValueError, match="other classes"):
        scores(needs=True)
    assert not searched


@pytest.mark.parametrize(("listed", "known", "ids"), [
    (("a/1.png", "b/1.png"), ("x/b/1.png", "x/a/1.png"), [1, 0]),
    (("a/1.png", "b/2.png"), ("1.png", "2.png"), [0, 1]),
    (("a/1.png", "b/1.png"), ("1.png", "2.png"), "'a/1.png' and 'b/1.png', both of which may be '1.png'"),
    (("a/1.png", "b/1.png"), ("a/1.png", "2.png"), "'1.png', which the ground truth does not list"),
    (("a/1.png", "2.png"), ("b/1.png", "c/1.png"), "'1.png', which the ground truth lists twice")])
def test_pictures_of_one_name_are_told_apart_by_their_folders(listed, known, ids):
    images = [[{"id": i, "file_name": name} for i, name in enumerate(names)] for names in (listed, known)]
    records = [{"images": each, "categories": [{"id": 1, "name": "cat"}]} for each in images]
    results = [{"image_id": i, "category_id": 1} for i in (0, 1)]
    if isinstance(ids, list):
        assert [each["image_id"] for each in as_ids_of(records[1], results, records[0])] == ids
    else:
        with pytest.raises(ValueError, match=ids):
            as_ids_of(records[1], results, records[0])
