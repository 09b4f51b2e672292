"""Dials of the world as tables: every row runs, and a curve is what its records say."""
from dataclasses import asdict

import pytest

from paperlib.papers.register import claims
from paperlib.tables import compare, dials, identities, records, row_jobs, runner
from paperlib.training.recipes import budget
from paperlib.world import drawn_sets
from paperlib.world.world import World


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(drawn_sets, "TURNED", (8, 4))
    identities.data_version.cache_clear()
    yield budget("smoke")
    identities.data_version.cache_clear()


@pytest.mark.parametrize("name", dials.dials())
def test_every_row_can_be_run_on_a_set_of_its_own(name):
    dial, jobs = dials.dials()[name], row_jobs.jobs_of(name, budget("mini"), seeds=1)
    assert len(jobs) == 2 * len(dial["values"]) and len({job.row for job in jobs}) == len(jobs)
    assert {job.recipe.data for job in jobs} == {dials.set_name(dial, value) for value in dial["values"]}
    of_system = "." in dial["dial"]
    fixed = sum(dial["dial"] in dial[side]["set"] for side in ("better", "worse"))  # a side that the dial does not turn
    assert len({runner.identity(job) for job in jobs}) == len(jobs) - fixed * (len(dial["values"]) - 1)
    for job in jobs:
        stretch = job.recipe.steps / budget("mini").recipe(dial["run"].get("recipe", dial["system"])).steps
        assert job.recipe.preset == dial["preset"]
        turned = job.changes if of_system else asdict(drawn_sets.world_of(job.recipe.data))
        scale = (job.recipe.size or [128])[0] / 128
        of_recipe = {"recipe.stretch": stretch, "recipe.scale": scale, "recipe.lr": job.recipe.lr,
                     "recipe.bf16": job.recipe.bf16}
        side = next(s for s in ("better", "worse") if job.row.endswith(f": {dial[s]['label']}"))
        known = dial["values"] + [dial[side]["set"].get(dial["dial"])]
        assert {**turned, **of_recipe}[dial["dial"]] in known
        at = next(k for k, value in enumerate(dial["values"]) if job.row == dials.row_of(dial, value, side))
        asked = {"recipe.stretch": dials.STRETCH} | dial["also"][at] | dial["better"]["set"]
        assert dial["dial"] == "recipe.stretch" or stretch == asked["recipe.stretch"]
    assert dial["claim"] in {"", *(claim["id"] for claim in claims())}
    assert of_system or dial["dial"] in asdict(World())


def test_a_curve_says_what_its_records_say(plan):
    name = "dials/stuff"
    for job in row_jobs.jobs_of(name, plan, seeds=2):
        better, zero = job.row.endswith(": top-down"), "stuff 0" in job.row
        ap = 0.3 + 0.02 * better * (1 + zero) + 0.01 * job.seed
        records.append({"table": name, "row": job.row, "seed": job.seed, "budget": plan.name,
                        "hash": runner.identity(job), "status": "ok", "metrics": {"AP": ap},
                        "seconds": 1.0, "provenance": {}})
    curve = compare.dial_curve(name, plan)
    assert list(curve.index) == ["0", "1", "3"] and curve["n"].tolist() == [2, 2, 2]
    assert curve["delta"].tolist() == pytest.approx([4, 2, 2]) and curve.loc["1", "no top-down"] == pytest.approx(30.5)
    assert compare.dial_curve("dials/size", plan)["n"].tolist() == [0, 0, 0]
    alone = {**records.read(name, plan.name)[0], "seed": 7}  # of one side: no pair
    del alone["sha256"]
    records.append(alone)
    assert compare.dial_curve(name, plan)["n"].tolist() == [2, 2, 2]


def test_a_row_runs_and_is_recorded_once(plan):
    rows = ["size_range 40-60: pyramid", "size_range 40-60: one level"]
    assert [r["row"] for r in runner.run("dials/size", plan, rows, seeds=1)] == rows
    assert runner.run("dials/size", plan, rows, seeds=1) == []
    assert compare.dial_curve("dials/size", plan)["n"].tolist() == [1, 0, 0]
    assert (compare.frame("dials/size", plan)[("cost", "seeds")] > 0).sum() == 2


def test_the_scales_dial_stands_in_table_7():
    """At 1 the rows are the table's own, so their records are shared."""
    plan = budget("mini")
    rows = ["S, 1 scale", "S, 5 scales"]
    table = {runner.identity(job) for job in row_jobs.jobs_of("fast_rcnn/7", plan, rows, seeds=1)}
    dial = {runner.identity(job): job for job in row_jobs.jobs_of("dials/scales", plan, seeds=1)}
    assert {job.row for key, job in dial.items() if key in table} == {
        "recipe.stretch 1.0: five scales", "recipe.stretch 1.0: one scale"}


def test_a_run_that_two_dials_share_is_recorded_in_both(plan, monkeypatch):
    """Half the steps of one scale are half the steps of two images: run once, written twice."""
    body = dials.tables()
    monkeypatch.setattr(dials, "tables", lambda: body | {"dials/again": body["dials/stuff"] | {"id": "dials/again"}})
    rows = ["stuff 0: top-down"]
    new = runner.run(["dials/stuff", "dials/again"], plan, rows, seeds=1)
    assert [r["table"] for r in new] == ["dials/stuff", "dials/again"] and new[0]["metrics"] == new[1]["metrics"]
    assert runner.run(["dials/stuff", "dials/again"], plan, rows, seeds=1) == []


@pytest.mark.parametrize(("old", "new", "says"), [
    ('system = "retinanet"', "", "lacks system"),
    ('system = "retinanet"', 'system = "retinanet"\nsytem = "rpn"', "unknown key 'sytem'; known are id, dial"),
    ("values = [0.01, 0.5, 0.8]", "values = 0.5", "values = 0.5 has the wrong type"),
    ("values = [0.01, 0.5, 0.8]", "values = [0.5]\nalso = [{}, {}]", "2 entries of also, expected one a value, 1"),
    ('label = "focal loss", ', "", "lacks better.label"),
    ("values = [0.01, 0.5, 0.8]", "values = []", "no value; expected one or more"),
    ("values = [0.01, 0.5, 0.8]", "values = [0.5, 0.5]", "two rows are called 'empty 0.5: focal loss'"),
    ('label = "cross entropy"', 'label = "focal loss"', "two rows are called 'empty 0.01: focal loss'"),
    ('id = "dials/objects"', 'id = "dials/imbalance"', "another dial has this id"),
    ('claim = "focal-fl-gain"', 'claim = "focal-fl-gane"', "'focal-fl-gane'; did you mean 'focal-fl-gain'?"),
])
def test_a_bad_dial_is_refused_by_name(tmp_path, monkeypatch, old, new, says):
    good = (dials.DATA / "dials.toml").read_text()
    (tmp_path / "dials.toml").write_text(good.replace(old, new, 1))
    monkeypatch.setattr(dials, "DATA", tmp_path)
    with pytest.raises(ValueError, match=r"dials\.toml: dial 'dials/imbalance': ") as error:
        dials.dials.__wrapped__()
    assert says in str(error.value)
