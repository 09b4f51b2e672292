"""A folder of results belongs to one run: nobody else's state is gone on from, no finished weights are lost."""
import json

import pytest
from filelock import FileLock
from test_start import train as command

from paperlib.commands import run_options, training
from paperlib.training import pretrain
from paperlib.training.weights import read_header


def interrupted(monkeypatch, *more):
    """A run that Ctrl-C ends after four of its steps."""
    def interrupt(system, record):
        if record["step"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_options, "watched", lambda *_: run_options.Watched(None, (interrupt,)))
        assert command(*more) == 130


def test_a_run_does_not_go_on_with_other_data(data, monkeypatch, capsys):
    interrupted(monkeypatch)
    for file in data.glob("*/*.json"):
        content = json.loads(file.read_text())
        content["categories"].reverse()
        for category, name in zip(content["categories"], ("a", "b")):
            category["name"] = name
        file.write_text(json.dumps(content))
    capsys.readouterr()
    assert command() == 2
    assert "checkpoint of another run: its data is" in capsys.readouterr().err


def test_a_run_does_not_go_on_from_another_start(data, monkeypatch, capsys):
    interrupted(monkeypatch, "--start", "random")
    capsys.readouterr()
    assert command() == 2
    assert "checkpoint of another run: its " in capsys.readouterr().err
    assert command("--start", "random") == 0


def test_finished_weights_are_put_aside(data, capsys):
    out = data.parent / "out"
    for number in range(3):
        assert command("--seed", str(number)) == 0
    assert "the weights of a former run are now in out/retinanet.2.safetensors" in capsys.readouterr().out
    names = ("retinanet.1.safetensors", "retinanet.2.safetensors", "retinanet.safetensors")
    assert [read_header(out / name)["seed"] for name in names] == ["0", "1", "2"]


def test_one_run_at_a_time_writes_in_a_folder(data, capsys):
    (data.parent / "out").mkdir()
    with FileLock(data.parent / "out" / "retinanet.lock"):
        assert command() == 2
    assert "out: another run writes here; wait for its end, or choose another --out" in capsys.readouterr().err
    assert command() == 0 and not (data.parent / "out" / "retinanet.lock").exists()


@pytest.mark.parametrize("test, names, found", [
    ("test", ["train", "val"], "val"), ("val", ["train", "valid"], "valid"), ("val", ["train", "val"], None),
    ("test", ["train", "test", "val"], None), ("test", ["train"], None)])
def test_a_set_without_the_recipes_test_split_is_tested_on_its_validation_split(test, names, found):
    assert training._validation(test, names) == found


def test_the_courses_trunks_give_way_to_better_ones_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "weights_folder", lambda: tmp_path)
    monkeypatch.setattr(pretrain, "read_header", lambda path: {"accuracy": "0.9"})
    assert pretrain._folder_for("tiny", 0.1) == tmp_path
    (tmp_path / "tiny.safetensors").touch()
    assert pretrain._folder_for("tiny", 0.1) == pretrain.RUNS and pretrain._folder_for("tiny", 0.95) == tmp_path
    with pytest.raises(ValueError, match="learning rate 0; expected a number above 0"):
        pretrain.pretrain("tiny", "smoke", lr=0)
    with pytest.raises(ValueError, match="trunk 'nope': expected one of"):
        pretrain.pretrain("nope", "smoke")
