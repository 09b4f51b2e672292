"""Training by the command line: what an interrupt or a bad picture leaves, where it writes, what it clears away."""
import json
import os
import shutil
import signal

import pytest
import torch

from paperlib.__main__ import main
from paperlib.commands import run_files, training
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.scoring import coco_metrics
from paperlib.tables import runner
from paperlib.training import alternating, loop, pretrain, trainer
from paperlib.training.weights import load_weights, save_weights

ALTERNATING = ("--set", "training=alternating")


def train(*more, system="retinanet", steps=6):
    return main(["train", system, "--budget", "smoke", "--steps", str(steps), "--batch", "2", "--data", "set",
                 "--out", "out", *more])


def listed(folder="out"):
    return sorted(os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder)
                  for name in names)


def pressed(monkeypatch, at):
    """Ctrl-C in the middle of the iteration number `at`."""
    clip, count = torch.nn.utils.clip_grad_norm_, iter(range(10**6))

    def interrupted(*arguments):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return clip(*arguments)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", interrupted)


def last_line(capsys):
    return capsys.readouterr().out.splitlines()[-1]


def test_an_interrupt_says_what_is_kept_and_the_same_command_goes_on(data, monkeypatch, capsys):
    assert train("--json") == 0
    straight = last_line(capsys)
    (first := data.parent / "out/retinanet.safetensors").rename("straight.safetensors")
    pressed(monkeypatch, at=2)
    assert train("--json") == 130
    assert capsys.readouterr().err.endswith("\ninterrupted; what was done is in out/retinanet.checkpoint; "
                                            "run the same command to go on\n")
    assert len(torch.load("out/retinanet.checkpoint", weights_only=True)["history"]) == 3
    monkeypatch.undo()
    monkeypatch.chdir(data.parent)
    assert listed() == ["retinanet.checkpoint", "retinanet.png"]
    assert train("--json") == 0 and last_line(capsys) == straight
    assert listed() == ["retinanet.png", "retinanet.safetensors"]
    pair = [load_weights(path).state_dict().values() for path in (first, "straight.safetensors")]
    assert all(torch.equal(a, b) for a, b in zip(*pair))


def test_an_interrupt_before_the_first_step_claims_nothing(data, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "prepare", stopped)
        assert train() == 130 and capsys.readouterr().err == "interrupted; nothing new was kept\n"
        patch.setattr(training, "_recipe", stopped)
        assert train() == 130 and capsys.readouterr().err == "interrupted\n"
    with monkeypatch.context() as patch:
        pressed(patch, at=1)
        assert train() == 130
    capsys.readouterr()
    os.utime("out/retinanet.checkpoint", (1e9, 1e9))                     # of a run long ago
    with monkeypatch.context() as patch:
        patch.setattr(training, "_loss_bar", lambda run, **_: stopped(next(run)))
        assert train() == 130 and capsys.readouterr().err == "interrupted; nothing new was kept\n"


@pytest.mark.parametrize(("at", "file"), [(1, "stages"), (8, "faster_rcnn.3.pt")])
def test_an_interrupt_between_stages(data, monkeypatch, capsys, at, file):
    with monkeypatch.context() as patch:
        pressed(patch, at)
        assert train(*ALTERNATING, system="faster_rcnn", steps=4) == 130
    said = capsys.readouterr().err
    assert said.startswith(f"interrupted; what was done is in out/{file}") and "; run the same command to go on" in said
    kept = said.split(" is in ")[1].split(";")[0]
    assert len(torch.load(kept, weights_only=True)["history"]) == (2 if at == 1 else 1)


def test_interrupts_of_other_commands_say_what_they_keep(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", stopped)
    assert main(["table", "focal_loss/1b", "--budget", "smoke"]) == 130
    assert capsys.readouterr().err == ("interrupted; the runs that were done are recorded; "
                                       "run the same command to go on\n")
    monkeypatch.setattr("paperlib.data.set_checks.check", stopped)
    assert main(["data", "check", "x"]) == 130 and capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("more", [(), ("--size", "96")])
def test_a_bad_picture_of_the_test_split_never_costs_the_weights(data, monkeypatch, capsys, more):
    (data / "val/2.png").write_bytes(b"no picture")
    assert train(*more) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "set/val/2.png" in said and said.endswith(
        "; the trained weights are in out/retinanet.safetensors, for `paperlib eval`\n")
    assert load_weights("out/retinanet.safetensors").trained.classes == ("red", "green")
    shutil.copy(data / "val/1.png", data / "val/2.png")
    monkeypatch.setattr(loop, "_iterate", lambda *_: pytest.fail("trained again"))
    assert train(*more) == 0
    assert listed() == ["retinanet.png", "retinanet.safetensors"]


def test_an_interrupt_of_the_scoring_keeps_the_weights(data, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(coco_metrics, "detect_all", stopped)
    assert train() == 130
    assert capsys.readouterr().err == ("interrupted; the trained weights are in out/retinanet.safetensors, for "
                                       "`paperlib eval`\n")
    assert load_weights("out/retinanet.safetensors")


@pytest.mark.parametrize("place", ["training.weights.save_weights", "watching.curves.plot"])
def test_an_interrupt_after_the_last_step_says_what_is_kept(data, monkeypatch, capsys, place):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"paperlib.{place}", stopped)
    assert train() == 130
    assert "interrupted; what was done is in out/retinanet.checkpoint; run the same" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.chdir(data.parent)
    assert train() == 0 and "retinanet.checkpoint" not in listed()


def test_a_bad_training_picture_keeps_the_steps_before_it(data, capsys):
    bad = Batches(load("set", "train"), 2).indices(1)[0] + 1             # of the second batch
    (data / f"train/{bad}.png").write_bytes(b"no picture")
    assert train("--size", "96") == 2                                    # pictures of another size are read when needed
    assert f"train/{bad}.png" in capsys.readouterr().err
    assert len(torch.load("out/retinanet.checkpoint", weights_only=True)["history"]) == 1


@pytest.mark.parametrize(("make", "out", "words"), [
    (lambda p: p.write_text("x"), "there", "cannot write in there: "),
    (lambda p: p.write_text("x"), "there/in", "cannot write in there/in: "),
    (lambda p: (p / "retinanet.safetensors").mkdir(parents=True), "there", "there is a folder of this name")])
def test_out_is_tried_before_any_work(data, monkeypatch, capsys, make, out, words):
    monkeypatch.setattr(training, "_recipe", lambda *_: pytest.fail("work has begun"))
    make(data.parent / "there")
    assert train("--out", out) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("paperlib: ") and words in said


def test_a_folder_that_may_not_be_written_in(data, monkeypatch, capsys):
    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_files.tempfile, "TemporaryFile", refused)
    assert train() == 2
    assert capsys.readouterr().err == "paperlib: cannot write in out: Permission denied; expected a folder\n"
    monkeypatch.setenv("PAPERLIB_WEIGHTS", "weights")
    monkeypatch.setattr(pretrain, "pretrain", lambda *_, **__: pytest.fail("work has begun"))
    assert main(["pretrain", "tiny", "--budget", "smoke"]) == 2
    assert "cannot write in weights: Permission denied" in capsys.readouterr().err


def test_training_in_stages_leaves_the_weights_alone(data):
    """Also what a killed run, or one of an earlier version, left is cleared away; what is not ours stays."""
    os.makedirs("out/stages")
    for name in ("stages/abc.pt", "stages/abc.lock", "stages/def.pt.part", "faster_rcnn.11.pt", "faster_rcnn.4.pt.part",
                 "faster_rcnn.mine.pt", "retinanet.checkpoint"):
        with open(f"out/{name}", "w"):
            pass
    assert train(*ALTERNATING, "--set", "alternations=4", system="faster_rcnn", steps=2) == 0
    assert listed() == ["faster_rcnn.mine.pt", "faster_rcnn.png", "faster_rcnn.safetensors", "retinanet.checkpoint"]
    assert not os.path.exists("out/stages")


def test_a_stage_that_another_run_holds_is_left_to_it(tmp_path):
    (folder := tmp_path / "stages").mkdir()
    for name in ("held.pt", "free.pt"):
        (folder / name).touch()
    with alternating.FileLock(folder / "held.lock"):
        alternating.clear(tmp_path / "run.pt")
        assert sorted(os.listdir(folder)) == ["held.lock", "held.pt"]
    alternating.clear(tmp_path / "run.pt")
    assert not folder.exists()
    alternating.clear(tmp_path / "run.pt")                                    # nothing there is nothing to do


def test_a_validation_split_has_more_than_one_name(data, capsys):
    (data / "annotations/instances_val.json").rename(data / "annotations/instances_valid.json")
    (data / "val").rename(data / "valid")
    assert train("--json") == 0
    assert load_weights("out/retinanet.safetensors").trained.test == ("set", "valid", 16)
    assert json.loads(last_line(capsys))
    assert train("--test", "val") == 2                                   # what is asked for is never replaced
    assert "no split 'val'" in capsys.readouterr().err


def test_half_weights_are_scored_as_they_are_stored(data, capsys):
    assert train("--half", "--json", steps=20) == 0
    printed = last_line(capsys)
    assert main(["eval", "retinanet", "--weights", "out/retinanet.safetensors", "--json"]) == 0
    assert last_line(capsys) == printed


def test_weights_that_do_not_say_where_they_were_scored(data, capsys):
    assert train() == 0
    capsys.readouterr()
    system = load_weights("out/retinanet.safetensors")
    del system.trained
    save_weights("plain.safetensors", "retinanet", system)
    assert main(["eval", "retinanet", "--weights", "plain.safetensors"]) == 2
    assert "does not say what it was scored on; name a set with --data" in capsys.readouterr().err


def test_a_set_without_splits_says_that_it_is_scored_on_what_it_learns(data, capsys):
    assert main(["data", "convert", "set", "--to", "voc", "--out", "lists"]) == 0
    assert train("--data", "lists", steps=2) == 0                        # the last --data counts
    assert "scored are trained on" not in capsys.readouterr().err
    shutil.rmtree("lists/ImageSets")
    assert train("--data", "lists", steps=2) == 0
    assert "lists: all 8 pictures that are scored are trained on too" in capsys.readouterr().err


@pytest.mark.parametrize("words, says", [
    (["--steps", "0"], "--steps is 0; expected 1 or more"), (["--batch", "-2"], "--batch is -2; expected 1 or more"),
    (["--images", "0"], "--images is 0;"), (["--test-images", "0"], "--test-images is 0;"),
    (["--accumulate", "0"], "--accumulate is 0;"), (["--lr", "-1"], "--lr is -1; expected a number above 0"),
    (["--lr", "nan"], "--lr is nan;"), (["--size", "0"], "--size is 0;"),
    (["--size", "1", "2", "3"], "--size is 1 2 3;"),
    (["--size", "97", "53"], "--size is 97 53; expected the shorter side first"),
    (["--seed", "-1"], "--seed is -1; expected 0 or more"), (["--seed", "9" * 20], f"--seed is {'9' * 20}; expected"),
    (["--device", "meta"], "device 'meta' is not usable here"),
    (["--set", "num_classes=10"], "--set num_classes=10: the number of classes follows from the data")])
def test_numbers_that_no_run_can_have_are_refused_before_any_work(words, says, capsys):
    assert main(["train", "retinanet", "--data", "no such folder", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("change, says", [
    ("anchors.scales=[]", "anchors.scales is []; expected one number or more"),
    ("anchors.ratios=[0]", "anchors.ratios is [0.0]; expected one number or more, each above 0"),
    ("anchors.size_per_stride=-1", "anchors.size_per_stride is [-1.0];"),
    ("anchors.levels=[]", "anchors.levels is [];")])
def test_anchors_that_are_no_boxes_are_refused_before_any_work(data, change, says, capsys):
    assert train("--set", change) == 2
    assert says in capsys.readouterr().err and listed() == []
    assert main(["doctor", "set", "--split", "train", "--steps", "0", "--set", change]) == 2
    assert says in capsys.readouterr().err


def test_a_misspelt_system_is_told_only_those_that_can_be_trained(data, capsys):
    for name in ("retinanett", "classifier", "faster_rcnn_voc"):
        assert train(system=name) == 2
        said = capsys.readouterr().err
        assert f"no recipe for {name!r}; it has deepmask, fast_rcnn, faster_rcnn, fpn_masks, rcnn, " in said


def test_with_json_words_go_to_stderr(data, capsys):
    path = data / "annotations" / "instances_train.json"
    records = json.loads(path.read_text())
    records["annotations"][0]["bbox"][2] = 0
    path.write_text(json.dumps(records))
    assert train("--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out).keys() >= {"AP"} and "dropped" in err and "core-seconds" in err
    assert main(["eval", "retinanet", "--weights", "out/retinanet.safetensors", "--data", "set", "--split", "train",
                 "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out).keys() >= {"AP"} and "dropped" in err


def test_the_doctor_examines_as_many_images_as_asked(data, capsys):
    assert main(["doctor", "set", "--split", "train", "--images", "2", "--steps", "0"]) in (0, 1)
    assert ": 2 images, " in capsys.readouterr().out
