"""What weights keep of their training: sizes, so that `eval` finds what `train` printed; classes, joined by name."""
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.__main__ import main
from paperlib.data.named_sets import load
from paperlib.paths import weights_folder
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.detect import detect_all
from paperlib.systems.contract import DetectionSystem
from paperlib.systems.presets.retinanet import tiny
from paperlib.training import loop, trained, trainer
from paperlib.training.recipes import budget
from paperlib.training.trained import Trained, category_ids, compare, from_header, nothing_in, to_header
from paperlib.training.weights import load_weights, read_header
from paperlib.world import build

CPU = torch.device("cpu")
COLOURS = {"red": (250, 60, 60), "green": (60, 250, 60), "blue": (60, 60, 250)}


def drawn(folder, split, names, sets=("red", "green"), side=64):
    """Four pictures with a rectangle of each colour of `sets`; `names` are the categories in the order of their ids."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / split).mkdir()
    images, found = [], []
    for i in range(1, 5):
        picture = np.full((side, side, 3), 40, np.uint8)
        for k, name in enumerate(sets):
            x, y = 4 + 3 * i, 4 + 28 * k
            picture[y:y + 24, x:x + 26] = COLOURS[name]
            found.append({"id": len(found) + 1, "image_id": i, "category_id": names.index(name) + 1,
                          "bbox": [x, y, 26, 24], "iscrowd": 0})
        Image.fromarray(picture).save(folder / split / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": side, "width": side})
    kinds = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
    record = {"images": images, "annotations": found, "categories": kinds}
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drawn(tmp_path / "set", "train", ["red", "green"])
    return tmp_path / "set"


def train(folder, *more, system="retinanet"):
    return main(["train", system, "--budget", "smoke", "--batch", "4", "--data", str(folder), "--json", *more])


def notes(err):
    """The warnings among the lines of stderr, where --json puts every word on a run."""
    return [line for line in err.splitlines(keepends=True) if line.startswith("note: ")]


def numbers(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


class Knowing(torch.nn.Module, DetectionSystem):
    """Finds every object, and gives it the label that its own list of classes has for its colour."""

    def __init__(self, *classes):
        super().__init__()
        self.cfg, self.trained = tiny(len(classes)), Trained(classes)

    def detect(self, images, sizes, proposals):
        out = []
        for image in images:
            boxes, labels = [], []
            for k, name in enumerate(self.trained.classes, 1):
                there = (image == torch.tensor(COLOURS[name], dtype=torch.uint8)[:, None, None]).all(0)
                if there.any():
                    y, x = there.nonzero().T
                    boxes.append([int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1])
                    labels.append(k)
            out.append({"boxes": torch.tensor(boxes).reshape(-1, 4).float(), "labels": torch.tensor(labels),
                        "scores": torch.ones(len(labels))})
        return out


@pytest.mark.parametrize(("system", "steps", "lr"), [("retinanet", 60, 0.02), ("faster_rcnn", 60, 0.02)])
def test_eval_finds_what_train_printed_at_another_size(folder, capsys, system, steps, lr):
    drawn(folder, "val", ["red", "green"])
    assert train(folder, "--size", "96", "128", "--steps", str(steps), "--lr", str(lr), "--out", "out", "--preset",
                 "tiny", system=system) == 0
    printed = numbers(capsys)
    assert printed["AP50"] > 0.3                                         # else two failures would be equal
    weights = ["eval", system, "--weights", f"out/{system}.safetensors", "--json"]
    assert main([*weights, "--data", str(folder), "--split", "val"]) == 0
    assert numbers(capsys) == printed
    assert main(weights) == 0                                            # the set that they were scored on
    assert numbers(capsys) == printed
    assert main([*weights, "--size", "64"]) == 0
    assert numbers(capsys) != printed
    facts = load_weights(f"out/{system}.safetensors").trained
    assert facts == Trained(("red", "green"), (96, 128), str(folder), "train", (str(folder), "val", 16))
    assert float(read_header(f"out/{system}.safetensors")["AP"]) == pytest.approx(printed["AP"], abs=1e-4)


def test_a_system_detects_at_the_size_that_it_was_trained_at(folder):
    seen = []

    class Watched(Knowing):
        def detect(self, images, sizes, proposals):
            seen.append(sizes[0].tolist())
            return super().detect(images, sizes, proposals)

    system, dataset = Watched("red", "green"), load(folder, "train")
    system.trained = Trained(("red", "green"), (32,))
    detect_all(system, dataset, CPU)
    detect_all(system, dataset, CPU, short=96)
    system.trained = Trained(("red", "green"))
    detect_all(system, dataset, CPU)
    assert seen == [[32, 32], [96, 96], [64, 64]]


def test_labels_become_categories_by_their_names(folder):
    drawn(folder, "val", ["green", "red"])
    for split in ("train", "val"):
        assert evaluate(Knowing("red", "green"), load(folder, split), CPU)["AP"] == pytest.approx(1)
    assert category_ids(Knowing("red", "green"), load(folder, "val")) == [2, 1]
    drawn(folder, "more", ["blue", "green"], ("green", "blue"))
    scores = evaluate(Knowing("green", "red"), load(folder, "more"), CPU)
    assert scores["per_category"] == {"blue": 0, "green": pytest.approx(1)}
    scores = evaluate(Knowing("blue", "green", "red"), load(folder, "val"), CPU)
    assert scores["AP"] == pytest.approx(1)                              # blue things are found, and do not count


def test_training_and_test_set_may_number_classes_differently(folder, capsys):
    drawn(folder, "val", ["green", "red"])
    shutil.copytree(folder / "val", folder / "same")
    text = (folder / "annotations/instances_val.json").read_text()
    data = json.loads(text)
    for record in (*data["annotations"], *data["categories"]):
        key = "category_id" if "bbox" in record else "id"
        record[key] = 3 - record[key]
    (folder / "annotations/instances_same.json").write_text(json.dumps(data))
    found = []
    for split in ("val", "same"):
        assert train(folder, "--steps", "50", "--lr", "0.02", "--test", split, "--out", split) == 0
        out = capsys.readouterr()
        assert notes(out.err) == []
        found.append(json.loads(out.out.splitlines()[-1]))
    assert found[0] == found[1] and found[0]["AP50"] > 0.5


def test_other_classes_are_one_line_before_any_work(folder, capsys, monkeypatch):
    drawn(folder, "val", ["blue"], ("blue",))
    monkeypatch.setattr(loop, "fit", lambda *_: pytest.fail("a step was made"))
    assert train(folder, "--out", "out") == 2
    assert capsys.readouterr().err == ("paperlib: set/train has 2 classes (red, green); set/val has 1 class (blue): "
                                       "expected a class that both have\n")
    monkeypatch.setattr("paperlib.scoring.detect.detect_all", lambda *_: pytest.fail("it detects"))
    stored = str(weights_folder() / "retinanet.safetensors")
    assert main(["eval", "retinanet", "--weights", stored, "--data", str(folder), "--split", "val"]) == 2
    out = capsys.readouterr().err
    assert out.count("\n") == 1 and "the weights know 36 classes (aeroplane, " in out and "1 class (blue)" in out


def test_classes_that_only_one_side_has_are_told_and_the_rest_is_scored(folder, capsys):
    drawn(folder, "val", ["green", "blue"], ("green", "blue"))
    assert train(folder, "--steps", "4", "--out", "out") == 0
    words = ("set/val has 2 classes (green, blue): blue cannot be found, what is found of red does not count\n")
    assert notes(capsys.readouterr().err) == ["note: set/train has 2 classes (red, green); " + words]
    assert main(["eval", "retinanet", "--weights", "out/retinanet.safetensors", "--json"]) == 0
    out = capsys.readouterr()
    assert out.err == "note: the weights know 2 classes (red, green); " + words and json.loads(out.out)["AP"] >= 0


def test_numbers_that_nobody_has_named_must_at_least_be_as_many(folder):
    system, dataset = Knowing(), load(folder, "train")
    system.cfg = tiny(2)
    assert category_ids(system, dataset) == [1, 2]
    system.cfg = tiny(5)
    with pytest.raises(ValueError, match=r"knows 5 classes and does not name them; set/train has 2 classes \(red, gr"):
        category_ids(system, dataset)
    system.cfg = tiny(1)
    with pytest.raises(ValueError, match="knows 1 classes and"):
        category_ids(system, dataset)
    system.scored_by = "recall"                                          # a proposal method knows no classes
    assert category_ids(system, dataset) == [1]


def test_classes_that_have_nothing_in_common_cannot_be_scored(folder):
    system, dataset = Knowing(), load(folder, "train")
    system.trained = Trained(("red", "blue"))
    assert category_ids(system, dataset) == [1, None]
    system.trained = Trained(("blue", "grey"))
    with pytest.raises(ValueError, match="expected a class that both have"):
        category_ids(system, dataset)


def test_classes_of_one_side_alone_are_told_by_themselves(folder):
    dataset = load(folder, "train")
    assert compare(["green", "red"], dataset) == ""
    assert compare(["red"], dataset, "X").endswith("has 2 classes (red, green): green cannot be found")
    assert compare(["red", "green", "grey"], dataset, "X").endswith("green): what is found of grey does not count")


def test_a_proposal_method_is_trained_and_scored_on_whatever_classes(folder, capsys):
    drawn(folder, "val", ["blue"], ("blue",))
    assert train(folder, "--steps", "2", "--out", "out", system="rpn") == 0
    printed = numbers(capsys)
    assert main(["eval", "rpn", "--weights", "out/rpn.safetensors", "--json"]) == 0
    assert numbers(capsys) == printed and float(read_header("out/rpn.safetensors")["AR1000"]) >= 0


def test_what_is_scored_and_trained_on_is_a_share_of_what_is_scored():
    def some(name, *files):
        class Files(list):
            pass
        made = Files(files)
        made.files, made.name = list(files), name
        return made

    learnt = some("set/train", *"abcd")
    said = [trained.scored_on_itself(learnt, some("set/val", *files)) for files in ("ab", "axyz", "xy")]
    assert said[0].startswith("set/val: all 2 pictures that are scored") and said[2] == ""
    assert said[1].startswith("set/val: 1 of the 4 pictures")


def test_an_outline_that_was_dropped_on_load_is_not_one_that_lacks():
    kind, outline = SimpleNamespace(needs_masks=True), [[0, 0, 9, 0, 9, 9]]

    def told(*outlines):
        notes = [{} if one == "none" else {"segmentation": one} for one in outlines]
        return trained.lacks_masks(kind, SimpleNamespace(name="set", every_annotation=lambda: notes))

    assert told(outline, None) == "" and told() == ""
    assert told(outline, None, [], "none").startswith("set: 2 of 4 objects have no segmentation")


def test_a_long_list_of_classes_is_cut(folder):
    names = [f"kind {i}" for i in range(40)]
    with pytest.raises(ValueError, match=r"^X 40 classes \(kind 0, kind 1, .* kind 5 and 34 more\); set/train has 2"):
        compare(names, load(folder, "train"), "X")
    with pytest.raises(ValueError, match=r"^X 7 classes \(kind 0, .* kind 5, kind 6\); "):   # no "and 1 more"
        compare(names[:7], load(folder, "train"), "X")


def test_nothing_to_learn_or_to_score_is_said_before_any_work(folder, capsys, monkeypatch):
    drawn(folder, "val", ["red", "green"], ())
    assert train(folder, "--steps", "2", "--out", "out") == 0
    out = capsys.readouterr()
    assert notes(out.err) == ["note: set/val: nothing to score: no object in 4 images\n"]
    assert main(["eval", "retinanet", "--weights", "out/retinanet.safetensors"]) == 2
    assert capsys.readouterr().err == "paperlib: set/val: nothing to score: no object in 4 images\n"
    assert train(folder, "--split", "val", "--test", "train") == 2
    assert capsys.readouterr().err == "paperlib: set/val: nothing to learn: no object in 4 images\n"
    file = folder / "annotations/instances_train.json"
    file.write_text(file.read_text().replace('"iscrowd": 0', '"iscrowd": 1'))
    assert nothing_in(load(folder, "train"), "x").endswith("nothing to x: no object in 4 images but 8 crowd regions")


def test_without_an_object_there_is_no_empty_line_of_scores(folder, capsys):
    drawn(folder, "val", ["red", "green"], ())
    assert main(["train", "retinanet", "--budget", "smoke", "--data", str(folder), "--steps", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "set/val: no object, so nothing to score"


def test_facts_come_back_from_a_header():
    facts = Trained(("a", "b"), (96, 128), "some/set", None, ("other", "val", 5))
    assert from_header(to_header(facts), 2) == facts and facts.sides == {"short": 96, "long": 128}
    assert from_header({}, 2) == Trained() == from_header(to_header(Trained()), 2)
    assert Trained(size=(96,)).sides == {"short": 96} and Trained().sides == {}


@pytest.mark.parametrize(("key", "value"), [
    ("classes", '["a"]'), ("classes", "7"), ("classes", '["a", 1]'), ("classes", "[a"), ("size", "[1, 2, 3]"),
    ("size", "[0]"), ("size", "[true]"), ("size", "[]"), ("size", '"big"'), ("train", "3"), ("test", '["a"]'),
    ("test", '["a", null, "x"]'), ("test", '"abc"'), ("test", "[" * 100_000)])
def test_a_header_that_is_not_ours_is_named(key, value):
    with pytest.raises(ValueError, match=f"its header's '{key}' is "):
        from_header({key: value}, 2)


def test_the_stored_detectors_know_the_drawn_classes(tmp_path):
    for name, data, counts in (("retinanet", "minicoco", {"val": 2}), ("faster_rcnn", "minivoc", {"test": 30})):
        build.build(data, tmp_path / data, 1, counts)
        system, there = load_weights(weights_folder() / f"{name}.safetensors"), load(tmp_path / data, *counts).classes
        assert [c for c in system.trained.classes if c in there] == there and system.trained.data == data
        assert len(system.trained.classes) == system.cfg.num_classes
        assert trained._drawn(data, system.cfg.num_classes) == system.trained.classes
    assert trained._drawn("minicoco", 7) == () == trained._drawn("my/own", 36)


def test_training_tells_the_system_what_it_learns_from(folder):
    recipe = budget("smoke").recipe("retinanet")
    recipe = type(recipe)(**{**vars(recipe), "data": str(folder), "size": (48,), "test": "train"})
    system, _ = trainer.prepare("retinanet", recipe)
    assert system.trained == Trained(("red", "green"), (48,), str(folder), "train", (str(folder), "train", 16))
