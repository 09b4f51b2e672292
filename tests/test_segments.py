"""Proposed masks as results: records, recall that equals pycocotools', upper bounds, outlines, bad input, commands."""
import contextlib
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from test_deepmask import model
from test_deepmask import scenes as discs
from test_sharpmask import model as sharpmask

from paperlib.__main__ import main
from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.data.read_coco import read_coco
from paperlib.doctor.examine import doctor
from paperlib.doctor.windows import examine_windows, fitting_scales, window_coverage
from paperlib.parts.windows.overlap import mask_iou, rles
from paperlib.parts.windows.records import segment_records
from paperlib.parts.windows.resampling import paste
from paperlib.scoring.coco_metrics import average_recall, detect_all, evaluate, segment_recall
from paperlib.scoring.segments.bounds import best_overlaps, bound, upper_bound
from paperlib.scoring.segments.outlines import along, outlines
from paperlib.systems.deepmask import DeepMask
from paperlib.training.trained import lacks_masks
from paperlib.watching.best import headline

CPU = torch.device("cpu")


@pytest.fixture
def blocks(scenes):
    return load(scenes, None)


def guesses(dataset, count=30, seed=0):
    """Result records: true masks moved and cut at random, with random scores, more than 10 an image."""
    rng, results = np.random.default_rng(seed), []
    for i, image in enumerate(dataset.images):
        for mask in dataset.target(i, masks=True)["masks"].numpy():
            for _ in range(count):
                moved = np.roll(mask, rng.integers(-6, 7, 2), (0, 1))
                moved[:rng.integers(0, 20)] = False
                if moved.any():
                    rle = rles(torch.from_numpy(moved)[None])[0]
                    results.append({"image_id": image["id"], "category_id": 1, "segmentation": rle,
                                    "score": float(rng.random())})
    return results


def by_pycocotools(dataset, results, kind, limits):
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = dataset.coco_dict(masks=True)
        gt.createIndex()
        evaluator = COCOeval(gt, gt.loadRes([dict(r) for r in results]), kind)
        evaluator.params.useCats, evaluator.params.maxDets = 0, list(limits)
        ranges = dataset.area_ranges
        evaluator.params.areaRng, evaluator.params.areaRngLbl = [list(r) for r in ranges.values()], list(ranges)
        evaluator.evaluate()
        evaluator.accumulate()
    recall = evaluator.eval["recall"][:, 0]  # (T, A, M)
    return np.where((recall > -1).all(0), recall.mean(0), np.nan), list(ranges)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_recall_of_boxes_and_segments_equals_pycocotools(blocks, kind):
    results = guesses(blocks)
    ours = average_recall(blocks, results, (3, 10, 25), kind=kind)
    want, sizes = by_pycocotools(blocks, results, kind, (3, 10, 25))
    for m, limit in enumerate((3, 10, 25)):
        assert ours[f"AR{limit}"] == pytest.approx(want[sizes.index("all"), m], abs=1e-12)
        for size, short in (("small", "s"), ("medium", "m"), ("large", "l")):
            assert ours[f"AR{limit}{short}"] == pytest.approx(want[sizes.index(size), m], abs=1e-12, nan_ok=True)
    assert 0.2 < ours["AR3"] < ours["AR10"] <= ours["AR25"]


def test_the_area_under_recall_is_pycocotools_curve_over_log_counts(blocks):
    results, counts = guesses(blocks), np.unique(np.geomspace(1, 20, 31).round().astype(int))
    curve = by_pycocotools(blocks, results, "segm", counts)[0][0]
    want = np.trapezoid(curve, np.log(counts)) / np.log(20)
    assert average_recall(blocks, results, (20,), kind="segm")["AUC"] == pytest.approx(want, abs=1e-12)


def test_records_lie_in_the_image_as_stored():
    """Masks made on a picture of half the size are laid into the whole one, as fine as that is."""
    net = model(**{"propose.keep": 20}).eval()
    images, _ = discs(1, 96)
    detected = net.detect(images)[0]
    small = segment_records({"id": 7, "height": 96, "width": 96}, torch.ones(4), detected, 3)
    large = segment_records({"id": 7, "height": 192, "width": 192}, torch.full((4,), 2.0), detected, 3)
    assert {r["image_id"] for r in small} == {7} and {r["category_id"] for r in small} == {3}
    assert all(r["segmentation"]["size"] == [192, 192] for r in large) and json.dumps(large)
    scores = [r["score"] for r in small]
    assert scores == sorted(scores, reverse=True)
    for one, other in zip(small, large):
        np.testing.assert_allclose(np.array(one["bbox"]) * 2, other["bbox"], atol=2)
    masks = paste(detected["window_masks"], detected["windows"], (96, 96), 0.2)
    assert [r["segmentation"] for r in small] == rles(masks[masks.flatten(1).any(1)])


def test_the_bound_is_the_best_of_all_windows_and_no_recall_passes_it(blocks):
    net = model(**{"window.scales": [0.0, -0.5]}).eval()
    overlaps, areas = best_overlaps(net, blocks, CPU)
    dense = net.dense(torch.zeros(3, 64, 64))
    assert len(overlaps) == len(areas) == 4 and (areas == 720).all()
    numbers = upper_bound(net, blocks, CPU)
    everything = model(**{"window.scales": [0.0, -0.5], "propose.keep": len(dense.scores)}).eval()
    recall = average_recall(blocks, detect_all(everything, blocks, CPU), (10, len(dense.scores)), kind="segm")
    assert numbers["bound AR"] == pytest.approx(recall[f"AR{len(dense.scores)}"]) and np.isnan(numbers["bound ARl"])
    assert bound(np.array([0.72, 0.4]), np.array([10.0, 10.0]), blocks.area_ranges)["bound AR"] == pytest.approx(0.25)
    assert bound(np.array([0.5]), np.array([10.0]), blocks.area_ranges)["bound AR"] == pytest.approx(0.1)  # just so
    sharp = sharpmask(**{"window.scales": [0.0, -0.5], "refine.top": 300}).eval()
    assert upper_bound(sharp, blocks, CPU).keys() == numbers.keys()


def test_outlines_by_hand():
    truth, guess = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    truth[:, :6], guess[:, :7] = True, True
    one, two, right_one, right_two = along(truth, guess, (1, 2))
    assert (one, two) == (0.5, pytest.approx(2 / 3)) and (right_one, right_two) == (0.5, 0.75)
    assert along(truth, truth) == [1.0] * 6
    assert np.isnan(along(np.ones((4, 4), bool), guess[:4, :4], (1,))).all()


def test_a_mask_of_half_an_object_reaches_it_and_one_without_an_outline_counts_as_a_whole(blocks):
    """Of two objects the first is reached by IoU .5 exactly; the second fills its image, and has no band."""
    whole = np.ones((64, 64), bool)
    blocks.annotations[2][0]["segmentation"] = rles(torch.from_numpy(whole)[None])[0]
    results = []
    for i, image in enumerate(blocks.images[:2]):
        mask = blocks.target(i, masks=True)["masks"].clone()
        if i == 0:
            mask[:, :25] = False                                         # of its rows 10 to 39
        results.append({"image_id": image["id"], "segmentation": rles(mask)[0], "score": 1.0})
    found = outlines(blocks, results, (1,))
    assert found["reached"] == 0.5 and found["best IoU"] == pytest.approx(0.75)
    assert 0 < found["band IoU 1"] < 1 and 0 < found["trimap 1"] < 1     # of the first alone


def test_a_coarser_mask_is_worse_along_the_outline_than_on_the_whole(blocks):
    exact, coarse = [], []
    for i, image in enumerate(blocks.images):
        mask = blocks.target(i, masks=True)["masks"]
        cells = torch.nn.functional.interpolate(mask[None].float(), (9, 9), mode="area")
        again = torch.nn.functional.interpolate(cells, (64, 64), mode="nearest")[0] > 0.5
        for results, masks in ((exact, mask), (coarse, again)):
            results.append({"image_id": image["id"], "segmentation": rles(masks)[0], "score": 1.0})
    sharp, blurred = outlines(blocks, exact), outlines(blocks, coarse)
    assert sharp == dict.fromkeys(sharp, 1.0)
    assert blurred["band IoU 1"] < blurred["band IoU 4"] < blurred["best IoU"] < 1 and blurred["trimap 1"] < 1
    assert np.isnan(outlines(blocks, [])["best IoU"]) and outlines(blocks, [])["reached"] == 0


def test_scored_by_boxes_and_segments(blocks):
    net = model(**{"window.scales": [0.0]}).eval()
    results = detect_all(net, blocks, CPU)
    metrics = evaluate(net, blocks, CPU, results=results)
    scores = segment_recall(blocks, results) | outlines(blocks, results)
    assert metrics == pytest.approx(scores, nan_ok=True)
    assert {"box AR10", "box AR100", "box AUC", "seg AR10", "seg AR1000", "seg AUCs", "seg AUC"} <= metrics.keys()
    asked = model(**{"window.scales": [0.0], "propose.bound": True}).eval()
    assert {"bound AR", "bound ARs", "bound ARm", "bound ARl"} == evaluate(asked, blocks, CPU).keys() - metrics.keys()
    assert headline(metrics) == ("seg AR100", metrics["seg AR100"])


def bare(folder, keep=0):
    """The set with the masks of all but the first `keep` objects taken away."""
    file = folder / "instances.json"
    data = json.loads(file.read_text())
    for annotation in data["annotations"][keep:]:
        del annotation["segmentation"]
    file.write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize("keep, says", [(0, "4 of 4 objects have no segmentation"), (3, "1 of 4 objects")])
@pytest.mark.parametrize("system", ["deepmask", "sharpmask", "fpn_masks"])
def test_a_set_without_masks_is_refused_before_any_work(scenes, system, keep, says, capsys, monkeypatch):
    bare(scenes, keep)
    monkeypatch.setattr("paperlib.training.trainer.seed_all", None)
    assert main(["train", system, "--budget", "smoke", "--data", str(scenes), "--out", "out"]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert says in errors[-1] and "masks" in errors[-1] and "expected polygons or run lengths" in errors[-1]
    assert lacks_masks(model(), load(scenes, None)) and not lacks_masks(type("Boxes", (), {"needs_masks": False}), None)


@pytest.mark.parametrize("system", ["deepmask", "sharpmask", "fpn_masks"])
def test_train_eval_and_score_agree_on_the_same_segments(scenes, system, capsys):
    assert main(["train", system, "--budget", "smoke", "--steps", "4", "--batch", "2", "--data", str(scenes),
                 "--out", "out", "--json"]) == 0
    trained = json.loads(capsys.readouterr().out.splitlines()[-1])
    weights = f"out/{system}.safetensors"
    assert main(["eval", system, "--weights", weights, "--results", "results.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == trained
    results = json.loads(Path("results.json").read_text())
    assert {"segmentation", "bbox", "score", "image_id", "category_id"} == results[0].keys()
    blocks = load(scenes, None)
    want, sizes = by_pycocotools(blocks, results, "segm", (10, 100))
    assert trained["seg AR100"] == pytest.approx(want[sizes.index("all"), 1], abs=1e-12)
    assert main(["score", str(scenes / "instances.json"), "results.json", "--type", "segm"]) == 0
    assert "AR100" in capsys.readouterr().out


def test_crowds_do_not_count(blocks):
    results = guesses(blocks)
    before = segment_recall(blocks, results)
    image = blocks.images[0]["id"]
    blocks.annotations[image].append({**blocks.annotations[image][0], "id": 99, "iscrowd": 1,
                                      "segmentation": {"size": [64, 64], "counts": [0, 64 * 20, 64 * 44]}})
    assert segment_recall(blocks, results) == pytest.approx(before, nan_ok=True)
    assert len(best_overlaps(model(**{"window.scales": [0.0]}), blocks, CPU)[0]) == 4
    assert mask_iou(blocks.target(0, masks=True)["masks"], blocks.target(0, masks=True)["masks"]).shape == (2, 2)


@pytest.mark.parametrize("size", [None, 96])
def test_masks_of_a_batch_lie_on_their_pixels(blocks, size):
    """Stored pixels are read through a map where no image is resized, and masks are flipped with them."""
    batches = Batches(blocks, 4, seed=1, size=size, masks=True)
    flips = 0
    for step in range(3):
        images, targets = batches[step]
        for image, target in zip(images, targets):
            red = (image[0] > 150) & (image[1] < 120)
            assert mask_iou(target["masks"], red[None]).item() > 0.9
            flips += target["boxes"][0, 0].item() != target["boxes"].new_tensor(5.0 * target["image_id"]).item()
    assert flips >= (size is None)


def test_the_doctor_says_whether_objects_have_masks_and_windows(scenes):
    cfg = model().cfg
    findings = {finding.topic: finding for finding in doctor(load(scenes, None), cfg, None, "deepmask", report=None)}
    assert findings["windows"].level == "ok" and "100% of 4 objects" in findings["windows"].text
    assert "2^-2.5" in findings["windows"].text and "model" not in findings
    far = model(**{"window.scales": [2.0]}).cfg
    assert window_coverage(load(scenes, None), far) == (0.0, 4)
    findings = doctor(load(bare(scenes), None), cfg, None, "deepmask", report=None)
    assert [f.level for f in findings if f.topic == "masks"] == ["bad"]


def test_the_doctor_names_window_scales_that_fit_the_training_size(scenes):
    """Twice the size, one octave less; what the advice names reaches the objects; without objects there is none."""
    dataset, far = load(scenes, None), model(**{"window.scales": [2.0]}).cfg
    side = dataset.images[0]["height"]
    at = {factor: fitting_scales(dataset, far, (factor * side,)) for factor in (1, 2)}
    assert at[2] == tuple(octaves - 1 for octaves in at[1]) and len(at[1]) >= 1
    finding = next(f for f in doctor(dataset, far, None, "deepmask", report=None) if f.topic == "windows")
    setting = re.search(r"--set '(window.scales=.*)' reaches 100%", finding.advice)[1]
    assert window_coverage(dataset, override(far, [setting])) == (1.0, 4)
    assert fitting_scales(dataset.subset([]), far) == ()
    assert "[]" not in str(examine_windows(dataset.subset([]), far, None, DeepMask))


def test_the_share_of_right_sized_objects_is_one_of_objects(scenes):
    dataset = read_coco(scenes / "instances.json").subset([0, 1])
    objects = dataset.target(0)
    objects |= {"boxes": objects["boxes"].repeat(2, 1), "labels": objects["labels"].repeat(2),
                "crowd": objects["crowd"].repeat(2)}
    dataset.target = lambda i: objects
    cfg = SimpleNamespace(right_sized=lambda boxes, size: torch.tensor([True, False]))
    assert window_coverage(dataset, cfg) == (0.5, 4)
