"""The doctor: each illness is made on purpose and must be named; a healthy set must pass."""
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.__main__ import main
from paperlib.config import override
from paperlib.data import named_sets
from paperlib.data.read_coco import read_coco
from paperlib.data.selective_search import save_proposals
from paperlib.doctor import data_findings, examine
from paperlib.doctor import overfit as trials
from paperlib.doctor.anchor_coverage import Coverage, anchor_coverage, best_iou, proposal_coverage
from paperlib.doctor.data_findings import examine_classes, examine_records
from paperlib.doctor.examine import doctor
from paperlib.doctor.missed import missed, share_reached
from paperlib.doctor.model_findings import examine_anchors, examine_model, examine_proposals
from paperlib.doctor.overfit import Trial, overfit, with_objects
from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.boxes import iou
from paperlib.parts.matching import MatchConfig
from paperlib.parts.proposals import ProposalSource
from paperlib.systems.presets.retinanet import tiny
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.training.trained import Trained
from paperlib.training.weights import save_weights

RULE = MatchConfig()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


ANCHORS = AnchorConfig(levels=(2, 3, 4, 5, 6))   # 16 px on the finest level


def painted(folder, boxes, side=64, names=("red", "green"), crowd=()):
    """One image per list of boxes (x, y, w, h, class 1 or 2); class 1 is red, class 2 green, on grey."""
    (folder / "images").mkdir(exist_ok=True)
    images, anns = [], []
    for i, inside in enumerate(boxes):
        pixels = np.full((side, side, 3), 128, np.uint8)
        for x, y, w, h, k in inside:
            pixels[y:y + h, x:x + w] = [(255, 0, 0), (0, 255, 0)][k - 1]
            anns.append({"id": len(anns), "image_id": i, "category_id": k, "bbox": [x, y, w, h],
                         "iscrowd": int(len(anns) in crowd)})
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": side, "width": side})
    categories = [{"id": k, "name": n} for k, n in enumerate(names, 1)]
    record = {"images": images, "annotations": anns, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(record))
    return read_coco(folder / "instances.json", report=None)


def healthy(folder, n=4):
    return painted(folder, [[(4, 6, 24, 24, 1), (34, 30, 26, 22, 2)] for _ in range(n)])


def text(findings):
    return "\n".join(map(str, findings))


def test_coverage_is_the_best_iou_with_a_grid_of_anchors(tmp_path):
    data = painted(tmp_path, [[(0, 0, 32, 32, 1), (10, 3, 20, 40, 2), (0, 0, 64, 64, 1)]], crowd=(2,))
    cfg = AnchorConfig(levels=(3, 4), scales=(1.0,), ratios=(0.5, 1.0))
    cover = anchor_coverage(data, cfg)
    spec = []                                              # centres, sides and shapes written out by hand
    for stride in (8, 16):
        for y in range(stride // 2, 64, stride):
            for x in range(stride // 2, 64, stride):
                for ratio in (0.5, 1.0):
                    w, h = 4 * stride / ratio**0.5, 4 * stride * ratio**0.5
                    spec.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    boxes = torch.tensor([[0.0, 0, 32, 32], [10, 3, 30, 43]])            # the crowd does not count
    torch.testing.assert_close(cover.best, iou(boxes, torch.tensor(spec)).amax(1))
    assert cover.side.tolist() == pytest.approx([32, 800**0.5]) and cover.ratio.tolist() == [1, 2]
    assert cover.anchors == len(spec) and cover.sides == pytest.approx((32, 64)) and cover.label.tolist() == [1, 2]
    assert cover.share(2.0) == 0 and cover.share(0.0) == 1 and "32-64" in cover.table(0.5)


def test_coverage_is_measured_at_the_training_size(tmp_path):
    data = painted(tmp_path, [[(0, 0, 32, 32, 1)]])
    small = anchor_coverage(data, ANCHORS, size=16)
    assert small.side.tolist() == [8] and small.best < 0.5
    found = examine_anchors(small, RULE, data.classes)
    assert found[0].level == "bad" and "1 of the missed are smaller than the smallest anchor (16 px)" in text(found)
    assert examine_anchors(anchor_coverage(data, ANCHORS), RULE, data.classes)[0].level == "ok"


def test_elongated_and_large_objects_are_told_apart(tmp_path):
    long = painted(tmp_path, [[(0, 0, 64, 8, 1)]] * 5)
    found = text(examine_anchors(anchor_coverage(long, ANCHORS), RULE, long.classes))
    assert "longer than 2.5 to 1: 0%" in found and "anchors.ratios" in found and "red 0% of 5" in found
    large = painted(tmp_path, [[(0, 0, 64, 64, 1)]])
    cover = anchor_coverage(large, AnchorConfig(levels=(2,), scales=(1.0,)))
    found = text(examine_anchors(cover, RULE, large.classes))
    assert "1 of the missed are larger than the largest anchor (16 px)" in found


def test_classes_are_counted_and_compared_with_the_configuration(tmp_path):
    data = painted(tmp_path, [[(4, 4, 20, 20, 1)]])
    found = examine_classes(data, 3)
    assert [f.level for f in found] == ["bad", "look", "look"]
    assert "labels run 1..2, the configuration has num_classes 3" in found[0].text and "green" in found[1].text
    assert examine_classes(data, 2)[0].level == "look"
    with pytest.raises(ValueError, match="found no image record"):
        doctor(data.subset(0), tiny(2))
    assert "no object at all" in text(examine_classes(painted(tmp_path, [[]]), 2))


def test_records_dropped_images_broken_and_background_as_a_class_are_named(tmp_path):
    assert [f.level for f in examine_records(healthy(tmp_path))] == ["ok"]
    painted(tmp_path, [[(4, 4, 0, 20, 1)], [], []], names=("red", "background"))
    (tmp_path / "images/1.png").write_bytes(b"")
    found = examine_records(read_coco(tmp_path / "instances.json", report=None))
    assert [f.level for f in found] == ["look", "bad", "look", "look"]
    for words in ("1 records were dropped", "1.png: image 1: found no whole image", "a class for background",
                  "3 of 3 images have no object"):
        assert words in text(found)
    assert not (tmp_path / "cache").exists()


def test_a_healthy_set_is_learnt_by_heart(tmp_path, capsys):
    findings = doctor(healthy(tmp_path), tiny(2), steps=40, device=torch.device("cpu"))
    out = capsys.readouterr().out
    model, last = findings[-2:]
    assert model.level == "ok" and "after 40 steps on one batch of 4" in model.text and last.topic == "try"
    assert not any(f.serious for f in findings) and "objects with an anchor of IoU >= 0.5" in out
    assert all(str(f) in out for f in findings)


def test_contradictory_labels_cannot_be_learnt(tmp_path):
    data = painted(tmp_path, [[(4, 6, 24, 24, k), (34, 30, 26, 22, k)] for k in (1, 2, 1, 2)])
    for name in "123":                                     # four copies of one image, two labels
        (tmp_path / f"images/{name}.png").write_bytes((tmp_path / "images/0.png").read_bytes())
    trial = overfit(data, tiny(2), steps=30, device=torch.device("cpu"))
    assert trial.ap50 < 0.9 and not trial.frozen and not trial.silent and examine_model(trial)[0].level != "ok"


def test_what_was_missed_is_told_by_class_and_cause():
    class Stub(torch.nn.Module):
        cfg = tiny(2)

        def predict(self, images, proposals):
            return None, None, torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 25]])

        def detect(self, images, sizes, proposals):        # best first: the first overlapping one speaks for the object
            return [{"boxes": torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [50, 50, 60, 60]]),
                     "labels": torch.tensor([2, 1, 1])}]
    target = {"boxes": torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60], [70, 70, 80, 80]]),
              "labels": torch.tensor([1, 1, 1, 2]), "crowd": torch.tensor([False, False, False, True]),
              "size": torch.tensor([90, 90])}
    told = missed(Stub(), torch.zeros(1, 3, 90, 90), [target], ["cat", "dog"])
    assert told == ["2 of 3 cat not found or taken for dog (best anchor IoU 0.50-1.00)"]
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    Stub.detect = lambda self, images, sizes, proposals: [nothing]
    assert missed(Stub(), torch.zeros(1, 3, 90, 90), [target], ["cat", "dog"])[0].startswith("3 of 3 cat not found (")


def test_frozen_random_parameters_and_layers_without_gradient_are_named(tmp_path, monkeypatch):
    from paperlib.systems.registry import SYSTEMS, RetinaNet

    class Deaf(RetinaNet):
        def __init__(self, cfg):
            super().__init__(cfg)
            self.spare = torch.nn.Linear(2, 2)
    monkeypatch.setitem(SYSTEMS, "retinanet", Deaf)
    cfg = tiny(2)
    cfg = replace(cfg, trunk=replace(cfg.trunk, frozen_stages=2))
    trial = overfit(healthy(tmp_path), cfg, steps=2, device=torch.device("cpu"))
    assert trial.silent == ["spare.weight", "spare.bias"] and trial.frozen and not trial.pretrained
    assert all(name.startswith("trunk.") for name in trial.frozen)
    found = examine_model(trial)
    assert "they are random" in text(found[:1]) and found[0].serious
    assert "get no gradient: spare.weight" in found[1].text


@pytest.fixture
def quick(monkeypatch):
    """Three steps are learnt by heart, not 120."""
    monkeypatch.setattr(examine, "overfit", lambda *a: overfit(*a[:4], 3, a[5]))


@pytest.mark.parametrize(("system", "changes", "topics"), [
    ("retinanet", {}, ["anchors"]), ("rpn", {}, ["anchors"]), ("faster_rcnn", {}, ["anchors"]),
    ("fast_rcnn", {}, ["proposals"]), ("rcnn", {}, ["proposals"]),
    ("fast_rcnn", {"proposals.kind": "dense"}, ["proposals"]),
    ("faster_rcnn", {"training": "alternating"}, ["anchors"]),
    ("faster_rcnn", {"training": "separate", "train_on": "given"}, ["anchors", "proposals"]),
    ("faster_rcnn", {"training": "separate", "train_on": "given", "test_on": "given"}, ["proposals"])])
def test_every_system_can_be_examined(tmp_path, capsys, system, changes, topics):
    cfg = override(PRESETS[system]["tiny"](2), changes)
    findings = doctor(healthy(tmp_path), cfg, None, system, 30, torch.device("cpu"))
    told = text(findings)
    assert sorted({f.topic for f in findings} & {"anchors", "proposals"}) == topics, told
    assert "after 30 steps on one batch of 4" in told and not any(f.serious for f in findings), told
    assert ("recall at IoU .5" in told) == (system == "rpn") and not any("get no gradient" in f.text for f in findings)
    shown = capsys.readouterr().out
    assert ("objects with an anchor of" in shown) == ("anchors" in topics)
    assert ("objects with a given proposal of IoU >= 0.5" in shown) == ("proposals" in topics)


@pytest.mark.parametrize("system", ["retinanet", "fast_rcnn", "rpn", "faster_rcnn", "rcnn"])
def test_the_command_examines_every_system(tmp_path, capsys, quick, system):
    healthy(tmp_path)
    main(["doctor", str(tmp_path), "--budget", "smoke", "--system", system, "--preset", "tiny"])
    assert "after 3 steps on one batch of 4" in capsys.readouterr().out


def test_proposals_that_reach_no_object_are_named(tmp_path):
    data = painted(tmp_path, [[(4, 6, 24, 24, 1)], [(0, 0, 64, 64, 2), (40, 40, 16, 16, 2)]])
    given = [torch.tensor([[4.0, 6, 28, 30]]), torch.tensor([[0.0, 0, 60, 60], [0, 0, 64, 64]])]
    save_proposals(tmp_path / "given.npz", data, given)
    cover = proposal_coverage(data, ProposalSource(str(tmp_path / "given.npz")), size=32)
    assert cover.best.tolist() == pytest.approx([1, 1, 16**2 / 60**2]) and cover.side.tolist() == [12, 32, 8]
    assert cover.anchors == 1.5 and cover.images == 2
    first, *more = examine_proposals(cover, 0.5, data.classes)
    assert first.level == "look" and "67% of 3 objects have a given proposal of IoU >= 0.5 (2 pr" in first.text
    assert "never found" in first.advice and not more
    assert examine_proposals(proposal_coverage(data.subset([0]), ProposalSource("dense")), 0.5, ["a"])[0].level == "ok"
    empty = proposal_coverage(painted(tmp_path, [[]]), ProposalSource("dense"))
    assert examine_proposals(empty, 0.5, ["a"]) == []


def test_an_rpn_is_examined_with_the_anchors_that_train(tmp_path):
    data = painted(tmp_path, [[(0, 0, 12, 12, 1)]])
    cfg = AnchorConfig(levels=(3,), size_per_stride=2.0, scales=(1.0,), ratios=(1.0,))
    assert anchor_coverage(data, cfg).best.tolist() == pytest.approx([12**2 / 16**2])      # -4 to 12 px
    within = anchor_coverage(data, cfg, border=0.0)
    assert within.best.tolist() == pytest.approx([8**2 / (12**2 + 16**2 - 8**2)]) and within.anchors == 36  # 4 to 20
    assert PRESETS["rpn"]["small"](2).trained_anchors().border == 0.0


def test_only_what_is_reached_by_less_than_half_is_bad(tmp_path):
    """An RPN asks for IoU .7, but its best anchor learns each object: .5 is enough to find it."""
    data = painted(tmp_path, [[(4, 4, 20, 20, 1)]])
    cover = anchor_coverage(data, AnchorConfig(levels=(3,), size_per_stride=3.5, scales=(1.0,), ratios=(1.0,)))
    assert 0.5 < float(cover.best) < 0.7
    assert examine_anchors(cover, MatchConfig(0.7, 0.3), data.classes)[0].level == "look"


def test_crowds_are_nothing_to_learn_from(tmp_path):
    data = painted(tmp_path, [[(4, 4, 20, 20, 1)], [(4, 4, 20, 20, 2)]], crowd=(0, 1))
    findings = doctor(data, tiny(2), report=None)
    assert "no object at all: nothing to learn: no object in 2 images but 2 crowd regions" in text(findings)
    assert [finding.topic for finding in findings if finding.serious] == ["classes"]
    assert findings[-1].topic == "duplicates"                            # no anchors, no trial, nothing to try


def test_a_set_is_held_against_stored_weights(tmp_path, capsys, quick):
    data = healthy(tmp_path)
    assert doctor(data, tiny(2), steps=0, known=("green", "red"), report=None)[1].topic == "classes"
    told = doctor(data, tiny(2), steps=0, known=("green", "red"), report=None)
    assert "know" not in text(told) and "try" not in {finding.topic for finding in told}
    (found,) = [f for f in doctor(data, tiny(3), steps=0, known=("red", "dog", "cat"), report=None) if "know" in f.text]
    assert found.level == "look" and "green cannot be found, what is found of dog, cat does not count" in found.text
    (found,) = [f for f in doctor(data, tiny(3), steps=0, known=("dog",), report=None) if "know" in f.text]
    assert found.serious and "expected a class that both have" in found.text
    model = SYSTEMS["rpn"](PRESETS["rpn"]["tiny"](2))
    model.trained = Trained(("red", "green"), (48, 64))
    save_weights(tmp_path / "rpn.safetensors", "rpn", model)
    main(["doctor", str(tmp_path), "--weights", str(tmp_path / "rpn.safetensors")])
    out = capsys.readouterr().out
    assert "training size (48, 64)" in out and "an anchor of IoU >= 0.7" in out and "recall at IoU .5" in out


def test_what_a_two_stage_system_missed_is_told_by_its_proposals():
    class Stub(torch.nn.Module):
        cfg = tiny(2)

        def predict(self, images, proposals):
            return None, None, torch.tensor([[1.0, 0, 0, 10, 10], [0, 20, 20, 30, 25]])

        def detect(self, images, sizes, proposals):
            return [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}] * 2
    target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1]),
              "crowd": torch.tensor([False]), "size": torch.tensor([90, 90])}
    told = missed(Stub(), torch.zeros(2, 3, 90, 90), [target, target], ["cat"])
    assert told == ["2 of 2 cat not found (best proposal IoU 0.00-1.00)"]  # image 0 has another's box, image 1 its own


TRIAL = Trial(steps=9, images=4, first=2.0, last=0.1, ap50=1.0, frozen=[], pretrained=False, silent=[], unread=[],
              missed=[])


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, [("ok", "")]),
    ({"ap50": 0.8}, [("look", "try more steps")]),
    ({"ap50": 0.8, "last": 1.1, "steps": 40}, [("bad", "wrong labels or boxes, lr, or parts that do not learn")]),
    ({"ap50": 0.8, "missed": ["a"]}, [("look", "see the missed objects; then try more steps"), ("look", "")]),
    ({"missed": ["a"]}, [("ok", "")]),
    ({"frozen": ["p"], "pretrained": True}, [("ok", ""), ("ok", "")]),
    ({"unread": ["p"]}, [("look", "their maps are for larger objects than these images have"), ("ok", "")])])
def test_a_trial_is_graded_by_ap_then_by_loss(changes, expected):
    findings = examine_model(replace(TRIAL, **changes))
    assert [(f.level, f.advice) for f in findings] == expected


def test_few_steps_accuse_no_labels():
    (few,) = examine_model(replace(TRIAL, steps=10, ap50=0.0, last=1.9))
    assert few.level == "look" and "after 10 steps" in few.text and "2 -> 1.9" in few.text
    assert few.advice.startswith("10 steps are too few to tell a slow start from wrong labels: give it --steps 120")


def test_of_many_faults_five_are_listed(tmp_path):
    boxes = [[(4, 4, 20, 20, 1), (4, 4, 20, 20, 1)]]       # each object labelled twice
    (few,) = examine_records(painted(tmp_path, boxes * 5))
    assert few.level == "look" and few.text.startswith("5 records deserve a look:") and not few.advice
    (many,) = examine_records(painted(tmp_path, boxes * 6))
    assert many.text.startswith("6 records") and many.text.count("\n") == 5 and "lists all" in many.advice


def test_a_rare_class_is_pointed_out(tmp_path):
    row = [(0, 0, 9, 9, 1)] * 10
    data = painted(tmp_path, [row, row + [(20, 20, 9, 9, 2)] * 10])
    (even,) = examine_classes(data, 2)
    assert even.level == "ok" and even.text == "red has 20 objects, green has 10; 0 classes have fewer than 10"
    (rare,) = examine_classes(painted(tmp_path, [row + [(20, 20, 9, 9, 2)] * 9]), 2)
    assert rare.level == "look" and "green has 9; 1 classes have fewer" in rare.text and "chance" in rare.advice
    *_, alone = examine_classes(painted(tmp_path, [row]), 1)
    assert alone.text == "red has 10 objects; 0 classes have fewer than 10"
    (uneven,) = examine_classes(painted(tmp_path, [row * 101, [(20, 20, 9, 9, 2)] * 10]), 2)
    assert uneven.level == "look" and not uneven.advice    # 1010 to 10


def test_nothing_opens_images_that_cannot_be_read(tmp_path):
    healthy(tmp_path)
    (tmp_path / "images/1.png").write_bytes(b"")
    data = read_coco(tmp_path / "instances.json", report=None)
    cfg = override(PRESETS["fast_rcnn"]["tiny"](2), {"proposals.kind": "dense"})
    findings = doctor(data, cfg, system="fast_rcnn", steps=1, device=torch.device("cpu"), report=None)
    assert findings[0].serious and not {f.topic for f in findings} & {"proposals", "model"}
    findings = doctor(data, tiny(2), steps=1, device=torch.device("cpu"), report=None)
    assert "anchors" in {f.topic for f in findings} and "model" not in {f.topic for f in findings}


@pytest.mark.parametrize(("missed_ones", "named"), [(1, False), (2, True)])
def test_a_kind_is_named_from_a_fiftieth_of_the_objects_on(missed_ones, named):
    best, side, one = torch.ones(100), torch.full((100,), 32.0), torch.ones(100)
    best[:missed_ones], side[:missed_ones] = 0, 500
    cover = Coverage(best, side, one, one.long(), 9.0, (16.0, 128.0), 1)
    found = text(examine_anchors(cover, RULE, ["red"]))
    assert (f"{missed_ones} of the missed are larger than the largest anchor (128 px)" in found) == named


def test_objects_without_any_box_near_are_reached_by_none():
    gt = torch.tensor([[0.0, 0, 10, 10], [5, 5, 9, 9]])
    assert best_iou(gt, torch.zeros(0, 4)).tolist() == [0, 0]
    assert best_iou(gt, gt[:1]).tolist() == pytest.approx([1, 16 / 100])


def test_the_first_images_with_objects_are_the_batch(tmp_path):
    box = (4, 6, 24, 24, 1)
    data = painted(tmp_path, [[box], [], [box], [box], [box]], crowd=(1,))
    few = with_objects(data, SYSTEMS["retinanet"](tiny(2)), 2)
    assert few.image_ids == [0, 3]                         # 1 is empty, 2 has a crowd alone


def test_a_loss_that_explodes_is_a_finding_not_a_crash(tmp_path):
    trial = overfit(healthy(tmp_path), tiny(2), steps=20, lr=1e30, device=torch.device("cpu"))
    assert "not finite" in trial.error and examine_model(trial)[-1].serious and math.isnan(trial.last)


def test_a_proposal_method_has_three_boxes_for_each_object():
    class Stub(torch.nn.Module):
        def detect(self, images, sizes):
            return [{"boxes": torch.tensor([[50.0, 50, 60, 60]] * self.before + [[0, 0, 10, 9]])}] * 2

    target = {"boxes": torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]]),
              "crowd": torch.tensor([False, True]), "size": torch.tensor([90, 90])}
    empty = {**target, "crowd": torch.tensor([True, True])}
    for Stub.before, share in ((2, 1.0), (3, 0.0)):  # a crowd is no object
        assert share_reached(Stub(), torch.zeros(2, 3, 90, 90), [target, empty]) == share
    assert share_reached(Stub(), torch.zeros(2, 3, 90, 90), [empty, empty]) == 0


def test_levels_without_a_gradient_are_unread_only_where_regions_are_read(tmp_path, monkeypatch):
    names = ["pyramid.smooth.3.weight", "head.cls.0.weight"]
    monkeypatch.setattr(trials, "unmoved", lambda *_: ([], names))
    trial = overfit(healthy(tmp_path, 1), tiny(2), steps=1, device=torch.device("cpu"), images=1)
    assert (trial.silent, trial.unread) == (names, [])  # a RetinaNet reads all levels everywhere
    pooling = PRESETS["faster_rcnn"]["tiny"](2)
    trial = overfit(healthy(tmp_path, 1), pooling, None, "faster_rcnn", 1, torch.device("cpu"), 1)
    assert (trial.silent, trial.unread) == (names[1:], names[:1])


def test_a_trial_is_tested_at_the_size_that_it_was_trained_at():
    sizes = {None: (None, None), 64: (64, 64), (48,): (48, None), (48, 80): (48, 80)}
    assert {size: trials._sides(size) for size in sizes} == sizes


def test_bccd_platelets_are_out_of_reach_of_the_anchors_at_128_px(shared):
    data = named_sets.load(shared / "data/bccd", "train")
    cover = anchor_coverage(data, ANCHORS, 128)
    assert cover.share(0.5) > 0.9 and cover.worst(0.5, data.classes)[0][0] == "Platelets"
    found = text(examine_anchors(cover, RULE, data.classes))
    assert "reached least: Platelets 4% of 209" in found and "smaller than the smallest anchor (16 px)" in found
    assert anchor_coverage(data.subset(12), ANCHORS, 384).share(0.5) > 0.99


def test_the_report_of_coco128_is_plain(shared, capsys, monkeypatch):
    monkeypatch.setattr(data_findings, "OPENED", 16)
    doctor(named_sets.load(shared / "data/coco128"), size=128, steps=0)
    out = capsys.readouterr().out
    assert out.startswith("coco128: 128 images, 939 objects, 80 classes; training size 128\n")
    assert "9 of 80 classes have no object: fire hydrant" in out and "61% of 929 objects" in out
