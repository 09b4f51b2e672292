"""What a run is known by: new defaulted fields leave it, what decides numbers changes it, old records keep theirs."""
import dataclasses
import json
from dataclasses import MISSING, dataclass, field, fields, make_dataclass, replace
from pathlib import Path

import pytest

from paperlib.config import departures
from paperlib.data import given_proposals, selective_search
from paperlib.paths import DATA
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.tables import compare, identities, records, row_jobs, runner
from paperlib.training import alternating, recipes
from paperlib.training.recipes import Recipe, budget
from paperlib.training.svms import SVMConfig

TABLE, PLAN = "focal_loss/1b", budget("mini")
OLDER = "0123456789ab"  # a hash of a whole configuration, as early records have it
DEFAULTS = Path(__file__).parent / "pinned_defaults.json"


def job_of(table: str, row: str) -> row_jobs.Job:
    return row_jobs.jobs_of(table, PLAN, [row], 1)[0]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    return tmp_path


@dataclass(frozen=True)
class Part:
    size: int = 3
    kind: str = "a"


@dataclass(frozen=True)
class Whole:
    classes: int
    part: Part = field(default_factory=Part)
    wide: Part = field(default_factory=lambda: Part(size=9))
    other: Part | None = None
    sides: tuple[int, ...] = (1, 2)


def test_departures_are_the_fields_that_differ_from_their_defaults():
    assert departures(Whole(80)) == {"classes": 80}
    assert departures(Whole(80, Part(kind="b"), sides=(1,))) == {"classes": 80, "part": {"kind": "b"}, "sides": (1,)}
    assert departures(Whole(80, wide=Part()))["wide"] == {} and departures(Whole(80, other=Part()))["other"] == {}
    assert departures(Whole(80, wide=Part(8)))["wide"] == {"size": 8}


def longer(cfg, **values):
    """The same configuration, of a class with one more field, whose default is 0.5."""
    kind = make_dataclass("Longer", [("novelty", float, 0.5)], bases=(type(cfg),), frozen=True)
    return kind(**{f.name: getattr(cfg, f.name) for f in fields(cfg)}, **values)


@pytest.mark.parametrize("table", [TABLE, "fast_rcnn/8", "faster_rcnn/2", "fpn/1"])
def test_a_new_defaulted_field_changes_no_identity(monkeypatch, table):
    job, system_config = row_jobs.jobs_of(table, PLAN, seeds=1)[0], identities.system_config
    known = identities.identity(job)

    def with_(change):
        monkeypatch.setattr(identities, "system_config", lambda *args: change(system_config(*args)))
        return identities.identity(job)

    assert with_(longer) == known
    assert with_(lambda cfg: replace(cfg, trunk=longer(cfg.trunk))) == known
    assert with_(lambda cfg: longer(cfg, novelty=0.6)) != known
    assert with_(lambda cfg: replace(cfg, trunk=longer(cfg.trunk, novelty=0.6))) != known
    monkeypatch.setattr(identities, "system_config", system_config)
    assert identities.identity(replace(job, recipe=longer(job.recipe))) == known
    assert identities.identity(replace(job, recipe=longer(job.recipe, novelty=0.6))) != known


def test_a_revision_of_a_base_class_changes_the_identity(monkeypatch):
    rows = {system: next(job for table in tables for job in row_jobs.jobs_of(table, PLAN, seeds=1))
            for system, tables in {"faster_rcnn": ["faster_rcnn/2"], "retinanet": [TABLE]}.items()}
    before = {system: identities.identity(job) for system, job in rows.items()}
    assert identities.revisions(SYSTEMS["faster_rcnn"]) == {}
    monkeypatch.setattr(SYSTEMS["fast_rcnn"], "revision", 2)
    assert identities.revisions(SYSTEMS["faster_rcnn"]) == {"FastRCNN": 2}
    assert identities.identity(rows["faster_rcnn"]) != before["faster_rcnn"]
    assert identities.identity(rows["retinanet"]) == before["retinanet"]


def test_constants_count_where_they_decide_numbers(monkeypatch):
    jobs = []
    for table in ("fast_rcnn/8", "faster_rcnn/2", "fast_rcnn/text", TABLE, "fast_rcnn/6"):
        jobs += row_jobs.jobs_of(table, PLAN, seeds=1)
    known = [identities.identity(job) for job in jobs]

    def changed(module, name, value) -> list[row_jobs.Job]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            return [job for job, key in zip(jobs, known) if identities.identity(job) != key]

    @dataclass(frozen=True)
    class OtherSVM(SVMConfig):
        c: float = 2e-3

    svms = [job for job in jobs if job.changes.get("after.svm")]
    assert changed(identities, "SVMConfig", OtherSVM) == svms != []
    assert {job.table for job in changed(alternating, "LATER", 0.25)} == {"faster_rcnn/2"}
    searched = changed(selective_search, "SMALL", 300)
    assert {job.system for job in searched} == {"fast_rcnn", "faster_rcnn", "rcnn"} and len(searched) < len(jobs)
    grids = [job for job in jobs if "proposals.dense" in job.changes
             or str(job.changes.get("proposals.kind")).startswith(("dense", "nearest", "anchors"))]
    assert changed(given_proposals, "BORDER", 8) == grids != []


def test_old_records_are_current_by_the_table_of_names(results, monkeypatch):
    old, new = job_of(TABLE, "gamma 2"), job_of(TABLE, "gamma 1")
    for job, key in [(old, OLDER), (new, identities.identity(new))]:
        records.append({"table": TABLE, "row": job.row, "seed": 0, "budget": "mini", "hash": key, "status": "ok",
                        "metrics": {"AP": 0.3, "loss_fall": 0.5}, "seconds": 1.0, "provenance": {}})
    sealed = records.path_of(TABLE, "mini").read_bytes()
    monkeypatch.setattr(identities, "renamed", dict)
    assert {row: entry["stale"] for row, entry in compare.measured(TABLE, PLAN).items()} == {"gamma 2": 1, "gamma 1": 0}

    names = {OLDER: identities.identity(old)}
    monkeypatch.setattr(identities, "renamed", lambda: names)
    assert {row: entry["stale"] for row, entry in compare.measured(TABLE, PLAN).items()} == {"gamma 2": 0, "gamma 1": 0}
    assert runner.missing(TABLE, PLAN, ["gamma 2", "gamma 1"], 1) == []
    assert records.path_of(TABLE, "mini").read_bytes() == sealed
    monkeypatch.setattr(SYSTEMS["retinanet"], "revision", 2)               # an old record can turn stale, too
    assert compare.measured(TABLE, PLAN)["gamma 2"]["stale"] == 1


def test_a_twin_of_an_old_record_is_copied_under_its_new_identity(results, monkeypatch):
    job, twin = job_of("focal_loss/1a", "alpha 0.75"), job_of(TABLE, "gamma 0")
    key = identities.identity(job)
    assert key == identities.identity(twin)
    records.append({"table": TABLE, "row": twin.row, "seed": 0, "budget": "mini", "status": "ok", "seconds": 1.0,
                    "hash": OLDER, "metrics": {"AP": 0.3}, "provenance": {}})
    monkeypatch.setattr(identities, "renamed", lambda: {OLDER: key})
    (copy,) = runner.copy_twins([(replace(job, shares=False), key)], [TABLE], "mini")
    assert copy["hash"] == key and copy["measured_as"] == [TABLE, "gamma 0"]
    assert runner.missing("focal_loss/1a", PLAN, ["alpha 0.75"], 1) == []


def test_the_committed_names_are_of_stored_records():
    names = identities.renamed.__wrapped__()
    stored = [json.loads(line)["hash"] for budget in ("mini", "scale")
              for file in (DATA / "results" / budget).glob("*.jsonl") for line in file.read_text().splitlines()]
    assert len(names) == len(set(names.values())) == 197 and names.keys() <= set(stored)


def defaults(cfg, into: dict) -> dict:
    """{class: {field: default}} of a configuration and of its parts, as JSON has them."""
    mine = into.setdefault(type(cfg).__name__, {})
    for f in fields(cfg):
        default = f.default if f.default_factory is MISSING else f.default_factory()
        plain = dataclasses.asdict(default) if dataclasses.is_dataclass(default) else default
        mine[f.name] = "no default" if default is MISSING else json.loads(json.dumps(plain))
        if dataclasses.is_dataclass(getattr(cfg, f.name)):
            defaults(getattr(cfg, f.name), into)
    return into


def test_no_default_is_changed_unnoticed():
    """Runs are known by what differs from the defaults, so another default would make old records pass for new ones."""
    today = defaults(Recipe(), {})
    for presets in PRESETS.values():
        for preset in presets.values():
            defaults(preset(), today)
    pinned = json.loads(DEFAULTS.read_text())
    assert today == pinned, (f"a new field: add it to {DEFAULTS.name}; a changed default: raise the revision of every "
                             "system that it reaches, then change it there")


def test_a_table_that_another_budget_stands_in_for_is_run_recorded_and_read_under_it(results, monkeypatch):
    monkeypatch.setitem(recipes._budgets(), "mini", replace(PLAN, tables={"fpn/1": "scale"}))
    plan = budget("mini")
    (job,) = row_jobs.jobs_of("fpn/1", plan, ["FPN"], 1)
    assert job.budget == "scale" and job.recipe == budget("scale").recipe("rpn")
    assert row_jobs.jobs_of("fpn/2", plan, ["FPN"], 1)[0].budget == "mini"

    records.append({"table": "fpn/1", "row": "FPN", "seed": 0, "budget": job.budget, "status": "ok",
                    "hash": identities.identity(job), "metrics": {"AR100": 0.4}, "seconds": 1.0, "provenance": {}})
    assert [file.name for file in (results / "scale").glob("*.jsonl")] == ["fpn_1.jsonl"]
    for name in (plan, budget("scale")):
        assert compare.measured("fpn/1", name)["FPN"]["metrics"]["AR100"] == {0: 0.4}
        assert runner.missing("fpn/1", name, ["FPN"], 1) == []
    assert records.path_of("fpn/1", "gpu").parent.name == "gpu"
    assert recipes.stand_in("fpn/1", "huge") == "huge"                     # a folder of records sent in, say


@pytest.mark.parametrize(("changes", "says"), [
    ({"loss.gama": 1.0}, "unknown override 'loss.gama'"), ({"loss.gamma": "five"}, "'five' is of type str")])
def test_a_row_that_sets_what_does_not_exist_is_named(changes, says):
    job = replace(job_of(TABLE, "gamma 2"), changes=changes)
    with pytest.raises(ValueError, match="table 'focal_loss/1b', row 'gamma 2': ") as error:
        identities.identity(job)
    assert says in str(error.value)
