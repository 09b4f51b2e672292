"""Records: sealed, append-only, refused when edited or cut short."""

import json

import pytest
import torch

from paperlib.experiments import records


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
    records.append({**record, "seed": 1})
    found = records.read("focal_loss/1b", "smoke")
    assert [r["seed"] for r in found] == [0, 1]
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
        (lambda line: line[:-30], "line 1: not a JSON record"),
        (
            lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != "hash"}),
            "line 1: record lacks hash",
        ),
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
    assert records.typical(systems, "smoke") == {
        "focal_loss/1a": 4.0, "focal_loss/1b": 4.0, "retinanet": 4.0, "fpn/1": 50.0, "rpn": 50.0}


def test_torn_last_line_does_not_swallow_the_next_record(record):
    records.append(record)
    path = records.path_of("focal_loss/1b", "smoke")
    path.write_text(path.read_text() + '{"table": "focal')
    records.append(record | {"seed": 1})
    first, torn, last = path.read_text().splitlines()
    assert json.loads(first)["seed"] == 0 and torn == '{"table": "focal' and json.loads(last)["seed"] == 1
