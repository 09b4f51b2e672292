"""The bench beside the peers at tiny sizes: equal outputs, sealed records, the README's section."""
import math

import pytest
import torch

from paperlib import paths
from paperlib.__main__ import main
from paperlib.bench import against_pycocotools, against_torchvision, timing
from paperlib.bench.scaling import BESIDE_PEERS
from paperlib.course import bench_section
from paperlib.device import has_bf16, vector_units
from paperlib.tables import costs, records


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("row", ["retinanet_tiny step", "retinanet_tiny inference", "scorer", "growth classes"])
def test_rows_run_at_tiny_sizes(row):
    record = timing.measure(row, BESIDE_PEERS, "peers", 1, "cpu", 8)
    assert record["hash"] == timing.identity(row, BESIDE_PEERS) and record["values"][0] > 0
    assert all(seconds > 0 for seconds in record["parts"].values())
    if row.startswith("growth"):
        peaks = record["megabytes"]
        assert list(peaks) == ["20", "80", "320", "1280"]
        assert peaks["20"] is None or peaks["1280"] > peaks["20"]       # None: not Linux


@pytest.mark.slow
@pytest.mark.parametrize("row", [r for r in BESIDE_PEERS if "resnet50" in r or "growth" in r])
def test_the_other_rows_run_too(row):
    assert timing.measure(row, BESIDE_PEERS, "peers", 1, "cpu", 8)["metrics"]["value"] > 0


def test_other_outputs_are_refused(monkeypatch):
    def other(device, shrink):
        theirs, mine, *batch = against_torchvision.retinanet_tiny(device, shrink)
        torch.nn.init.zeros_(mine.head.box[0].weight)
        return theirs, mine, *batch

    with torch.no_grad(), pytest.raises(ValueError, match=r"other: only .* of our detections are torchvision's"):
        against_torchvision.beside(other, False, "cpu", 8)


def test_the_made_case_is_coco_sized():
    gt, found = against_pycocotools.made_case(3)
    objects, detections = against_pycocotools.OBJECTS, against_pycocotools.DETECTIONS
    assert len(gt["annotations"]) == 3 * objects and len(found) == 3 * detections
    assert against_pycocotools.IMAGES * detections == 500_000 and len({r["category_id"] for r in found}) > 20


def test_the_command_records_prints_and_draws(results, capsys):
    assert main(["bench", "--ids", "nothing"]) == 2
    assert "'nothing' cannot be timed; these can: retinanet_resnet50 step" in capsys.readouterr().err
    rows = "scorer,world,growth images"
    command = ["bench", "--ids", rows, "--repeats", "6", "--shrink", "8", "--device", "cpu"]
    assert main([*command, "--picture", str(results / "bench.png")]) == 0
    said = capsys.readouterr().out
    found = {r["row"]: r for r in records.read("peers", "bench")}           # reading checks every seal
    assert set(found) == {"scorer", "world", "growth images"}
    low, high = timing.interval(found["scorer"]).low, timing.interval(found["scorer"]).high
    assert math.isfinite(low) and f"{found['scorer']['metrics']['value']:.2f} [{low:.2f}, {high:.2f}]" in said
    rate = f"{found['world']['metrics']['value']:.0f} ({vector_units()})"
    assert f"MiniCOCO is drawn at {rate} images a core-second" in said
    to_run = costs.outlook("mini").values()                                # no run of any table is recorded here
    assert {t["to_go"] for t in to_run} == {None} and (runs := sum(t["left"] for t in to_run)) > 100
    assert f"All tables at the mini budget: {runs} runs. Recorded: 0 runs." in said
    assert (results / "bench.png").read_bytes().startswith(b"\x89PNG")
    filled = bench_section.filled("a <!-- bench -->\nold<!-- /bench -->")
    assert filled == f"a <!-- bench -->\n{bench_section.section()}<!-- /bench -->"


def test_each_kind_of_processor_has_its_own_row(results):
    for units, seconds in (("AVX2", 2.0), ("AVX512 with bfloat16", 1.0), (None, 9.0)):
        record = timing.measure("scorer", BESIDE_PEERS, "peers", 1, "cpu", 8)
        parts = {"theirs": 3 * seconds, "paperlib": seconds, timing.PRODUCT: 0.5}
        ops = {"theirs": 80.0, "paperlib": 80.0, timing.PRODUCT: 50.0}
        provenance = {**record["provenance"], "vector_units": units}
        records.append({**record, "parts": parts, "giga_ops": ops, "provenance": provenance})
    lines = [line for line in bench_section.section().splitlines() if line.startswith("| COCO")]
    assert [line.split(" | ")[1] for line in lines] == ["AVX512 with bfloat16", "AVX2"]  # none without its units
    assert [line.split(" | ")[-1] for line in lines] == ["80% |", "40% |"]  # 80 in a second, where 100 are possible
    assert "| 6 s | 2 s |" in lines[1]


def test_units_that_are_held_back_are_named_and_not_used(monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    has_bf16.cache_clear()
    try:
        assert vector_units().endswith(", simulated") and "bfloat16" not in vector_units()
        assert not has_bf16("cpu")
    finally:
        has_bf16.cache_clear()


def test_operations_are_counted():
    product, ops = timing.product()
    assert ops == pytest.approx(2 * 1024**3 / 1e9) == timing.counted(product)
    assert timing.share_of_peak({"parts": {"a": 1.0, timing.PRODUCT: 1.0}}, "a") is None


def test_readme_is_in_step_with_the_records(monkeypatch):
    monkeypatch.delenv("PAPERLIB_RESULTS", raising=False)
    text = (paths.REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert bench_section.SECTION.search(text), "README.md lost its <!-- bench --> markers"
    assert bench_section.filled(text) == text, "run: paperlib notebooks readme"
    assert bench_section.beside_peers()
    assert (paths.REPOSITORY / "data" / "bench.png").stat().st_size < 100_000
