"""R-CNN's stages: mining, SVMs and ridge equal to scikit-learn's, features on disk, runs that go on."""
import dataclasses
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC
from test_alternating import Pictures
from test_rcnn import network

from paperlib.data.read_coco import read_coco
from paperlib.parts import boxes
from paperlib.systems.rcnn_config import RidgeStageConfig, SVMStageConfig
from paperlib.training.rcnn import feature_store, hard_negatives
from paperlib.training.rcnn import stages as rcnn_stages
from paperlib.training.rcnn.hard_negatives import Examples, mine_svms, scale_of, svm, train_one
from paperlib.training.rcnn.ridge import Pairs, fit_ridge, moves_of, pairs_by_class, ridge, whitening
from paperlib.training.rcnn.stages import Page, Pages
from paperlib.training.recipes import Recipe
from paperlib.training.trainer import prepare, train
from paperlib.training.weights import load_weights, save_weights

CPU = torch.device("cpu")


def drawn_pages(count=12, regions=40, width=8, classes=2, seed=0):
    """Pages whose features tell roughly how much of an object's class a region shows."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    kinds = rng.normal(size=(classes, width)) * 2
    pages = []
    for i in range(count):
        corners = torch.rand(2, 2, generator=generator) * 60
        objects = torch.cat([corners, corners + 20 + 20 * torch.rand(2, 2, generator=generator)], 1)
        corners = torch.rand(regions, 2, generator=generator) * 70
        around = objects[torch.arange(regions) % 2] + 10 * torch.randn(regions, 4, generator=generator)
        alone = torch.cat([corners, corners + 30], 1)
        near = (torch.arange(regions) % 3 > 0)[:, None]
        proposals = boxes.clip(torch.where(near, around, alone), (128, 128))
        proposals = torch.cat([proposals[:, :2], torch.maximum(proposals[:, 2:], proposals[:, :2] + 2)], 1)
        labels = torch.tensor([1 + i % classes, 1 + rng.integers(classes)])
        everything = torch.cat([proposals, objects])
        overlap = boxes.iou(everything, objects)
        best, at = overlap.max(1)
        features = kinds[labels[at] - 1] * best.numpy()[:, None] + rng.normal(size=(len(everything), width)) * 0.7
        of_regions = np.r_[np.zeros(regions, int), labels.numpy()]
        pages.append(Page(features.astype(np.float16), everything, of_regions, objects, labels, classes))
    return pages


def everything_of(pages, k, cfg):
    """All positives and all negatives of a class, scaled."""
    scale = scale_of(pages, cfg.norm)
    features = np.concatenate([page.features for page in pages]).astype(np.float32) * np.float32(scale)
    labels = np.concatenate([page.labels for page in pages])
    overlaps = np.concatenate([page.overlaps for page in pages])
    return features[labels == k], features[overlaps[:, k - 1] < cfg.overlap], scale


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_an_svm_equals_scikit_learns(loss):
    cfg = SVMStageConfig(loss=loss, c=0.01)
    positive, negative, _ = everything_of(drawn_pages(), 1, cfg)
    weight, bias = svm(positive, negative, replace(cfg, tolerance=1e-9))
    x, y = np.concatenate([positive, negative]), np.r_[np.ones(len(positive)), -np.ones(len(negative))]
    machine = LinearSVC(C=0.01, loss=loss, dual=True, intercept_scaling=10.0, class_weight={1: 2.0, -1: 1.0}, tol=1e-9,
                        max_iter=1_000_000, random_state=3).fit(x, y)
    np.testing.assert_allclose(weight, machine.coef_[0], atol=1e-6 * np.abs(weight).max() + 2e-6)
    assert bias == pytest.approx(machine.intercept_[0], abs=1e-5)
    # and its objective is least: no step in any direction makes it smaller

    def objective(w, b):
        error = (1 - y * (x @ w + b)).clip(min=0)
        error = error if loss == "hinge" else error**2
        return 0.5 * (w @ w + (b / 10) ** 2) + 0.01 * (np.where(y > 0, 2, 1) * error).sum()
    best, rng = objective(weight, bias), np.random.default_rng(0)
    for _ in range(50):
        assert objective(weight + 1e-3 * rng.normal(size=weight.shape), bias + 1e-3 * rng.normal()) > best


@pytest.mark.parametrize("changes", [{}, {"passes": 3}, {"retrain": 5}, {"overlap": 0.5}])
def test_mining_ends_near_the_svm_on_all_negatives(changes):
    pages, cfg = drawn_pages(40), replace(SVMStageConfig(), **({"retrain": 30, "tolerance": 1e-9} | changes))
    weights, biases, error = mine_svms(pages, 2, cfg)
    for k in (1, 2):
        positive, negative, scale = everything_of(pages, k, cfg)
        full, constant = svm(positive, negative, cfg)
        mined = np.r_[positive, negative] @ (weights[k - 1] / scale) + biases[k - 1]
        every = np.r_[positive, negative] @ full + constant
        assert np.abs(mined - every).max() < 0.15
    assert 0 < error < 1
    if changes.get("passes") == 3:  # the negatives left out have margins below -1, and so no error
        np.testing.assert_allclose(mined, every, atol=5e-3)


def test_mining_takes_what_the_schedule_says():
    pages, cfg, log = drawn_pages(40), SVMStageConfig(retrain=10**9), []
    mine_svms(pages, 2, cfg, watch=lambda number, counts: log.append(counts))
    order = np.random.default_rng((0, 5)).permutation(40)
    first = pages[order[0]]
    assert log[0].tolist() == (first.overlaps < 0.3).sum(0).tolist()  # all of the first image's
    some = Examples(everything_of(pages, 1, cfg)[0])
    at = np.flatnonzero(first.overlaps[:, 0] < 0.3)
    scale = np.float32(scale_of(pages, cfg.norm))
    some.add(at.tolist(), first.features[at].astype(np.float32) * scale)
    weight, bias = train_one(some, cfg)
    second = pages[order[1]]
    hard = (second.features.astype(np.float32) * scale @ weight + bias > -1) & (second.overlaps[:, 0] < 0.3)
    assert abs(log[1][0] - hard.sum()) <= 1 and len(log) == 40
    part = []
    mine_svms(pages, 2, replace(cfg, images=0.5, passes=2), watch=lambda number, counts: part.append(counts))
    assert len(part) == 40 and part[20].sum() < part[0].sum()  # known ones do not come twice


def test_easy_negatives_leave_and_known_ones_do_not_come_twice():
    rng = np.random.default_rng(0)
    some = Examples(rng.normal(3, 0.3, (20, 4)).astype(np.float32))
    far, near = rng.normal(-9, 0.3, (30, 4)), rng.normal(1.5, 0.3, (10, 4))
    features = np.concatenate([far, near]).astype(np.float32)
    some.add(list(range(40)), features)
    some.add([0, 39, 40], features[:3])
    assert some.num_waiting == 41
    weight, bias = train_one(some, SVMStageConfig(c=1.0))
    assert set(range(30)).isdisjoint(some.keys) and len(some.keys) == len(some.negative) == len(some.known)
    assert (some.negative @ weight + bias > -1.2).all()
    some.add([0], features[:1])
    assert some.num_waiting == 1  # what was forgotten may come again
    every = Examples(some.positive)
    every.add(list(range(40)), features)
    train_one(every, SVMStageConfig(c=1.0, evict=-1e9))
    assert len(every.keys) == 40  # none is as easy as that


class Visited(list):
    """Pages that say which of them was looked at last."""

    def __getitem__(self, i):
        self.last = i
        return super().__getitem__(i)


def test_images_are_mined_in_the_seeds_order_pass_by_pass():
    pages, seen = Visited(drawn_pages(8)), []
    cfg = SVMStageConfig(passes=2, images=0.5)
    mine_svms(pages, 2, cfg, seed=1, watch=lambda number, counts: seen.append(pages.last))
    assert seen == np.random.default_rng((1, 5)).permutation(8)[:4].tolist() * 2


def test_an_svm_is_trained_again_above_the_limit_of_new_negatives_and_at_the_end(monkeypatch):
    sizes = []

    def trained(some, cfg):  # a machine for which every negative is hard
        sizes.append(some.num_waiting)
        some.gather()
        return np.zeros(8), 0.0

    monkeypatch.setattr(hard_negatives, "train_one", trained)
    pages, order = drawn_pages(5, classes=1), np.random.default_rng((0, 5)).permutation(5)
    new = [int((pages[i].overlaps[:, 0] < 0.3).sum()) for i in order]
    assert min(new) > 0
    mine_svms(pages, 1, SVMStageConfig(retrain=new[1] + new[2]))  # just as many are not enough
    assert sizes == [new[0], new[1] + new[2] + new[3], new[4]]


def test_a_class_without_objects_is_never_detected_and_other_negatives_are_only_those_of_iou_0():
    pages = drawn_pages(6, classes=2)
    pages = [dataclasses.replace(page, num_classes=3) for page in pages]
    weights, biases, _ = mine_svms(pages, 3, SVMStageConfig())
    assert not weights[2].any() and biases[2] == -1
    log = []
    mine_svms(pages, 3, SVMStageConfig(overlap=0.0, retrain=10**9), watch=lambda n, counts: log.append(counts))
    first = pages[np.random.default_rng((0, 5)).permutation(6)[0]]
    assert log[0].tolist() == (first.overlaps == 0).sum(0).tolist()


@pytest.mark.parametrize("shape", [(60, 9), (9, 60)])
def test_a_ridge_equals_scikit_learns(shape):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape), rng.normal(size=(shape[0], 4))
    want = Ridge(alpha=7.0, fit_intercept=False, solver="cholesky").fit(x, y).coef_.T
    np.testing.assert_allclose(ridge(x, y, 7.0), want, atol=1e-6)


def test_whitened_targets_have_unit_covariance_and_come_back():
    y = np.random.default_rng(0).normal(size=(500, 4)) @ np.diag([5.0, 3.0, 2.0, 4.0]) + 2
    mean, white, back = whitening(y)
    np.testing.assert_allclose(np.cov(((y - mean) @ white).T, bias=True), np.eye(4), atol=1e-3)
    np.testing.assert_allclose((y - mean) @ white @ back + mean, y, atol=1e-9)


@pytest.mark.parametrize("whiten", [True, False])
def test_box_regression_finds_a_linear_rule(whiten):
    rng = np.random.default_rng(1)
    x, rule = rng.normal(size=(400, 6)), rng.normal(size=(6, 4)) * 0.1
    y = x @ rule + [0.1, -0.2, 0.3, 0.0]
    weight, constant = moves_of(Pairs(x, y), RidgeStageConfig(weight=1e-6, whiten=whiten))
    np.testing.assert_allclose(x @ weight + constant, y, atol=1e-4)
    shrunk = moves_of(Pairs(x, y), RidgeStageConfig(weight=1e6, whiten=whiten))
    assert np.abs(shrunk[0]).max() < 1e-2
    assert np.allclose(shrunk[1], y.mean(0), atol=1e-2) == whiten  # white targets keep their mean, plain ones shrink


def test_pairs_are_regions_above_the_overlap_with_their_nearest_object():
    pages = drawn_pages(8)
    pairs = pairs_by_class(pages, 2, RidgeStageConfig(overlap=0.6))
    count = 0
    for page in pages:
        for region, label in zip(page.regions, page.labels):
            overlap = boxes.iou(region[None], page.objects)[0]
            if label == 0 and overlap.max() > 0.6:
                k, goal = page.object_labels[overlap.argmax()], page.objects[overlap.argmax()]
                move = boxes.encode(region, goal).numpy()
                assert (np.abs(pairs[k - 1].moves - move).max(1) < 1e-6).any()
                count += 1
    assert count == sum(len(one.moves) for one in pairs) > 10
    made = fit_ridge(pages, 2, RidgeStageConfig(weight=1.0))
    assert made["pairs"].sum() == count and made["weight"].shape == (2, 4, 8)
    moved = pages[0].features.astype(np.float32) @ made["weight"][0].T + made["constant"][0]
    assert moved.shape == (42, 4)
    nothing = [dataclasses.replace(page, objects=page.objects[:0], object_labels=page.object_labels[:0],
                                   labels=page.labels * 0) for page in pages]
    assert not fit_ridge(nothing, 2, RidgeStageConfig())["weight"].any()


def test_moves_are_predicted_from_unscaled_features_and_their_error_is_the_mean():
    pages, cfg = drawn_pages(8), RidgeStageConfig(weight=1.0)
    made = fit_ridge(pages, 2, cfg)
    for k, pairs in enumerate(pairs_by_class(pages, 2, cfg)):
        moved = pairs.features @ made["weight"][k].T + made["constant"][k]
        assert made["error"][k] == pytest.approx(np.square(moved - pairs.moves).mean(), rel=1e-3)


RECIPE = Recipe(data="minivoc", train="trainval", test="test", preset="tiny", train_images=6, test_images=4, steps=2,
                batch=2, lr=0.001, warmup=0, bf16=False, set={"proposals.keep": 20})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(rcnn_stages, "FOLDER", tmp_path / "rcnn")
    return tmp_path


def test_stages_follow_one_another_and_are_taken_from_disk_the_next_time(folder, monkeypatch):
    changes = {"ridge.times": 1}
    plain, _ = train("rcnn", RECIPE, 0, changes, CPU)
    first, history = train("rcnn", RECIPE, 0, changes, CPU, folder / "one.pt")
    assert [record["step"] for record in history] == [0, 1, 2, 3]
    assert [record.get("stage") for record in history] == [None, None, "svm", "ridge"]
    assert first.stages_done.all() and first.svm.weight.any() and history[3]["pairs"] > 0
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(first.state_dict()[name], value, atol=1e-6, rtol=1e-5, msg=name)

    def never(*_):
        raise AssertionError("computed again")
    monkeypatch.setattr(rcnn_stages, "mine_svms", never)
    monkeypatch.setattr(rcnn_stages, "fit_ridge", never)
    monkeypatch.setattr(type(first), "_computed", never)
    again, second = train("rcnn", RECIPE, 0, changes, CPU, folder / "two.pt")
    assert all(value.equal(first.state_dict()[name]) for name, value in again.state_dict().items())
    assert [record["seconds"] for record in second] == [record["seconds"] for record in history]
    monkeypatch.undo()
    monkeypatch.setattr(rcnn_stages, "FOLDER", folder / "rcnn")
    monkeypatch.setattr(type(first), "_computed", never)  # other SVMs on the same features
    other, third = train("rcnn", RECIPE, 0, {"layer": "fc6", "svm.overlap": 0.5}, CPU, folder / "three.pt")
    assert other.svm.weight.shape == first.svm.weight.shape and not other.svm.weight.equal(first.svm.weight)
    assert third[2]["seconds"] > 0 and not other.stages_done[1]


def test_without_fine_tuning_the_network_stays_and_the_softmax_trains_no_svm(folder):
    recipe = replace(RECIPE, steps=0)
    start = prepare("rcnn", recipe, 0)[0].state_dict()
    system, history = train("rcnn", recipe, 0, {}, CPU)
    for name, value in system.state_dict().items():
        assert value.equal(start[name]) or not name.startswith(("trunk", "fc"))
    assert [record["stage"] for record in history] == ["svm", "ridge"] and system.stages_done.tolist() == [True, False]
    soft, _ = train("rcnn", RECIPE, 0, {"scorer": "softmax"}, CPU)
    assert soft.stages_done.tolist() == [False, False]


def test_a_trained_system_is_stored_and_loaded_with_its_stages(folder):
    system, _ = train("rcnn", RECIPE, 0, {"ridge.times": 1, "layer": "pool5"}, CPU)
    loaded = load_weights(save_weights(folder / "rcnn.safetensors", "rcnn", system))
    assert loaded.stages_done.all() and loaded.cfg == system.cfg
    images, (target,) = Pages(system, prepare("rcnn", RECIPE)[1], "fc7", CPU).batches[0]
    first, second = (net.detect(images, proposals=[target["proposals"]])[0] for net in (system, loaded))
    assert first["scores"].equal(second["scores"]) and first["boxes"].equal(second["boxes"])


def test_features_on_disk_are_those_that_are_computed(tmp_path):
    system, batches = prepare("rcnn", RECIPE, 0)
    images, (target, _) = batches[0]
    regions = target["proposals"]
    computed = system.eval().features(images[0], regions)
    system.store = feature_store.FeatureStore(tmp_path, system)
    for _ in range(2):
        kept = system.features(images[0], regions)
        assert set(kept) == {"pool5", "fc6", "fc7"}
        assert all(kept[name].equal(computed[name]) and kept[name].dtype == torch.float16 for name in kept)
    assert system.store.seconds > 0 and len(list(system.store.folder.iterdir())) == 1
    system.features(images[0], regions[1:])
    system.features(images[1], regions)
    moved = system.features(images[0], regions + 1)
    assert len(list(system.store.folder.iterdir())) == 4 and not moved["fc7"].equal(computed["fc7"])
    before = feature_store.network_key(system)
    with torch.no_grad():
        system.cls.weight += 1
    assert feature_store.network_key(system) == before  # no feature reads it
    with torch.no_grad():
        system.fc6.bias += 1
    assert feature_store.network_key(system) != before


def test_only_the_latest_networks_features_are_kept(tmp_path):
    for number in range(7):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (number, number))
    feature_store.forget(tmp_path, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["4", "5", "6"]


def test_a_store_that_is_opened_again_is_the_latest_used(tmp_path):
    folder = feature_store.FeatureStore(tmp_path, network()).folder
    os.utime(folder, (0, 0))
    feature_store.FeatureStore(tmp_path, network())
    assert folder.stat().st_mtime > 0


def test_features_are_those_of_a_crop_a_layer_and_weights():
    other = network()
    other.fc7.bias.data += 1
    keys = [feature_store.network_key(net) for net in (network(), other, network(**{"crop.context": 5.0}))]
    assert len(set(keys)) == 3 and keys[0] == feature_store.network_key(network())


def data_of(version="1", number=8, size=(64,)):
    """As much of a run's batches as the names of kept stages look at."""
    return SimpleNamespace(dataset=Pictures(version, number), size=size)


def test_what_a_stage_made_is_kept_apart_by_all_that_decides_it(tmp_path):
    other, revised = network(), network()
    other.fc7.bias.data += 1
    revised.revision = 99
    runs = [{}, {"choices": ["fc6"]}, {"stage": "ridge"}, {"data": data_of(version="2")},
            {"data": data_of(number=9)}, {"data": data_of(size=(32,))}, {"system": other},
            {"system": revised}, {"system": network(21)}, {"system": network(**{"proposals.keep": 7})}]
    for count, run in enumerate(runs, 1):
        run = {"stage": "svm", "choices": ["fc7"], "system": network(), "data": data_of(), **run}
        for _ in range(2):  # the second time it is there
            rcnn_stages._once(tmp_path, run["stage"], run["choices"], run["system"], run["data"], CPU,
                              lambda: {"weight": np.zeros(1)})
        assert len(list(tmp_path.rglob("*.npz"))) == count, run


def test_svms_are_trained_for_each_seed_rule_and_layer_and_moves_for_each_rule(tmp_path, monkeypatch):
    made = []

    def mined(pages, classes, cfg, seed):
        made.append("svm")
        return np.zeros((classes, 64)), np.zeros(classes), 0.0

    def moved(pages, classes, cfg):
        made.append("ridge")
        width = network().ridge.weight.shape[1]
        return {"weight": np.zeros((classes, 4, width)), "constant": np.zeros((classes, 4)),
                "pairs": np.ones(classes), "error": np.zeros(classes)}

    monkeypatch.setattr(rcnn_stages, "Pages", lambda *arguments: None)
    monkeypatch.setattr(rcnn_stages, "mine_svms", mined)
    monkeypatch.setattr(rcnn_stages, "fit_ridge", moved)
    for seed, changes in ((0, {}), (1, {}), (0, {"svm.c": 0.5}), (0, {"layer": "fc6"})) * 2:
        rcnn_stages.svm_stage(network(**changes), data_of(), CPU, seed, tmp_path)
    assert made == ["svm"] * 4
    for changes in ({}, {"ridge.weight": 5.0}, {"ridge.times": 2}) * 2:  # its use changes no weight
        rcnn_stages.ridge_stage(network(**{"ridge.times": 1, **changes}), data_of(), CPU, tmp_path)
    assert made[4:] == ["ridge"] * 2


def test_a_stages_seconds_include_those_of_the_features_that_it_read():
    system = network()
    system.store = SimpleNamespace(seconds=7.0)

    def work():
        system.store.seconds += 1000
        return {}

    assert 1000 <= rcnn_stages._once(None, "svm", [], system, data_of(), CPU, work)["seconds"] < 1007


def test_pages_hold_every_proposal_and_object_as_it_is_tested(scenes):
    dataset = read_coco(scenes / "instances.json").subset([0, 1, 2, 3] * 2)
    objects = [dataset.target(i) for i in range(8)]
    for t in objects:  # a second object, and a crowd
        more = t["boxes"][:1] + torch.tensor([[4.0, 0, 4, 0]])
        t |= {"boxes": torch.cat([t["boxes"], more, more + 9]), "labels": torch.tensor([1, 2, 3]),
              "crowd": torch.tensor([False, False, True]), "proposals": torch.cat([more + 1, more - 6])}
    dataset.target = lambda i, masks=False: dict(objects[i])
    net = network(3, **{"dropout": 0.5}).train()
    pages = Pages(net, SimpleNamespace(dataset=dataset, size=None), "fc7", CPU)
    order = [pages.batches.indices(i)[0] for i in range(8)]
    for page, shown in zip((pages[i] for i in range(8)), order):
        t = objects[shown]
        assert page.labels.tolist() == [0, 0, 1, 2] and page.object_labels.tolist() == [1, 2]
        assert page.regions.equal(torch.cat([t["proposals"], t["boxes"][:2]]))
        assert page.objects.equal(t["boxes"][:2])
        assert page.features.tolist() == net.features(dataset.image(shown), page.regions)["fc7"].tolist()
