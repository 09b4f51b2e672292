"""Training on pictures of one's own: what it starts from, parts of a batch, the best weights, an early end."""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from paperlib.__main__ import main
from paperlib.commands import first_try, run_options
from paperlib.config import override
from paperlib.data.named_sets import load
from paperlib.systems.class_columns import take_over
from paperlib.systems.presets import faster_rcnn, retinanet
from paperlib.systems.registry import SYSTEMS
from paperlib.training import start as starts
from paperlib.training.loop import fit
from paperlib.training.recipes import budget
from paperlib.training.start import choose
from paperlib.training.trained import Trained
from paperlib.training.trainer import prepare
from paperlib.training.weights import load_weights
from paperlib.watching import best as watching
from paperlib.watching import curves

CPU = torch.device("cpu")
RECIPE = replace(budget("smoke").recipe("retinanet"), steps=2, warmup=0, batch=4)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torch's cache, empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    return tmp_path / "hub/checkpoints"


def train(*more):
    return main(["train", "retinanet", "--budget", "smoke", "--steps", "6", "--batch", "2", "--data", "set",
                 "--out", "out", *more])


def test_without_published_weights_the_small_network_starts_from_mininet(cache):
    begun = choose("retinanet", RECIPE)
    assert begun.recipe.preset == "tiny" and begun.recipe.set["trunk.weights"] == "mininet"
    assert begun.said == "starts from the course's MiniNet weights of tiny"
    begun = choose("faster_rcnn", RECIPE, preset="resnet18")
    assert begun.recipe.set["trunk.weights"] is None
    assert begun.said.startswith("starts from random weights") and "`--start imagenet` fetches them" in begun.said


@pytest.mark.parametrize("on_gpu", [False, True])
def test_what_is_on_disk_is_used(cache, data, on_gpu):
    state = resnet18().state_dict()
    torch.save(state, cache / "resnet18-f37072fd.pth")
    begun = choose("retinanet", replace(RECIPE, data="set"), on_gpu=on_gpu)
    assert begun.said == "starts from torchvision's ImageNet weights of resnet18"
    assert (begun.recipe.preset, begun.recipe.optimiser) == ("resnet18", "sgd")
    system, _ = prepare("retinanet", begun.recipe)
    assert torch.equal(system.trunk.body.conv1.weight, state["conv1.weight"])
    assert not any(p.requires_grad for p in system.trunk.body.layer1.parameters())
    assert choose("retinanet", RECIPE, preset="tiny").recipe.preset == "tiny"    # what is asked for stays


def test_a_start_that_cannot_be_is_an_error(cache, tmp_path):
    for system, start, preset in (("rpn", "coco", None), ("retinanet", "imagenet", "tiny")):
        with pytest.raises(ValueError, match=f"cannot start from '{start}'"):
            choose(system, RECIPE, start, preset)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        choose("retinanet", RECIPE, str(tmp_path / "none.safetensors"))


def test_coco_s_columns_follow_their_names(cache, monkeypatch):
    names = ["__background__", *(f"n{k}" for k in range(1, 91))]
    names[3], names[7] = "green", "red"
    state = {"head.classification_head.cls_logits.bias": torch.arange(9 * 91.0),
             "backbone.body.conv1.weight": torch.ones(64, 3, 7, 7)}
    entry = SimpleNamespace(get_state_dict=lambda progress: state, meta={"categories": names}, url="x/y.pth")
    monkeypatch.setattr(starts, "_published", lambda *_: entry)
    begun = choose("retinanet", RECIPE, "coco")
    assert begun.recipe.preset == "torchvision_resnet50" and begun.recipe.set["trunk.norm_eps"] == 0.0
    system = SYSTEMS["retinanet"](retinanet.torchvision_resnet50(3))
    system.trained = Trained(("red", "blue", "green"))
    before = system.head.cls[-1].bias.detach().clone().view(9, 3)
    begun.fill(system)
    after = system.head.cls[-1].bias.detach().view(9, 3)
    published = torch.arange(9 * 91.0).view(9, 91)
    assert torch.equal(after[:, 0], published[:, 7]) and torch.equal(after[:, 2], published[:, 3])
    assert torch.equal(after[:, 1], before[:, 1]) and (system.trunk.body.conv1.weight == 1).all()


def test_a_box_head_s_rows_follow_their_names():
    old, new = (SYSTEMS["faster_rcnn"](faster_rcnn.small(k)) for k in (3, 2))
    shared = take_over(new, ["b", "new"], old.state_dict(), ["a", "b", "c"])
    assert shared == ["b"]
    assert torch.equal(new.head.cls.bias[:2], old.head.cls.bias[[0, 2]])         # background, b
    assert torch.equal(new.head.cls.weight[:2], old.head.cls.weight[[0, 2]])
    assert torch.equal(new.head.box.weight[:4], old.head.box.weight[4:8])
    assert not torch.equal(new.head.cls.weight[2], old.head.cls.weight[2])
    with pytest.raises(ValueError, match="fit nothing here"):
        take_over(new, ["b"], {"other": torch.ones(1)}, ["b"])


def test_weights_of_one_s_own_are_gone_on_with(data, capsys):
    assert train("--size", "64") == 0
    assert "starts from the course's MiniNet weights" in capsys.readouterr().out
    first = load_weights("out/retinanet.safetensors")
    begun = choose("retinanet", replace(RECIPE, data="set", lr=0.0, steps=1), "out/retinanet.safetensors")
    assert begun.recipe.size == (64,) and begun.said == "starts from out/retinanet.safetensors"
    system, _ = prepare("retinanet", begun.recipe)
    begun.fill(system)
    assert all(torch.equal(a, b) for a, b in zip(system.state_dict().values(), first.state_dict().values()))


def test_parts_of_a_batch_make_the_step_of_the_whole(data):
    """Where images do not meet in batch norm or in the normaliser of the loss."""
    recipe = replace(RECIPE, data="set", clip=None, set={"trunk.frozen_norm": True, "loss.normaliser": "image"})
    runs = []
    for accumulate in (1, 2, 3):
        system, batches = prepare("retinanet", recipe)
        history = list(fit(system, batches, replace(recipe, accumulate=accumulate), CPU))
        runs.append(([record["loss"] for record in history], system.head.cls[-1].weight.detach()))
    for losses, weight in runs[1:]:
        assert losses == pytest.approx(runs[0][0], rel=1e-4)
        torch.testing.assert_close(weight, runs[0][1], rtol=1e-3, atol=1e-6)
    with pytest.raises(ValueError, match="accumulate is 0"):
        list(fit(system, batches, replace(recipe, accumulate=0), CPU))


def test_a_first_run_takes_minutes_where_nothing_asks_for_more(data, monkeypatch, capsys):
    monkeypatch.delenv("PAPERLIB_BUDGET", raising=False)
    for name, value in {"SEEN": 12, "BATCH": 2, "SIDE": 32}.items():
        monkeypatch.setattr(first_try, name, value)
    assert main(["train", "retinanet", "--data", "set", "--out", "out", "--checks", "0", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "a first try, for minutes on a CPU: 6 steps of 2 pictures (`--budget mini`: 1500 of 16), " \
           "pictures of 32 px on the shorter side" in said and "6 steps, " in said
    assert load_weights("out/retinanet.safetensors").trained.size == (32,)


@pytest.mark.parametrize("asked, system, data, device, changes", [
    ({}, "retinanet", "set", "cpu", {"steps": 600, "batch": 8, "size": (256,)}),
    ({"batch": 4}, "retinanet", "set", "cpu", {"steps": 1200, "batch": 4, "size": (256,)}),
    ({"steps": 9}, "retinanet", "set", "cpu", {"size": (256,)}),
    ({}, "fast_rcnn", "set", "cpu", {"steps": 2400, "size": (256,)}),
    ({}, "rcnn", "set", "cpu", {"size": (256,)}),
    ({"budget": "mini"}, "retinanet", "set", "cpu", {}),
    ({}, "retinanet", "minicoco", "cpu", {}),
    ({}, "retinanet", "set", "cuda", {}),
])
def test_what_a_first_run_does_less_of(monkeypatch, asked, system, data, device, changes):
    monkeypatch.delenv("PAPERLIB_BUDGET", raising=False)
    args = SimpleNamespace(**{"system": system, "budget": None, "steps": None, "batch": None} | asked)
    recipe = replace(budget("mini").recipe(system), data=data)
    pictures = np.array([(480, 640), (300, 900), (200, 200)])
    short, line = first_try.shortened(args, recipe, Sized(pictures), torch.device(device))
    assert short == replace(recipe, **changes) and bool(line) == bool(changes)
    alone, _ = first_try.shortened(args, replace(recipe, size=(99,)), Sized(pictures), torch.device(device))
    assert alone.size == (99,)
    few, _ = first_try.shortened(args, recipe, Sized(pictures[2:]), torch.device(device))
    assert few.size is None


class Sized(list):
    """Stored sizes (h, w), as a data set has them."""

    @property
    def sizes(self):
        return list(self)


def scripted(monkeypatch, scores):
    values = iter(scores)
    monkeypatch.setattr(watching, "evaluate", lambda *_: {"AP": next(values)})


def test_the_best_weights_come_back_and_patience_ends(tmp_path, monkeypatch):
    scripted(monkeypatch, [0.1, 0.3, 0.2, 0.2])
    system, dataset = torch.nn.Linear(1, 1), SimpleNamespace(name="set/val")
    best = watching.Best(dataset, CPU, tmp_path / "best.pt", steps=8, checks=4, patience=2)
    ends = []
    for step in range(8):
        system.weight.data.fill_(step)
        best(system, record := {"step": step})
        assert ("AP" in record) == (step % 2 == 1)
        ends.append(best.is_over)
    assert ends == [False] * 7 + [True]
    assert "kept the weights of step 4" in best.restore(system, 8) and system.weight.item() == 3
    again = watching.Best(dataset, CPU, tmp_path / "best.pt", steps=8, checks=4)
    for step in range(8):                                                # a resumed run brings its records
        again(system, {"step": step, "AP": [0, 0.1, 0, 0.3, 0, 0.2, 0, 0.2][step]})
    assert again.step == 4 and not again.is_over
    scripted(monkeypatch, [0.0, 0.0])
    more = watching.Best(dataset, CPU, tmp_path / "more.pt", steps=8, checks=8, done=7)
    records = [{"step": step} for step in range(8)]
    for record in records:                                               # it was not checked before, and is now
        more(system, record)
    assert [("AP" in record) for record in records] == [False] * 6 + [True] * 2 and more.step == 8
    with pytest.raises(ValueError, match="--checks -1"):
        watching.Best(dataset, CPU, tmp_path / "best.pt", steps=8, checks=-1)


def test_checks_are_at_even_points_and_leave_the_system_training(tmp_path, monkeypatch):
    best = watching.Best(SimpleNamespace(name="set/val"), CPU, tmp_path / "best.pt", steps=10, checks=4)
    assert best.points == {2, 5, 8, 10}
    monkeypatch.setattr(watching, "evaluate", lambda system, *_: {"AP": 0.1 + 0.1 * system.eval().training})
    best(system := torch.nn.Linear(1, 1), {"step": 1})
    assert system.training and best.score == 0.1


def test_the_first_process_alone_keeps_the_best_weights(tmp_path, monkeypatch):
    for rank in (1, 0):
        scripted(monkeypatch, [0.3])
        monkeypatch.setattr(watching, "ranks", lambda rank=rank: (rank, 2))
        best = watching.Best(SimpleNamespace(name="set/val"), CPU, tmp_path / "best.pt", steps=2, checks=1)
        best(torch.nn.Linear(1, 1), {"step": 1})
        assert best.score == 0.3 and (tmp_path / "best.pt").exists() == (rank == 0)


def test_weights_of_another_step_than_the_best_do_not_come_back(tmp_path):
    system, dataset = torch.nn.Linear(1, 1), SimpleNamespace(name="set/val")
    torch.save({"step": 2, "model": torch.nn.Linear(1, 1).state_dict()}, tmp_path / "best.pt")
    before = system.weight.item()
    best = watching.Best(dataset, CPU, tmp_path / "best.pt", steps=8, checks=4)
    best(system, {"step": 3, "AP": 0.3})  # of a resumed run, whose file is lost
    assert best.step == 4 and best.restore(system, 8) == "" and system.weight.item() == before


def test_one_score_stands_for_all():
    assert watching.headline({"AP50": 0.5, "AP": 0.3}) == ("AP", 0.3)
    assert watching.headline({"AR10": 0.1, "AR100": 0.2, "ARs": 0.4, "seconds": 9.0}) == ("AR100", 0.2)


def test_a_run_ends_early_and_leaves_weights_and_curves(data, monkeypatch, capsys):
    scripted(monkeypatch, [0.2, 0.1, 0.1])
    assert train("--checks", "3", "--patience", "1") == 0
    said = capsys.readouterr().out
    assert "kept the weights of step 2" in said and "4 steps, " in said and " s by the clock" in said
    assert sorted(path.name for path in (data.parent / "out").iterdir()) == ["retinanet.png", "retinanet.safetensors"]
    assert main(["train", "rcnn", "--budget", "smoke", "--data", "set", "--split", "train",
                 "--test", "val", "--checks", "2"]) == 2
    assert "trained in stages" in capsys.readouterr().err


@pytest.mark.parametrize(("system", "changes", "scored"), [
    ("retinanet", [], True), ("faster_rcnn", [], True), ("fast_rcnn", [], True), ("rcnn", [], False),
    ("faster_rcnn", ["training=alternating"], False), ("fast_rcnn", ["after.svm=True"], False)])
def test_what_is_trained_at_once_is_scored_on_its_way(data, tmp_path, system, changes, scored):
    args = SimpleNamespace(system=system, tensorboard=False, checks=None, patience=None, set=changes)
    recipe, some = replace(budget("smoke").recipe(system), data=str(data), steps=500), load(data, "val")
    assert (run_options.watched(args, recipe, some, CPU, tmp_path).best is not None) == scored


def test_a_resumed_run_says_so_and_one_of_another_recipe_does_not(data, monkeypatch, capsys):
    def interrupt(system, record):
        if record["step"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_options, "watched", lambda *_: run_options.Watched(None, (interrupt,)))
        assert train() == 130
    assert "goes on" not in capsys.readouterr().out
    kept = (data.parent / "out/retinanet.checkpoint").read_bytes()
    assert train("--lr", "0.001") == 2                                   # refused, and nothing said before
    out, err = capsys.readouterr()
    assert "goes on" not in out and "checkpoint of another run: its recipe is lr = " in err
    assert train() == 0
    assert "goes on from out/retinanet.checkpoint: 4 of 6 steps are done" in capsys.readouterr().out
    (data.parent / "out/retinanet.checkpoint").write_bytes(kept[:-100])
    assert train() == 2
    out, err = capsys.readouterr()
    assert "goes on" not in out and "not a readable checkpoint" in err


def test_curves_show_what_there_is(tmp_path):
    history = [{"step": k, "loss": 1 / (k + 1)} for k in range(30)]
    small = curves.plot(history, tmp_path / "a.png").stat().st_size
    history[9]["AP"] = 0.25
    assert curves.plot(history, tmp_path / "b.png").stat().st_size > small
    assert curves.plot(history[:1], tmp_path / "c.png").exists()


def test_curves_count_steps_from_one(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(curves.Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    history = [{"step": k, "loss": float(k)} for k in range(40)]
    history[9]["AP"] = 0.25
    curves.plot(history, tmp_path / "a.png")
    losses, scores = figures[0].axes
    (each, mean), (score,) = losses.lines, scores.lines
    assert each.get_xdata().tolist() == list(range(1, 41)) and mean.get_xdata().tolist() == list(range(2, 41))
    assert mean.get_ydata().tolist() == [k + 0.5 for k in range(39)]
    assert (list(score.get_xdata()), list(score.get_ydata())) == ([10], [25.0])


def test_tensorboard_is_written_or_asked_for(data, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert train("--tensorboard") == 2
    assert "TensorBoard is not installed" in capsys.readouterr().err
    written = []
    fake = SimpleNamespace(SummaryWriter=lambda folder: SimpleNamespace(
        add_scalar=lambda *record: written.append(record), close=lambda: written.append("closed")))
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", fake)
    assert train("--tensorboard") == 0
    assert written[-1] == "closed" and {"loss", "cls", "box", "lr"} <= {record[0] for record in written[:-1]}
    assert [record[2] for record in written[:-1] if record[0] == "loss"] == list(range(1, 7))


def test_a_stage_that_has_a_name_is_no_number_for_tensorboard(tmp_path, monkeypatch):
    written = []
    fake = SimpleNamespace(SummaryWriter=lambda folder: SimpleNamespace(
        add_scalar=lambda name, value, step: written.append((name, float(value), step))))
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", fake)
    from paperlib.watching.board import Board
    Board(tmp_path)(None, {"step": 3, "lr": 0.0, "stage": "svm", "loss": 0.5, "seconds": 9.0})
    Board(tmp_path)(None, {"step": 4, "stage": 2, "loss": 0.25})
    assert written == [("lr", 0.0, 4), ("loss", 0.5, 4), ("stage", 2.0, 5), ("loss", 0.25, 5)]


def test_presets_of_a_resnet18(data):
    for name in ("retinanet", "faster_rcnn", "rpn", "fast_rcnn"):
        cfg = override(starts.PRESETS[name]["resnet18"](), {"num_classes": 2})
        assert SYSTEMS[name](cfg).trunk.channels == {2: 64, 3: 128, 4: 256, 5: 512}
