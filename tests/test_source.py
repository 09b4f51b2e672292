"""The digest of the code that decides numbers: what counts, and where it is shown."""
from dataclasses import replace

import pytest
import torch

from paperlib.claims import verdicts
from paperlib.tables import compare, identities, records, row_jobs, source
from paperlib.training.recipes import budget

TABLE, PLAN = "focal_loss/1b", budget("mini")
CODE = '''"""A module."""
def double(x):
    """Twice x."""
    return 2 * x  # a comment
'''


@pytest.fixture
def package(tmp_path):
    for room in source.ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / "parts" / "a.py").write_text(CODE)
    (tmp_path / "data.py").write_text(CODE)
    return tmp_path


@pytest.mark.parametrize(("old", "new", "same"), [
    ("  # a comment", "", True), ("Twice x.", "Two x.", True), ("    \"\"\"Twice x.\"\"\"\n", "\n", True),
    ("2 * x", "3 * x", False), ("2 * x", "x * 2", False), ("2 * x", "\"Twice x.\"", False)])
def test_code_counts_and_words_about_it_do_not(package, old, new, same):
    before = source.source_digest.__wrapped__(package)
    (package / "data.py").write_text("x = 1")                              # of no room that decides numbers
    (package / "parts" / "a.py").write_text(CODE.replace(old, new, 1))
    assert (source.source_digest.__wrapped__(package) == before) is same


def test_records_of_other_source_are_told_of_but_not_stale(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(verdicts, "COMPUTED", {})
    today = records.provenance(torch.device("cpu"))
    assert today["source"] == source.source_digest()

    def add(row: str, provenance: dict) -> None:
        job = row_jobs.jobs_of(TABLE, PLAN, [row], 1)[0]
        for seed in range(3):
            ap = 0.3 + 0.01 * seed - 0.1 * (row == "gamma 0")
            records.append({"table": TABLE, "row": row, "seed": seed, "budget": "mini", "status": "ok", "seconds": 1.0,
                            "hash": identities.identity(replace(job, seed=seed)), "metrics": {"AP": ap},
                            "provenance": provenance})

    def line() -> dict:
        return next(line for line in verdicts.judged(paper="focal_loss") if line.id == "focal-fl-gain")

    add("gamma 2", today)
    add("gamma 0", {k: v for k, v in today.items() if k != "source"})      # an early record says nothing
    assert ("cost", "runs by older code") not in compare.frame(TABLE, PLAN)
    assert "code has changed" not in line().note
    add("gamma 2", today | {"source": "other"})
    frame = compare.frame(TABLE, PLAN)
    assert frame.loc["gamma 2", ("cost", "runs by older code")] == 3 and frame.loc["gamma 2", ("cost", "stale")] == 0
    assert frame.loc["gamma 0", ("cost", "runs by older code")] == 0
    assert "The code has changed since 3 of these runs." in line().note and line().verdict == "holds, larger"
    add("gamma 2", today | {"source": "other", "python": "2.7.18"})        # digests of another Python: not compared
    assert "code has changed" not in line().note
