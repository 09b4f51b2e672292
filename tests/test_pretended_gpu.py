"""Every system on a pretended GPU: a tensor on the wrong side fails here, on any machine."""
import json
from dataclasses import replace
from functools import cache

import pytest
import torch
from pretended_gpu import CUDA, OnGPU, pretended

from paperlib.data.sets import load
from paperlib.experiments import dials, tables
from paperlib.experiments.configs import Recipe, budget, override, system_config, to_dict
from paperlib.experiments.evaluate import evaluate
from paperlib.experiments.fit import fit, train
from paperlib.experiments.published import published
from paperlib.parts.losses import KINDS
from paperlib.systems import PRESETS, SYSTEMS
from paperlib.systems.classifier import Classifier, ClassifierConfig

RECIPE = Recipe(steps=1, warmup=0, bf16=False)
SMALLER = {"head.widths": (32, 32)}  # VGG16's own have 100 million weights
SWITCHES = {
    "retinanet": [*({"loss.kind": kind} for kind in KINDS), {"loss.normaliser": "image"}, {"loss.normaliser": "batch"},
                  {"loss.alpha": None}, {"loss.clip": 0.01}, {"anchors.fit_image": True},
                  {"head.class_agnostic": False}, {"trunk.frozen_norm": True}, {"detect.score": 0.0}],
    "fast_rcnn": [*({"roi.kind": kind} for kind in ("max", "align", "warp")), {"scales": (1.0, 2.0)},
                  {"box_beta": float("inf")}, {"sample.difficult": False}, {"head.class_agnostic": True}],
    "rpn": [{"rpn.border": 0.0}, {"rpn.samples": None}, {"rpn.apart": True}, {"rpn.test.scored": False},
            {"rpn.test.regressed": False}, {"rpn.test.nms": None}],
    "faster_rcnn": [{"roi.kind": "max"}, {"training": "exact", "roi.kind": "warp"}, {"training": "separate"},
                    {"training": "separate", "train_on": "given", "test_on": "given"}],
}


def batch(number: int = 2) -> tuple[torch.Tensor, list[dict]]:
    """Noise with three objects an image, one of them a crowd, one difficult; the second image has none."""
    g = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[3.0, 4, 40, 50], [20, 10, 60, 60], [10, 40, 20, 60]])
    target = {"boxes": boxes, "labels": torch.tensor([1, 3, 5]), "crowd": torch.tensor([False, False, True]),
              "difficult": torch.tensor([False, True, False]), "size": torch.tensor([64, 60])}
    targets = [target, {key: value if key == "size" else value[:0] for key, value in target.items()}][:number]
    for t in targets:
        corners = torch.rand(20, 2, generator=g) * 32
        t["proposals"] = torch.cat([torch.cat([corners, corners + 8 + 20 * torch.rand(20, 2, generator=g)], 1), boxes])
    return torch.randint(0, 256, (number, 3, 64, 64), generator=g, dtype=torch.uint8), targets


def learn_and_detect(name: str, cfg) -> None:
    """Two steps of training, as `fit` does them, and detections; all that comes out is on the GPU."""
    torch.manual_seed(0)
    system = SYSTEMS[name](cfg)
    images, targets = batch()
    with pretended():
        list(fit(system, [(images, targets)] * 2, replace(RECIPE, steps=2), CUDA))
        trained = [p for p in system.parameters() if p.requires_grad]
        assert all(isinstance(p, OnGPU) for p in system.parameters())
        assert any(isinstance(p.grad, OnGPU) and p.grad.inner.any() for p in trained)
        given = {"proposals": [t["proposals"].to(CUDA) for t in targets]} if name == "fast_rcnn" else {}
        found = system.eval().detect(images.to(CUDA), torch.tensor([[64, 60], [64, 64]]).to(CUDA), **given)
        whole = system.detect(images.to(CUDA), **given)
    assert all(isinstance(value, OnGPU) for one in found + whole for value in one.values())


@pytest.mark.parametrize("name, changes", [(name, c) for name, rows in SWITCHES.items() for c in rows], ids=str)
def test_every_switch(name, changes):
    learn_and_detect(name, override(PRESETS[name]["tiny"](5), changes))


@pytest.mark.parametrize("name, preset", [(name, p) for name in SYSTEMS for p in PRESETS[name] if p != "resnet101"])
def test_every_preset(name, preset):
    cfg = PRESETS[name][preset](5)
    learn_and_detect(name, override(cfg, SMALLER) if preset == "vgg16" and name != "rpn" else cfg)


def values(cfg, where: str = "") -> set:
    """What a configuration chooses, as {path and value}; of a number, whether it is 0."""
    found = set()
    for key, value in to_dict(cfg).items() if not isinstance(cfg, dict) else cfg.items():
        if isinstance(value, dict):
            found |= values(value, f"{where}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add((where + key, bool(value)))
        else:
            found.add((where + key, json.dumps(value)))
    return found


@cache
def rows() -> dict:
    """Of the rows of all tables as few as set every value that any row sets: {id: (system, configuration)}."""
    chosen, seen = {}, set()
    for table, body in (published() | dials.tables()).items():
        for job in tables.jobs_of(table, budget("smoke"), seeds=1) if "run" in body else ():
            cfg = system_config(job.system, job.recipe, 5, job.changes)
            if new := {(job.system, *pair) for pair in values(cfg)} - seen:
                chosen[f"{table} {job.row}"], seen = (job.system, cfg), seen | new
    return chosen


@pytest.mark.parametrize("row", rows())
def test_every_value_that_a_table_sets(row):
    learn_and_detect(*rows()[row])
