"""Weights that are broken, of something else or not finite: one line that says so, never a traceback or a score."""
import json
import pickle
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from test_trained import drawn

from paperlib.__main__ import main
from paperlib.config import override
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.systems.fast_rcnn import FastRCNN
from paperlib.systems.presets.fast_rcnn import small
from paperlib.systems.registry import SYSTEMS
from paperlib.training.recipes import Recipe, system_config
from paperlib.training.trained import Trained
from paperlib.training.weights import load_weights, read_header, save_weights


class Bomb:
    """Pickled code that would leave a file behind."""

    def __reduce__(self):
        return exec, ("open('exploded', 'w').close()",)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Sound weights of a small system, and a set that they can be scored on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drawn(tmp_path / "set", "val", ["red", "green"])
    torch.manual_seed(0)
    system = SYSTEMS["retinanet"](system_config("retinanet", Recipe(), 2))
    system.trained = Trained(("red", "green"), (32,), "set", "train", ("set", "val", None))
    return save_weights(tmp_path / "w.safetensors", "retinanet", system, accuracy="0.5")


def changed(path, header=None, tensors=None):
    """The same file with entries of its header and its tensors replaced; None takes one away."""
    head, held = read_header(path) | (header or {}), safetensors.torch.load_file(path) | (tensors or {})
    keep = [{k: v for k, v in part.items() if v is not None} for part in (held, head)]
    safetensors.torch.save_file(keep[0], path, keep[1])


def config(path, **changes):
    return {"config": json.dumps(json.loads(read_header(path)["config"]) | changes)}


CLS = "head.cls.2.weight"
HEADERS = {
    "not JSON": (lambda p: {"config": "{"}, "its header describes no retinanet"),
    "a list": (lambda p: {"config": "[1]"}, "its header describes no retinanet"),
    "no config": (lambda p: {"config": None}, "no paperlib header"),
    "no system": (lambda p: {"system": None}, "no paperlib header"),
    "unknown key": (lambda p: config(p, gama=2.0), "has no field 'gama'"),
    "wrong type": (lambda p: config(p, num_classes="two"), "expected int"),
    "no classes": (lambda p: config(p, num_classes=-3), "its header describes no retinanet"),
    "unknown trunk": (lambda p: config(p, trunk={"name": "huge"}), "its header describes no retinanet"),
    "deep": (lambda p: {"config": "[" * 100_000}, "its header describes no retinanet"),
    "other count": (lambda p: config(p, num_classes=5) | {"classes": "[]"}, "expected torch.float32"),
    "other names": (lambda p: {"classes": '["red"]'}, "its header's 'classes' is '[\"red\"]', expected 2 names"),
    "bad size": (lambda p: {"size": "[1, 2, 3]"}, "its header's 'size' is '[1, 2, 3]'"),
    "another system": (lambda p: {"system": "faster_rcnn"}, "holds weights of 'faster_rcnn', expected 'retinanet'"),
    "no system of ours": (lambda p: {"system": "yolo"}, "holds weights of 'yolo', expected 'retinanet'"),
}
TENSORS = {
    "missing": ({CLS: None}, f"it lacks '{CLS}'"),
    "extra": ({"spare": torch.zeros(2)}, "it has besides 'spare'"),
    "shape": ({CLS: torch.zeros(3, 3)}, f"{CLS} is torch.float32 (3, 3), expected torch.float32"),
    "kind": ({"positives": torch.zeros(2, dtype=torch.int64)}, "positives is torch.int64 (2,), expected"),
    "nan": ({"positives": torch.tensor([1.0, float("nan")])}, "1 of the 2 numbers of positives are NaN or infinite"),
    "infinite": ({"positives": torch.full((2,), float("inf"))}, "2 of the 2 numbers of positives"),
}
FILES = {
    "empty": lambda p: p.write_bytes(b""),
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "cut in the header": lambda p: p.write_bytes(p.read_bytes()[:50]),
    "random": lambda p: p.write_bytes(torch.randint(0, 256, (5000,), dtype=torch.uint8).numpy().tobytes()),
    "huge header": lambda p: p.write_bytes(struct.pack("<Q", 2**60) + b"{}"),
    "a pickle": lambda p: p.write_bytes(pickle.dumps({"a": 1})),
    "a pickle with code": lambda p: p.write_bytes(pickle.dumps(Bomb())),
    "a checkpoint": lambda p: torch.save({"model": {}}, p),
}


def refused(stored, capsys, words):
    """`eval` and `load_weights` say one line that names the file."""
    with pytest.raises(ValueError) as error:
        load_weights(stored, "retinanet")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert main(["eval", "retinanet", "--weights", str(stored), "--data", "set"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith(f"paperlib: {stored}: ") and words in err, err


def test_sound_weights_are_not_refused(stored):
    changed(stored)
    assert load_weights(stored).trained.classes == ("red", "green") and read_header(stored)["accuracy"] == "0.5"
    changed(stored, {"classes": None, "size": None, "train": None, "test": None, "data": None})
    assert load_weights(stored, "retinanet").trained == Trained()         # as earlier versions wrote them


def test_weights_come_back_to_the_last_bit_and_ready_to_detect(tmp_path):
    changes = {"trunk.weights": "mininet", "after.svm": True, "after.svd": (8, 4)}
    cfg = override(small(3), changes)
    torch.manual_seed(0)
    system = FastRCNN(override(cfg, {"trunk.weights": None}))
    system.svm = torch.nn.Linear(system.head.cls.in_features, 3)
    system.compress(cfg.after.svd)
    system.cfg = cfg
    for half in (False, True):
        held = load_weights(save_weights(tmp_path / "w.safetensors", "fast_rcnn", system, half=half))
        assert held.cfg == cfg and not held.training and held.svm is not None
        for (name, want), (other, got) in zip(system.state_dict().items(), held.state_dict().items(), strict=True):
            want = want.half().float() if half and want.is_floating_point() else want
            assert name == other and got.dtype == want.dtype and torch.equal(got, want)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_trunks_are_not_fetched_for_weights_that_replace_them(stored):
    changed(stored, config(stored, trunk=json.loads(read_header(stored)["config"])["trunk"] | {"weights": "gone.pth"}))
    assert load_weights(stored).cfg.trunk.weights == "gone.pth"          # as it was trained


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_weights(stored, capsys, name):
    FILES[name](stored)
    refused(stored, capsys, "not a safetensors file")
    assert not (stored.parent / "exploded").exists()


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_does_not_fit(stored, capsys, name):
    change, words = HEADERS[name]
    changed(stored, change(stored))
    refused(stored, capsys, words)


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit(stored, capsys, name):
    change, words = TENSORS[name]
    changed(stored, tensors=change)
    refused(stored, capsys, words)


def test_foreign_safetensors_and_folders(stored, capsys):
    safetensors.torch.save_file({"a": torch.zeros(1)}, stored)
    refused(stored, capsys, "no paperlib header")
    stored.unlink()
    stored.mkdir()
    assert main(["eval", "retinanet", "--weights", str(stored), "--data", "set"]) == 2
    assert capsys.readouterr().err == f"paperlib: no weights at {stored}\n"


def test_weights_that_are_not_finite_are_not_written_either(stored):
    before = stored.read_bytes()
    system = load_weights(stored)
    system.head.cls[2].weight.data[0] = float("nan")
    with pytest.raises(ValueError, match=r"not written: \d+ of the \d+ numbers of head.cls.2.weight are"):
        save_weights(stored, "retinanet", system)
    system.head.cls[2].weight.data[0] = 1e6                              # more than 16 bits can hold
    with pytest.raises(ValueError, match="not written"):
        save_weights(stored, "retinanet", system, half=True)
    assert stored.read_bytes() == before and [f.name for f in stored.parent.glob("w*")] == ["w.safetensors"]


@pytest.mark.parametrize(("suffix", "make", "words"), [
    (".safetensors", lambda p: p.write_bytes(b"123"), "not a readable file of weights"),
    (".pt", lambda p: p.write_bytes(b"123"), "not a readable file of weights"),
    (".pt", lambda p: p.write_bytes(pickle.dumps(Bomb(), 2)), "not a readable file of weights"),
    (".pt", lambda p: torch.save([1, 2], p), "holds no named tensors"),
    (".pt", lambda p: torch.save({"a": "b"}, p), "holds no named tensors"),
    (".pt", lambda p: torch.save(trunk(TrunkConfig("tiny")).state_dict() | {"spare": torch.zeros(1)}, p), "'spare'"),
    (".pt", lambda p: torch.save({k: v * float("nan") if v.is_floating_point() else v for k, v in
                                  trunk(TrunkConfig("tiny")).state_dict().items()}, p), "are NaN or infinite")])
def test_a_trunks_weights_that_are_broken(tmp_path, monkeypatch, suffix, make, words):
    monkeypatch.chdir(tmp_path)
    make(path := tmp_path / f"trunk{suffix}")
    with pytest.raises(ValueError) as error:
        trunk(TrunkConfig("tiny", weights=str(path)))
    assert str(path) in str(error.value) and words in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()


def test_weights_that_cannot_be_written_leave_no_part_behind_and_the_old_file_as_it_was(stored, monkeypatch):
    system, before = load_weights(stored), stored.read_bytes()

    def full(path, data):
        with open(path, "wb") as file:
            file.write(data[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(stored, "retinanet", system)
    assert stored.read_bytes() == before and not list(stored.parent.glob("*.part"))
