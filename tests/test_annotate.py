"""The simulated annotation pipeline, shapes and collection: hand-worked numbers, laws that must hold, and bad input."""
import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from paperlib.data.named_sets import load
from paperlib.studies.annotation import average_shapes, collecting, outlines, pipeline, simulated_workers
from paperlib.studies.annotation.simulated_workers import WORKERS, Crew, Presence, Workers
from paperlib.world import build


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A hundred drawn scenes."""
    folder = tmp_path_factory.mktemp("drawn") / "minicoco"
    build.build("minicoco", folder, jobs=1, counts={"val": 100})
    return load(folder, "val")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_presence_follows_the_records(scenes):
    found = simulated_workers.presence(scenes)
    for i in range(20):
        target = scenes.target(i)
        single = target["labels"][~target["crowd"]]
        assert set(found.there[i].nonzero()[0] + 1) == set(single.tolist())
        for k in single.unique().tolist():
            side = float(target["area"][(target["labels"] == k) & ~target["crowd"]].max()) ** 0.5
            assert found.octaves[i, k - 1] == pytest.approx(np.log2(side / 12), abs=1e-6)
    assert len(simulated_workers.groups(scenes)) == found.group.max() + 1 == 12


def test_union_by_hand():
    truth = np.array([[1, 1, 0, 0]], bool)
    named = np.array([[[1, 0], [0, 1], [0, 1], [0, 0]]], bool)               # (1, 4, 2)
    np.testing.assert_allclose(simulated_workers.union_curve(named, truth), [[0.5, 1.0], [1.0, 2 / 3]])
    assert simulated_workers.recall_precision(truth, truth) == (1.0, 1.0)
    assert simulated_workers.majority(np.array([[[1, 1, 0]], [[1, 0, 0]]], bool)).tolist() == [[True], [False]]
    assert not simulated_workers.majority(np.array([[[1, 0]]], bool)).any()  # half is no majority


def test_independent_workers_find_what_the_formula_says(rng):
    """Nothing shared, no groups skipped, one skill: recall is 1 - (1 - p)^k."""
    found = Presence(np.ones((400, 50), bool), np.zeros((400, 50)), np.zeros(50, int))
    model = Workers(skill=(0.0, 0.0), doubt=0.0, skipped=0.0)
    named = simulated_workers.name_categories(found, model, simulated_workers.hire(model, 8, rng), rng)
    recall = simulated_workers.union_curve(named, found.there)[0]
    np.testing.assert_allclose(recall, 1 - 0.5 ** np.arange(1, 9), atol=0.01)


def test_what_all_find_hard_makes_the_union_worse(rng):
    found = Presence(np.ones((300, 40), bool), np.zeros((300, 40)), np.zeros(40, int))
    eight = []
    for doubt in (0.0, 2.0):
        model = dataclasses.replace(WORKERS, doubt=doubt)
        named = simulated_workers.name_categories(found, model, simulated_workers.hire(model, 8, rng), rng)
        eight.append(named.any(-1).mean())
    assert eight[0] > eight[1] + 0.02


def test_a_group_that_is_not_opened_names_nothing(rng):
    found = Presence(np.ones((50, 6), bool), np.full((50, 6), 5.0), np.array([0, 0, 0, 1, 1, 1]))
    model = Workers(skill=(20.0, 0.0), skipped=0.5)
    named = simulated_workers.name_categories(found, model, simulated_workers.hire(model, 4, rng), rng)
    groups = named.reshape(50, 2, 3, 4)
    assert (groups.all(2) == groups.any(2)).all() and 0.4 < named.mean() < 0.6


def test_union_study_rises_levels_off_and_loses_precision(scenes):
    study = simulated_workers.union_study(scenes, seeds=6)
    recall, precision = study.mean(0)
    assert study.shape == (6, 2, 10) and (np.diff(study[:, 0]) >= 0).all()
    assert recall[7] > 0.97 and np.diff(recall)[0] > 10 * np.diff(recall)[-1] and precision[9] < precision[0] - 0.1
    np.testing.assert_array_equal(study, simulated_workers.union_study(scenes, seeds=6))


def test_workers_needed():
    assert simulated_workers.workers_needed(0.5, 0.99) == 7 and simulated_workers.workers_needed(0.5, 1 - 0.5**8) == 8
    assert simulated_workers.workers_needed(0.9, 0.89) == 1
    with pytest.raises(ValueError, match="between 0 and 1"):
        simulated_workers.workers_needed(1.0, 0.99)


def test_leave_one_out_counts_every_job(scenes, rng):
    each = simulated_workers.leave_one_out(simulated_workers.presence(scenes), WORKERS, 30, 8, rng)
    assert each[:, 2].sum() == 800 and ((each[:, :2] > 0) & (each[:, :2] <= 1)).mean() > 0.9


def test_a_worker_is_judged_by_what_the_others_said(rng):
    """Two who name what is absent by chance: half of what one says, the other says too."""
    found = Presence(np.zeros((200, 20), bool), np.zeros((200, 20)), np.zeros(20, int))
    model = Workers(slip=(0.0, 0.0), doubt=0.0, strayed=1.0)
    each = simulated_workers.leave_one_out(found, model, 2, 2, rng)
    np.testing.assert_allclose(each, [[0.5, 0.5, 200]] * 2, atol=0.05)


def test_no_worker_marks_more_than_the_limit_and_large_ones_come_first(scenes, rng):
    crew = Crew(np.full(3, 50.0), np.zeros(3))
    free = simulated_workers.spot(scenes, WORKERS, crew, rng, limit=None)
    assert free.by.all() and len(free.label) == sum(int((~scenes.target(i)["crowd"]).sum()) for i in range(100))
    few = simulated_workers.spot(scenes, WORKERS, crew, rng, limit=2)
    for key in np.unique(np.stack([few.image, few.label]), axis=1).T:
        same = (few.image == key[0]) & (few.label == key[1])
        assert (few.by[same].sum(0) == min(2, same.sum())).all()
        if same.sum() > 2:
            assert few.octaves[same][few.by[same][:, 0]].min() >= np.sort(few.octaves[same])[-2]


def test_verification_counts_votes_as_the_rule_says(rng):
    assert simulated_workers.keep_chance(1.0) == 1 and simulated_workers.keep_chance(0.0) == 0
    sequences = np.array(list(itertools.product((0, 1), repeat=5)))
    stays = sequences[:, :3].all(1) | (sequences.sum(1) >= 4)
    p = 0.8
    chance = (stays * p ** sequences.sum(1) * (1 - p) ** (5 - sequences.sum(1))).sum()
    assert simulated_workers.keep_chance(p) == pytest.approx(chance)
    kept, votes = simulated_workers.verify(np.full(20000, p), rng)
    assert kept.mean() == pytest.approx(chance, abs=0.01)
    assert votes.mean() == pytest.approx(3 + 2 * (1 - p**3), abs=0.03) and set(votes) == {3, 5}


def disc(size=64, radius=22):
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    return x**2 + y**2 < radius**2


def test_more_corners_follow_a_shape_better(rng):
    mask = disc()
    ious = [outlines.mask_iou(mask, outlines.draw_by_hand(mask, outlines.Hand(n, 0.0), rng)) for n in (4, 8, 32)]
    assert ious == sorted(ious) and ious[0] < 0.8 < 0.97 < ious[2]
    assert all(len(outlines.outline(mask, n)[0]) <= n for n in (4, 8, 16))
    shaky = outlines.mask_iou(mask, outlines.draw_by_hand(mask, outlines.Hand(32, 0.1), rng))
    assert shaky < ious[2]


def test_polygons_fill_the_pixels_whose_middle_they_hold():
    square = outlines.filled_rings([np.array([[2, 3], [7, 3], [7, 6], [2, 6]])], 10, 10)
    assert square.sum() == 15 and square[3:6, 2:7].all()
    assert not outlines.filled_rings([np.array([[1, 1], [5, 5]])], 10, 10).any()
    two = np.zeros((20, 20), bool)
    two[2:8, 2:8] = two[12:18, 12:18] = True
    assert len(outlines.outline(two, 4)) == 2
    np.testing.assert_array_equal(outlines.filled_rings(outlines.outline(two, 8), 20, 20), two)
    speck = np.zeros((40, 40), bool)
    speck[2:32, 2:32] = speck[34:37, 34:37] = True
    assert len(outlines.outline(speck, 4)) == 1  # a hundredth of the largest part is left out
    with pytest.raises(ValueError, match="empty mask"):
        outlines.outline(np.zeros((5, 5), bool), 4)


def test_training_task_lets_better_hands_in(scenes, rng):
    hands, test, work = outlines.training_task(scenes, 80, rng)
    assert len(hands) == 80 and test.shape == (80,) and work.shape == (80, 8)
    passed = test >= np.quantile(test, 2 / 3)
    assert work[passed].mean() > work[~passed].mean() + 0.05
    with pytest.raises(ValueError, match="no object of"):
        outlines.training_task(scenes, 3, rng, least=1e6)


def test_pipeline_adds_up_and_is_reproducible(scenes):
    done = pipeline.annotate(scenes.subset(40), np.random.default_rng(1))
    s = done.stages
    assert s["objects there"] >= s["in a named category"] >= s["spotted"] == s["segments kept"] + s["given up"]
    assert s["segments drawn"] >= s["segments kept"] and s["votes cast"] >= 3 * s["segments drawn"]
    assert len(done.segments) == s["segments kept"] > 0.8 * s["objects there"]
    truth = {i: scenes.target(i, masks=True) for i in range(40)}
    for i, label, iou, mask in done.segments[:50]:
        same = truth[i]["masks"][truth[i]["labels"] == label].numpy()
        assert max(outlines.mask_iou(mask, m) for m in same) >= iou - 1e-9
    assert pipeline.annotate(scenes.subset(40), np.random.default_rng(1)).stages == s


def test_wrong_names_that_are_turned_down_cost_no_segment(scenes):
    few, stages = scenes.subset(10), []
    for dismissed in (1.0, 0.0):
        rules = pipeline.Rules(dismissed=dismissed)
        stages.append(pipeline.annotate(few, np.random.default_rng(1), rules=rules).stages)
    drawn = [each["segments drawn"] for each in stages]
    assert drawn[1] - drawn[0] == stages[0]["categories named wrongly"] > 0
    assert stages[0]["segments of nothing kept"] == 0


def test_pipeline_without_masks_or_workers_says_why(scenes):
    with pytest.raises(ValueError, match="nobody passed the training task at IoU 1"):
        pipeline.annotate(scenes.subset(10), np.random.default_rng(0), rules=pipeline.Rules(bar=1.1))


def test_box_fill_by_hand(scenes):
    target = scenes.target(0, masks=True)
    found = average_shapes.cut_out(scenes, least=8)
    k = int(np.flatnonzero(found.image == 0)[0])
    match = int((target["boxes"].numpy() == found.box[k]).all(1).argmax())
    x1, y1, x2, y2 = found.box[k].round().astype(int)
    assert found.fill[k] == pytest.approx(float(target["masks"][match].sum()) / ((x2 - x1) * (y2 - y1)), abs=1e-3)
    fill = average_shapes.box_fill(found, scenes.classes)
    name = next(iter(fill))
    own = found.fill[found.label == scenes.classes.index(name) + 1]
    assert fill[name] == pytest.approx((own.mean(), 1.96 * own.std(ddof=1) / len(own) ** 0.5, len(own)))
    assert [v[0] for v in fill.values()] == sorted((v[0] for v in fill.values()), reverse=True)
    assert "person" in average_shapes.articulated(scenes) and "car" not in average_shapes.articulated(scenes)
    with pytest.raises(ValueError, match="no object of 1000 px"):
        average_shapes.cut_out(scenes.subset(3), least=1000)


def test_pasting_a_shape():
    whole = np.ones((average_shapes.SIDE, average_shapes.SIDE))
    full = average_shapes.paste(whole, np.array([2.0, 3, 7, 9]), 20, 30)
    assert full.sum() == 30 and full[3:9, 2:7].all()
    cut = average_shapes.paste(whole, np.array([-5.0, -5, 5, 5]), 20, 30)
    assert cut.sum() == 25
    assert not average_shapes.paste(whole, np.array([40.0, 40, 50, 50]), 20, 30).any()
    left = whole * (np.arange(average_shapes.SIDE) < average_shapes.SIDE // 2)
    assert not average_shapes.paste(left, np.array([-8.0, 0, 8, 10]), 20, 30).any()  # its left half is beyond
    assert average_shapes.paste(left, np.array([22.0, 0, 38, 10]), 20, 30)[:10, 22:].all()


def test_objects_are_averaged_in_equally_large_groups_of_their_aspects():
    masks = np.stack([np.full((average_shapes.SIDE,) * 2, 40 * k, np.uint8) for k in range(6)])
    shapes = average_shapes.Shapes(np.ones(6, int), masks, np.linspace(-1, 1, 6), np.ones(6), np.zeros(6),
                                   np.ones((6, 4)))
    model = average_shapes.average_shapes(shapes, 1)
    np.testing.assert_allclose(model.mean[0, :, 0, 0] * 255, [20, 100, 180], rtol=1e-5)
    assert average_shapes.shape_for(model, 1, np.array([0, 0, 40, 20.0]))[0, 0] == model.mean[0, 2, 0, 0]


def test_average_shape_of_equal_discs_is_that_disc():
    small = (255 * disc(average_shapes.SIDE, average_shapes.SIDE / 2)).astype(np.uint8)
    same = average_shapes.Shapes(np.ones(6, int), np.stack([small] * 6), np.linspace(-1, 1, 6), np.ones(6), np.zeros(6),
                         np.ones((6, 4)))
    model = average_shapes.average_shapes(same, 2)
    np.testing.assert_allclose(model.mean[0, 1], small / 255, atol=1e-6)
    assert (model.mean[1] == 1).all()
    assert average_shapes.shape_for(model, 1, np.array([0, 0, 10, 40.0])) is not None


def test_correct_boxes_are_correct(rng):
    box = np.array([10.0, 20, 40, 80])
    for _ in range(100):
        moved, iou = average_shapes.correct_box(box, rng)
        low, high = np.maximum(box[:2], moved[:2]), np.minimum(box[2:], moved[2:])
        both = np.prod(high - low)
        assert iou == pytest.approx(both / (1800 + np.prod(moved[2:] - moved[:2]) - both)) and iou >= 0.5


def test_average_shapes_are_poor_masks_even_in_perfect_boxes(scenes):
    loose, tight = (average_shapes.shape_mask_overlap(scenes, scenes, perfect=perfect) for perfect in (False, True))
    assert (tight.box_iou == 1).all() and loose.box_iou.min() >= 0.5
    assert loose.mask_iou.mean() < tight.mask_iou.mean() < 0.8 and len(loose.label) == len(tight.label)
    np.testing.assert_array_equal(loose.mask_iou, average_shapes.shape_mask_overlap(scenes, scenes).mask_iou)


def test_a_category_is_as_prominent_as_its_largest_object():
    notes = [{"category_id": 1, "bbox": [0, 0, *sides], "iscrowd": crowd}
             for sides, crowd in (((50, 40), 0), ((10, 10), 0), ((100, 100), 1))]
    dataset = SimpleNamespace(images=[{"id": 1, "width": 100, "height": 100}], annotations={1: notes},
                              categories=[{"id": 1, "name": "cat"}])
    assert collecting.prominence(dataset, 0) == {"cat": 0.2}


def test_a_pair_brings_fuller_pictures_than_one_name(scenes):
    names = ["person", scenes.classes[int(np.argmax(simulated_workers.presence(scenes).there[:, :14].sum(0)))]]
    one, two = (collecting.search([scenes], names[:n], 20) for n in (1, 2))
    assert one and two and one[0].score >= one[-1].score
    for hit in two:
        assert set(names) <= set(collecting.prominence(hit.dataset, hit.index))
        assert not collecting.iconic(hit.dataset, hit.index)       # by definition: two categories
    assert collecting.search([scenes], ["unicorn"]) == []


@pytest.mark.parametrize(("boxes", "alone", "expected"), [
    ([(1, 30, 30, 50, 40)], True, True), ([(1, 30, 30, 50, 39)], True, False),  # a fifth of the image
    ([(1, 0, 30, 50, 40)], True, True), ([(1, 0, 30, 48, 50)], True, False),  # its middle in the middle half
    ([(1, 30, 30, 50, 40), (2, 0, 0, 9, 9)], True, False),
    ([(1, 30, 30, 50, 40), (2, 0, 0, 9, 9)], False, True),
    ([(2, 0, 0, 9, 9), (1, 30, 30, 50, 40)], False, True), ([], False, False)])
def test_iconic_by_hand(boxes, alone, expected):
    notes = [{"category_id": k, "bbox": sides} for k, *sides in boxes]
    dataset = SimpleNamespace(images=[{"id": 1, "width": 100, "height": 100}], annotations={1: notes})
    assert collecting.iconic(dataset, 0, alone) == expected


def test_iconic_alone_asks_for_one_category_more(scenes):
    strict, large = ([collecting.iconic(scenes, i, alone=alone) for i in range(len(scenes))] for alone in (True, False))
    kinds = [len({a["category_id"] for a in scenes.annotations[image["id"]]}) for image in scenes.images]
    assert strict == [there and count == 1 for there, count in zip(large, kinds)]
    assert sum(strict) < sum(large) < len(scenes)


def test_hash_survives_light_and_size_and_tells_strangers_apart(scenes):
    hashes = np.stack([collecting.perceptual_hash(scenes.image(i)) for i in range(60)])
    lit = [(scenes.image(i).float() * 1.2).clamp(0, 255).byte() for i in range(60)]
    brighter = np.stack([collecting.perceptual_hash(image) for image in lit])
    far = collecting.hash_distance(hashes, brighter)
    assert np.median(np.diag(far)) <= 4 and np.median(far[~np.eye(60, dtype=bool)]) > 24
    assert (collecting.hash_distance(hashes, hashes) == (hashes[:, None] != hashes[None]).sum(-1)).all()


def test_groups_stay_together_and_shares_are_kept(rng):
    groups = [int(g) for g in rng.integers(0, 80, 400)]
    dealt = collecting.split_by_group(groups, {"train": 2, "val": 1, "test": 1}, rng)
    assert sorted(i for members in dealt.values() for i in members) == list(range(400))
    sets = [{groups[i] for i in members} for members in dealt.values()]
    assert not sets[0] & sets[1] and not sets[0] & sets[2] and not sets[1] & sets[2]
    assert abs(len(dealt["train"]) - 200) < 12
