"""Judged claims are kept while nothing that they follow from changes."""
import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

from paperlib.claims import kept, verdicts
from paperlib.claims.joining import Part
from paperlib.claims.tally import Verdict, restored
from paperlib.paths import REPOSITORY, results_folder
from paperlib.tables import records

PART = Part("A minus B", "holds", 0.5, (0.1, 0.9), 5, p=0.02)
LINE = Verdict(id="a", paper="fpn", place="Table 1", line="000:1", kind="trend", tier=1, say="s", published=[1, 2.5],
               unit="AP", how="rows", verdict="holds", measured=0.5, interval=(0.1, 0.9), n=5, parts=(PART,),
               looks=("single look",))


@pytest.fixture
def calls(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    asked = []
    monkeypatch.setattr(verdicts, "keys", lambda plan: {})
    monkeypatch.setattr(verdicts, "judged", lambda plan, kinds=None: asked.append(plan) or [LINE])
    return asked


def test_what_is_kept_is_judged_once(calls, tmp_path):
    first = kept.judged("mini")
    assert first == [LINE]
    assert kept.judged("mini") == first and calls == ["mini"]
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "ratios.jsonl").write_text("{}\n")                # a new record
    assert kept.judged("mini") == first and calls == ["mini"] * 2
    kept.judged("smoke")
    assert calls == ["mini", "mini", "smoke"]
    for _ in range(2):
        kept.judged("gpu")                                                 # its photographs may change
    assert calls[3:] == ["gpu", "gpu"] and not list(tmp_path.glob("*.part"))


def test_after_new_records_computed_claims_are_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(verdicts, "keys", lambda plan: {})
    lines = [replace(LINE, id="fact", kind="exact"), LINE, replace(LINE, id="other", kind="external")]
    asked = []

    def judge(plan, kinds=("exact", "trend", "external")):
        asked.append(kinds)
        return [line for line in lines if line.kind in kinds]

    monkeypatch.setattr(verdicts, "judged", judge)
    assert kept.judged("mini") == lines
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "ratios.jsonl").write_text("{}\n")
    assert kept.judged("mini") == lines and asked[1:] == [("trend", "ratio")]
    monkeypatch.setenv("PAPERLIB_OTHER", "1")                              # as good as other code
    assert kept.judged("mini") == lines and len(asked) == 3 and "exact" in asked[2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"key": "other", "lines": []}', "\0"])
def test_what_is_not_as_it_was_written_is_judged_anew(calls, tmp_path, text):
    (tmp_path / ".judged-mini.json").write_text(text)
    assert kept.judged("mini")[0].id == "a" and calls == ["mini"]
    assert json.loads((tmp_path / ".judged-mini.json").read_text())["lines"][0]["id"] == "a"


def test_code_registers_settings_and_weights_count(tmp_path, monkeypatch):
    for folder in ("paperlib", "data/claims", "data/published", "data/weights", "data/results"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(kept, "REPOSITORY", tmp_path)
    monkeypatch.setattr(kept, "DATA", tmp_path / "data")
    monkeypatch.setenv("PAPERLIB_WEIGHTS", str(tmp_path / "data/weights"))
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "data/results"))
    keys = [kept.of_code()]
    for name in ("paperlib/a.py", "data/claims/fpn.toml", "data/published/fpn.toml", "data/dials.toml",
                 "data/results/identities.json", "data/weights/tiny.safetensors"):
        for text in ("one", "two"):
            (tmp_path / name).write_text(text)
            keys.append(kept.of_code())
    monkeypatch.setenv("PAPERLIB_OTHER", "1")
    keys.append(kept.of_code())
    monkeypatch.setattr(kept.metadata, "version", lambda name: "9")
    keys.append(kept.of_code())
    assert len(set(keys)) == len(keys) == 15


def test_a_warning_is_said_each_time(calls, monkeypatch):
    def judge(plan):
        calls.append(plan)
        warnings.warn("a line breaks off", stacklevel=1)
        return []

    monkeypatch.setattr(verdicts, "judged", judge)
    for _ in range(2):
        with pytest.warns(UserWarning, match="a line breaks off"):
            kept.judged("mini")
    assert calls == ["mini", "mini"]


def test_reading_what_is_kept_imports_no_torch(calls):
    kept.judged("mini")
    code = ("import sys\nfrom paperlib.claims import kept\nfrom paperlib.claims.tally import counts\n"
            "print(kept.judged('mini')[0].id, 'torch' in sys.modules)")
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["a", "False"]


def test_new_runs_are_judged_as_by_all_of_it_and_without_torch(tmp_path, monkeypatch):
    results = tmp_path / "results"
    shutil.copytree(results_folder(), results, ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setenv("PAPERLIB_RESULTS", str(results))
    trends = verdicts.judged("mini", kinds=("trend",))
    before = {"code": kept.of_code(), "files": kept.of_records(), "keys": verdicts.keys("mini"),
              "lines": kept.export(trends)}
    kept._write(results / ".judged-mini.json", before)
    newest = records.latest(records.read("fpn/1", "mini"))
    for row, score in (("FPN", 0.9), ("C4 baseline", 0.1)):
        run = {key: value for key, value in newest[row, 0].items() if key != "sha256"}
        records.append(run | {"seed": 77, "metrics": run["metrics"] | {"AR1000": score, "AR1k": score}})
    code = ("import sys\nfrom paperlib.claims import kept\nlines = kept.judged('mini')\n"
            "print('torch' in sys.modules)\nprint(kept.json.dumps(kept.export(lines)))")
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    torch_was_imported, _, lines = run.stdout.partition("\n")
    after = restored(lines)
    assert torch_was_imported == "False" and after == verdicts.judged("mini", kinds=("trend",))
    changed = {line.id for line, old in zip(after, trends) if line.parts != old.parts}
    assert "fpn-fpn-over-c4" in changed and all(name.startswith("fpn-") for name in changed)
