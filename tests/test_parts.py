"""Parts of claims on rows, and how they are joined, on made-up records: every kind of judge can say yes and no."""
import math

import pytest
from scipy import stats

from paperlib.claims import rows
from paperlib.claims.comparisons import Comparison, above, below, fewer_failures, within
from paperlib.claims.joining import joined
from paperlib.claims.tally import Verdict, q_values, with_q
from paperlib.claims.trained import Trained
from paperlib.intervals import mean_interval, paired
from paperlib.training.recipes import budget

NOISE = (0.000, 0.001, -0.001, 0.0015, -0.0005)  # of five seeds


class Records(Trained):
    """Runs of {table: {row: {metric: mean}}}, five seeds each; a list of means is taken as it is."""

    def __init__(self, tables: dict, diverged: dict | None = None):
        super().__init__(budget("mini"))
        for table, body in tables.items():
            self._tables[table] = {row: self._row(row, metrics, diverged or {}) for row, metrics in body.items()}

    def rows(self, table: str) -> dict[str, dict]:
        return self._tables.get(table, {})

    @staticmethod
    def _row(row: str, metrics: dict, diverged: dict) -> dict:
        by_seed, shift = {}, len(row) % 5
        for metric, mean in metrics.items():
            values = mean if isinstance(mean, list) else [mean + NOISE[(s + shift) % 5] for s in range(5)]
            by_seed[metric] = dict(enumerate(values))
        seeds = range(len(values))
        return {"metrics": by_seed, "stale": 0, "seconds": [60.0] * len(values), "diverged": diverged.get(row, 0),
                "products": dict.fromkeys(seeds, "bfloat16"), "changed": 0, "older_rules": 0,
                "draws": {}}


def judge(judged: dict, tables: dict, **more) -> str:
    """The verdict on a claim with this judge."""
    return result(judged, tables, **more).verdict


def result(judged: dict, tables: dict, **more):
    claim = {"id": "made-up", "paper": "fpn", "judge": {"by": "rows", "table": "fpn/1", "metric": "AR1k"} | judged}
    return joined(rows.compared(claim, Records(tables, **more)), judged.get("looks", ()))


def two(better: float, worse: float, metric: str = "AR1k", table: str = "fpn/1", names=("FPN", "C4 baseline")) -> dict:
    return {table: {names[0]: {metric: better}, names[1]: {metric: worse}}}


PAIR = {"better": "FPN", "worse": "C4 baseline"}
FLIPS = {  # judge: (runs that show it, runs that show the opposite)
    "sign": (PAIR, two(0.35, 0.30), two(0.30, 0.35)),
    "lower is better": ({"better": "1", "worse": "2", "table": "sharpmask/1", "metric": "time"},
                        two(0.30, 0.35, "time", "sharpmask/1", "12"), two(0.35, 0.30, "time", "sharpmask/1", "12")),
    "metric A - B": (PAIR | {"metric": "AR1k_s - AR1k_l"},
                     {"fpn/1": {"FPN": {"AR1k_s": 0.3, "AR1k_l": 0.2}, "C4 baseline": {"AR1k_s": 0.2, "AR1k_l": 0.3}}},
                     {"fpn/1": {"FPN": {"AR1k_s": 0.1, "AR1k_l": 0.2}, "C4 baseline": {"AR1k_s": 0.3, "AR1k_l": 0.2}}}),
    "factor": (PAIR | {"factor": 0.5, "why": "half"}, two(0.35, 0.10), two(0.35, 0.30)),
    "two-sided margin": ({"better": "a", "worse": "b", "margin": "two-sided"},
                         two(0.3, 0.3, names="ab"), two(0.5, 0.3, names="ab")),
    "two-sided margin, below": ({"better": "a", "worse": "b", "margin": "two-sided"},
                                two(0.3, 0.3, names="ab"), two(0.2, 0.3, names="ab")),
    "one-sided margin": ({"better": "a", "worse": "b", "margin": "one-sided"},
                         two(0.5, 0.3, names="ab"), two(0.2, 0.3, names="ab")),
    "one-sided margin, lower is better": (
        {"better": "1", "worse": "2", "table": "sharpmask/1", "metric": "time", "margin": "one-sided"},
        two(0.30, 0.30, "time", "sharpmask/1", "12"), two(0.35, 0.30, "time", "sharpmask/1", "12")),
    "margin of ours": ({"better": "a", "worse": "b", "margin": "two-sided", "bound": 0.4, "why": "ours"},
                       two(0.4, 0.3, names="ab"), two(0.5, 0.3, names="ab")),
    "above a bound": ({"better": "FPN", "bound": 50, "why": "half"}, two(0.6, 0.3), two(0.4, 0.3)),
    "below a bound": ({"worse": "FPN", "bound": 50, "why": "half"}, two(0.4, 0.3), two(0.6, 0.3)),
    "more": (PAIR | {"more": {"better": "no lateral", "worse": "no top-down"}},
             {"fpn/1": two(0.40, 0.30)["fpn/1"] | {"no lateral": {"AR1k": 0.22}, "no top-down": {"AR1k": 0.20}}},
             {"fpn/1": two(0.40, 0.30)["fpn/1"] | {"no lateral": {"AR1k": 0.42}, "no top-down": {"AR1k": 0.20}}}),
    "relative": (PAIR | {"relative": True, "more": {"better": "no lateral", "worse": "no top-down"}},
                 {"fpn/1": two(0.15, 0.10)["fpn/1"] | {"no lateral": {"AR1k": 0.66}, "no top-down": {"AR1k": 0.60}}},
                 {"fpn/1": two(0.11, 0.10)["fpn/1"] | {"no lateral": {"AR1k": 0.80}, "no top-down": {"AR1k": 0.60}}}),
    "fails": (PAIR | {"fails": True}, two(0.30, 0.05), two(0.05, 0.30)),
    "row of another table": ({"better": "FPN", "worse": "fpn/2:FPN", "metric": "AP"},
                             {"fpn/1": {"FPN": {"AP": 0.3}}, "fpn/2": {"FPN": {"AP": 0.2}}},
                             {"fpn/1": {"FPN": {"AP": 0.2}}, "fpn/2": {"FPN": {"AP": 0.3}}}),
    "parts": ({"parts": [PAIR, {"better": "C4 baseline", "worse": "no lateral"}]},
              {"fpn/1": two(0.40, 0.30)["fpn/1"] | {"no lateral": {"AR1k": 0.2}}},
              {"fpn/1": two(0.40, 0.30)["fpn/1"] | {"no lateral": {"AR1k": 0.35}}}),
    "two looks": (PAIR | {"looks": ["seeds extended after a look"]}, two(0.35, 0.30), two(0.30, 0.35)),
}


@pytest.fixture(autouse=True)
def same_test_images(monkeypatch):
    """Rows of two tables count as tested alike, whichever they are; a test of its own asks for that."""
    monkeypatch.setattr(rows, "_tested_on", lambda *place: ("minicoco", "val"))


@pytest.mark.parametrize("name", FLIPS)
def test_every_kind_of_judge_can_hold_and_be_contradicted(name):
    judged, shown, opposite = FLIPS[name]
    assert judge(judged, shown).split(",")[0] == "holds"
    assert judge(judged, opposite) == "contradicted"
    assert judge(judged, {}) == "not run"


def test_a_part_is_students_interval_and_p():
    tables = {"fpn/1": {"FPN": {"AR1k": [0.35, 0.37, 0.33]}, "C4 baseline": {"AR1k": [0.30, 0.31, 0.31]}}}
    (part,), expected = result(PAIR, tables).parts, stats.ttest_rel([35, 37, 33], [30, 31, 31])
    bounds = expected.confidence_interval(0.95)
    assert part.measured == pytest.approx(13 / 3, abs=1e-4) and part.n == 3 and part.verdict == "unresolved"
    assert part.interval == pytest.approx((bounds.low, bounds.high), abs=1e-4)
    assert part.p == pytest.approx(expected.pvalue) == result(PAIR, tables).p
    assert part.share == pytest.approx(100 * 13 / 92, abs=1e-3)
    assert part.printed == pytest.approx(100 * 8 / 48.3, abs=1e-3)


@pytest.mark.parametrize(("better", "says"), [(0.45, "holds, larger"), (0.35, "holds"), (0.31, "holds, smaller")])
def test_the_printed_size_is_a_share(better, says):
    """FPN prints 56.3 over 48.3, 16.6%: 5 points above 30."""
    assert judge(PAIR, two(better, 0.30)) == says


@pytest.mark.parametrize(("better", "says"), [(0.20, "holds, larger"), (0.29, "holds, smaller")])
def test_sizes_are_told_apart_where_less_is_better_too(better, says):
    judged = {"better": "1", "worse": "2", "table": "sharpmask/1", "metric": "time", "printed": [45.0, 50.0]}
    assert judge(judged, two(better, 0.30, "time", "sharpmask/1", "12")) == says


def test_a_size_printed_in_words_only_can_be_given():
    judged = {"better": "a", "worse": "b", "printed": [51.0, 50.0]}
    assert judge(judged, two(0.45, 0.30, names="ab")) == "holds, larger"
    judged["printed"] = [49.0, 50.0]  # of the other sign: no size
    assert judge(judged, two(0.45, 0.30, names="ab")) == "holds"


def test_a_margin_is_the_printed_share_or_one_and_a_half_percent():
    judged = {"better": "a", "worse": "b", "margin": "one-sided"}
    (part,) = result(judged, two(0.30, 0.30, names="ab")).parts
    assert part.margin == pytest.approx(0.015 * 30.02, abs=0.01)
    (part,) = result(judged | {"printed": [45.0, 50.0]}, two(0.30, 0.30, names="ab")).parts
    assert part.margin == pytest.approx(0.10 * 30, abs=0.02)
    (part,) = result(judged | {"printed": [50.0, 50.1]}, two(0.30, 0.30, names="ab")).parts
    assert part.margin == pytest.approx(0.015 * 30, abs=0.01)


def lead(mean: float, spread: float = 1.0) -> Comparison:
    return above({seed: mean + spread * x for seed, x in enumerate((-1, -0.5, 0, 0.5, 1))}, f"lead of {mean}")


def test_parts_hold_each_and_contradict_together():
    # one part at p = .03 contradicts a claim of one part, not one of two; parts that hold are not corrected
    doubtful = next(c for c in (lead(-m / 100) for m in range(60, 200)) if c.p_against() < 0.04)
    assert 0.025 < doubtful.p_against() < 0.05
    assert joined([doubtful]).verdict == "contradicted" and joined([doubtful, lead(9)]).verdict == "unresolved"
    both = joined([doubtful, lead(9)])
    assert [part.verdict for part in both.parts] == ["contradicted", "holds"]
    assert both.p == pytest.approx(2 * doubtful.p_against())
    assert joined([lead(3), lead(9)]).verdict == "holds" and joined([lead(3), lead(9)]).p == lead(3).p_for()
    assert joined([lead(-9), lead(9), lead(9)]).p == pytest.approx(3 * lead(-9).p_against())
    assert joined([lead(-9), lead(9)]).deciding == 0 and joined([lead(9), lead(3)]).deciding == 1


def test_a_part_that_was_not_run_leaves_only_a_contradiction():
    missing = Comparison("missing", None)
    assert joined([lead(9), missing]).verdict == "not run" and joined([lead(9), missing]).p is None
    assert joined([lead(-9), missing]).verdict == "contradicted"
    assert joined([lead(9), Comparison("old", None, stale=True)]).verdict == "stale"


def test_two_looks_are_judged_at_97_and_a_half_percent():
    looks = ("seeds extended after a look",)
    once = next(c for c in (lead(m / 100) for m in range(60, 200)) if c.p_for() < 0.04)
    assert joined([once]).verdict == "holds" and joined([once], looks).verdict == "unresolved"
    assert joined([once], looks).p == pytest.approx(2 * once.p_for())
    wide = mean_interval([once.difference.mean + x for x in (-1, -0.5, 0, 0.5, 1)], 0.975)
    (part,) = joined([once], looks).parts
    assert part.interval == pytest.approx((wide.low, wide.high), abs=1e-4)
    assert joined([once], ("single look",)).verdict == "holds"


def test_failures_are_counted_and_compared_exactly():
    part = fewer_failures(0, 5, 4, 5, "failed")
    p = stats.fisher_exact([[0, 5], [4, 1]], alternative="less").pvalue
    assert part.p_for() == pytest.approx(2 * p) and part.p_against() == 1 and part.difference.mean == 80
    assert joined([part]).verdict == "holds" and joined([fewer_failures(0, 5, 3, 5, "failed")]).verdict == "unresolved"
    # a run fails below half of the best row's mean, or if it diverged (a score of zero)
    tables = two([0.30, 0.31, 0.29, 0.30, 0.30], [0.0, 0.14, 0.152, 0.1, 0.1])
    assert result(PAIR | {"fails": True}, tables).parts[0].measured == 80


def test_bounds_on_one_or_both_sides():
    values = [9.0, 10.0, 11.0]
    assert joined([within(values, 5, 20, "w")]).verdict == "holds"
    assert joined([within(values, 15, 20, "w")]).verdict == "contradicted"
    assert joined([within(values, 9, 20, "w")]).verdict == "unresolved"
    assert joined([below(values, "w", 80)]).verdict == "holds"
    assert joined([above(values, "w", 80)]).verdict == "contradicted"
    assert joined([above({}, "w")]).verdict == "not run"


def test_pairs_that_would_show_the_printed_size_or_the_margin():
    tables = {"fpn/1": {"FPN": {"AR1k": [0.33, 0.31, 0.29, 0.35]}, "C4 baseline": {"AR1k": [0.30, 0.32, 0.30, 0.31]}}}
    (part,) = result(PAIR, tables).parts
    spread = stats.tstd([3, -1, -1, 4])
    n, effect = part.pairs, 8 / 48.3 * 30.75
    power = [stats.nct.sf(stats.t.ppf(0.975, k - 1), k - 1, effect * k**0.5 / spread) for k in (n - 1, n)]
    assert part.verdict == "unresolved" and power[0] < 0.8 <= power[1]
    one, both = (result(PAIR | {"margin": margin, "bound": 0.05, "why": "w"}, tables).parts[0].pairs
                 for margin in ("one-sided", "two-sided"))
    assert both > one > 4
    two_looks = result(PAIR | {"looks": ["seeds extended after a look"]}, tables).parts[0].pairs
    assert two_looks > n  # judged at 97.5%


def test_rows_of_two_tables_must_fit(monkeypatch):
    judged = {"better": "FPN", "worse": "fpn/2:FPN", "metric": "AP"}
    tables = {"fpn/1": {"FPN": {"AP": 0.3}}, "fpn/2": {"FPN": {"AR1k": 0.2}}}
    with pytest.raises(ValueError, match="claim 'made-up', part 1: the runs of 'fpn/2:FPN' have no metric 'AP'"):
        judge(judged, tables)
    tables["fpn/2"]["FPN"] = {"AP": 0.2}
    records = Records(tables)
    records._tables["fpn/2"]["FPN"]["products"] = {7: "bfloat16"}
    with pytest.raises(ValueError, match="'FPN' and 'fpn/2:FPN' share no seed"):
        rows.compared({"id": "made-up", "paper": "fpn", "judge": {"by": "rows", "table": "fpn/1"} | judged}, records)
    monkeypatch.setattr(rows, "_tested_on", lambda table, row, trained: (table, "val"))
    with pytest.raises(ValueError, match=r"is tested on .'fpn/1', 'val'., .*expected the same split"):
        judge(judged, tables)


def test_what_a_row_is_tested_on(monkeypatch):
    monkeypatch.undo()
    trained = Trained(budget("mini"))
    assert rows._tested_on("fpn/3", "FPN", trained) == rows._tested_on("fpn/2", "FPN", trained)
    assert rows._tested_on("fpn/3", "FPN", trained) != rows._tested_on("faster_rcnn/2", "SS / SS 2000", trained)
    assert rows._tested_on("fpn/3", "no such row", trained) is None


def test_q_values_are_scipys():
    p = [0.001, 0.2, 0.03, 0.04, 0.9, 0.03]
    assert q_values(p) == pytest.approx(stats.false_discovery_control(p).tolist())


def test_what_stands_after_many_claims():
    def line(name, p, verdict, kind="trend"):
        return Verdict(id=name, paper="fpn", place="", line="", kind=kind, tier=1, say="", published=1, unit="", how="",
                       verdict=verdict, p=p)

    lines = with_q([line("a", 0.001, "holds, larger"), line("b", 0.04, "contradicted"), line("c", 0.5, "unresolved"),
                    line("d", None, "not run"), line("e", 0.04, "holds", kind="ratio")])
    assert [one.after for one in lines] == ["holds, larger", "unresolved", "unresolved", "not run", "holds"]
    assert [one.q for one in lines] == [pytest.approx(0.003), pytest.approx(0.06), 0.5, None, None]


def test_a_pair_is_the_same_as_a_paired_difference():
    values = {"FPN": [0.31, 0.33, 0.36], "C4 baseline": [0.30, 0.31, 0.33]}
    (part,) = result(PAIR, {"fpn/1": {row: {"AR1k": scores} for row, scores in values.items()}}).parts
    found = paired(*({seed: 100 * x for seed, x in enumerate(scores)} for scores in values.values()))
    assert part.interval == pytest.approx((found.low, found.high), abs=1e-4) and math.isfinite(part.p)


def test_the_interval_over_images_is_that_of_the_mean_difference_on_shared_draws():
    runs = Records(two(0.35, 0.30))
    easy = [0.10 * (draw - 50) / 50 for draw in range(101)]  # how much easier each draw is: both rows gain
    for row, mean in (("FPN", 0.35), ("C4 baseline", 0.30)):
        share = 1.0 if row == "FPN" else 0.8
        runs._tables["fpn/1"][row]["draws"] = {
            "AR1k": {seed: [mean + share * more for more in easy] for seed in range(3)}}
    claim = {"id": "made-up", "paper": "fpn", "judge": {"by": "rows", "table": "fpn/1", "metric": "AR1k"} | PAIR}
    (part,) = joined(rows.compared(claim, runs)).parts
    assert part.images == pytest.approx((5 - 2 * 0.95, 5 + 2 * 0.95))  # 95% of what is left of the easiness
    runs._tables["fpn/1"]["FPN"]["draws"] = {}
    (part,) = joined(rows.compared(claim, runs)).parts
    assert part.images is None and part.interval is not None
