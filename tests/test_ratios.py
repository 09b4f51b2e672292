"""Claims on time: the interval of a median, the rule of the verdict, and the timing itself at tiny sizes."""
import inspect
import math

import numpy as np
import pytest
import torch

from paperlib.__main__ import main
from paperlib.bench import timing
from paperlib.claims import timed
from paperlib.claims import verdicts as module
from paperlib.claims.registry import REDUCED, TIMED
from paperlib.claims.verdicts import judged
from paperlib.intervals import Difference, median_interval
from paperlib.papers.register import claims
from paperlib.tables import records

LIGHT = ("fpn-extra-cost-marginal", "focal-scale-cost", "faster-one-stage-slower", "fpn-faster-than-c4")
REGISTER = {c["id"]: c for c in claims() if c["judge"]["by"] == "measure"}


def test_the_interval_of_a_median_covers_it():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        found = median_interval(list(rng.exponential(size=9)))
        inside += found.low <= math.log(2) <= found.high
    assert inside / 400 > 0.93
    assert median_interval([1.0] * 9, 0.9).level == 0.9
    found = median_interval([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 800.0])
    assert (found.low, found.mean, found.high, found.n) == (2.0, 5.0, 9.0, 9)       # the outlier does not count
    assert median_interval([1.0, 2.0, 4.0, 8.0]).mean == 3.0
    assert median_interval([1.0] * 5).low == -math.inf and median_interval([1.0] * 6).low == 1.0
    with pytest.raises(ValueError, match="needs numbers"):
        median_interval([1.0, math.nan])


@pytest.mark.parametrize(("interval", "judge", "verdict"), [
    ((5.0, 6.0), {"direction": ">", "size": 4}, "holds"),
    ((9.0, 9.5), {"direction": ">", "size": 4}, "holds, larger"),           # more than twice as large
    ((1.1, 1.2), {"direction": ">", "size": 4}, "holds, smaller"),          # less than half as large
    ((3.0, 9.0), {"direction": ">", "size": 4}, "unresolved"),              # the printed size, and much else
    ((0.5, 0.9), {"direction": ">", "size": 4}, "contradicted"),
    ((0.9, 4.0), {"direction": ">", "size": 4}, "unresolved"),              # the direction is open
    ((1.17, 1.24), {"direction": ">", "size": 1.16}, "holds"),
    ((1.33, 1.37), {"direction": ">", "size": 1.16}, "holds, larger"),      # within a factor of two, and far off
    ((1.02, 1.05), {"direction": ">", "size": 1.16}, "holds, smaller"),
    ((2.1, 2.2), {"direction": ">", "size": [1.4, 2.0]}, "holds"),          # beyond both, by less than root 2
    ((9.0, 9.5), {"direction": ">"}, "holds"),                              # no size is printed
    ((1.8, 1.9), {"direction": ">", "bound": 2, "size": 2.2}, "contradicted"),   # not twice as fast
    ((0.3, 0.4), {"direction": "<", "bound": 0.5}, "holds"),
    ((0.6, 0.7), {"direction": "<", "bound": 0.5}, "contradicted"),
    ((0.4, 0.6), {"direction": "<"}, "holds"),                              # below 1
    ((31.0, 33.0), {"direction": ">", "of": "saved", "bound": 30, "size": 30}, "holds"),
    ((20.0, 22.0), {"direction": ">", "of": "saved", "bound": 30, "size": 30}, "contradicted"),
    ((51.0, 53.0), {"direction": ">", "of": "saved", "bound": 30, "size": 30}, "holds, larger"),
    ((44.0, 46.0), {"direction": "=", "of": "share", "size": 45}, "holds"),
    ((70.0, 71.0), {"direction": "=", "of": "share", "size": 45}, "contradicted"),
    ((44.0, 50.0), {"direction": "=", "of": "share", "size": 45}, "unresolved"),
    ((15.0, 19.0), {"direction": "<", "bound": 20, "size": 10}, "holds"),        # seconds
    ((15.0, 21.0), {"direction": "<", "bound": 20, "size": 10}, "unresolved"),
    ((2.0, 3.0), {"direction": "<", "bound": 20, "size": 10}, "holds, smaller"),
    ((0.9, 1.1), {"direction": "=", "size": 1, "within": 1.25}, "holds"),
    ((1.3, 1.4), {"direction": "=", "size": 1, "within": 1.25}, "contradicted"),
    ((-math.inf, math.inf), {"direction": ">", "size": 2}, "unresolved"),   # too few repeats
])
def test_the_rule(interval, judge, verdict):
    middle = sum(interval) / 2 if math.isfinite(interval[0]) else 2.0
    assert timed.judge({"judge": judge}, Difference(middle, *interval, 9))[0] == verdict


def test_a_remark_gives_the_factor():
    says, remark = timed.judge(REGISTER["focal-scale-cost"], Difference(24.0, 23.0, 25.0, 9))
    assert says == "holds, larger" and remark == "The quotient is 10 times the published one."
    says, remark = timed.judge(REGISTER["focal-drop-p2-saves"], Difference(2.0, 1.9, 2.1, 9))
    assert says == "holds" and remark.startswith("No size is printed")


def test_every_race_belongs_to_a_claim_and_says_what_it_reduces():
    assert set(TIMED) <= set(REGISTER) and len(TIMED) >= 20 and set(REDUCED) == set(TIMED)
    assert timed.sizes(REGISTER["frcn-vs-rcnn-speed"]) == [REGISTER["frcn-vs-rcnn-speed"]["published"][0]]
    assert timed.sizes(REGISTER["focal-vs-fpn-speed"]) == REGISTER["focal-vs-fpn-speed"]["published"]
    assert timed.sizes(REGISTER["focal-drop-p2-saves"]) == []
    assert timed.sizes(REGISTER["faster-one-stage-slower"]) == []                  # its numbers count regions
    for claim, build in TIMED.items():
        source = inspect.getsource(build)
        assert ("sides" in REDUCED[claim]) == ("/ shrink" in source), claim
        assert ("regions" in REDUCED[claim]) == ("regions(" in source), claim


def a_timing(claim: dict, factor: float) -> Difference:
    """A narrow interval around the printed size times a factor, or around the bound where no size is printed."""
    asked = claim["judge"]
    size = asked.get("size", asked.get("bound", 1))
    middle = factor * (size[0] if isinstance(size, list) else size)
    if asked.get("of"):  # a factor of the quotient
        odds = factor * timed.sizes(claim)[0]
        middle = 100 * odds / (1 + odds) if asked["of"] == "share" else 100 - 100 / odds
    return Difference(middle, middle - 1e-6, middle + 1e-6, 9)


@pytest.mark.parametrize("claim", [claim for claim in REGISTER.values() if claim["id"] in TIMED],
                         ids=lambda claim: claim["id"])
def test_every_timed_verdict_can_turn(claim):
    less, more = (timed.judge(claim, a_timing(claim, factor))[0] for factor in (1 / 200, 200))
    direction, sized = claim["judge"]["direction"], "size" in claim["judge"]
    if direction == "=":
        assert less == more == "contradicted"
    elif direction == ">":
        assert less == "contradicted" and more == ("holds, larger" if sized else "holds")
    else:
        assert less == ("holds, smaller" if sized else "holds") and more == "contradicted"
    if sized:
        assert timed.judge(claim, a_timing(claim, 1.02))[0] == "holds"


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
    assert "Sides 1/2 of the paper's. One CPU core." in line.note and "On cuda: 3." in line.note
    record("rcnn-overfeat-9x", [28.0] * 9)
    line = of("rcnn-overfeat-9x")                                                   # its sides are in full
    assert line.verdict == "holds, larger" and "1/2" not in line.note and "One CPU core." in line.note
    record("rcnn-class-cost-small", [16.0] * 9)
    assert "The bound is ours: twice the printed seconds" in of("rcnn-class-cost-small").note
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
