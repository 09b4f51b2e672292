"""The table runner on the smoke budget: recording, skipping, resuming, stale records, and the printed frame."""
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import joblib
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from paperlib.data.named_sets import load
from paperlib.papers.printed import published
from paperlib.systems.registry import SYSTEMS, class_of
from paperlib.tables import compare, costs, dials, identities, records, row_jobs, runner, workers
from paperlib.training import recipes
from paperlib.training.recipes import Budget, budget, system_config
from paperlib.world import drawn_sets

TABLE, ROWS = "focal_loss/1b", ["gamma 0", "gamma 2"]


@pytest.fixture
def plan(scenes, tmp_path, monkeypatch) -> Budget:
    """Two steps on four small images, whatever data the table names."""
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    real = row_jobs.runnable
    where = {"system": "retinanet", "data": str(scenes), "train": None, "test": None}
    monkeypatch.setattr(row_jobs, "runnable", lambda table: {**real(table), "run": where})
    small = replace(budget("smoke").recipe("retinanet"), steps=2, batch=2)
    return Budget("smoke", 1, {"retinanet": small})


def test_every_runnable_row_is_a_configuration_of_its_system():
    ready = [name for name, body in published().items() if "run" in body]
    assert TABLE in ready
    for name in ready:
        for job in row_jobs.jobs_of(name, budget("smoke"), seeds=1):
            cfg = system_config(job.system, job.recipe, 3, job.changes)
            class_of(job.system)(cfg)


def test_a_table_is_recorded_once_and_then_skipped(plan):
    new = runner.run(TABLE, plan, ROWS)
    assert sorted(r["row"] for r in new) == ROWS
    assert {r["status"] for r in new} == {"ok"} and all("AP" in r["metrics"] and r["seconds"] > 0 for r in new)
    assert runner.run(TABLE, plan, ROWS) == []
    assert len(records.read(TABLE, "smoke")) == 2


def test_interrupted_table_goes_on_where_it_stopped(plan, monkeypatch):
    real, calls = runner.run_job, []

    def stopping(job, *rest):
        calls.append(job.row)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(job, *rest)

    monkeypatch.setattr(runner, "run_job", stopping)
    with pytest.raises(KeyboardInterrupt):
        runner.run(TABLE, plan, ROWS)
    assert len(records.read(TABLE, "smoke")) == 1
    monkeypatch.setattr(runner, "run_job", real)
    assert [r["row"] for r in runner.run(TABLE, plan, ROWS)] == [calls[1]]


def test_records_of_other_code_or_data_are_stale(plan, monkeypatch):
    runner.run(TABLE, plan, ROWS)
    before = compare.measured(TABLE, plan)
    assert all(entry["stale"] == 0 and len(entry["metrics"]["AP"]) == 1 for entry in before.values())
    monkeypatch.setattr(SYSTEMS["retinanet"], "revision", SYSTEMS["retinanet"].revision + 1)
    after = compare.measured(TABLE, plan)
    assert all(entry["stale"] == 1 and entry["metrics"] == {} for entry in after.values())
    assert len(runner.run(TABLE, plan, ROWS)) == 2                      # a stale run is run again
    assert compare.measured(TABLE, plan)["gamma 0"]["stale"] == 0


def test_a_diverged_run_is_recorded_as_a_result(plan, monkeypatch):
    def explode(*_, **__):
        raise FloatingPointError("step 1: the loss of image(s) [7] is not finite; parts: {}")

    monkeypatch.setattr(runner, "train", explode)
    record = runner.run(TABLE, plan, ROWS[:1])[0]
    assert record["status"].startswith("diverged: step 1") and record["metrics"]["AP"] == 0
    assert compare.measured(TABLE, plan)[ROWS[0]]["diverged"] == 1


def _enter(plan: Budget, table: str, row: str, seed: int, metrics: dict, status: str = "ok") -> None:
    """Record a run of a table as if it had been made."""
    job = next(j for j in row_jobs.jobs_of(table, plan, [row], seeds=9) if j.seed == seed)
    records.append({"table": table, "row": row, "seed": seed, "budget": plan.name, "hash": runner.identity(job),
                    "status": status, "metrics": metrics, "seconds": 60.0, "provenance": {}})


@pytest.mark.parametrize(("table", "printed", "ours"), [
    ("coco/1", "avg", "AP50"), ("fpn/1", "AR1k", "AR1000"), ("fast_rcnn/8", "S", "mAP"), ("fpn/5", "R50 AP", "AP")])
def test_a_diverged_run_counts_as_zero_under_its_printed_name_too(tmp_path, monkeypatch, table, printed, ours):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    plan = budget("mini")
    row = row_jobs.jobs_of(table, plan, seeds=1)[0].row
    for seed in range(2):
        _enter(plan, table, row, seed, {ours: 0.5, "width_0": 3.0})
    zeros = dict.fromkeys(["AP", "AP50", "AP75", "mAP", printed], 0.0)     # as run_job records a diverged run
    _enter(plan, table, row, 2, zeros, "diverged: step 1")
    found = compare.measured(table, plan)[row]["metrics"]
    assert found[printed] == found[ours] == {0: 0.5, 1: 0.5, 2: 0.0}
    assert found["width_0"] == {0: 3.0, 1: 3.0}                            # tells of a trained model only
    assert compare.frame(table, plan, printed).loc[row, ("ours", printed)] == pytest.approx(100 / 3)


def test_a_spread_of_exactly_0_is_printed(plan):
    for seed in range(2):
        _enter(plan, TABLE, ROWS[0], seed, {"AP": 0.25})
    assert compare.frame(TABLE, replace(plan, seeds=2)).loc[ROWS[0], ("ours", "±")] == 0


def test_a_printed_difference_of_exactly_0_is_judged(plan, monkeypatch):
    real = row_jobs.runnable(TABLE)
    rows = [{**row, "values": row["values"] | {"AP": 30.0}} for row in real["rows"]]
    monkeypatch.setattr(row_jobs, "runnable", lambda _: {**real, "rows": rows})
    for seed, (worse, better) in enumerate([(0.10, 0.13), (0.12, 0.16)]):
        _enter(plan, TABLE, ROWS[0], seed, {"AP": worse})
        _enter(plan, TABLE, ROWS[1], seed, {"AP": better})
    line = compare.frame(TABLE, plan).loc[ROWS[1]]
    assert line["paper", "delta"] == 0 and line["", "verdict"] == "unresolved"  # two pairs: a wide interval


def test_the_frame_holds_the_papers_numbers_beside_ours(plan, monkeypatch):
    job = row_jobs.jobs_of(TABLE, plan, ROWS, seeds=1)[0]
    for row, seed, ap in [("gamma 0", 0, 0.10), ("gamma 0", 1, 0.12), ("gamma 2", 0, 0.13), ("gamma 2", 1, 0.16)]:
        mine = next(j for j in row_jobs.jobs_of(TABLE, plan, seeds=2) if (j.row, j.seed) == (row, seed))
        records.append({"table": TABLE, "row": row, "seed": seed, "budget": "smoke", "hash": runner.identity(mine),
                        "status": "ok", "metrics": {"AP": ap, "loss_fall": 0.5}, "seconds": 60.0, "provenance": {}})
    two = Budget("smoke", 2, {"retinanet": job.recipe})
    frame = compare.frame(TABLE, two)
    printed = {row["label"]: row["values"]["AP"] for row in published()[TABLE]["rows"]}
    assert frame.loc["gamma 2", ("paper", "delta")] == pytest.approx(printed["gamma 2"] - printed["gamma 0"])
    assert frame.loc["gamma 0", ("", "verdict")] == "baseline"
    assert frame.loc["gamma 2", ("ours", "delta")] == pytest.approx(3.5)          # pairs: 3 and 4 points
    assert frame.loc["gamma 2", ("ours", "±")] == pytest.approx(12.706 * 1.5, rel=1e-4)  # t(1) times the error of 14.5
    assert frame.loc["gamma 2", ("ours", "interval")] == pytest.approx((3.5 - 6.353, 3.5 + 6.353), abs=1e-3)
    assert frame.loc["gamma 2", ("cost", "minutes")] == pytest.approx(2)
    assert frame.loc["gamma 2", ("", "verdict")] == "unresolved"              # two pairs: t(1) is wide, 3.5 +- 6.4
    assert frame.loc["gamma 5", ("", "verdict")] == "not run"
    bare = {key: value for key, value in row_jobs.runnable(TABLE).items() if key != "baseline"}
    with monkeypatch.context() as patch:
        patch.setattr(row_jobs, "runnable", lambda table: bare)
        alone = compare.frame(TABLE, two)["", "verdict"]
    assert alone["gamma 2"] == alone["gamma 0"] == "no baseline" and alone["gamma 5"] == "not run"
    only = {TABLE: published()[TABLE]}
    monkeypatch.setattr(costs, "published", lambda: only)
    bill, rows = costs.outlook(two)[TABLE], len(frame)
    assert bill == {"done": 4, "minutes": 4, "left": 2 * rows - 4, "to_go": 2 * rows - 4, "older": 0,
                    "older_minutes": 0, "all": 2 * rows}                       # a minute a run
    slow = {**records.read(TABLE, "smoke")[0], "seconds": 300.0, "provenance": {"products": "float32"}}
    del slow["sha256"]
    records.append(slow)                                                       # the same run, again, on an older CPU
    bill = costs.outlook(two)[TABLE]
    assert bill["minutes"] == 8 and (bill["older"], bill["older_minutes"], bill["all"]) == (1, 5, 2 * rows)


def test_rows_that_cannot_be_run_here_are_never_called_not_recorded_yet(tmp_path, monkeypatch):
    table, plan = "fpn/6", budget("mini")
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    jobs = row_jobs.jobs_of(table, plan, seeds=1)
    assert len(compare.frame(table, plan)) == len(jobs) + 1                    # InstanceFCN is not ours
    for k, job in enumerate(jobs):
        assert compare.what_is_recorded(table, plan) == f"fpn/6: {7 - k} of 7 rows are not recorded yet."
        records.append({"table": table, "row": job.row, "seed": 0, "budget": job.budget, "status": "ok",
                        "hash": runner.identity(job), "metrics": {"AR": 0.2}, "seconds": 60.0, "provenance": {}})
    assert compare.what_is_recorded(table, plan) == "fpn/6: all rows that can be run are recorded."
    records.append({"table": table, "row": job.row, "seed": 0, "budget": job.budget, "status": "ok",
                    "hash": "other", "metrics": {"AR": 0.2}, "seconds": 60.0, "provenance": {}})
    assert "1 of 7 rows are not" in compare.what_is_recorded(table, plan)      # the newest is stale


def test_errors(plan):
    with pytest.raises(KeyError, match="unknown table 'nope/1'"):
        runner.run("nope/1", plan)
    with pytest.raises(KeyError, match="no runnable row 'gamma 9'"):
        runner.run(TABLE, plan, ["gamma 9"])


def test_what_a_claim_compares_can_be_run_beside_the_printed_rows(plan):
    mine = {job.row: job.changes for job in row_jobs.jobs_of("focal_loss/1a", plan, seeds=1)}
    assert mine["no prior"]["head.prior"] == 0.5 and "alpha 0.5" in mine
    assert "no prior" in compare.frame("focal_loss/1a", plan).index
    assert [j.row for j in row_jobs.jobs_of("focal_loss/1a", plan, ["no prior"], 1)] == ["no prior"]


def test_identity_follows_the_drawings_and_the_first_weights_without_drawing(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("PAPERLIB_WEIGHTS", str(tmp_path))
    job = replace(row_jobs.jobs_of(TABLE, budget("mini"), ROWS, 1)[0])
    assert job.recipe.data == "minicoco" and job.recipe.set["trunk.weights"] == "mininet"

    def key():
        identities.data_version.cache_clear()
        identities.weights_version.cache_clear()
        return runner.identity(job)

    first = key()
    (tmp_path / "slim.safetensors").write_bytes(b"other weights")
    second = key()
    monkeypatch.setattr(drawn_sets, "VERSION", drawn_sets.VERSION + 1)
    assert len({first, second, key()}) == 3
    rpn = "SS / RPN+VGG 300"  # the one row whose RPN has another trunk than the detector
    job = replace(row_jobs.jobs_of("faster_rcnn/2", budget("mini"), [rpn], 1)[0])
    (tmp_path / "small.safetensors").write_bytes(b"of the detector")
    third = key()
    (tmp_path / "large.safetensors").write_bytes(b"of its RPN")
    assert third != key()
    monkeypatch.undo()
    key()
    assert not (tmp_path / "none").exists()


def test_rows_whose_proposals_a_claim_compares_have_their_recall_measured():
    looked_at = {job.row for job in row_jobs.jobs_of("faster_rcnn/2", budget("mini"), seeds=1) if job.shares}
    assert {"RPN+ZF shared / 300", "RPN+ZF unshared / 300"} <= looked_at
    assert "SS / RPN+ZF 300" not in looked_at              # it would cost time, and nobody asks



def test_a_row_may_change_its_images_and_its_schedule_by_preset():
    mine = {job.row: job for job in row_jobs.jobs_of("focal_loss/1e", budget("mini"), seeds=1)}
    assert mine["50-400"].recipe.size == (64, 64) and mine["101-800"].recipe.size == (192, 192)
    assert mine["101-800"].changes == {"trunk.name": "tiny_deep"} and mine["50-600"].changes == {}
    real = {job.row: job for job in row_jobs.jobs_of("focal_loss/1e", budget("paper"), seeds=1)}
    assert real["50-400"].recipe.size == (400, 667) and real["101-800"].recipe.size == (800, 1333)
    assert real["101-800"].changes == {"trunk.name": "resnet101"} and real["50-400"].recipe.data == "coco2017"
    longer = {job.row: job for job in row_jobs.jobs_of("focal_loss/2", budget("paper"), seeds=1)}
    assert longer["RetinaNet-101"].recipe.steps == 135000 and longer["RetinaNet-101"].recipe.jitter == (0.8, 1.0)
    assert "RetinaNet-X101" not in {job.row for job in row_jobs.jobs_of("focal_loss/2", budget("mini"), seeds=1)}


def test_equal_rows_of_two_tables_are_measured_once(plan):
    (first,) = runner.run(TABLE, plan, ["gamma 0"])
    (copy,) = runner.run("focal_loss/1a", plan, ["alpha 0.75"])
    assert copy["measured_as"] == [TABLE, "gamma 0"] and copy["metrics"] == first["metrics"]
    assert runner.run("focal_loss/1a", plan, ["alpha 0.75"]) == []
    assert compare.measured("focal_loss/1a", plan)["alpha 0.75"]["stale"] == 0
    spent = costs.cost(plan)
    assert spent[TABLE][1] > 0 and spent["focal_loss/1a"] == (1, 0)


def test_a_row_may_be_trained_on_one_set_and_tested_on_another():
    """Table 2.1 of the thesis: two sets, both ways; each is read with the 20 categories that they share."""
    jobs = {job.row: job for job in row_jobs.jobs_of("coco/1", budget("mini"), seeds=1)}
    pairs = {row: (job.recipe.data, recipes.tested(job.recipe)) for row, job in jobs.items()}
    assert pairs["VOC to COCO"] == ("minivoc", ("minicoco@minivoc", "val"))
    assert pairs["COCO to VOC"] == ("minicoco@minivoc", ("minivoc", "test"))
    assert pairs["COCO to COCO"] == ("minicoco@minivoc", ("minicoco@minivoc", "val"))
    assert len({runner.identity(job) for job in jobs.values()}) == 4
    shared = load("minicoco@minivoc", "val", limit=5)
    assert shared.classes == load("minivoc", "test", limit=1).classes and len(shared) == 5


def test_the_row_that_a_figure_needs_is_looked_at_more_closely(plan, monkeypatch):
    new = {r["row"]: r for r in runner.run(TABLE, plan, ROWS)}
    assert "easy_loss_0" in new["gamma 2"]["metrics"] and "easy_loss_0" not in new["gamma 0"]["metrics"]
    assert [step for step, _ in new["gamma 0"]["ap_curve"]] == [1, 2]
    ((job, key),) = runner.missing(TABLE, plan, ["gamma 1"])
    records.append({k: v for k, v in new["gamma 0"].items() if k != "sha256"} | {"row": job.row, "hash": key})
    assert runner.missing(TABLE, plan, ["gamma 1"]) == []
    jobs_of = row_jobs.jobs_of                                               # a later claim looks at that row, too
    monkeypatch.setattr(runner, "jobs_of", lambda *a: [replace(j, shares=True) for j in jobs_of(*a)])
    assert [job.row for job, _ in runner.missing(TABLE, plan, ["gamma 1", "gamma 2"])] == ["gamma 1"]


def test_several_tables_share_one_pool_seed_by_seed(plan, monkeypatch):
    order, jobs_of, run_job, names = [], row_jobs.jobs_of, runner.run_job, [TABLE, "focal_loss/1a"]
    rows = dict(zip(names, ["gamma 0", "gamma 5"]))
    monkeypatch.setattr(runner, "jobs_of", lambda table, *_: [
        replace(j, table=table) for j in jobs_of(TABLE, plan, [rows[table]], 2)])
    monkeypatch.setattr(runner, "run_job", lambda job, *r: order.append((job.seed, job.table)) or run_job(job, *r))
    assert len(runner.run(names, plan)) == 4 and runner.run(names, plan) == []
    assert order == [(seed, name) for seed in (0, 1) for name in names]
    rows[names[1]] = rows[names[0]] = "gamma 1"                         # equal rows of one pool are measured once
    assert [r.get("measured_as") for r in runner.run(names, plan)] == [None, None, *2 * [[TABLE, "gamma 1"]]]
    assert order[4:] == [(0, TABLE), (1, TABLE)]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_workers_tasks_are_started_again(tmp_path):
    def dies_once(mark, number):  # the first time, as on a machine without memory
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert sorted(workers.results(dies_once, {n: (tmp_path / "mark", n) for n in range(4)}, 2)) == [0, 1, 2, 3]
    with pytest.raises(TerminatedWorkerError):
        list(workers.results(lambda: os.kill(os.getpid(), signal.SIGKILL), {"dies": ()}, 2))


RUNS = """
import sys
from dataclasses import replace
from pathlib import Path
from paperlib.__main__ import main
from paperlib.tables import row_jobs, runner
from paperlib.training.recipes import Budget, budget
real, where = row_jobs.runnable, {"system": "retinanet", "data": sys.argv[1], "train": None, "test": None}
row_jobs.runnable = lambda table: {**real(table), "run": where}
recipe = replace(budget("smoke").recipe("retinanet"), steps=40, batch=2)
runner.budget = lambda name: Budget("smoke", 1, {"retinanet": recipe})
sys.exit(main(["table", "focal_loss/1b", "--budget", "smoke", "--jobs", "2", "--seeds", "2"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_keeps_what_is_finished(plan, scenes):
    """The signal goes to the whole process group, workers included, as a terminal's Ctrl-C does."""
    command = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{RUNS}",
               str(scenes)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           start_new_session=True)
    deadline = time.monotonic() + 900
    while not (kept := records.read(TABLE, "smoke")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 130, said
    assert "the runs that were done are recorded" in said
    after = records.read(TABLE, "smoke")                                   # every line is whole
    assert 1 <= len(kept) <= len(after) < len(row_jobs.jobs_of(TABLE, plan, seeds=2))


def test_seeds_at_once_give_the_numbers_of_one_after_another(plan, tmp_path, monkeypatch):
    alone = runner.run(TABLE, plan, ROWS[:1], seeds=2)
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "at once"))
    together = runner.run(TABLE, plan, ROWS[:1], seeds=2, jobs=2)
    measured = {record["seed"]: record["metrics"] for record in together}
    assert len(measured) == 2
    assert measured == {record["seed"]: record["metrics"] for record in alone}


@pytest.mark.slow
def test_a_table_runs_on_a_dask_cluster(plan):
    distributed = pytest.importorskip("distributed")
    with (distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
          distributed.Client(cluster), joblib.parallel_config("dask")):
        new = runner.run(TABLE, plan, ROWS, seeds=2, jobs=2)
    assert sorted((r["row"], r["seed"]) for r in new) == [(row, seed) for row in ROWS for seed in (0, 1)]
    assert {r["status"] for r in new} == {"ok"} and len(records.read(TABLE, "smoke")) == 4


@pytest.mark.parametrize("plan", ["smoke", "mini", "gpu", "paper"])
def test_no_budget_lacks_a_recipe(plan):
    """Tables of trunks that a budget does not train, and the dials of the small one, have no rows there."""
    for name in (name for name, body in (published() | dials.tables()).items() if "run" in body):
        assert row_jobs.jobs_of(name, budget(plan), seeds=1) or plan in ("gpu", "paper"), name


@pytest.mark.parametrize("plan", ["mini", "paper"])
def test_rows_with_different_switches_are_different_runs(plan):
    for name in (name for name, body in published().items() if "run" in body):
        switches = {row["label"]: row["set"] for row in row_jobs.runnable(name)["rows"] if "set" in row}
        seen = {}
        for job in row_jobs.jobs_of(name, budget(plan), seeds=1):
            own = switches.get(job.row, job.changes)
            run, own = str((job.recipe, job.changes)), own.get(job.recipe.preset, own)
            assert seen.setdefault(run, own) == own, f"{name}: {job.row!r} is trained like another row despite {own}"


def test_a_row_of_another_system_has_a_recipe_and_measures_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    plan, table = budget("mini"), "sharpmask/3"
    rpn, masks = (row_jobs.jobs_of(table, plan, [row], 1)[0] for row in ("RPN", "SharpMask"))
    alone = row_jobs.jobs_of("fpn/1", plan, ["C4 baseline"], 1)[0]
    assert rpn.changes == alone.changes and rpn.recipe == replace(alone.recipe, test_images=masks.recipe.test_images)
    for row in ("RPN", "SharpMask"):
        _enter(plan, table, row, 0, {"AR1000": 0.4, "box AR1000": 0.5, "AUC": 0.2})
    ours = {row: entry["metrics"] for row, entry in compare.measured(table, plan).items()}
    assert ours["RPN"]["box AR1k"] == {0: 0.4} and ours["RPN"]["box AUC"] == {0: 0.2}
    assert ours["SharpMask"]["box AR1k"] == {0: 0.5} and "box AUC" not in ours["SharpMask"]
