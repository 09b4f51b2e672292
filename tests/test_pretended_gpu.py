"""Every system on a pretended GPU, where mixing devices fails on any machine, and on a true one if there is one."""
import contextlib
import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from filled_boxes import filled
from pretended_gpu import CUDA, OnGPU, pretended
from torchvision.ops import nms

from paperlib.config import override, to_dict
from paperlib.data.named_sets import load
from paperlib.papers.printed import published
from paperlib.parts import boxes
from paperlib.parts.losses import KINDS
from paperlib.parts.trunks import TrunkConfig
from paperlib.scoring.coco_metrics import evaluate
from paperlib.systems.classifier import Classifier, ClassifierConfig
from paperlib.systems.registry import PRESETS, SYSTEMS, UNTRAINED, class_of
from paperlib.tables import dials, row_jobs, run_measurements
from paperlib.training.loop import fit
from paperlib.training.recipes import Recipe, budget, system_config
from paperlib.training.trainer import train

TRUE = [contextlib.nullcontext] if torch.cuda.is_available() else []
RECIPE = Recipe(steps=1, warmup=0, bf16=False)
# To be quick. VGG16's layers after the pooling have 100 million weights, its anchors are larger than these images, and
# R-CNN would enlarge each of their regions to 224 px.
RESNET = {"trunk.name": "resnet18", "pyramid.dim": 32}
VGG16 = {"fast_rcnn": {"head.widths": (32, 32)},
         "rcnn": {"widths": (32, 32), "proposals.keep": 20, "crop.size": 64, "crop.context": 4.0, "side": 2},
         "rpn": {"rpn.border": None},
         "faster_rcnn": {"head.widths": (32, 32), "rpn.border": None}}
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
    objects = torch.tensor([[3.0, 4, 40, 50], [20, 10, 60, 60], [10, 40, 20, 60]])
    target = {"boxes": objects, "labels": torch.tensor([1, 3, 5]), "crowd": torch.tensor([False, False, True]),
              "difficult": torch.tensor([False, True, False]), "size": torch.tensor([64, 60]),
              "masks": filled(objects, (64, 60))}
    targets = [target, {key: value if key == "size" else value[:0] for key, value in target.items()}][:number]
    for t in targets:
        corners = torch.rand(20, 2, generator=g) * 32
        others = torch.cat([corners, corners + 8 + 20 * torch.rand(20, 2, generator=g)], 1)
        t["proposals"] = torch.cat([others, objects])
    return torch.randint(0, 256, (number, 3, 64, 64), generator=g, dtype=torch.uint8), targets


GIVEN = ("fast_rcnn", "rcnn", *UNTRAINED)  # need proposals that come with the images


def learn_and_detect(name: str, cfg) -> None:
    """A step of training, as `fit` does it, and detections; all that comes out is on the GPU."""
    for there in (pretended, *TRUE):
        learn_and_detect_in(there, name, cfg)


def learn_and_detect_in(there, name: str, cfg) -> None:
    """The same on one GPU: inside `there()`; what has no weights only detects."""
    torch.manual_seed(0)
    system = class_of(name)(cfg)
    images, targets = batch()
    with there():
        if name not in UNTRAINED:
            list(fit(system, [(images, targets)], RECIPE, CUDA))
            trained = [p for p in system.parameters() if p.requires_grad]
            assert all(p.is_cuda for p in system.parameters())
            assert any(p.grad is not None and p.grad.is_cuda and p.grad.any() for p in trained)
        given = {"proposals": [t["proposals"].to(CUDA) for t in targets]} if name in GIVEN else {}
        found = system.eval().detect(images.to(CUDA), torch.tensor([[64, 60], [64, 64]]).to(CUDA), **given)
        whole = system.detect(images.to(CUDA), **given)
    assert all(value.is_cuda for one in found + whole for value in one.values())


@pytest.mark.parametrize("name, changes", [(name, c) for name, rows in SWITCHES.items() for c in rows], ids=str)
def test_every_switch(name, changes):
    learn_and_detect(name, override(PRESETS[name]["tiny"](5), changes))


@pytest.mark.parametrize("name, preset", [(name, p) for name in SYSTEMS for p in PRESETS[name] if p != "resnet101"])
def test_every_preset(name, preset):
    smaller = VGG16[name] if preset == "vgg16" else RESNET if "resnet" in preset else {}
    if SYSTEMS[name].needs_masks:  # no pyramid, and nothing to be made smaller at 1:4
        smaller = {"trunk.name": "resnet18"} if "resnet" in preset else {}
    learn_and_detect(name, override(PRESETS[name][preset](5), smaller))


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
        for job in row_jobs.jobs_of(table, budget("smoke"), seeds=1) if "run" in body else ():
            cfg = system_config(job.system, job.recipe, 5, job.changes)
            if new := {(job.system, *pair) for pair in values(cfg)} - seen:
                chosen[f"{table} {job.row}"], seen = (job.system, cfg), seen | new
    return chosen


@pytest.mark.parametrize("row", rows())
def test_every_value_that_a_table_sets(row):
    learn_and_detect(*rows()[row])


PIECES = {
    "retinanet": ("retinanet", {}),
    "RPN": ("rpn", {}),
    "SVMs, thinner layers": ("fast_rcnn", {"after.svm": True, "after.svd": [48, 12], "scales": [1.0, 2.0]}),
    "box layer alone": ("fast_rcnn", {"after.stage_wise": True}),
    "joint": ("faster_rcnn", {}),
    "exact": ("faster_rcnn", {"training": "exact", "roi.kind": "warp"}),
    "alternating": ("faster_rcnn", {"training": "alternating"}),
    "unshared": ("faster_rcnn", {"training": "separate"}),
}


@pytest.mark.parametrize("there", [pretended, *TRUE])
@pytest.mark.parametrize("piece", PIECES)
def test_a_whole_run_from_files_to_scores(piece, there, scenes, tmp_path):
    """The loader, every stage, the checkpoint and the scores."""
    name, changes = PIECES[piece]
    recipe = replace(RECIPE, data=str(scenes), train=None, test=None, preset="tiny", steps=2, batch=2)
    with there():
        system, history = train(name, recipe, 0, changes, CUDA, tmp_path / "run.pt")
        scores = evaluate(system, load(str(scenes)), CUDA, batch=3)
    assert history and all(p.is_cuda for p in system.parameters())
    assert any(key in scores for key in ("AP", "AR100"))


@pytest.mark.parametrize("there", [pretended, *TRUE])
def test_sharpmask_in_three_stages_and_its_raw_outputs(there, scenes, tmp_path):
    few = {"window.scales": [-1.0, 0.0], "training": "tuned"}
    recipe = replace(RECIPE, data=str(scenes), train=None, test=None, preset="scale", steps=2, batch=2)
    with there():
        system, history = train("sharpmask", recipe, 0, few, CUDA, tmp_path / "run.pt")
        outputs = system.predict(batch()[0].to(CUDA))
    assert {record["stage"] for record in history} == {1, 2, 3} and all(x.is_cuda for x in outputs)


@pytest.mark.parametrize("there", [pretended, *TRUE])
def test_how_a_loss_is_shared_out(there, scenes):
    system = SYSTEMS["retinanet"](PRESETS["retinanet"]["tiny"](1))
    with there():
        shares = run_measurements.loss_shares(system, load(str(scenes)), CUDA)
    assert 0 < shares["top20_pos_2"] <= 1


def test_classifier():
    system, (images, _) = Classifier(ClassifierConfig(4, TrunkConfig("tiny"))), batch()
    labels = [{"labels": torch.tensor(0)}, {"labels": torch.tensor(3)}]
    with pretended():
        history = list(fit(system, [(images, labels)], replace(RECIPE, optimiser="adamw"), CUDA))
        assert isinstance(system.eval().predict(images.to(CUDA)), OnGPU)
    assert history[0]["loss"] > 0 and isinstance(system.linear.weight.grad, OnGPU)


MIXED = {
    "sum": lambda gpu, cpu: gpu + cpu,
    "in place": lambda gpu, cpu: cpu.mul_(gpu),
    "lists": lambda gpu, cpu: torch.cat([gpu, cpu]),
    "where": lambda gpu, cpu: torch.where(cpu > 0, gpu, 0.0),
    "a CPU tensor's index": lambda gpu, cpu: cpu[gpu.long()],
    "assignment": lambda gpu, cpu: gpu.masked_fill_(cpu > 0, 0.0),
    "an operation of torchvision": lambda gpu, cpu: nms(gpu.new_zeros(3, 4), cpu, 0.5),
    "layer": lambda gpu, cpu: torch.nn.Linear(3, 2)(gpu),
    "random numbers": lambda gpu, cpu: torch.rand(2, device=CUDA, generator=torch.Generator()),
    "NumPy": lambda gpu, cpu: gpu.numpy(),
    "NumPy by itself": lambda gpu, cpu: np.asarray(gpu),
}


@pytest.mark.parametrize("what", MIXED)
def test_mixing_devices_fails(what):
    with pretended():
        gpu, cpu = torch.ones(3, device="cuda"), torch.ones(3)
        assert (gpu.device, gpu.is_cuda, cpu.is_cuda) == (CUDA, True, False)
        with pytest.raises((RuntimeError, TypeError), match=r"device|CPU|numpy"):
            MIXED[what](gpu, cpu)


def test_what_a_gpu_allows():
    with pretended():
        gpu, cpu = torch.tensor([1.0, 2, 3], device="cuda").requires_grad_(), torch.tensor([0, 2])
        (gpu[cpu] * torch.tensor(2.0)).sum().backward()  # a CPU index, and a CPU scalar
        gpu.detach()[cpu] = torch.zeros(2, device="cuda")
        assert isinstance(gpu.grad, OnGPU) and gpu.grad.tolist() == [2, 0, 2] and gpu.tolist() == [0, 2, 0]
        assert not isinstance(gpu.detach().cpu(), OnGPU) and gpu.detach().cpu().numpy().sum() == 2


@pytest.mark.parametrize("name", ["retinanet", "rpn", "fast_rcnn", "faster_rcnn"])
def test_a_mixing_planted_in_a_system_is_seen(name, monkeypatch):
    """A constant that was made without a device."""
    iou = boxes.iou
    monkeypatch.setattr(boxes, "iou", lambda *pair: iou(*pair) + torch.zeros(1))
    with pytest.raises(RuntimeError, match="same device"):
        learn_and_detect(name, PRESETS[name]["tiny"](5))


def test_a_mixing_planted_in_backward_is_seen():
    class Planted(torch.autograd.Function):
        forward = staticmethod(lambda ctx, x: x * 2)
        backward = staticmethod(lambda ctx, grad: grad * torch.ones(3))

    with pretended(), pytest.raises(RuntimeError, match="same device"):
        Planted.apply(torch.ones(3, device="cuda").requires_grad_()).sum().backward()
