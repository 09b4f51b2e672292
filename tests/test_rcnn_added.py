"""R-CNN on Table 4's data (boxes of MiniNet's pictures), its rows in Fast R-CNN's tables, its mistakes as numbers."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_rcnn_training import RECIPE, drawn_pages, everything_of
from test_sensitivity import BOXES, detections, scene

from paperlib.data.given_proposals import with_proposals
from paperlib.data.named_sets import ensure, load
from paperlib.data.pixels import read_rgb
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring.mistakes import kinds_of_mistakes, mistakes
from paperlib.systems.rcnn_config import SVMStageConfig
from paperlib.tables import row_jobs
from paperlib.tables.identities import identity
from paperlib.training.rcnn import portraits
from paperlib.training.rcnn.hard_negatives import mine_svms, svm
from paperlib.training.rcnn.portraits import with_portraits
from paperlib.training.rcnn.stages import Page
from paperlib.training.recipes import budget
from paperlib.training.trainer import train
from paperlib.world import drawn_sets
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.world import compose

CPU = torch.device("cpu")


@pytest.fixture
def kept_here(tmp_path, monkeypatch):
    monkeypatch.setattr(portraits, "cache_folder", lambda root: tmp_path)
    return tmp_path


def test_pictures_follow_the_scenes_with_a_box_each_and_no_proposals(kept_here):
    scenes = with_proposals(load("minivoc", "trainval", limit=3), ProposalSource(keep=5))
    joined = with_portraits(scenes, 2)
    assert len(joined) == 3 + 2 * 20 and joined.classes == scenes.classes and joined.version != scenes.version
    assert joined.image(1).equal(scenes.image(1)) and joined.target(1)["boxes"].equal(scenes.target(1)["boxes"])
    labels = [joined.target(i)["labels"].tolist() for i in range(3, len(joined))]
    assert sorted(labels) == sorted([k] for k in 2 * list(range(1, 21)))
    assert [len(p) for p in joined.proposals] == [5, 5, 5] + [0] * 40
    again = with_portraits(scenes, 2)  # from disk
    assert again.annotations == joined.annotations and len(list(kept_here.glob("*.json"))) == 1


def test_pictures_that_are_added_have_numbers_and_a_version_of_their_own(monkeypatch, tmp_path):
    scenes = load("minivoc", "trainval", limit=3).subset([0, 2])  # numbers 1 and 3
    picture = {"file": "train/cat/1.jpg", "name": scenes.classes[0], "bbox": [1, 2, 30, 40]}
    monkeypatch.setattr(portraits, "_pictures", lambda per_class: [picture] * per_class)
    monkeypatch.setattr(portraits, "ensure", lambda name: tmp_path)
    one, two = (with_portraits(scenes, count) for count in (1, 2))
    assert len({scenes.version, one.version, two.version}) == 3
    assert two.image_ids[:2] == scenes.image_ids and len(set(two.image_ids)) == 4
    for i in range(2):
        assert two.target(i)["boxes"].equal(scenes.target(i)["boxes"])
    assert two.target(3)["boxes"].tolist() == [[1, 2, 31, 42]]


def test_a_box_is_that_of_what_the_stored_picture_shows():
    picture = portraits._picture(40, 36)
    assert picture["name"] == CATEGORIES[4].name
    stored = read_rgb(ensure("mininet") / picture["file"], (64, 64)).permute(1, 2, 0).numpy().astype(float)
    drawing = compose(drawn_sets.world_of("mininet"), drawn_sets.seed_of("mininet", "train", 40), 5)
    assert np.abs(stored - drawing.image).mean() < 6  # but for JPEG
    assert picture["bbox"] == max((one["bbox"] for one in drawing.instances), key=lambda box: box[2] * box[3])


def test_more_pictures_than_there_are_and_foreign_classes_are_refused(kept_here):
    scenes = load("minivoc", "trainval", limit=2)
    with pytest.raises(ValueError, match="401 pictures of each class: mininet has 400"):
        with_portraits(scenes, 401)
    for category in scenes.categories:
        category["name"] = f"other {category['name']}"
    with pytest.raises(ValueError, match="none of its classes is MiniNet's"):
        with_portraits(replace(scenes), 1)


def test_images_of_objects_alone_give_positives_and_no_negatives():
    pages, cfg = drawn_pages(), SVMStageConfig(tolerance=1e-8, add=-1e9, evict=-1e9)
    alone = []
    for page in drawn_pages(4, seed=7):
        at = np.flatnonzero(page.labels)
        alone.append(Page(page.features[at], page.regions[at], page.labels[at], page.objects, page.object_labels, 2))
    weights, biases, _ = mine_svms(pages + alone, 2, cfg)
    for k in (1, 2):
        positive, _, scale = everything_of(pages + alone, k, cfg)
        regions = [page.features[page.overlaps[:, k - 1] < cfg.overlap] for page in pages]
        negative = np.concatenate(regions).astype(np.float32) * np.float32(scale)
        weight, bias = svm(positive, negative, cfg)
        np.testing.assert_allclose(weights[k - 1], weight * scale, atol=1e-4)
        assert biases[k - 1] == pytest.approx(bias, abs=1e-4)


def test_added_boxes_reach_the_network_the_svms_and_not_the_ridge(kept_here):
    systems = []
    for changes in ({}, {"added.svm": 1}, {"added.fine_tuning": 1, "added.svm": 1}):
        systems.append(train("rcnn", RECIPE, 0, changes | {"ridge.times": 1}, CPU)[0].state_dict())
    plain, svms, both = systems
    assert not svms["svm.weight"].allclose(plain["svm.weight"])
    assert svms["fc7.weight"].allclose(plain["fc7.weight"]) and not both["fc7.weight"].allclose(plain["fc7.weight"])
    assert svms["ridge.weight"].allclose(plain["ridge.weight"], atol=1e-6)


def test_rows_of_another_papers_system_have_its_recipe_and_are_its_own_tables_rows():
    plan = budget("mini")
    jobs = {job.row: job for job in row_jobs.jobs_of("fast_rcnn/4", plan, seeds=1)}
    own = {job.row: job for job in row_jobs.jobs_of("rcnn/3", plan, seeds=1)}
    assert jobs["FRCN L"].system == "fast_rcnn" and jobs["FRCN L"].recipe.steps == plan.recipe("fast_rcnn").steps
    assert jobs["R-CNN L"].system == "rcnn" and jobs["R-CNN L"].recipe.steps == plan.recipe("rcnn").steps
    assert identity(jobs["R-CNN L"]) == identity(own["R-CNN O-Net BB"])
    assert identity(jobs["R-CNN S"]) == identity(own["R-CNN T-Net BB"])


def test_kinds_of_mistakes_are_shares_of_as_many_as_there_are_objects():
    objects = [[10, 10, 20, 20], [10, 10, 20, 20], [10, 10, 20, 20]]
    wrong = [[14, 14, 20, 20], [70, 70, 9, 9], [80, 10, 9, 9], [16, 16, 20, 20]]  # Loc (IoU .47), BG, BG, Loc
    results = [{"image_id": min(i, 3), "category_id": 1, "bbox": box, "score": 1 - i / 10}
               for i, box in enumerate(wrong, 1)]
    shares = kinds_of_mistakes(scene(objects), results)
    assert shares == {"Loc": pytest.approx(1 / 3), "Sim": 0, "Oth": 0, "BG": pytest.approx(2 / 3)}


def test_mistakes_name_kinds_and_groups():
    numbers = mistakes(scene(BOXES, cut=(1,)), detections(BOXES, [0.9] * 10))
    assert numbers["FP Loc"] == 0 and numbers["nAP size small"] == numbers["nAP truncated 1"] == 1
    groups = {name.split()[1] for name in numbers if name.startswith("nAP")}
    assert groups == {"size", "aspect", "occluded", "truncated"}
    assert "nAP occluded 1" not in numbers  # nothing is hidden
