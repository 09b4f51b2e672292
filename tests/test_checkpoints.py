"""Checkpoints: what was done is kept when a run is interrupted, and a file that is broken or foreign is one line."""
import os
import pickle
import signal
import threading
from dataclasses import replace

import pytest
import torch
from test_fit import CPU, RECIPE, Drawn, system
from test_weights import Bomb

from paperlib.training import checkpoints, loop, trainer
from paperlib.training.checkpoints import uninterrupted
from paperlib.training.recipes import budget

LONG = replace(RECIPE, steps=8)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def whole():
    straight = system()
    return straight, list(loop.fit(straight, Drawn(), LONG, CPU))


def pressed(monkeypatch, at, times=1):
    """Ctrl-C in the middle of iteration `at`: batch norm has met the batch, the weights have not learnt from it."""
    clip, count = torch.nn.utils.clip_grad_norm_, iter(range(10**6))

    def interrupted(*arguments):
        if next(count) == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return clip(*arguments)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)


def test_an_interrupt_in_a_step_waits_for_its_end_and_keeps_it(tmp_path, monkeypatch):
    straight, _ = whole()
    path = tmp_path / "run.pt"
    pressed(monkeypatch, at=4)
    with pytest.raises(KeyboardInterrupt):
        list(loop.fit(system(), Drawn(), LONG, CPU, checkpoint=path))
    assert len(torch.load(path, weights_only=True)["history"]) == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    again = system(seed=1)
    assert len(list(loop.fit(again, Drawn(), LONG, CPU, checkpoint=path))) == 8 and same(again, straight)


def test_a_second_interrupt_does_not_wait(tmp_path, monkeypatch):
    pressed(monkeypatch, at=4, times=2)
    with pytest.raises(KeyboardInterrupt):
        list(loop.fit(system(), Drawn(), LONG, CPU, checkpoint=tmp_path / "run.pt", every=3))
    assert len(torch.load(tmp_path / "run.pt", weights_only=True)["history"]) == 3   # no state of half a step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Broken(Drawn):
    """A picture of the sixth batch cannot be read."""

    def __getitem__(self, step):
        if step == 5:
            raise ValueError("5.png: not a readable image")
        return super().__getitem__(step)


@pytest.mark.parametrize("stop", ["closed", "picture", "between"])
def test_a_run_that_is_left_early_goes_on_with_the_same_bits(tmp_path, stop):
    straight, history = whole()
    path = tmp_path / "run.pt"
    run = loop.fit(system(), Broken() if stop == "picture" else Drawn(), LONG, CPU, checkpoint=path)
    if stop == "picture":
        with pytest.raises(ValueError, match=r"5\.png"):
            list(run)
    else:
        seen = [next(run) for _ in range(5)]
        assert len(seen) == 5 and not path.exists()
        if stop == "closed":
            run.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                run.throw(KeyboardInterrupt)
    assert len(torch.load(path, weights_only=True)["history"]) == 5
    again = system(seed=1)
    resumed = list(loop.fit(again, Drawn(), LONG, CPU, checkpoint=path))
    assert [r["loss"] for r in resumed] == [r["loss"] for r in history] and same(again, straight)
    assert os.listdir(tmp_path) == ["run.pt"]


def test_the_last_step_is_written_before_anyone_is_told(tmp_path):
    run, path = loop.fit(system(), Drawn(), LONG, CPU, checkpoint=tmp_path / "run.pt", every=3), tmp_path / "run.pt"
    for _ in range(8):
        next(run)
    kept = len(torch.load(path, weights_only=True)["history"])
    run.close()                                                          # left early, it would write by itself
    assert kept == 8


def test_a_minute_is_long_enough_to_write(tmp_path, monkeypatch):
    path, now = tmp_path / "run.pt", [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    run, kept = loop.fit(system(), Drawn(), LONG, CPU, checkpoint=path), []
    for step in range(7):
        now[0] = 25.0 * (step + 1)
        next(run)
        kept.append(len(torch.load(path, weights_only=True)["history"]) if path.exists() else 0)
    assert kept == [0, 0, 0, 4, 4, 4, 7]                 # the first step starts at 25 s: 75 s later, and again


def test_a_step_that_fails_is_not_kept(tmp_path, monkeypatch):
    iterate = loop._iterate
    monkeypatch.setattr(loop, "_iterate", lambda *a: 1 / 0 if a[-1] == 4 else iterate(*a))
    with pytest.raises(ZeroDivisionError):
        list(loop.fit(system(), Drawn(), LONG, CPU, checkpoint=tmp_path / "run.pt", every=3))
    assert len(torch.load(tmp_path / "run.pt", weights_only=True)["history"]) == 3


def test_what_cannot_be_written_leaves_no_part_behind(tmp_path, monkeypatch):
    def full(state, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        list(loop.fit(system(), Drawn(), LONG, CPU, checkpoint=tmp_path / "run.pt"))
    assert os.listdir(tmp_path) == []


def test_interrupts_are_held_back_in_the_main_thread_alone():
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done = True
    assert done
    before, seen = signal.getsignal(signal.SIGINT), []

    def other():
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    (thread := threading.Thread(target=other)).start()
    thread.join()
    assert seen == [before]
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)     # as under nohup: nothing to hold back
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def state_of(path):
    return torch.load(path, weights_only=True)


def edited(change):
    def edit(path):
        change(state := state_of(path))
        torch.save(state, path)
    return edit


def folder(path):
    path.unlink()
    path.mkdir()


CLS, ADVICE = "head.cls.2.weight", "delete it to start afresh"
BROKEN = {
    "empty": (lambda p: p.write_bytes(b""), "not a readable checkpoint"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-200]), "not a readable checkpoint"),
    "random": (lambda p: p.write_bytes(bytes(range(256)) * 20), "not a readable checkpoint"),
    "a folder": (folder, "not a readable checkpoint"),
    "a pickle": (lambda p: p.write_bytes(pickle.dumps({"a": 1}, 2)), "not a readable checkpoint"),
    "a pickle with code": (lambda p: p.write_bytes(pickle.dumps(Bomb(), 2)), "not a readable checkpoint"),
    "code in a checkpoint": (edited(lambda s: s.update(more=Bomb())), "not a readable checkpoint"),
    "a tensor": (lambda p: torch.save(torch.zeros(3), p), "not a readable checkpoint"),
    "no history": (edited(lambda s: s.pop("history")), "not a readable checkpoint"),
    "no optimiser": (edited(lambda s: s.pop("optimiser")), "not a readable checkpoint"),
    "another history": (edited(lambda s: s["history"].pop(0)), "not a readable checkpoint"),
    "records of nothing": (edited(lambda s: s.update(history=[{"step": 0}])), "not a readable checkpoint"),
    "tensors in the identity": (edited(lambda s: s["identity"].update(seed=torch.zeros(2))), "not a readable checkp"),
    "no identity": (edited(lambda s: s.update(identity=[])), "not a readable checkpoint"),
    "missing": (edited(lambda s: s["model"].pop(CLS)), f"it lacks '{CLS}'"),
    "shape": (edited(lambda s: s["model"].update({CLS: torch.zeros(3)})), f"{CLS} is torch.float32 (3,), expected"),
    "nan": (edited(lambda s: s["model"][CLS].fill_(float("nan"))), f"numbers of {CLS} are NaN or infinite"),
    "no model": (edited(lambda s: s.update(model=3)), "holds no named tensors"),
    "no optimiser's state": (edited(lambda s: s.update(optimiser={})), "the optimiser's state does not fit"),
    "shapes of another optimiser": (
        edited(lambda s: s["optimiser"]["state"][0].update(momentum_buffer=torch.zeros(3, 3))), "state does not fit"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_checkpoint_that_is_broken_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    change, words = BROKEN[name]
    list(loop.fit(system(), Drawn(), RECIPE, CPU, checkpoint=tmp_path / "run.pt"))
    change(tmp_path / "run.pt")
    with pytest.raises(ValueError) as error:
        next(loop.fit(system(), Drawn(), RECIPE, CPU, checkpoint=tmp_path / "run.pt"))
    told = str(error.value)
    assert "\n" not in told and told.startswith(f"{tmp_path / 'run.pt'}: ") and words in told and ADVICE in told, told
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_of_another_system_or_class_count_is_named(tmp_path):
    path = tmp_path / "run.pt"
    list(loop.fit(system(), Drawn(), RECIPE, CPU, checkpoint=path))
    state = state_of(path)
    state["identity"]["system"] = "RPN"
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"of another run: its system is 'RPN', expected 'RetinaNet'; delete it"):
        next(loop.fit(system(), Drawn(), RECIPE, CPU, checkpoint=path))
    state["identity"].update(system="RetinaNet", config=state["identity"]["config"] | {"num_classes": 7})
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"its config is num_classes = 7, expected 2"):
        next(loop.fit(system(), Drawn(), RECIPE, CPU, checkpoint=path))


@pytest.mark.parametrize(("at", "file"), [(2, "stages/*.pt"), (5, "stages/*.pt"), (8, "run.3.pt"), (10, "run.4.pt")])
def test_every_stage_goes_on_too(scenes, tmp_path, at, file):
    recipe = replace(budget("smoke").recipe("faster_rcnn"), data=str(scenes), train=None, steps=4, batch=2,
                     train_images=None)

    def trained(folder, **more):
        file = folder and folder / "run.pt"
        return trainer.train("faster_rcnn", recipe, 1, {"training": "alternating"}, CPU, file, **more)

    def stop(_, record):
        if record["step"] == at:
            raise KeyboardInterrupt

    straight, history = trained(None)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "kept", watch=stop)
    newest = max((tmp_path / "kept").glob(file), key=os.path.getmtime)
    assert len(state_of(newest)["history"]) == 1 + at - {2: 0, 5: 4, 8: 8, 10: 10}[at]
    again, resumed = trained(tmp_path / "kept")
    assert [h["loss"] for h in resumed] == [h["loss"] for h in history] and same(again, straight)


def test_the_box_layers_own_training_goes_on_too(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = replace(budget("smoke").recipe("fast_rcnn"), data=str(scenes), train=None, steps=4, train_images=None)
    changes = {"box_weight": 0.0, "after.stage_wise": True}
    straight, _ = trainer.train("fast_rcnn", recipe, 0, changes, CPU)

    def bar(run, total, desc):
        for n, record in enumerate(run):
            if "once more" in desc and n == 2:
                raise KeyboardInterrupt
            yield record

    with pytest.raises(KeyboardInterrupt):
        trainer.train("fast_rcnn", recipe, 0, changes, CPU, tmp_path / "run.pt", bar=bar)
    assert len(state_of(tmp_path / "run.after.pt")["history"]) == 3
    again, history = trainer.train("fast_rcnn", recipe, 0, changes, CPU, tmp_path / "run.pt")
    assert len(history) == 8 and same(again, straight)


@pytest.mark.parametrize("changes", [
    {}, {"training": "alternating"}, {"training": "alternating", "alternations": 2}, {"training": "separate"},
    {"training": "separate", "train_on": "given", "test_on": "given", "proposals.kind": "dense"}])
def test_the_bar_ends_at_its_end(scenes, changes):
    recipe = replace(budget("smoke").recipe("faster_rcnn"), data=str(scenes), train=None, steps=3, batch=2,
                     train_images=None)
    seen = {}

    def bar(run, total, desc):
        seen["total"], seen["steps"] = total, 0
        for record in run:
            seen["steps"] += 1
            yield record

    trainer.train("faster_rcnn", recipe, 0, changes, CPU, bar=bar)
    assert seen["steps"] == seen["total"] > 0
