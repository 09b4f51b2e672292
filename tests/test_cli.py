"""The command line: what each command prints, and one clear line for each kind of bad input."""
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paperlib.__main__ import main
from paperlib.progress import progress

TRAIN = ["train", "retinanet", "--budget", "smoke", "--steps", "3", "--batch", "2", "--out", "out"]


def said(capsys):
    out = capsys.readouterr()
    return out.out, out.err


def test_info_is_one_line(capsys):
    assert main(["info"]) == 0
    out, _ = said(capsys)
    assert out.count("\n") == 1 and "torch" in out and "budget" in out and "minicoco" in out


def test_train_then_eval_gives_the_same_scores(scenes, capsys):
    assert main([*TRAIN, "--data", str(scenes), "--json"]) == 0
    trained = json.loads(said(capsys)[0].splitlines()[-1])
    assert main(["eval", "retinanet", "--weights", "out/retinanet.safetensors", "--data", str(scenes), "--json"]) == 0
    assert trained["APl"] is None                                       # no large objects: no number, not a zero
    again = json.loads(said(capsys)[0].splitlines()[-1])
    assert again == pytest.approx(trained) and {"AP", "AP50", "APs", "AR100"} <= trained.keys()
    assert {path.name for path in (scenes.parent / "out").iterdir()} == {"retinanet.safetensors", "retinanet.png"}


def test_check_and_score(scenes, capsys):
    assert main(["data", "check", str(scenes)]) == 0
    assert "0 fault(s)" in said(capsys)[0]
    results = [{"image_id": i, "category_id": 1, "bbox": [5 * i, 10, 24, 30], "score": 0.9} for i in range(1, 5)]
    (scenes / "found.json").write_text(json.dumps(results))
    assert main(["score", str(scenes / "instances.json"), str(scenes / "found.json"), "--json"]) == 0
    assert json.loads(said(capsys)[0])["AP"] == pytest.approx(1)


def test_published_is_json(capsys):
    assert main(["published", "--json"]) == 0
    tables = json.loads(said(capsys)[0])
    row = tables["focal_loss/1b"]["rows"][0]
    assert set(row["values"]) == set(tables["focal_loss/1b"]["columns"])


@pytest.mark.parametrize(("words", "message"), [
    (["train", "yolo"], "no recipe for 'yolo'"),
    (["train", "retinanet", "--budget", "huge"], "unknown budget 'huge'"),
    (["train", "retinanet", "--budget", "smoke", "--data", "nowhere"], "nowhere"),
    ([*TRAIN, "--data", "set", "--set", "loss.gama=1"], "unknown override 'loss.gama'"),
    ([*TRAIN, "--data", "set", "--set", "loss.gamma=big"], "expected float"),
    ([*TRAIN, "--data", "set", "--device", "tpu9"], "device 'tpu9' is not usable here"),
    ([*TRAIN, "--data", "set", "--preset", "huge"], "no preset 'huge'"),
    (["table", "nope/1", "--budget", "smoke"], "unknown table 'nope/1'"),
    (["table", "focal_loss/1b", "--budget", "smoke", "--rows", "gamma 99"], "no runnable row 'gamma 99'"),
    (["table", "faster_rcnn/11", "--budget", "smoke", "--rows", "Fast R-CNN here, train", "none"],  # a comma in a label
     "no runnable row 'none'"),
    (["eval", "retinanet", "--weights", "none.safetensors", "--data", "set"], "no weights at none.safetensors"),
    (["score", "set/none.json", "set/instances.json"], "none.json"),
    (["score", "set/instances.json", "set/instances.json"], "instances.json"),
    (["data", "build", "maxicoco"], "maxicoco"),
])
def test_bad_input_is_one_line_and_status_2(scenes, capsys, words, message):
    assert main(words) == 2
    err = said(capsys)[1].strip().splitlines()
    assert len(err) == 1 and err[0].startswith("paperlib: ") and message in err[0]
    assert not list(scenes.parent.glob("out/*"))                        # nothing partial is left behind


WEIGHTS = ["--weights", "none.safetensors"]


@pytest.mark.parametrize(("words", "message"), [
    (["eval", "retinanet", *WEIGHTS, "--size", "0"], "--size is 0; expected one or two numbers of px, each above 0"),
    (["eval", "retinanet", *WEIGHTS, "--size", "64", "96", "128"], "--size is 64 96 128;"),
    (["eval", "retinanet", *WEIGHTS, "--size", "-5"], "--size is -5;"),
    (["eval", "retinanet", *WEIGHTS, "--size", "96", "64"], "--size is 96 64; expected the shorter side first"),
    (["eval", "retinanet", *WEIGHTS, "--test-images", "0"], "--test-images is 0; expected 1 or more"),
    (["eval", "retinanet", *WEIGHTS, "--test-images", "-3"], "--test-images is -3; expected 1 or more"),
    (["detect", "none.safetensors", "set", "--size", "0"], "--size is 0;"),
    (["export", "none.safetensors", "a.onnx", "--size", "64", "96", "128"], "--size is 64 96 128;"),
    (["export", "none.safetensors", "a.onnx", "--size", "96", "64"], "no weights at none.safetensors"),
    (["doctor", "set", "--size", "0"], "--size is 0;"),
    (["doctor", "set", "--steps", "-5"], "--steps is -5; expected 0 or more"),
    (["doctor", "set", "--images", "0"], "--images is 0; expected 1 or more"),
    (["data", "split", "set", "--out", "new", "--seed", "-1"], "--seed is -1; expected 0 or more"),
    (["table", "focal_loss/1b", "--jobs", "0"], "--jobs is 0; expected 1 or more"),
    (["table", "focal_loss/1b", "--seeds", "0"], "--seeds is 0; expected 1 or more"),
    (["table", "focal_loss/1b", "--seeds", "-2"], "--seeds is -2; expected 1 or more"),
    (["table", "focal_loss/1b", "--show", "--rows", "nope"], "no runnable row 'nope'"),
    (["notebooks", "run", "02", "--jobs", "0"], "--jobs is 0; expected 1 or more"),
    (["pretrain", "tiny", "--lr", "-1"], "--lr is -1; expected a number above 0"),
    (["claims", "check", "set/images/1.png"], "1.png: found no text; expected one JSON line for each run"),
])
def test_numbers_that_no_command_can_use_are_refused(scenes, capsys, words, message):
    assert main(words) == 2
    (line,) = said(capsys)[1].splitlines()
    assert line.startswith("paperlib: ") and message in line


def test_help_names_the_budget_scale(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "smoke, mini, scale, gpu or paper" in " ".join(said(capsys)[0].split())


def test_a_broken_image_is_named(scenes, capsys):
    (scenes / "images" / "2.png").write_bytes(b"")
    assert main([*TRAIN, "--data", str(scenes)]) == 2
    assert "2.png" in said(capsys)[1]
    shutil.rmtree(scenes / "images")
    assert main([*TRAIN, "--data", str(scenes)]) == 2


@pytest.mark.parametrize("error", [TypeError("no\nsum"), RecursionError(), ValueError("of a library"), KeyError(7)])
def test_an_error_that_nobody_foresaw_is_one_line_with_its_place(monkeypatch, capsys, error):
    def fails(*_):
        raise error

    monkeypatch.setattr("paperlib.data.set_checks.check", fails)
    assert main(["data", "check", "x"]) == 3
    (line,) = said(capsys)[1].splitlines()
    place = "paperlib/commands/data_actions.py:"
    assert line.startswith(f"paperlib: {type(error).__name__} at {place}") and "--debug" in line
    assert main(["data", "check", "x", "--debug"]) == 3
    *trace, last = said(capsys)[1].splitlines()
    assert trace[0].startswith("Traceback") and last == line


def test_an_error_that_was_written_for_a_reader_is_told_alone(scenes, capsys):
    assert main(["data", "check", "nowhere"]) == 2 and " at paperlib" not in said(capsys)[1]
    assert main(["score", "none.json", "none.json", "--debug"]) == 2 and "Traceback" in said(capsys)[1]


def test_a_file_that_is_not_there_is_named_first(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["score", "truth.json", "results.json"]) == 2
    assert capsys.readouterr().err == "paperlib: truth.json: No such file or directory\n"


def test_a_home_folder_behind_an_option_is_no_folder_of_that_name(scenes, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(scenes.parent))
    monkeypatch.setenv("USERPROFILE", str(scenes.parent))
    assert main(["data", "convert", f"~/{scenes.name}", "--to", "yolo", "--out=~/as_yolo"]) == 0
    assert (scenes.parent / "as_yolo").is_dir() and not Path("~").exists()


@pytest.mark.parametrize("words", [
    ["data", "check", ""], ["train", "retinanet", "--data", ""], ["detect", "w", "a", ""]])
def test_an_empty_argument_stands_for_nothing_else(words, capsys):
    """`--data "$SET"` without such a variable would train on the budget's set, `check ""` look at this folder."""
    assert main(words) == 2
    assert "is an empty text; expected a word, or to be left out" in said(capsys)[1]


def test_bars_stay_out_of_a_file_of_results(monkeypatch):
    monkeypatch.delenv("PAPERLIB_PROGRESS", raising=False)
    out, err = io.StringIO(), io.StringIO()
    for name, stream in (("stdout", out), ("__stdout__", out), ("stderr", err)):
        monkeypatch.setattr(sys, name, stream)
    assert list(progress(range(3))) == [0, 1, 2] and not out.getvalue() and "3" in err.getvalue()
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())                # a notebook's output is a stream of its own
    list(progress(range(3)))
    assert "3" in out.getvalue()


TOLD_TO_END = """
import os, signal, sys
from paperlib.__main__ import main
from paperlib.commands import measuring

def info(args):
    "One line."
    os.kill(os.getpid(), signal.{name})

measuring.info = info
for each in (signal.SIGTERM, signal.SIGHUP):  # whoever runs the tests may ignore them
    signal.signal(each, signal.SIG_DFL)
for each in {ignored}:
    signal.signal(each, signal.SIG_IGN)
sys.argv[1:] = ["info"]
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
@pytest.mark.parametrize(("name", "ignored", "status"), [
    ("SIGTERM", [], 130), ("SIGHUP", [], 130), ("SIGTERM", [signal.SIGINT], 130), ("SIGHUP", [1], 0)])
def test_a_command_that_is_told_to_end_ends_as_by_ctrl_c(name, ignored, status):
    """By `kill`, a cluster or a closed terminal, also in the background of a script; `nohup` is left in force."""
    program = TOLD_TO_END.format(name=name, ignored=list(map(int, ignored)))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    env.pop("RANK", None)
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (status, "interrupted\n" if status else "")
