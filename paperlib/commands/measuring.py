"""What the commands on data, tables, claims, speed and notebooks do; `arguments.py` holds their arguments.

Every import of a room is inside the command that needs it: `paperlib --help` must not wait for torch.
"""

import contextlib
import functools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


def info(args) -> None:
    """One line: device, versions, budget, data sets."""
    from paperlib.data.named_sets import known_sets
    from paperlib.device import pick_device
    from paperlib.tables.records import provenance
    from paperlib.training.recipes import budget

    facts = provenance(pick_device(args.device))
    sets = ", ".join(f"{name} ({state})" for name, state in known_sets().items())
    print(
        f"paperlib {facts['paperlib']} | {facts['device']}, {facts['threads']} threads | "
        f"torch {facts['torch']}, torchvision {facts['torchvision']}, python {facts['python']} | "
        f"budget {budget().name} | data: {sets}"
    )


def data(args) -> int:
    """Draw, download, check, mend, convert, split or describe a data set."""
    from paperlib.commands import data_actions

    return data_actions.ACTIONS[args.action](args)


def json_alone(command: Callable) -> Callable:
    """The command, which with --json prints words to stderr; the result belongs in `args.stdout`."""

    @functools.wraps(command)
    def run(args):
        args.stdout, words = sys.stdout, sys.stdout
        if args.json:
            words = sys.stderr
        with contextlib.redirect_stdout(words):
            return command(args)

    return run


def print_scores(scores: dict, as_json: bool, name: str, to: TextIO | None = None) -> None:
    """The numbers among `scores` in one line, as JSON (null for NaN) or in percent; `to` None: stdout."""
    numbers, percent = {}, []
    for key, value in scores.items():
        if not isinstance(value, (int, float)):
            continue
        numbers[key] = None if math.isnan(value) else value
        if not math.isnan(value):
            percent.append(f"{key} {100 * value:.1f}")
    if as_json:
        print(json.dumps(numbers), file=to)
    elif percent:
        print(f"{name}: {'  '.join(percent)}")
    else:
        print(f"{name}: no object, so nothing to score")


def table(args) -> None:
    """Run what the named tables lack, then print them beside the paper's numbers."""
    import pandas as pd

    from paperlib.distributed import ranks
    from paperlib.papers.printed import published
    from paperlib.tables import compare, row_jobs, runner
    from paperlib.training.recipes import budget

    names = [args.id]
    if args.id == "all":
        names = [name for name, body in published().items() if "run" in body]
    try:
        if args.show:
            for name in names:
                row_jobs.jobs_of(name, budget(args.budget), args.rows)  # refuses unknown rows
        else:
            runner.run(names, args.budget, args.rows, args.seeds, args.jobs, args.device)
    except KeyboardInterrupt:
        kept = "the runs that were done are recorded; run the same command to go on"
        raise KeyboardInterrupt(kept) from None
    if ranks()[0] > 0:
        return  # torchrun: the first process prints
    for name in names:
        with pd.option_context("display.width", 200, "display.max_columns", 30, "display.precision", 1):
            print(f"\n{name}\n{compare.frame(name, args.budget)}")


def published(args) -> None:
    """Every published table as JSON."""
    from paperlib.papers.printed import published_json

    print(json.dumps(published_json(), indent=None if args.json else 1))


def claims(args) -> int | None:
    """Every claim of the papers with what was measured here and the verdict; or `check` of runs of yours."""
    if args.what == "check":
        return _check_runs(args)
    from paperlib.claims.kept import judged
    from paperlib.claims.tally import VERDICTS, counts, export
    from paperlib.spelling import did_you_mean

    if args.verdict not in (None, *VERDICTS):
        known = ", ".join(map(repr, VERDICTS))  # some have a comma in them
        near = did_you_mean(args.verdict, VERDICTS)
        raise ValueError(f"unknown verdict {args.verdict!r}; expected one of {known}{near}")
    lines = []
    for line in judged(args.budget or "mini"):
        if args.paper in (None, line.paper) and args.verdict in (None, line.verdict):
            lines.append(line)
    if args.json:
        print(json.dumps(export(lines)))
        return
    for line in lines:
        print(f"{line.verdict:15} {line.id:28} {line.say}"
              f"  Paper: {line.published} {line.unit}.{_measured(line)}")
    for paper, tally in counts(lines).items():
        print(f"{paper:12} " + ", ".join(f"{n} {verdict}" for verdict, n in tally.items() if n))


def _check_runs(args) -> int:
    """Whether records that somebody else made can be used, and what the verdicts would be with them."""
    from paperlib.claims import sent_in

    if args.file is None:
        raise ValueError("claims check: lacks the file of records, one JSON line for each run")
    said, usable = sent_in.report(Path(args.file), args.budget or "mini")
    print("\n".join(said))
    return 0 if usable else 1


def _measured(line) -> str:
    """What was measured for a claim, a tally.Verdict, in words; "" if nothing was."""
    text = ""
    if line.measured is not None:
        bounds = " [{:g}, {:g}]".format(*line.interval) if line.interval is not None else ""
        text = f"  ours {line.measured}{bounds}, n {line.n}"
    if line.mixed:
        text += f", {line.mixed} pairs with different products"
    return text


def scorecard(args) -> None:
    """Write the page of all claims and tables."""
    from paperlib.claims.page.scorecard import write

    print(write(args.out, args.budget or "mini"))


def bench(args) -> None:
    """Time ours beside the peers, or the papers' claims about time, or probe the drawn world; record it."""
    ids = args.ids.split(",") if args.ids else None
    if args.what == "peers":
        from paperlib.course import bench_section

        bench_section.bench(ids, args.repeats, args.device, args.full, args.shrink)
        if args.picture:
            from paperlib.course import pictures

            pictures.speed(Path(args.picture))
    elif args.what == "world":
        from paperlib.studies import world

        for record in world.bench(ids):
            shares = ", ".join(f"{name} {100 * share:.1f}%" for name, share in record["metrics"].items())
            print(f"{record['row']}: {shares}")
    else:
        from paperlib.bench import timing
        from paperlib.claims.registry import TIMED

        for record in timing.bench(TIMED, timing.TABLE, ids, args.repeats, args.device):
            seconds = ", ".join(f"{name} {s:.3g} s" for name, s in record["parts"].items())
            print(f"{record['row']}: {record['metrics']['value']:.3g} ({seconds})")


def notebooks(args) -> int:
    """Run, test, store and publish the notebooks."""
    from paperlib.course.commands import run_command  # Jupyter's packages take a second

    return run_command(args)


def gpu(args) -> int:
    """Ten minutes on a machine with a GPU that show whether all of this works there."""
    from paperlib import gpu_check

    return gpu_check.check(args.part)
