"""Proposals made by stored weights: whose they are, where they lie, what is kept, what a detector is tested on."""
from dataclasses import replace

import pytest
import torch

from paperlib.config import override
from paperlib.data import selective_search
from paperlib.data.read_coco import read_coco
from paperlib.device import seed_all
from paperlib.parts import boxes
from paperlib.parts.proposals import ProposalConfig, ProposalSource, propose
from paperlib.scoring.coco_metrics import evaluate
from paperlib.systems.fast_rcnn import FastRCNN
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.presets import deepmask, fast_rcnn, faster_rcnn, retinanet
from paperlib.systems.registry import SYSTEMS
from paperlib.tables import identities
from paperlib.training import own_proposals
from paperlib.training.own_proposals import with_given_proposals
from paperlib.training.recipes import Recipe
from paperlib.training.trained import Trained
from paperlib.training.trainer import prepare
from paperlib.training.weights import save_weights

CPU = torch.device("cpu")
PRESETS = {"rpn": faster_rcnn.rpn_tiny, "faster_rcnn": faster_rcnn.tiny, "deepmask": deepmask.scale,
           "retinanet": retinanet.tiny}


@pytest.fixture
def dataset(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read_coco(scenes / "instances.json")


def stored(folder, name, seed=0, size=None):
    """(system, file) of fresh weights."""
    seed_all(seed)
    system = SYSTEMS[name](PRESETS[name](1)).eval()
    system.trained = Trained(("box",), size)
    return system, save_weights(folder / f"{name}{seed}.safetensors", name, system)


def given(dataset, file, **more):
    return with_given_proposals(dataset, ProposalSource(str(file), **more)).proposals


@pytest.mark.parametrize("name", ["rpn", "faster_rcnn", "deepmask"])
def test_they_are_what_the_system_proposes(dataset, tmp_path, name):
    system, file = stored(tmp_path, name)
    images, sizes = torch.stack([dataset.image(i) for i in range(4)]), torch.tensor([[64, 64]] * 4)
    if system.proposes:
        expected = propose(*system.predict_levels(images), sizes, ProposalConfig())
    else:
        expected = system.detect(images, sizes)
    found = given(dataset, file)
    for mine, theirs in zip(found, expected, strict=True):
        assert len(mine) > 20 and torch.allclose(mine, theirs["boxes"], atol=1e-3)
    assert [len(b) for b in given(dataset, file, keep=7)] == [7] * 4
    assert all(map(torch.equal, given(dataset, file, keep=7), [b[:7] for b in found]))


def test_the_system_sees_images_as_in_training_and_boxes_lie_on_the_stored_ones(dataset, tmp_path):
    system, file = stored(tmp_path, "rpn", size=(128, 128))
    large = torch.stack([torch.nn.functional.interpolate(dataset.image(i)[None].float(), (128, 128), mode="bilinear",
                                                         antialias=True)[0].round().byte() for i in range(4)])
    expected = propose(*system.predict_levels(large), torch.tensor([[128, 128]] * 4), ProposalConfig())
    for mine, theirs in zip(given(dataset, file), expected):
        overlap = boxes.iou(mine[:20], theirs["boxes"][:20] / 2).max(1).values
        assert mine.max() <= 64 and (overlap > 0.9).float().mean() > 0.8


def test_they_are_kept_on_disk_for_these_weights_and_a_stopped_search_goes_on(dataset, tmp_path, monkeypatch):
    calls, load = [], own_proposals.load_weights
    monkeypatch.setattr(own_proposals, "load_weights", lambda file: calls.append(file) or load(file))
    monkeypatch.setattr(selective_search, "CHUNK", 1)
    _, file = stored(tmp_path, "rpn")
    two, whole = given(dataset.subset(2), file), given(dataset, file)
    assert len(calls) == 2 and all(map(torch.equal, two, whole)) and given(dataset, file) and len(calls) == 2
    _, other = stored(tmp_path, "rpn", seed=1)
    assert not given(dataset, other)[0].equal(whole[0]) and len(calls) == 3
    file.write_bytes(other.read_bytes())  # trained anew under the same name
    assert given(dataset, file)[0].equal(given(dataset, other)[0])


def test_a_grid_may_be_added(dataset, tmp_path):
    _, file = stored(tmp_path, "rpn")
    assert [len(b) for b in given(dataset, file, keep=7, dense=3)] == [10] * 4


def test_a_name_alone_is_one_of_the_courses_weights(dataset, tmp_path, monkeypatch):
    _, file = stored(tmp_path / "weights", "rpn")
    monkeypatch.setenv("PAPERLIB_WEIGHTS", str(file.parent))
    assert own_proposals.weights_file(file.name) == file
    with pytest.raises(FileNotFoundError, match=r"proposals.kind no.safetensors: no such file, nor one of .*weights"):
        given(dataset, "no.safetensors")


def test_weights_that_propose_nothing_are_refused(dataset, tmp_path):
    _, file = stored(tmp_path, "retinanet")
    with pytest.raises(ValueError, match=r"retinanet0.safetensors: its weights find objects of classes; expected"):
        given(dataset, file)


def test_a_detector_is_trained_on_all_and_tested_on_the_best(scenes, dataset, tmp_path):
    _, file = stored(tmp_path, "rpn")
    recipe = Recipe(data=str(scenes), train=None, preset="tiny", steps=1, batch=2)
    changes = {"training": "separate", "train_on": "given", "test_on": "given", "proposals.kind": str(file),
               "proposals.keep": 50, "proposals.tested": 5}
    system, batches = prepare("faster_rcnn", recipe, 0, changes)
    assert [len(b) for b in batches.dataset.proposals] == [50] * 4
    seen, detect = [], system.detect
    system.detect = lambda images, sizes, boxes: seen.extend(map(len, boxes)) or detect(images, sizes, boxes)
    evaluate(system.eval(), dataset, CPU)
    assert seen == [5] * 4


@pytest.mark.parametrize("kind, preset", [(FastRCNN, fast_rcnn.tiny), (FasterRCNN, faster_rcnn.tiny)])
def test_rows_that_differ_in_the_number_tested_are_trained_once(kind, preset):
    cfg = preset(1)
    few = override(cfg, {"proposals.tested": 5})
    assert few.for_training() == cfg.for_training() == cfg and few != cfg
    assert override(cfg, {"proposals.keep": 5}).for_training() != cfg


def test_a_run_is_known_by_the_weights_that_propose_for_it(tmp_path):
    cfg = replace(fast_rcnn.tiny(1), proposals=ProposalSource(str(stored(tmp_path, "rpn")[1])))
    other = replace(cfg, proposals=ProposalSource(str(stored(tmp_path, "rpn", seed=1)[1])))
    facts = [identities.constants(one)["proposals"]["weights"] for one in (cfg, other)]
    assert len(set(facts)) == 2 and all(len(digest) == 64 for digest in facts)
