"""Claims on time: the interval of a median, the rule of the verdict, and the timing itself at tiny sizes."""
import math

import numpy as np
import pytest
import torch

from paperlib.__main__ import main
from paperlib.bench import timing
from paperlib.claims import verdicts as module
from paperlib.claims.registry import TIMED
from paperlib.claims.verdicts import judged
from paperlib.intervals import Difference, median_interval, timing_verdict
from paperlib.papers.register import claims
from paperlib.tables import records

LIGHT = ("fpn-extra-cost-marginal", "focal-scale-cost", "faster-one-stage-slower", "fpn-sharing-reduces-test-time")
REGISTER = {c["id"]: c for c in claims() if c["judge"]["by"] == "measure"}


def test_the_interval_of_a_median_covers_it():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        found = median_interval(list(rng.exponential(size=9)))
        inside += found.low <= math.log(2) <= found.high
    assert inside / 400 > 0.93
    found = median_interval([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 800.0])
    assert (found.low, found.mean, found.high, found.n) == (2.0, 5.0, 9.0, 9)       # the outlier does not count
    assert median_interval([1.0, 2.0, 4.0, 8.0]).mean == 3.0
    assert median_interval([1.0] * 5).low == -math.inf and median_interval([1.0] * 6).low == 1.0
    with pytest.raises(ValueError, match="needs numbers"):
        median_interval([1.0, math.nan])


@pytest.mark.parametrize(("interval", "direction", "bound", "sizes", "absolute", "verdict"), [
    ((5.0, 6.0), ">", 4, [4.0], False, "holds"),
    ((9.0, 9.5), ">", 4, [4.0], False, "unresolved"),               # more than twice as large
    ((1.1, 1.2), ">", 4, [4.0], False, "unresolved"),               # less than half as large
    ((0.5, 0.9), ">", 4, [4.0], False, "contradicted"),
    ((0.9, 4.0), ">", 4, [4.0], False, "unresolved"),               # the direction is open
    ((9.0, 9.5), ">", 1, [], False, "holds"),                       # no size is printed
    ((0.3, 0.4), "<", 0.5, [], False, "holds"),
    ((0.6, 0.7), "<", 0.5, [], False, "contradicted"),
    ((0.4, 0.6), "<", None, [], False, "holds"),                    # below 1
    ((30.0, 31.0), ">", 45, [45.0], True, "holds"),                 # within a factor of two
    ((20.0, 22.0), ">", 45, [45.0], True, "contradicted"),
    ((15.0, 19.0), "<", 10, [10.0], True, "holds"),
    ((15.0, 21.0), "<", 10, [10.0], True, "unresolved"),
    ((-math.inf, math.inf), ">", 2, [2.0], False, "unresolved"),    # too few repeats
])
def test_the_rule(interval, direction, bound, sizes, absolute, verdict):
    middle = sum(interval) / 2 if math.isfinite(interval[0]) else 2.0
    assert timing_verdict(Difference(middle, *interval, 9), direction, bound, sizes, absolute) == verdict


def test_every_race_belongs_to_a_claim_and_claims_have_sizes():
    assert set(TIMED) <= set(REGISTER) and len(TIMED) >= 21
    assert timing.sizes(REGISTER["frcn-vs-rcnn-speed"]) == [REGISTER["frcn-vs-rcnn-speed"]["published"][0]]
    assert timing.sizes(REGISTER["focal-vs-fpn-speed"]) == REGISTER["focal-vs-fpn-speed"]["published"]
    assert timing.sizes(REGISTER["focal-drop-p2-saves"]) == []
    assert timing.sizes(REGISTER["faster-one-stage-slower"]) == []                  # its numbers count regions
    says, remark = timing.judge(REGISTER["focal-scale-cost"], Difference(24.0, 23.0, 25.0, 9))
    assert says == "unresolved" and "the size is 10 times the published one" in remark


@pytest.mark.parametrize("claim", LIGHT)
def test_races_run_at_tiny_sizes(claim):
    record = timing.measure(claim, TIMED, "ratios", repeats=2, device="cpu", shrink=8)
    assert record["hash"] == timing.identity(claim, TIMED) and record["row"] == claim and record["shrink"] == 8
    assert len(record["values"]) == 2 and all(s > 0 for s in record["parts"].values())
    assert all(math.isfinite(v) and v > 0 for v in record["values"])
    assert record["provenance"]["device"].startswith("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in TIMED if c not in LIGHT])
def test_the_other_races_run_too(claim):
    assert timing.measure(claim, TIMED, "ratios", repeats=1, device="cpu", shrink=8)["metrics"]["value"] > 0


def test_parts_take_turns_and_the_first_round_does_not_count():
    order = []
    race = timing.Race({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, lambda s: 1.0, "")
    values, seconds = timing.timed(race, 3, torch.device("cpu"))
    assert order == ["a", "b"] * 4 and len(values) == 3 and len(seconds["a"]) == 3


@pytest.fixture
def timings(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(module, "COMPUTED", {})
    return tmp_path


def record(claim: str, values: list[float], device: str = "cpu (x86_64)", shrink: int = 2) -> None:
    records.append({
        "table": "ratios", "row": claim, "seed": 0, "budget": "bench",
        "hash": timing.identity(claim, TIMED), "status": "ok", "metrics": {"value": values[0]},
        "values": values, "parts": {}, "note": "As said.", "shrink": shrink, "seconds": 30.0,
        "provenance": {"device": device}})


def of(claim: str) -> dict:
    return next(line for line in judged() if line.id == claim)


def test_timings_are_judged_and_go_stale(timings, monkeypatch):
    record("focal-scale-cost", [9.0] * 9)
    record("focal-scale-cost", [2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.8])       # the newest counts
    record("focal-scale-cost", [3.0] * 9, "cuda (a card)", shrink=1)
    line = of("focal-scale-cost")
    assert (line.measured, line.interval, line.n, line.verdict) == (2.4, (2.1, 2.7), 9, "holds")
    assert line.cost == 0.5 and line.budget == "bench"
    assert "Sides 1/2, regions 1/4" in line.note and "On cuda: 3." in line.note
    monkeypatch.setattr(timing, "REVISION", timing.REVISION + 1)
    line = of("focal-scale-cost")
    assert line.verdict == "stale" and line.measured is None


def test_a_timing_on_a_gpu_alone_is_judged_too(timings):
    record("focal-scale-cost", [3.0] * 9, "cuda (a card)", shrink=1)
    assert of("focal-scale-cost").verdict == "holds" and "Sides" not in of("focal-scale-cost").note


def test_the_command_records(timings, capsys):
    threads = torch.get_num_threads()
    assert main(["bench", "claims", "--ids", "sharp-nothing"]) == 2
    assert "cannot be timed; these can: rcnn-onet-7x" in capsys.readouterr().err
    assert main(["bench", "claims", "--ids", "fpn-extra-cost-marginal", "--repeats", "0"]) == 2
    assert list(timings.iterdir()) == []
    assert main(["bench", "claims", "--ids", "fpn-extra-cost-marginal", "--repeats", "1", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith("fpn-extra-cost-marginal: ")
    assert len(records.read("ratios", "bench")) == 1 and torch.get_num_threads() == threads
    assert of("fpn-extra-cost-marginal").verdict == "unresolved"                 # one repeat bounds nothing
