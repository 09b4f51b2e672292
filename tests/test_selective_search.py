"""Selective search as rows of tables: its regions, its masks as records, and a run that has nothing to train."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from pycocotools import mask as rle_tools

from paperlib.data.named_sets import load
from paperlib.data.selective_search import selective_search
from paperlib.parts.boxes import iou
from paperlib.parts.windows.overlap import tight_boxes
from paperlib.parts.windows.records import region_records
from paperlib.scoring.coco_metrics import evaluate, segment_recall
from paperlib.scoring.detect import detect_all
from paperlib.systems import selective_search as search
from paperlib.systems.selective_search import SelectiveSearch, SelectiveSearchConfig, grouped, masks_of, regions
from paperlib.tables import records, row_jobs, runner
from paperlib.training.recipes import Budget, budget
from paperlib.training.trainer import train
from paperlib.world.world import World, draw_scene

CPU = torch.device("cpu")


@pytest.fixture
def blocks(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return load(scenes, None)


@pytest.fixture(scope="module")
def scene():
    return draw_scene(World(), 3)[0]


def test_the_most_similar_neighbours_are_united_first():
    labels = np.repeat(np.arange(3)[None], 6, 0).repeat(4, 1)  # three upright bars of 4 x 6 px
    picture = np.array([200, 190, 10], np.uint8)[labels][..., None].repeat(3, 2)  # the first two share bins
    picture[:, 4:8] = [200, 200, 10]
    by_colour = grouped(picture, labels, "c")
    assert [sorted(members) for members in by_colour.members] == [[0], [1], [2], [0, 1], [0, 1, 2]]
    assert by_colour.boxes.tolist() == [[0, 0, 4, 6], [4, 0, 8, 6], [8, 0, 12, 6], [0, 0, 8, 6], [0, 0, 12, 6]]
    assert by_colour.mask(3)[:, :8].all() and not by_colour.mask(3)[:, 8:].any()
    wide = np.concatenate([labels, labels[:, 8:], labels[:, 8:]], 1)  # the two small bars
    assert sorted(grouped(np.zeros((*wide.shape, 3), np.uint8), wide, "s").members[3]) == [0, 1]
    corner = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 2]])  # the two that fill a box
    assert sorted(grouped(np.zeros((4, 4, 3), np.uint8), corner, "f").members[3]) == [0, 1]


def test_regions_are_around_the_boxes_that_opencv_finds(scene):
    groupings, boxes = regions(scene), torch.from_numpy(selective_search(scene))
    around = torch.from_numpy(np.concatenate([grouping.boxes for grouping in groupings]))
    overlap = iou(boxes, around).amax(1)
    assert len(groupings) == 4 and len(boxes) > 100
    assert (overlap == 1).float().mean() > 0.9 and overlap.mean() > 0.97
    assert tight_boxes(torch.from_numpy(np.stack([groupings[0].mask(i) for i in range(40)]))).equal(around[:40])
    masks = masks_of(boxes, groupings)
    assert (tight_boxes(masks) == boxes).all(1).float().mean() > 0.9 and masks.any((1, 2)).all()


def test_boxes_keep_their_order_and_get_their_masks(scene):
    net = SelectiveSearch(SelectiveSearchConfig()).eval()
    images = torch.from_numpy(scene).permute(2, 0, 1)[None]
    both = torch.cat([images, images.flip(3)])
    lists = [torch.from_numpy(selective_search(scene, seed=seed))[:60] for seed in (0, 1)]
    found = net.detect(both, torch.tensor([[128, 128], [100, 90]]), lists)
    for boxes, one in zip(lists, found):
        assert one["boxes"].equal(boxes) and one["scores"].tolist() == [-rank for rank in range(60)]
        assert one["masks"].dtype == torch.bool and one["labels"].eq(1).all()
    assert found[0]["masks"].shape == (60, 128, 128) and found[1]["masks"].shape == (60, 100, 90)
    alone = net.detect(images, None, lists[:1])[0]
    assert all(value.equal(found[0][name]) for name, value in alone.items())
    few = SelectiveSearch(replace(net.cfg, propose=replace(net.cfg.propose, keep=7)))
    assert few.detect(images, None, lists[:1])[0]["boxes"].equal(lists[0][:7])
    with pytest.raises(ValueError, match="1 images and 0 lists of proposals"):
        net.detect(images)
    with pytest.raises(ValueError, match=r"a picture of 300 x 260 px: .* below 256 px"):
        net.detect(torch.zeros(1, 3, 260, 300, dtype=torch.uint8), None, lists[:1])


def test_masks_of_an_image_are_records_with_the_boxes_that_came_with_them():
    masks = torch.zeros(2, 4, 6, dtype=torch.bool)
    masks[0, 1:3, 2:5] = masks[1, 0, 0] = True
    boxes = torch.tensor([[2.0, 1, 5, 3], [0, 0, 2, 2]])
    detected = {"boxes": boxes, "scores": torch.tensor([0.0, -1]), "masks": masks}
    image, whole = {"id": 9, "height": 4, "width": 6}, torch.ones(4, dtype=torch.float64)
    first, second = region_records(image, whole, detected, 5)
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (9, 5, [2, 1, 3, 2], 0)
    assert second["bbox"] == [0, 0, 2, 2] and second["score"] == -1
    assert np.array_equal(rle_tools.decode(first["segmentation"]), masks[0].numpy())
    twice = region_records(image | {"height": 8, "width": 12}, 2 * whole, detected, 5)[0]
    assert twice["bbox"] == [4, 2, 6, 4] and rle_tools.area(twice["segmentation"]) == 24


def test_there_is_nothing_to_train_and_boxes_and_segments_are_scored(blocks, scenes):
    recipe = replace(budget("smoke").recipe("selective_search"), data=str(scenes), train=None, test=None)
    net, history = train("selective_search", recipe, device=CPU)
    assert history == [] and not list(net.parameters()) and net.cfg.needs_proposals()
    metrics = evaluate(net, blocks, CPU, draws=3)
    assert metrics["box AR10"] > 0.8 and metrics["seg AR10"] > 0.8  # plain blocks are what it is made for
    scores = segment_recall(blocks, detect_all(net, blocks, CPU))
    assert {name: metrics[name] for name in scores} == pytest.approx(scores, nan_ok=True)
    assert len(metrics["draws"]["seg AR100"]) == 3


def test_a_row_without_chance_is_run_once(blocks, scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    recipes = dict(budget("smoke").recipes)
    recipes["selective_search"] = replace(recipes["selective_search"], data=str(scenes), train=None, test=None)
    plan, rows = Budget("smoke", 3, recipes), ["Selective Search", "RPN"]
    assert [(job.row, job.seed) for job in row_jobs.jobs_of("sharpmask/3", plan, rows)] == [
        ("Selective Search", 0), ("RPN", 0), ("RPN", 1), ("RPN", 2)]
    (record,) = runner.run("sharpmask/3", plan, rows[:1])
    assert record["status"] == "ok" and record["metrics"]["seg AUC"] > 0 and record["draws"]["box AR100"]
    assert runner.missing("sharpmask/3", plan, rows[:1]) == [] and len(records.read("sharpmask/3", "smoke")) == 1


def test_the_run_is_known_by_its_boxes_and_by_its_revision(monkeypatch):
    job = row_jobs.jobs_of("sharpmask/3", budget("mini"), ["Selective Search"], 1)[0]
    before = runner.identity(job)
    assert runner.identity(replace(job, changes={"proposals.keep": 500})) != before
    with monkeypatch.context() as patch:
        patch.setattr(search.SelectiveSearch, "revision", 2)
        assert runner.identity(job) != before
    monkeypatch.setattr("paperlib.data.selective_search.FAST", search.FAST[:1])
    assert runner.identity(job) != before


def test_the_colours_of_a_union_are_weighted_by_the_pixels_of_its_parts():
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[:, 6:] = 255
    labels = np.zeros((4, 8), np.int64)
    labels[:, 6:] = 1
    features = search._Features(picture, labels)
    assert features.unite(0, 1) == 2 and features.sizes == [24, 8, 32]
    whole = search._Features(picture, np.zeros_like(labels))
    np.testing.assert_allclose(features.colours[2], whole.colours[0], rtol=1e-6)
    assert features.boxes[2] == whole.boxes[0] == (0, 0, 8, 4)
