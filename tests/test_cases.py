"""Small inputs like those that users of detection tools reported, each with its right outcome; skipped without."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw

from paperlib.__main__ import main
from paperlib.data import named_sets
from paperlib.data.given_proposals import with_proposals
from paperlib.data.set_checks import check
from paperlib.parts.proposals import ProposalSource

SMOKE = ("--budget", "smoke", "--steps", "2", "--batch", "2", "--out", "out")
GOOD = 0.7721122112211221                                                # AP of the official tool for score-good


@pytest.fixture
def cases(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if not (shared / "cases").is_dir():
        pytest.skip("no cases")
    return shared / "cases"


def run(capsys, *words):
    """Status, standard output and errors of one command."""
    capsys.readouterr()
    status = main(list(map(str, words)))
    out, err = capsys.readouterr()
    return status, out, err


def scored(capsys, folder, kind="bbox"):
    return run(capsys, "score", folder / "gt.json", folder / "dt.json", "--json", "--type", kind)


def ap(out):
    return json.loads(out.splitlines()[-1])["AP"]


@pytest.mark.slow
def test_classes_are_joined_by_their_names(cases, capsys):
    recipe = ("--budget", "smoke", "--steps", "200", "--lr", "0.02", "--json", "--out", "out")
    numbers = []
    for name in ("good-two", "val-classes-swapped"):
        status, out, _ = run(capsys, "train", "retinanet", "--data", cases / name, *recipe)
        numbers.append(ap(out))
        assert status == 0
    assert min(numbers) > 0.95                                           # the noise of their pictures differs


def test_weights_of_other_classes_are_one_line(cases, capsys):
    weights = os.path.join(os.path.dirname(__file__), "..", "data", "weights", "retinanet.safetensors")
    words = ("--data", cases / "good-two", "--split", "val")
    status, out, err = run(capsys, "eval", "retinanet", "--weights", weights, *words)
    assert status == 2 and not out and err.count("\n") == 1
    assert "the weights know 36 classes" in err and "good-two/val has 2 classes (red, green)" in err


def test_two_files_that_both_count_from_1_are_joined_by_file_and_id(cases):
    data = named_sets.load(cases / "list-ids-clash", "both")
    first = [image["file_name"] for image in data.images].index("train/train_a.png")
    assert data.target(first)["boxes"].tolist() == [[10, 10, 40, 30]]
    assert not check(cases / "list-ids-clash")


def test_an_error_names_the_splits_that_there_are(cases, capsys):
    assert named_sets.splits(cases / "folds") == ["fold1", "fold2", "fold3"]
    for words in (["data", "check", cases / "folds", "--split", "fold9"],
                  ["train", "retinanet", "--data", cases / "folds", "--split", "fold9", "--test", "fold1", *SMOKE]):
        status, out, err = run(capsys, *words)
        assert (status, out) == (2, "") and "no split 'fold9'; it has fold1, fold2, fold3" in err


@pytest.mark.parametrize("name", ["train-crowd-only", "train-no-objects"])
def test_nothing_to_learn_is_a_finding(cases, capsys, name):
    status, out, _ = run(capsys, "data", "check", cases / name)
    assert status == 0 and "4 images with no object" in out and "nothing to learn, nothing to score" in out
    status, out, err = run(capsys, "train", "retinanet", "--data", cases / name, *SMOKE)
    assert (status, out) == (2, "") and "nothing to learn: no object in 4 images" in err
    status, out, _ = run(capsys, "doctor", cases / name)
    assert status == 1 and "no object at all" in out


def test_optional_parts_that_are_odd_and_harmless(cases, capsys):
    for name in ("info-is-text", "area-null", "names-are-numbers", "drive-name@mount", "roboflow", "train-one-class"):
        status, out, _ = run(capsys, "data", "check", cases / name)
        assert status == 0 and f"{name}: 0 fault(s)" in out
    assert named_sets.load(cases / "names-are-numbers").classes == ["1", "2"]
    assert named_sets.load(cases / "area-null").target(0)["area"].tolist() == [600]
    for name in ("area-null", "drive-name@mount", "train-one-class", "roboflow"):
        assert run(capsys, "train", "retinanet", "--data", cases / name, *SMOKE)[0] == 0
    assert named_sets.splits(cases / "roboflow") == ["train", "valid"]


FAULTS = {  # case: words of its one fatal fault
    "area-text": "instances.json: annotation 1: found area '600.0'",
    "file-name-null": "instances.json: image 1: found file_name None",
    "box-huge": "instances.json: annotation 1: found bbox [1, 1, 2, 10000",
    "image-182-megapixels": "image 1: found height 13000, width 14000; expected at most 178956970 pixels",
    "backslash": r"image 1: found file_name 'images\\a.png'; expected '/' between folders; hint: replace every",
    "size-missing": "image 1: found no 'height', 'width'; expected the keys ('id', 'file_name', 'height', 'width'); "
                    "hint: Pillow's Image.open(picture).size gives width and height"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_names_file_and_record_and_how_to_mend_it(cases, capsys, name):
    status, out, _ = run(capsys, "data", "check", cases / name)
    assert status == 1 and FAULTS[name] in out and "hint: " in out and "1 of them fatal" in out
    for words in (["train", "retinanet", "--data", cases / name, *SMOKE], ["doctor", cases / name]):
        status, out, err = run(capsys, *words)
        assert (status, out) == (2, "") and err.count("\n") == 1 and FAULTS[name].partition("; ")[0] in err


@pytest.mark.parametrize("name", ["backslash", "size-missing", "area-text"])
def test_a_fault_that_can_be_mended_is(cases, capsys, tmp_path, name):
    status, out, _ = run(capsys, "data", "check", cases / name, "--fix", tmp_path / "new")
    assert status == 0 and "[mended]" in out and "1 change(s); 0 fault(s) are left" in out
    assert len(named_sets.load(tmp_path / "new")) == 1


def test_one_large_picture_does_not_end_the_check_of_the_others(cases, tmp_path):
    shutil.copytree(cases / "image-182-megapixels", tmp_path / "set")
    (tmp_path / "set").chmod(0o755)
    file = tmp_path / "set/instances.json"
    file.chmod(0o644)
    data = json.loads(file.read_text())
    another = {"id": 2, "file_name": "b.png", "height": 9, "width": 9}
    file.write_text(json.dumps(data | {"images": [*data["images"], another]}))
    (tmp_path / "set/b.png").write_bytes(b"")
    records = [fault.record for fault in check(tmp_path / "set") if fault.fatal]
    assert records == ["image 1", "image 2"]


@pytest.mark.parametrize(
    "name", ["score-good", "score-gt-info-text", "score-gt-area-null", "score-dt-category-unknown"])
def test_scores_are_those_of_the_official_tool(cases, capsys, recwarn, name):
    status, out, _ = scored(capsys, cases / name)
    assert status == 0 and ap(out) == pytest.approx(GOOD, abs=1e-12)
    notes = [str(note.message) for note in recwarn if "results are of categories" in str(note.message)]
    assert [note[:6] for note in notes] == ["1 of 5"] * (name == "score-dt-category-unknown")
    if name == "score-gt-area-null":
        assert json.loads(out)["APm"] == pytest.approx(0.9) and json.loads(out)["APl"] is None


def test_scores_of_masks(cases, capsys):
    status, out, _ = scored(capsys, cases / "score-segm-good", "segm")
    assert status == 0 and ap(out) == pytest.approx(GOOD, abs=1e-12)
    status, _, err = scored(capsys, cases / "score-segm-dt-no-mask", "segm")
    assert status == 2 and err.count("\n") == 1 and "dt.json: result 0 has no segmentation" in err


@pytest.mark.parametrize(("name", "words"), [
    ("score-gt-area-nan", "gt.json: annotation 1: area is nan"),
    ("score-gt-mixed-ids", "gt.json: image number 1: id is 'b'"),
    ("score-dt-float-ids-one-wrong", "dt.json: result 3: image_id 99 is not in the ground truth")])
def test_the_record_at_fault_is_named(cases, capsys, name, words):
    status, out, err = scored(capsys, cases / name)
    assert (status, out) == (2, "") and err.count("\n") == 1 and words in err


VOC = {"voc-gbk": "train", "voc-sidecar-txt": "train", "voc-spaces": "train", "voc-list-bom": "train",
       "voc-non-ascii": "train", "list-spaces": "some"}


@pytest.mark.parametrize("name", VOC)
def test_names_and_encodings(cases, capsys, name):
    status, out, _ = run(capsys, "data", "check", cases / name)
    assert status == 0 and "0 fault(s)" in out
    data = named_sets.load(cases / name, VOC[name])
    pictures = [image["file_name"] for image in data.images]
    assert len(pictures) == (2 if name == "voc-list-bom" else 1) and data.image(0).dim() == 3
    if name == "voc-sidecar-txt":
        assert pictures == ["a.jpg"]


def test_a_locale_without_letters(cases):
    """Also where neither the terminal nor the file system's names are in UTF-8."""
    plain, windows = {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "cp1252"}
    for name, more, status, words in (("voc-non-ascii", plain, 0, "0 fault(s)"),
                                      ("faulty-漢字", windows, 1, r"\u5199\u771f.png: image 1"),
                                      ("faulty-漢字", plain | windows, 1, "2 fault(s), 1 of them fatal")):
        done = subprocess.run([sys.executable, "-m", "paperlib", "data", "check", str(cases / name)],
                              env=os.environ | more, capture_output=True, timeout=300)
        assert (done.returncode, done.stderr) == (status, b"") and words in done.stdout.decode("cp1252")


def test_a_polygon_of_two_points_costs_no_box(cases, capsys):
    status, out, err = run(capsys, "train", "retinanet", "--data", cases / "seg-four-numbers", *SMOKE)
    assert status == 0 and "1 dropped (expected polygons of three points or more" in out + err
    assert named_sets.load(cases / "seg-four-numbers").target(0)["boxes"].shape == (1, 4)


def test_a_picture_that_is_replaced_has_its_own_proposals(cases, tmp_path):
    for name in ("a.png", "instances.json"):
        shutil.copyfile(cases / "stale-proposals" / name, tmp_path / name)
    source = ProposalSource(kind="selective_search")
    before = with_proposals(named_sets.load(tmp_path), source, jobs=1).proposals[0]
    data = named_sets.load(tmp_path)
    height, width = data.sizes[0]
    other = Image.new("RGB", (width, height), (10, 10, 10))
    ImageDraw.Draw(other).ellipse((width // 2, height // 2, width - 3, height - 3), fill=(240, 240, 20))
    other.save(tmp_path / "a.png")
    after = with_proposals(named_sets.load(tmp_path), source, jobs=1).proposals[0]
    assert before.shape != after.shape or not (before == after).all()
