"""`make gpu`: what it says without a GPU, and its parts, which run on a CPU as well."""
import sys
from dataclasses import replace

import pytest
import torch

from paperlib import gpu_check
from paperlib.__main__ import main
from paperlib.tables import runner
from paperlib.training.recipes import budget

CPU = torch.device("cpu")


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capfd):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["gpu"]) == main(["gpu", "rows"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err == 2 * "make gpu: there is no GPU here that torch can use\n"


def test_runs_are_cut_and_otherwise_the_budgets_own():
    cut, whole = gpu_check.shortened(budget("gpu"), steps=3, images=5), budget("gpu")
    for name, recipe in whole.recipes.items():
        assert replace(cut.recipes[name], steps=recipe.steps, train_images=recipe.train_images,
                       test_images=recipe.test_images, checks=recipe.checks) == recipe
        assert (cut.recipes[name].steps, cut.recipes[name].train_images) == (3, 5)


@pytest.fixture
def row(monkeypatch, tmp_path):
    """The first row of Focal Loss's Table 1a, cut, in an empty folder; `row(limit)` runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    plan = gpu_check.shortened(budget("smoke"), steps=1, images=4)
    return lambda limit=60.0: gpu_check.rows(plan, ["focal_loss/1a"], CPU, limit)


def test_a_row_is_run_and_nothing_is_recorded(row, tmp_path, capsys):
    assert row() == []
    assert ": ok, " in capsys.readouterr().out
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_rows_that_fail_or_have_no_time_left_are_named(row, monkeypatch, capsys):
    assert row(limit=0.0) == ["focal_loss/1a"] and "no time left" in capsys.readouterr().out

    def fails(*_, **__):
        raise RuntimeError("on two devices")

    monkeypatch.setattr(runner, "run_job", fails)
    assert row() == ["focal_loss/1a"] and "RuntimeError: on two devices" in capsys.readouterr().out


def test_parts_end_at_their_limit():
    def python(line):
        return gpu_check.limited([sys.executable, "-c", line], 2.0)

    assert python("import time; time.sleep(60)") == "stopped after 2.0 s"


def test_how_a_part_ended():
    ends = {"": "ok", "raise SystemExit(3)": "failed"}
    assert {line: gpu_check.limited([sys.executable, "-c", line], 60.0) for line in ends} == ends


def test_beside_torchvision_with_bfloat16(monkeypatch, capsys):
    seen = []

    def half(device):
        seen.append(device)
        return torch.autocast("cpu", torch.bfloat16)

    monkeypatch.setattr(gpu_check, "half", half)
    assert gpu_check.bench(["retinanet_tiny step", "retinanet_tiny inference"], CPU, 1, 2) == []
    assert capsys.readouterr().out.count("times as fast") == 2 and seen == [CPU, CPU]
