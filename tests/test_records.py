"""Records: sealed, append-only, refused when edited or cut short."""

import json
import signal

import pytest
import torch

from paperlib import device, paths
from paperlib.tables import records
from paperlib.tables.recorded import rows_of, typical_seconds


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    return {
        "table": "focal_loss/1b",
        "row": "gamma 2",
        "seed": 0,
        "budget": "smoke",
        "hash": "abc",
        "status": "ok",
        "metrics": {"AP": 0.25},
        "seconds": 3.5,
        "provenance": records.provenance(torch.device("cpu")),
    }


def test_a_record_comes_back_as_written(record):
    assert records.read("focal_loss/1b", "smoke") == []
    records.append(record)
    records.append({**record, "seed": 1, "remark": "a key that only some records have"})
    found = records.read("focal_loss/1b", "smoke")
    assert [(r["seed"], "remark" in r) for r in found] == [(0, False), (1, True)]
    assert {k: v for k, v in found[0].items() if k != "sha256"} == record
    assert len(found[0]["provenance"]["torch"]) > 3


def test_the_newest_record_of_a_run_counts(record):
    records.append(record)
    records.append({**record, "metrics": {"AP": 0.5}})
    newest = records.latest(records.read("focal_loss/1b", "smoke"))
    assert newest["gamma 2", 0]["metrics"]["AP"] == 0.5


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda line: line.replace("0.25", "0.35"), "does not match its checksum"),
        (
            lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != "hash"}),
            "line 1: row 'gamma 2', seed 0: lacks hash",
        ),
        (lambda line: line.replace('"seed": 0', '"seed": "0"'), "seed = '0' has the wrong type or value: Expected int"),
    ],
)
def test_what_was_changed_after_measuring_is_refused(record, edit, words):
    records.append(record)
    path = records.path_of("focal_loss/1b", "smoke")
    path.write_text(edit(path.read_text().strip()) + "\n")
    with pytest.raises(ValueError, match=words):
        records.read("focal_loss/1b", "smoke")


def test_usual_seconds_are_those_of_chips_with_faster_products(record):
    slow = {"seconds": 50.0, "provenance": {"products": "float32"}}
    systems = {"focal_loss/1a": "retinanet", "focal_loss/1b": "retinanet", "fpn/1": "rpn", "fpn/2": "rpn"}
    for seed, changed in enumerate([{}, {"seconds": 4.5}, slow, slow, slow, {"measured_as": ["focal_loss/1a", "x"]}]):
        records.append(record | {"seed": seed, "provenance": {}} | changed)
    records.append(record | slow | {"table": "focal_loss/1a"})
    records.append(record | slow | {"table": "fpn/1"})
    assert typical_seconds(systems, "smoke") == {
        "focal_loss/1a": 4.0, "focal_loss/1b": 4.0, "retinanet": 4.0, "fpn/1": 50.0, "rpn": 50.0}


def test_a_run_that_diverged_has_0_only_in_the_scores_that_it_lacks(record):
    records.append(record | {"metrics": {"AP": 0.25, "AP50": 0.5, "anchors": 9.0}})
    records.append(record | {"seed": 1, "status": "diverged: loss is not finite", "metrics": {"AP": 0.125}})
    entry = rows_of("focal_loss/1b", "smoke", lambda one: True, {})["gamma 2"]
    assert entry["metrics"] == {"AP": {0: 0.25, 1: 0.125}, "AP50": {0: 0.5, 1: 0.0}, "anchors": {0: 9.0}}
    assert (entry["diverged"], entry["stale"]) == (1, 0)


@pytest.mark.parametrize("torn", ['{"table": "focal', '{"table": "focal_loss/1b", "row": "a', "\0\0\0", "12"])
def test_torn_last_line_is_read_around_and_swallows_no_other(record, torn, recwarn):
    records.append(record)
    path = records.path_of("focal_loss/1b", "smoke")
    path.write_text(path.read_text() + torn)
    assert [r["seed"] for r in records.read("focal_loss/1b", "smoke")] == [0]
    records.append(record | {"seed": 1})
    assert path.read_text().splitlines()[1] == torn
    assert [r["seed"] for r in records.read("focal_loss/1b", "smoke")] == [0, 1]
    (warning,) = recwarn                                                   # once, however often the table is read
    assert f"{path}, line 2: found a line that breaks off" in str(warning.message)


def test_a_record_glued_to_a_torn_line_is_read(record):
    records.append(record)
    records.append(record | {"seed": 1})
    path = records.path_of("focal_loss/1b", "smoke")
    first, second = path.read_text().splitlines()
    path.write_text(f"{first[:-20]}{second}\n")
    with pytest.warns(UserWarning, match="line 1: found a line that breaks off"):
        assert [r["seed"] for r in records.read("focal_loss/1b", "smoke")] == [1]


def test_a_glued_record_that_was_edited_is_refused(record):
    records.append(record)
    path = records.path_of("focal_loss/1b", "smoke")
    path.write_text('{"table": "fo' + path.read_text().replace("0.25", "0.35"))
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="does not match its checksum"):
        records.read("focal_loss/1b", "smoke")


def test_a_record_that_the_disk_takes_only_half_of_leaves_no_trace(record):
    resource = pytest.importorskip("resource", reason="Windows has no limits of a process")
    records.append(record)
    path = records.path_of("focal_loss/1b", "smoke")
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, limits[1]))  # as a full disk: a short write
        with pytest.raises(OSError, match="only 40 of"):
            records.append(record | {"seed": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before


def test_products_are_what_the_record_says_or_what_runs_made_again_show(record):
    def probe(commit, bf16, f32):
        return json.dumps({"table": "fpn/1", "row": "x", "seed": 0, "commit": commit, "recorded": 1.5,
                           "bfloat16": bf16, "float32": f32})

    lines = [probe("half", 1.5, 1.4), probe("half", 1.5, 1.5), probe("whole", 1.6, 1.5), probe("neither", 1.6, 1.4),
             probe("mute", 1.5, 1.5), probe("both", 1.5, 1.4), probe("both", 1.6, 1.5), probe("odd", 1.5, 1.4),
             probe("odd", 1.6, 1.4)]
    (paths.results_folder() / "products.jsonl").write_text("\n".join(lines) + "\n")
    commits = ("half", "whole", "neither", "mute", "both", "odd", "other", None)
    found = {commit: records.products({"provenance": {"commit": commit}}) for commit in commits}
    assert found == dict.fromkeys(commits, "unknown") | {"half": "bfloat16", "whole": "float32"}
    assert records.products({"provenance": {"commit": "half", "products": "float32"}}) == "float32"
    assert records.products(record) in ("bfloat16", "float32")             # a new one says it


def test_new_records_name_the_chip_and_the_products(monkeypatch):
    monkeypatch.setattr(device, "chip", lambda device: "Some Chip")
    told = {}
    for has in (True, False):
        monkeypatch.setattr(device, "has_bf16", lambda kind, has=has: has)
        for asked in (True, False):
            where = records.provenance(torch.device("cpu"), asked)
            assert where["device"] == "cpu (Some Chip)"
            told[asked, has] = where["products"]
    assert told.pop((True, True)) == "bfloat16" and set(told.values()) == {"float32"}


def test_stored_evidence_is_of_stored_records(monkeypatch):
    monkeypatch.delenv("PAPERLIB_RESULTS", raising=False)
    lines = (paths.results_folder() / "products.jsonl").read_text().splitlines()
    assert len(lines) > 50
    for probe in map(json.loads, lines):
        run = probe["row"], probe["seed"], probe["commit"]
        stored = records.read(probe["table"], "mini")
        assert probe["recorded"] in [
            r["curve"][0] for r in stored if (r["row"], r["seed"], r["provenance"]["commit"]) == run]
