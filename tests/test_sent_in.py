"""Runs that somebody sends in: examined line by line, and the verdicts that they would change."""
import json

import pytest

from paperlib.__main__ import main
from paperlib.claims import sent_in
from paperlib.claims.tally import Verdict
from paperlib.config import digest
from paperlib.tables import records, row_jobs, runner
from paperlib.tables.rules import rules_digest
from paperlib.training.recipes import budget

TABLE = "focal_loss/1b"
MADE_BY = {"commit": "0123456789", "source": "abc", "torch": "2", "torchvision": "0.2", "python": "3.11.7",
           "device": "cuda (a card)", "products": "bfloat16", "rules": rules_digest()}


def record(row: str, seed: int, ap: float, **changed) -> dict:
    job = row_jobs.jobs_of(TABLE, budget("mini"), [row], 1)[0]
    return {"table": TABLE, "row": row, "seed": seed, "budget": "mini", "hash": runner.identity(job), "status": "ok",
            "metrics": {"AP": ap}, "seconds": 60.0, "provenance": MADE_BY} | changed


def sealed(runs: list[dict]) -> str:
    return "".join(json.dumps(run | {"sha256": digest(run)}) + "\n" for run in runs)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Two pairs of runs are recorded; a file for what is sent in."""
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    for seed in range(2):
        records.append(record("gamma 2", seed, 0.30 + 0.01 * seed))
        records.append(record("gamma 0", seed, 0.28))
    return tmp_path / "runs.jsonl"


def test_runs_that_change_a_verdict(file, capsys):
    before = records.path_of(TABLE, "mini").read_bytes()
    file.write_text(sealed([record(row, seed, ap + 0.001 * seed) for seed in (2, 3, 4)
                            for row, ap in (("gamma 2", 0.305), ("gamma 0", 0.28))]))
    assert main(["claims", "check", str(file)]) == 0
    said = capsys.readouterr().out
    assert "6 of 6 runs count" in said and "seed 4, cuda (a card): checksum right" in said and "fault" not in said
    assert "focal-fl-gain: unresolved (+2.50 [" in said and "-> holds (+2.50 [" in said and "n 5)" in said
    assert records.path_of(TABLE, "mini").read_bytes() == before           # nothing of it is kept


def test_what_is_wrong_with_a_run_is_said(file, capsys):
    bare = {key: value for key, value in MADE_BY.items() if key not in ("device", "rules")}
    file.write_text(sealed([record("gamma 2", 2, 0.3, hash="other"), record("gamma 0", 2, 0.2, provenance=bare),
                            record("gamma 2", 3, 0.3) | {"row": "gamma 7"}, record("gamma 2", 0, 0.31)]))
    assert main(["claims", "check", str(file)]) == 1
    said = capsys.readouterr().out
    assert "fault: hash other: today's run of this row has" in said and "fault: provenance lacks device" in said
    assert "has no runnable row 'gamma 7'" in said and "note: made before today's rules of judging" in said
    assert "note: we have this seed: AP 0.3, yours 0.31" in said and "1 of 4 runs count" in said


def test_one_bad_line_hides_no_other(file, capsys):
    good = sealed([record("gamma 2", 2, 0.3)])
    file.write_text("{oops\n" + good + good.replace("0.3", "0.4") + "null\n" + "[" * 100_000 + "\n")
    assert main(["claims", "check", str(file)]) == 1
    said = capsys.readouterr().out
    assert "line 1: no record that can be used\n  fault: found '{oops', expected a whole JSON record" in said
    assert "line 2: focal_loss/1b 'gamma 2', seed 2" in said
    assert "line 3: no record that can be used\n  fault: row 'gamma 2', seed 2: the record does not match" in said
    assert "line 4: no" in said and "line 5: no" in said and "1 of 5 runs count" in said


@pytest.mark.parametrize(("changed", "says"), [
    ({"metrics": {"AP": float("nan")}}, "metrics: AP is nan, expected a share from 0 to 1"),
    ({"metrics": {"AP": 33.0}}, "AP is 33.0, expected a share"), ({"metrics": {"AP": -0.1}}, "AP is -0.1, expected"),
    ({"metrics": {"width_0": float("inf")}}, "width_0 is inf, expected a number"),
    ({"metrics": {"loss_fall": 1e300}}, "loss_fall is 1e+300, expected a number"),
    ({"metrics": {}}, "metrics is empty"), ({"status": "fine"}, "status is 'fine', expected 'ok' or 'diverged: ...'"),
    ({"seconds": -4}, "seconds is -4"), ({"seconds": float("nan")}, "seconds is nan"),
    ({"seed": -5}, "seed is -5, expected 0 or more"), ({"draws": "abc"}, "draws: expected a list of numbers"),
    ({"draws": {"AP": ["x"]}}, "draws: expected"),
    ({"provenance": MADE_BY | {"commit": 5}}, "provenance: commit is 5, expected text")])
def test_values_that_no_run_gives_are_faults(file, changed, says, capsys):
    file.write_text(sealed([record("gamma 2", 2, 0.3) | changed]))
    assert main(["claims", "check", str(file)]) == 1
    said = capsys.readouterr().out
    assert "  fault: " in said and says in said and "0 of 1 runs count" in said


def test_a_run_as_the_table_writes_it_counts_where_another_budget_stands_in(file, capsys):
    scale = row_jobs.jobs_of(TABLE, budget("mini"), ["gamma 2"], 1)[0].budget
    other = record("gamma 0", 2, 0.3, budget="smoke", hash="x")
    file.write_text(sealed([record("gamma 2", 2, 0.3, budget=scale), other]))
    assert main(["claims", "check", str(file)]) == 1
    said = capsys.readouterr().out
    assert scale == "scale" and "1 of 2 runs count" in said
    assert "note: a run at budget 'smoke', which `--budget` judges" in said


def test_a_run_that_comes_twice_is_said(file, capsys):
    file.write_text("\ufeff" + sealed([record("gamma 2", 2, 0.3, note="a\u2028b"), record("gamma 2", 2, 0.31)])
                    .replace("\\u2028", "\u2028"), encoding="utf-8")
    assert main(["claims", "check", str(file)]) == 0
    heard = capsys.readouterr()
    assert f"note: the same row and seed as {file}, line 1; the newest counts" in heard.out and not heard.err


@pytest.mark.parametrize(("text", "says"), [
    ("", "holds no record"), ("{oops\n", "runs.jsonl, line 1: found '{oops', expected a whole JSON record"),
    (sealed([record("gamma 2", 2, 0.3)]).replace("0.3", "0.4"),
     "line 1: row 'gamma 2', seed 2: the record does not match")])
def test_what_is_no_record_is_refused(file, text, says, capsys):
    file.write_text(text)
    assert main(["claims", "check", str(file)]) == 2
    assert says in capsys.readouterr().err


def test_without_a_file(capsys):
    assert main(["claims", "check"]) == 2
    assert "lacks the file of records" in capsys.readouterr().err


def test_runs_that_change_nothing(file, monkeypatch):
    file.write_text(sealed([record("gamma 2", 2, 0.3)]))
    line = Verdict(id="a", paper="fpn", place="", line="", kind="trend", tier=1, say="", published=1, unit="", how="")
    monkeypatch.setattr(sent_in, "judged", lambda plan, kinds: [line])
    said, usable = sent_in.report(file, "mini")
    assert usable and said[-1] == "No verdict, and no interval of one, would be another with them."
