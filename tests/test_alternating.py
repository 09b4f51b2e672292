"""Training in stages, with `fit` replaced by one that only marks the weights: who learns, from what, kept where."""
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock, Timeout
from torch import nn

from paperlib.config import override
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.presets.faster_rcnn import tiny
from paperlib.systems.rpn import RPN
from paperlib.training import alternating
from paperlib.training.alternating import Proposed, clear, fit_stages
from paperlib.training.recipes import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(steps=4)


@dataclass
class Pictures:
    """As much of a set as a stage's identity looks at."""

    version: str = "1"
    number: int = 8

    def __len__(self):
        return self.number


@dataclass
class Stage:
    system: nn.Module
    data: object
    steps: int
    seed: int
    file: Path | None
    losses: object
    made: dict  # the weights that it left
    locked: bool  # whether its checkpoint was locked meanwhile


def is_locked(file) -> bool:
    if file is None:
        return False
    try:
        with FileLock(Path(file).with_suffix(".lock"), timeout=0):
            return False
    except Timeout:
        return True


@pytest.fixture
def stages(monkeypatch):
    """Every call of `fit`, which adds its number to all weights that learn."""
    calls = []

    def fit(system, data, recipe, device, seed, checkpoint=None, losses=None):
        with torch.no_grad():
            for parameter in system.parameters():
                if parameter.requires_grad:
                    parameter.add_(1.0 + len(calls))
        made = {name: value.clone() for name, value in system.state_dict().items()}
        calls.append(Stage(system, data, recipe.steps, seed, checkpoint, losses, made, is_locked(checkpoint)))
        for step in range(recipe.steps):
            yield {"step": step, "loss": 1.0}

    monkeypatch.setattr(alternating, "fit", fit)
    return calls


def batches(**changes):
    return SimpleNamespace(dataset=Pictures(**changes))


def run(folder=None, recipe=RECIPE, seed=0, data=None, **changes):
    torch.manual_seed(0)
    system = FasterRCNN(override(tiny(3), {"training": "separate", **changes}))
    file = folder and Path(folder) / "run.pt"
    records = list(fit_stages(system, data or batches(), recipe, CPU, seed, file))
    return system, records


def part(weights: dict, name: str) -> dict:
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and len(a) > 0 and all(a[key].equal(b[key]) for key in a)


def test_two_networks_are_put_together(stages):
    system, records = run()
    first, second = stages
    assert isinstance(first.system, RPN) and same(system.rpn.state_dict(), first.made)
    for name in ("trunk", "pyramid", "head"):
        assert same(part(system.state_dict(), name), part(second.made, name)), name
    assert [record["step"] for record in records] == list(range(8))
    assert isinstance(second.data, Proposed) and second.data.system is first.system
    assert [stage.losses for stage in stages] == [None, None]


def test_steps_3_and_4_train_heads_on_fixed_features(stages):
    system, records = run(training="alternating", alternations=2)
    assert [stage.steps for stage in stages] == [4, 4, 2, 2, 2, 2]
    assert [record["stage"] for record in records] == [1] * 4 + [2] * 4 + [3, 3, 4, 4, 5, 5, 6, 6]
    for stage in stages[2:]:
        assert stage.system is system
        for name in ("trunk", "pyramid"):
            assert same(part(stage.made, name), part(stages[1].made, name)), name
    assert stages[2].losses == system.rpn_losses and stages[3].losses == system.detector_losses
    assert not isinstance(stages[2].data, Proposed) and stages[3].data.system is system
    assert not same(part(stages[2].made, "rpn"), part(stages[3].made, "rpn"))
    assert alternating.length(system.cfg, 4) == len(records) == 16


def test_fixed_features_keep_the_statistics_of_every_norm(stages):
    system, _ = run(training="alternating")
    system.train()
    norms = [layer for layer in system.trunk.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms and not any(layer.training for layer in norms) and system.head.training


def test_the_shortest_recipe_still_trains_the_heads(stages):
    system, records = run(recipe=replace(RECIPE, steps=1), training="alternating")
    assert [stage.steps for stage in stages] == [1, 1, 1, 1]
    assert alternating.length(system.cfg, 1) == len(records) == 4


@pytest.mark.parametrize("train_on, test_on, kinds", [
    ("rpn", "rpn", ["RPN", "FastRCNN"]), ("rpn", "given", ["RPN", "FastRCNN"]),
    ("given", "rpn", ["RPN", "FastRCNN"]), ("given", "given", ["FastRCNN"])])
def test_an_rpn_is_trained_where_one_is_needed(stages, train_on, test_on, kinds):
    run(train_on=train_on, test_on=test_on)
    assert [type(stage.system).__name__ for stage in stages] == kinds
    assert isinstance(stages[-1].data, Proposed) == (train_on == "rpn")


def kept(stages, folder, **options) -> list[str]:
    """The files that the first two stages of a run are kept in."""
    stages.clear()
    run(folder, **options)
    assert [stage.file.parent for stage in stages[:2]] == [folder / "stages"] * 2
    return [stage.file.name for stage in stages[:2]]


@pytest.mark.parametrize("options", [
    {"seed": 1}, {"recipe": replace(RECIPE, lr=0.5)}, {"data": batches(version="2")}, {"data": batches(number=9)},
    {"rpn.match.hi": 0.6}])
def test_another_first_step_is_kept_elsewhere_and_so_is_what_follows(stages, tmp_path, options):
    usual, other = kept(stages, tmp_path), kept(stages, tmp_path, **options)
    assert usual[0] != other[0] and usual[1] != other[1]


def test_a_first_steps_weights_and_revision_count(stages, tmp_path, monkeypatch):
    usual = kept(stages, tmp_path)
    monkeypatch.setattr(RPN, "revision", 99)
    raised = kept(stages, tmp_path)
    monkeypatch.undo()
    draw = alternating.seed_all
    monkeypatch.setattr(alternating, "fit", lambda *args, **options: iter([{"step": 0}]))
    identity, facts = alternating.stage_identity, []
    monkeypatch.setattr(alternating, "stage_identity", lambda *args: facts.append(identity(*args)) or facts[-1])
    monkeypatch.setattr(alternating, "seed_all", lambda seed: draw(seed + 1))     # other weights, the same seed
    run(tmp_path)
    assert usual[0] != raised[0] and usual[1] != raised[1] and f"{facts[0]}.pt" != usual[0]


def test_what_a_step_does_not_see_is_no_part_of_its_identity(stages, tmp_path):
    usual = kept(stages, tmp_path)
    assert kept(stages, tmp_path, **{"rpn.test.nms": "none", "detect.nms": 0.4}) == usual     # settings of testing
    assert kept(stages, tmp_path, test_on="given", **{"proposals.kind": "dense"}) == usual
    of_given = kept(stages, tmp_path, train_on="given")
    other_rpn = kept(stages, tmp_path, train_on="given", **{"rpn.match.hi": 0.6})
    assert of_given[0] != other_rpn[0] and of_given[1] == other_rpn[1] != usual[1]


def test_a_kept_step_is_locked_while_it_trains(stages, tmp_path):
    run(tmp_path, training="alternating")
    assert [stage.locked for stage in stages] == [True, True, False, False]
    assert [stage.file.name for stage in stages[2:]] == ["run.3.pt", "run.4.pt"]


def test_a_run_that_is_left_early_closes_the_step():
    closed = []

    def steps():
        try:
            yield {"step": 0}
            yield {"step": 1}
        finally:
            closed.append(True)

    step = steps()                                               # held here, so that nothing else closes it
    stage = alternating.numbered(step, 3, 10)
    assert next(stage) == {"step": 10, "stage": 3}
    stage.close()
    assert closed == [True]


def test_proposals_are_those_of_their_image_and_have_no_gradient():
    modes = []

    class Proposer:
        training = True

        def to(self, device):
            return self

        def eval(self):
            return self

        def train(self, mode):
            modes.append(mode)

        def proposals(self, images, sizes, training):
            assert training and not modes and not torch.is_grad_enabled()
            return [size.float().repeat(2)[None] for size in sizes]

    sizes = [torch.tensor([10, 20]), torch.tensor([30, 40])]
    pictures = [(torch.zeros(2, 3, 40, 40), [{"size": size} for size in sizes])]
    _, targets = Proposed(type("Set", (list,), {"dataset": None})(pictures), Proposer(), CPU)[0]
    assert [target["proposals"].tolist() for target in targets] == [[[10, 20, 10, 20]], [[30, 40, 30, 40]]]
    assert modes == [True]  # it goes on training as it did


def test_all_that_is_kept_is_cleared_with_its_folder(tmp_path):
    folder = tmp_path / "stages"
    folder.mkdir()
    for name in ("a.pt", "a.pt.part", "a.lock", "b.pt.part"):
        (folder / name).touch()
    clear(tmp_path / "run.pt")
    assert os.listdir(tmp_path) == []
