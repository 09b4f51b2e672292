"""Proposals given with the images: selective search on disk, a grid, files of others, and how batches get them."""
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.config import override
from paperlib.data import pixels
from paperlib.data import selective_search as search
from paperlib.data.batches import Batches
from paperlib.data.given_proposals import RICH, closest_dense, dense_boxes, with_proposals
from paperlib.data.read_coco import read_coco
from paperlib.data.selective_search import read_proposals, save_proposals, selective_search
from paperlib.parts import boxes
from paperlib.parts.anchors import anchors_for, inside
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring.detect import detect_all
from paperlib.systems.presets.faster_rcnn import rpn_small, tiny
from paperlib.training.recipes import Recipe
from paperlib.training.trainer import prepare


@pytest.fixture
def dataset(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read_coco(scenes / "instances.json")


def test_the_search_finds_the_object_and_repeats_itself(dataset):
    for quality in (False, True):
        picture = dataset.image(0).permute(1, 2, 0).numpy()
        first, again = (selective_search(picture, quality, seed=3) for _ in range(2))
        assert np.array_equal(first, again) and len(np.unique(first, axis=0)) == len(first)
        assert boxes.iou(torch.from_numpy(first), dataset.target(0)["boxes"]).max() > 0.9
    large = np.kron(picture, np.ones((5, 5, 1), np.uint8))               # 320 px: OpenCV's own settings
    assert boxes.iou(torch.from_numpy(selective_search(large)), dataset.target(0)["boxes"] * 5).max() > 0.9


def test_the_search_sees_the_colours_and_ranks_large_boxes_first_by_chance(dataset, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    picture[10:40, 8:32] = 250, 60, 20
    seen, convert = [], search.cv2.cvtColor
    monkeypatch.setattr(search.cv2, "cvtColor", lambda image, code: seen.append(image) or convert(image, code))
    found = [selective_search(picture, seed=seed) for seed in range(10)]
    assert len(seen) >= 10 and all((image[..., ::-1] == picture).all() for image in seen)       # OpenCV: BGR
    assert len(found[0]) > 20 and not any(np.array_equal(found[0], other) for other in found[1:])
    assert all(np.array_equal(np.unique(found[0], axis=0), np.unique(other, axis=0)) for other in found[1:])
    areas = np.array([(b[:, 2:] - b[:, :2]).prod(1) for b in found])
    half = areas.shape[1] // 2
    assert areas[:, :half].mean() > 1.5 * areas[:, half:].mean()


def test_what_was_found_is_read_again_and_a_stopped_search_goes_on(dataset, monkeypatch):
    calls = []
    monkeypatch.setattr(search, "selective_search", lambda *a: calls.append(1) or selective_search(*a))
    monkeypatch.setattr(search, "CHUNK", 1)
    first = with_proposals(dataset.subset(2), ProposalSource(), jobs=1)
    assert len(calls) == 2
    whole = with_proposals(dataset, ProposalSource(), jobs=1)
    assert len(calls) == 4 and with_proposals(dataset, ProposalSource(), jobs=1).proposals and len(calls) == 4
    assert all(a.equal(b) for a, b in zip(first.proposals, whole.proposals))
    assert whole.subset([3]).target(0)["proposals"].equal(whole.target(3)["proposals"])
    (file,) = (dataset.root.parents[1] / "cache").rglob("*.npz")
    file.write_bytes(b"cut short")
    with pytest.raises(ValueError, match=r"\.npz: not a file of proposals"):
        with_proposals(dataset, ProposalSource())


def test_a_picture_that_is_replaced_is_searched_again(scenes, dataset):
    file, other = dataset.root / dataset.images[0]["file_name"], scenes / "other.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(other)
    file.write_bytes(file.read_bytes().ljust(other.stat().st_size, b"\0"))  # as many bytes as the other has
    before = with_proposals(dataset, ProposalSource(), jobs=1).proposals
    other.replace(file)
    after = with_proposals(read_coco(scenes / "instances.json"), ProposalSource(), jobs=1)
    assert len(after.proposals[0]) != len(before[0]) or not after.proposals[0].equal(before[0])
    assert all(map(torch.equal, after.proposals[1:], before[1:]))


def test_without_a_place_to_keep_them_proposals_are_searched_and_pixels_decoded_each_time(dataset, tmp_path):
    kept = with_proposals(dataset, ProposalSource(), jobs=1).proposals
    decoded = np.array(dataset.pixels())
    (tmp_path / "cache" / "paperlib").rename(tmp_path / "whole")
    (tmp_path / "cache" / "paperlib").touch()                            # a file where the folder should be
    pixels.writable.cache_clear()
    with pytest.warns(UserWarning, match="nothing can be kept there") as told:
        for _ in range(2):
            again = with_proposals(dataset, ProposalSource(), jobs=1).proposals
            assert dataset.pixels() is None
    assert len(told) == 1 and all(map(torch.equal, again, kept))
    assert np.array_equal(dataset.image(1).numpy(), decoded[1])


def test_what_lies_in_a_folder_that_cannot_be_written_is_used(dataset, monkeypatch):
    kept, decoded = with_proposals(dataset, ProposalSource(), jobs=1).proposals, np.array(dataset.pixels())

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    for module in (search, pixels):
        monkeypatch.setattr(module, "FileLock", refuse)                  # as every file that is made there
        monkeypatch.setattr(module, "writable", refuse)
    assert np.array_equal(dataset.pixels(), decoded)
    assert all(map(torch.equal, with_proposals(dataset, ProposalSource(), jobs=1).proposals, kept))


def test_kinds(dataset):
    grid = dense_boxes((64, 64))
    assert with_proposals(dataset, ProposalSource("dense", keep=10_000)).proposals[0].equal(grid)
    any_five = with_proposals(dataset, ProposalSource("dense", keep=5)).proposals  # nothing ranks them
    assert [len(b) for b in any_five] == [5] * 4 and not any_five[0].equal(any_five[1])
    assert all((b[:, None] == grid).all(-1).any(1).all() for b in any_five)
    few = with_proposals(dataset, ProposalSource(keep=3, dense=5)).proposals
    assert [len(b) for b in few] == [8] * 4
    assert all((b[3:, None] == grid).all(-1).any(1).all() for b in few) and not few[0][3:].equal(few[1][3:])
    near = with_proposals(dataset, ProposalSource("nearest_dense", keep=3)).proposals[0]
    assert (boxes.iou(few[0][:3], near).diag() == boxes.iou(few[0][:3], grid).amax(1)).all()
    rich = with_proposals(dataset, ProposalSource("nearest_rich", keep=3)).proposals[0]
    assert (boxes.iou(few[0][:3], rich).diag() > boxes.iou(few[0][:3], near).diag()).all()
    some = with_proposals(dataset, ProposalSource("dense_rich", keep=50)).proposals[0]
    whole = dense_boxes((64, 64), RICH)
    assert len(whole) > 10 * len(grid) and len(some.unique(dim=0)) > 40
    assert (some[:, None] == whole).all(-1).any(1).all()
    added = with_proposals(dataset, ProposalSource("beside_rich", keep=3, dense=50)).proposals[0]
    assert added[:3].equal(few[0][:3]) and added[3:].equal(some)
    windows, cfg = with_proposals(dataset, ProposalSource("anchors", keep=10_000)).proposals[0], rpn_small().rpn
    anchors = boxes.clip(anchors_for(cfg.anchors, {3: (8, 8)}), (64, 64))  # the RPN's, but far over the edge
    assert 0 < len(windows) < len(anchors) and (windows[:, None] == anchors).all(-1).any(1).all()
    with pytest.raises(ValueError, match=r"proposals.kind 'edges': expected 'selective_search'"):
        with_proposals(dataset, ProposalSource("edges"))


def test_the_closest_box_of_a_rich_grid_is_found_without_trying_all():
    size = (100, 128)
    grid = dense_boxes(size, RICH)
    g = torch.Generator().manual_seed(0)
    corner, side = torch.rand(300, 2, generator=g) * 90, 8 + torch.rand(300, 2, generator=g) * 80
    found = boxes.clip(torch.cat([corner, corner + side], 1), size)
    best = boxes.iou(found, grid).amax(1)
    near = closest_dense(found, size)
    assert (boxes.iou(near, grid).amax(1) > 1 - 1e-5).all()                # each is a box of the grid
    got = boxes.iou(found[:, None], near[:, None])[:, 0, 0]
    within = inside(found, size, -20)                                      # where no candidate is cut at the edge
    torch.testing.assert_close(got[within], best[within])
    assert within.sum() > 20 and (best - got).mean() < 0.01
    assert closest_dense(found[:0], size).shape == (0, 4)


def test_files_of_others_must_fit_the_set(dataset, tmp_path):
    found = [torch.rand(n + 1, 4) for n in range(4)]
    path = save_proposals(tmp_path / "rpn.npz", dataset, found, method="rpn")
    got = with_proposals(dataset, ProposalSource(str(path))).proposals
    assert all(a.equal(b) for a, b in zip(found, got))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_proposals(tmp_path / "none.npz", dataset)
    with pytest.raises(ValueError, match=r"rpn\.npz: proposals of .* expected .* version other"):
        read_proposals(path, dataclasses.replace(dataset, version="other"))
    save_proposals(path, dataset.subset(2), found[:2])
    with pytest.raises(ValueError, match=r"2 images; expected .* with 3\.png and 1 others that lack"):
        read_proposals(path, dataset)


def test_proposals_move_with_the_pixels(dataset):
    exact = dataclasses.replace(dataset, proposals=[dataset.target(i)["boxes"] for i in range(4)])
    for size in (None, 128):
        batches = Batches(exact, 4, size=size)
        targets = [t for step in range(4) for t in batches[step][1]]
        assert all(t["proposals"].equal(t["boxes"]) for t in targets)
        places = {(t["image_id"], float(t["boxes"][0, 0])) for t in targets}
        assert len(places) > 4                                           # some were flipped


def test_training_and_testing_get_them(scenes, dataset):
    recipe = Recipe(data=str(scenes), train=None, test=None, preset="small", steps=1, batch=2, size=(128, 128))
    system, batches = prepare("fast_rcnn", recipe, changes={"proposals.kind": "dense"})
    images, targets = batches[0]
    assert sum(system.losses(images, targets).values()).isfinite()
    seen = []
    system.detect = lambda images, sizes, proposals: seen.extend(proposals) or \
        [{"boxes": b[:1], "scores": b[:1, 0], "labels": b[:1, 0].long() * 0 + 1} for b in proposals]
    found = detect_all(system, dataset, torch.device("cpu"), short=128)
    torch.testing.assert_close(seen[0], dense_boxes((64, 64)) * 2)
    x1, y1, x2, y2 = dense_boxes((64, 64))[0].tolist()
    assert found[0]["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1])


@pytest.mark.parametrize("kind, quality", [("selective_search", False), ("quality", True), ("nearest_dense", False)])
def test_every_image_is_searched_in_its_mode_and_with_its_own_seed(dataset, monkeypatch, kind, quality):
    calls = []

    def pretended(image, quality, seed):
        calls.append((quality, seed))
        return np.array([[seed, seed, seed + 9, seed + 9]], np.float32)

    monkeypatch.setattr(search, "selective_search", pretended)
    found = with_proposals(dataset, ProposalSource(kind), jobs=1).proposals
    assert calls == [(quality, seed) for seed in range(4)]
    if kind != "nearest_dense":
        assert [b[0, 0].item() for b in found] == [0, 1, 2, 3]


class PretendedSearch:
    """OpenCV's object, which only notes what it is told."""

    def __init__(self):
        self.modes = []

    def setBaseImage(self, image):
        self.shape = image.shape

    def switchToSelectiveSearchQuality(self):
        self.modes.append("quality")

    def switchToSelectiveSearchFast(self):
        self.modes.append("fast")

    def process(self):
        return np.array([[0, 0, 9, 9]])


@pytest.mark.parametrize("shape, quality, mode", [
    ((255, 300), False, search.FAST), ((300, 255), True, search.QUALITY), ((256, 300), False, "fast"),
    ((256, 256), True, "quality")])
def test_small_images_are_searched_in_finer_steps(monkeypatch, shape, quality, mode):
    pretended = PretendedSearch()
    monkeypatch.setattr(search.cv2.ximgproc.segmentation, "createSelectiveSearchSegmentation", lambda: pretended)
    monkeypatch.setattr(search, "_fine", lambda made, bgr, settings: made.modes.append(settings))
    assert selective_search(np.zeros((*shape, 3), np.uint8), quality).tolist() == [[0, 0, 9, 9]]
    assert pretended.modes == [mode]


def test_another_way_of_searching_has_a_file_of_its_own(dataset, monkeypatch):
    monkeypatch.setattr(search, "selective_search", lambda *_: np.zeros((1, 4), np.float32))

    def files(quality=False):
        search.searched(dataset, quality, jobs=1)
        return len(list((dataset.root.parents[1] / "cache").rglob("*.npz")))

    assert [files(), files(), files(quality=True)] == [1, 1, 2]
    monkeypatch.setattr(search, "SMALL", 300)
    assert files() == 3
    monkeypatch.setattr(search, "FAST", search.QUALITY)
    assert files() == 4
    monkeypatch.setattr(search.cv2, "__version__", "0.1")
    assert files() == 5
    dataset.version = "other"
    assert files() == 6


@pytest.mark.parametrize("changes, test, training", [
    ({}, False, False), ({"train_on": "given"}, False, True), ({"test_on": "given"}, True, False)])
def test_training_and_testing_ask_for_proposals_apart(changes, test, training):
    cfg = override(tiny(3), changes)
    assert (cfg.needs_proposals(), cfg.needs_proposals(training=True)) == (test, training)
