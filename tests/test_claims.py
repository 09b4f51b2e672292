"""Judged claims: each once, verdicts from paired seeds, stale and hand-edited records, the command line's JSON."""
import json
import re

import pytest
import torch

from paperlib import paths
from paperlib.__main__ import main
from paperlib.claims import verdicts as module
from paperlib.claims.page.scorecard import page
from paperlib.claims.tally import VERDICTS, counts, export, restored
from paperlib.claims.verdicts import frame, judged
from paperlib.papers.printed import published
from paperlib.papers.register import claims
from paperlib.parts.losses import cross_entropy, focal_star
from paperlib.systems.registry import SYSTEMS
from paperlib.tables import records, row_jobs, runner
from paperlib.training.recipes import budget, stand_in

TABLE = "focal_loss/1b"


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of records, no data set, and no exact claims (they have a test of their own)."""
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(module, "COMPUTED", {})
    return tmp_path


def record(row: str, seed: int, ap: float, table: str = TABLE, status: str = "ok", **changed) -> None:
    job = next(j for j in row_jobs.jobs_of(table, budget("mini"), [row], 9) if j.seed == seed)
    records.append({"table": table, "row": row, "seed": seed, "budget": "mini", "hash": runner.identity(job),
                    "status": status, "metrics": {"AP": ap}, "seconds": 90.0, "provenance": {}} | changed)


def of(claim: str) -> dict:
    return next(line for line in judged() if line.id == claim)


def test_every_claim_once_and_nothing_drawn(results):
    lines = judged()
    assert [line.id for line in lines] == [claim["id"] for claim in claims()]
    assert {line.verdict for line in lines} == {"not run", "external"}
    assert {line.id for line in lines if line.verdict == "external"} == {
        claim["id"] for claim in claims() if claim["kind"] == "external"}
    assert all(line.measured is None and line.interval is None and line.n == 0 for line in lines)
    assert list(results.iterdir()) == []
    assert judged(paper="fpn") == [line for line in lines if line.paper == "fpn"]


def test_rows_are_compared_seed_by_seed(results):
    for seed, (better, worse) in enumerate([(0.30, 0.20), (0.33, 0.22), (0.25, 0.16)]):
        record("gamma 2", seed, better)
        record("gamma 0", seed, worse)
    record("gamma 0", 3, 0.9)                                              # a seed without its pair does not count
    line = of("focal-fl-gain")
    printed = {row["label"]: row["values"]["AP"] for row in published()[TABLE]["rows"]}
    assert line.measured == pytest.approx(10) and line.n == 3 and line.verdict == "holds, larger"
    assert line.interval[0] == pytest.approx(10 - 4.303 * 1 / 3**0.5, abs=0.01)
    assert line.delta == pytest.approx(printed["gamma 2"] - printed["gamma 0"])
    assert line.cost == pytest.approx(7 * 1.5) and line.table == TABLE and line.budget == stand_in(TABLE, "mini")


def test_claims_as_a_table(results):
    for seed, (better, worse) in enumerate([(0.30, 0.20), (0.33, 0.22)]):
        record("gamma 2", seed, better)
        record("gamma 0", seed, worse)
    lines = [line for line in judged(paper="focal_loss") if line.notebook == "10_focal_loss"]
    trends, facts = frame(lines, "trend"), frame(lines, "exact")
    line = next(line for line in lines if line.id == "focal-fl-gain")
    assert list(trends.index) == [line.say for line in lines if line.kind == "trend"]
    row = trends.loc[line.say]
    assert row[["place", "paper", "n", "verdict"]].tolist() == ["Table 1b", str(line.published), 2, "holds, larger"]
    assert row["95% interval"] == tuple(line.interval)
    assert row["what is compared"] == 'AP of "gamma 2" minus "gamma 0"'
    assert list(facts) == ["place", "paper", "verdict"] and len(frame([], "ratio")) == 0   # no column of dashes


@pytest.mark.parametrize(("rows", "claim", "verdict"), [
    ({"gamma 2": [0.20, 0.22, 0.16], "gamma 0": [0.30, 0.33, 0.25]}, "focal-fl-gain", "contradicted"),
    ({"gamma 2": [0.20, 0.22, 0.16], "gamma 0": [0.19, 0.23, 0.16]}, "focal-fl-gain", "unresolved"),
    ({"gamma 2": [0.20], "gamma 0": [0.10]}, "focal-fl-gain", "unresolved"),
    ({"gamma 2": [0.20, 0.22], "gamma 5": [0.20]}, "focal-fl-gain", "not run"),
    ({"gamma 2": [0.200, 0.220, 0.160], "gamma 2, alpha 0.5": [0.201, 0.221, 0.161]}, "focal-alpha-half", "holds"),
    ({"gamma 2": [0.20, 0.22, 0.16], "gamma 2, alpha 0.5": [0.26, 0.28, 0.23]}, "focal-alpha-half", "holds"),
    ({"gamma 2": [0.20, 0.22, 0.16], "gamma 2, alpha 0.5": [0.14, 0.16, 0.11]}, "focal-alpha-half", "contradicted"),
    ({"gamma 2": [0.20, 0.22, 0.16], "clip 0.01": [0.26, 0.28, 0.23]}, "focal-clip-tau", "contradicted"),
    ({"gamma 2": [0.20, 0.22, 0.16], "hinge": [0.02, 0.04, 0.01]}, "focal-hinge-unstable", "holds"),
    ({"gamma 2": [0.20, 0.22, 0.16], "hinge": [0.15, 0.17, 0.12]}, "focal-hinge-unstable", "contradicted"),
])
def test_verdicts(results, rows, claim, verdict):
    for row, values in rows.items():
        for seed, value in enumerate(values):
            record(row, seed, value)
    line = of(claim)
    assert line.verdict == verdict
    assert (line.interval is None) == (line.n < 2)


def test_a_diverged_run_is_a_zero_that_is_told(results):
    for seed in range(3):
        record("gamma 2", seed, 0.2 + 0.01 * seed)
        record("hinge", seed, 0.0, status="diverged: step 1: the loss is not finite")
    line = of("focal-hinge-unstable")
    assert line.verdict == "holds" and '3 of 3 runs of "hinge" diverged' in line.note


def test_pairs_of_runs_with_different_products_are_told(results, capsys):
    probe = {"table": TABLE, "row": "gamma 2", "seed": 0, "recorded": 1.5, "bfloat16": 1.5, "float32": 1.25}
    paths.results_folder().mkdir(exist_ok=True)
    (paths.results_folder() / "products.jsonl").write_text(json.dumps(probe | {"commit": "early"}) + "\n")
    kinds = [({"products": "bfloat16"}, {"products": "float32"}), ({"products": "float32"}, {"products": "float32"}),
             ({"commit": "early"}, {"products": "bfloat16"}), ({"commit": "early"}, {"products": "float32"}),
             ({"commit": "other"}, {"products": "float32"})]
    for seed, (better, worse) in enumerate(kinds):
        record("gamma 2", seed, 0.30 + 0.01 * seed, provenance=better)
        record("gamma 0", seed, 0.20, provenance=worse)
    line = of("focal-fl-gain")
    assert line.mixed == 3 and line.n == 5 and line.verdict == "holds, larger"  # told, not left out
    said = "3 of 5 pairs are of runs with different products (bfloat16, float32, unknown)."
    assert said in line.note and said in page(judged(), "mini", results)
    main(["claims", "--paper", "focal_loss"])
    assert re.search(r"focal-fl-gain .*, n 5, 3 pairs with different products\n", capsys.readouterr().out)
    record("gamma 0", 4, 0.20, provenance={"commit": "other"})
    assert of("focal-fl-gain").mixed == 2                               # two of which neither is known to differ


def test_pairs_of_one_kind_are_not_told(results):
    for seed in range(2):
        record("gamma 2", seed, 0.3 + 0.01 * seed, provenance={"products": "float32"})
        record("gamma 0", seed, 0.2, provenance={"products": "float32"})
    line = of("focal-fl-gain")
    assert line.mixed == 0 and "products" not in line.note
    assert of("focal-hinge-unstable").mixed == 0 and of("coco-box-crude").mixed is None


def test_records_of_other_code_are_stale(results, monkeypatch):
    for seed in range(3):
        record("gamma 2", seed, 0.3 + 0.01 * seed)
        record("gamma 0", seed, 0.2)
    assert of("focal-fl-gain").verdict.startswith("holds")
    monkeypatch.setattr(SYSTEMS["retinanet"], "revision", SYSTEMS["retinanet"].revision + 1)
    line = of("focal-fl-gain")
    assert line.verdict == "stale" and line.measured is None and line.cost is None
    record("gamma 2", 0, 0.31)                                             # measured again: that pair counts
    record("gamma 0", 0, 0.21)
    line = of("focal-fl-gain")
    assert line.verdict == "unresolved" and line.n == 1 and "4 stale runs" in line.note


def test_a_hand_edited_record_is_refused(results, capsys):
    record("gamma 2", 0, 0.30)
    path = records.path_of(TABLE, "mini")
    path.write_text(path.read_text().replace("0.3", "0.4"))
    with pytest.raises(ValueError, match="line 1: row 'gamma 2', seed 0: the record does not match its checksum"):
        judged()
    assert main(["claims", "--json"]) == 2
    assert "was changed after it was measured" in capsys.readouterr().err


@pytest.mark.parametrize(("changed", "verdict"), [({}, "holds"), ({"gamma 5": 0.30}, "contradicted"),
                                                 ({"gamma 1": 0.345}, "contradicted"), ({"gamma 1": None}, "not run")])
def test_accuracy_peaks_at_gamma_2(results, changed, verdict):
    hill = {"gamma 0": 0.31, "gamma 0.1": 0.31, "gamma 0.2": 0.32, "gamma 0.5": 0.33, "gamma 1": 0.335, "gamma 2": 0.34,
            "gamma 5": 0.32} | changed
    for seed in range(3):
        for row, ap in hill.items():
            if ap is not None:
                record(row, seed, ap + 0.0005 * (seed == len(row) % 3))
    line = of("focal-gamma-curve")
    assert line.verdict.split(",")[0] == verdict and line.n == 3 * (verdict != "not run")
    assert len(line.parts) == 7 and all(part.compared.startswith('AP of "gamma ') for part in line.parts)


@pytest.mark.parametrize(("focused", "plain", "verdict"), [
    (0.01, 0.02, "holds"), (-0.01, 0.02, "contradicted"), (0.01, -0.02, "contradicted")])
def test_the_best_alpha_falls_with_gamma(results, focused, plain, verdict):
    """At gamma 2 the lower alpha of two must win, without focusing the higher one."""
    for seed in range(3):
        drift = 0.0005 * seed
        record("gamma 2", seed, 0.3 + focused + drift)
        record("gamma 2, alpha 0.75", seed, 0.3)
        record("alpha 0.75", seed, 0.2 + plain + drift, "focal_loss/1a")
        record("alpha 0.25", seed, 0.2, "focal_loss/1a")
    line = of("focal-alpha-falls-with-gamma")
    assert (line.verdict.split(",")[0], line.n, len(line.parts)) == (verdict, 3, 2)


@pytest.mark.parametrize(("behind", "verdict"), [(0.002, "holds"), (0.03, "contradicted"), (0.005, "unresolved")])
def test_one_stage_reaches_two(results, behind, verdict):
    for seed in range(3):
        record("RetinaNet, first 500 images", seed, 0.3 - behind + 0.001 * seed, "focal_loss/2")
        record("separate", seed, 0.3, "fpn/5")
    line = of("focal-matches-two-stage")
    assert line.verdict == ("contradicted" if verdict == "contradicted" else "not run")
    for seed in range(3):
        record("recipe.stretch 1.0: shared, joint", seed, 0.2, "dials/joint")
    line = of("focal-matches-two-stage")
    assert line.verdict == verdict and line.n == 3 and line.measured == pytest.approx(0.1 - 100 * behind)


SHARES = {f"{name}_{g:g}": value for g in (0, 0.5, 1, 2) for name, value in
          {"top20_pos": 0.45 + 0.01 * g, "top1_neg": 0.3 + 0.2 * g, "cdf_gap": 0.05 + 0.1 * g,
           "easy_loss": 0.9 - 0.3 * g}.items()}


@pytest.mark.parametrize(("claim", "changed"), [
    ("focal-cdf-positive", {"top20_pos_1": 0.65}), ("focal-cdf-positive", {"top20_pos_0": 0.3}),
    ("focal-cdf-positive", {"top20_pos_2": 0.6}), ("focal-cdf-negative", {"top1_neg_2": 0.45}),
    ("focal-cdf-negative", {"top1_neg_0": 0.69}), ("focal-cdf-negative", {"top20_pos_0": 0.2}),
    ("focal-cdf-gamma0-similar", {"cdf_gap_0": 0.15})])
def test_claims_on_the_shares_of_the_loss(results, claim, changed):
    for shares, verdict in ((None, "not run"), (SHARES, "holds"), (SHARES | changed, "contradicted")):
        for seed in range(3 if shares else 0):
            drift = {name: value + 0.001 * seed for name, value in shares.items()}
            record("gamma 2", seed, 0.2, metrics={"AP": 0.2, **drift})
        line = of(claim)
        assert line.verdict == verdict and line.n == 3 * (shares is not None)


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "holds"), (0.45, "contradicted"), (0.505, "unresolved")])
def test_background_drowns_in_networks_that_cross_entropy_trained(results, share, verdict):
    """The share at gamma 0 is of the row of cross entropy, not of the focal loss's own row."""
    for seed in range(3):
        record("gamma 2", seed, 0.2, metrics={"AP": 0.2, **SHARES, "easy_loss_0": 0.01})
        own = {"easy_loss_0": share + 0.01 * seed - 0.01}
        record("alpha 0.5", seed, 0.2, "focal_loss/1a", metrics={"AP": 0.2} | SHARES | own)
    line = of("focal-imbalance-overwhelms")
    assert line.measured == pytest.approx(100 * share) and line.verdict == verdict and line.n == 3


@pytest.mark.parametrize(("small", "medium", "large", "verdict", "told"), [
    (0.08, 0.03, 0.002, "holds", "of 6 parts"),
    (0.08, 0.03, 0.02, "contradicted", "APl of \"50-400\" minus \"50-800\", not behind by the margin"),
    (0.03, 0.08, 0.0, "contradicted", "APs - APm of"), (-0.02, -0.05, 0.0, "contradicted", "APs of")])
def test_a_sentence_of_several_parts_holds_if_all_do(results, small, medium, large, verdict, told):
    for seed in range(3):
        drift = 0.0005 * seed
        for row, gain in (("50-400", 0), ("50-800", 1), ("101-400", 0), ("101-800", 1)):
            record(row, seed, 0.3, "focal_loss/1e", metrics={
                "AP": 0.3, "APs": 0.1 + gain * (small + drift), "APm": 0.3 + gain * medium, "APl": 0.5 + gain * large})
    line = of("focal-depth-scale")
    assert line.verdict.split(",")[0] == verdict and told in line.note and line.n == 3


@pytest.mark.parametrize(("five", "verdict"), [(0.31, "contradicted"), (0.331, "holds"), (None, "not run")])
def test_a_margin_for_each_part(results, five, verdict):
    for seed in range(3):
        for row, ap in {"gamma 0.5": 0.335, "gamma 1": 0.34, "gamma 2": 0.34, "gamma 5": five}.items():
            if ap is not None:
                record(row, seed, ap + 0.0005 * (seed == len(row) % 3))
    line = of("focal-gamma-robust")
    assert line.verdict == verdict and line.n == 3 * (five is not None)


@pytest.mark.parametrize(("weakest", "verdict"), [(0.3, "holds"), (0.25, "contradicted"), (0.1, "contradicted")])
def test_shapes_that_discount_easy_examples(results, weakest, verdict):
    """Every one must beat every setting that does not discount, and reach the focal loss."""
    plain = {"FL* gamma 0.5, beta 0", "FL* gamma 0.5, beta 1", "FL* gamma 1, beta 0"}
    for job in row_jobs.jobs_of("focal_loss/3", budget("mini"), seeds=3):
        ap = 0.2 if job.row in plain else weakest if job.row == "FL* gamma 1, beta 1" else 0.3
        record(job.row, job.seed, ap + 0.0005 * ((job.seed + len(job.row)) % 3), "focal_loss/3")
    line = of("focal-flstar-effective-shape")
    assert line.verdict == verdict and line.n == 3 and len(line.parts) == 20


def test_the_shapes_that_are_said_to_discount_do(results):
    """Those whose loss at x_t = 2 is under half of cross entropy's."""
    discounting = set()
    for job in row_jobs.jobs_of("focal_loss/3", budget("mini"), seeds=1):
        if job.changes["loss.kind"] == "focal_star":
            x_t, positive = torch.tensor(2.0), torch.tensor(1.0)
            loss = focal_star(x_t, positive, job.changes["loss.gamma"], job.changes["loss.beta"], None)
            if loss < cross_entropy(x_t, positive) / 2:
                discounting.add(job.row)
    judge = next(claim for claim in claims() if claim["id"] == "focal-flstar-effective-shape")["judge"]
    assert {part["better"] for part in judge["parts"]} == discounting


def test_the_command_line(results, capsys):
    assert main(["claims", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert len(lines) == len(claims())
    asked = {"id", "paper", "kind", "tier", "published", "measured", "interval", "n", "verdict", "parts", "p", "q"}
    assert all(asked <= line.keys() and line["verdict"] in VERDICTS for line in lines)
    assert main(["claims", "--json", "--paper", "coco", "--verdict", "external"]) == 0
    some = json.loads(capsys.readouterr().out)
    assert some and {(line["paper"], line["verdict"]) for line in some} == {("coco", "external")}
    assert main(["claims", "--verdict", "maybe"]) == 2
    assert "unknown verdict 'maybe'" in capsys.readouterr().err
    assert main(["claims", "--paper", "coco"]) == 0
    text = capsys.readouterr().out
    assert "coco-worker-hours" in text and text.splitlines()[-1].startswith("coco ")


def test_exact_claims_are_computed():
    lines = [line for line in judged("smoke") if line.kind == "exact"]
    register = {claim["id"]: claim["judge"] for claim in claims() if claim["kind"] == "exact"}
    assert [line.id for line in lines] == list(register)
    for line in lines:
        judge = register[line.id]
        assert line.verdict in ("not run" if "awaits" in judge else judge["says"], "does not follow")
        assert (line.measured is None) == ("awaits" in judge) and line.formula
        assert judge.get("reading", "") in line.note and judge.get("awaits", "") in line.note
    assert restored(json.dumps(export(lines))) == lines
    assert sum(counts(lines)["rcnn"].values()) == sum(line.paper == "rcnn" for line in lines)


@pytest.mark.parametrize(("agrees", "verdict"), [(True, "follows under a reading"), (False, "does not follow")])
def test_a_computed_claim_says_what_its_judge_says(agrees, verdict, monkeypatch):
    monkeypatch.setattr(module, "COMPUTED", {"rcnn-predictor-memory": lambda: ([1.5], agrees, "as said")})
    line = of("rcnn-predictor-memory")
    assert line.verdict == verdict and line.measured == [1.5] and "Read so: four bytes a weight" in line.note
