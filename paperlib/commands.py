"""What each command of the command line does; `__main__.py` holds their arguments."""

import json
import math

from paperlib.device import pick_device
from paperlib.distributed import ranks


def info(args) -> None:
    """One line: device, versions, budget, data sets."""
    from paperlib.data.named_sets import known_sets
    from paperlib.tables.records import provenance
    from paperlib.training.recipes import budget

    facts = provenance(pick_device(args.device))
    found = ", ".join(f"{name} ({state})" for name, state in known_sets().items())
    print(f"paperlib {facts['paperlib']} | {facts['device']}, {facts['threads']} threads | torch {facts['torch']}, "
          f"torchvision {facts['torchvision']}, python {facts['python']} | budget {budget().name} | data: {found}")


def data(args) -> int:
    """Draw, download, validate or describe a data set."""
    if args.action == "check":
        from paperlib.data.set_checks import check

        faults = check(args.name, args.split)
        for fault in faults:
            print(fault)
        print(f"{args.name}: {len(faults)} fault(s), {sum(f.fatal for f in faults)} of them fatal")
        return int(any(f.fatal for f in faults))
    if args.action == "statistics":
        from paperlib.data.named_sets import load, splits
        from paperlib.data.statistics import summary

        print(summary([load(args.name, s) for s in ([args.split] if args.split else splits(args.name))]).T.round(2))
        return 0
    if args.action == "build":
        from paperlib.data.named_sets import ensure

        print(f"{args.name}: {ensure(args.name)}")
        return 0
    from paperlib.data.download import download

    print(f"{args.name}: {download(args.name)}")
    return 0


def print_scores(scores: dict, as_json: bool, name: str) -> None:
    """The numbers among `scores` in one line, as JSON or in percent."""
    numbers = {k: v for k, v in scores.items() if isinstance(v, (int, float))}
    if as_json:
        print(json.dumps({k: None if math.isnan(v) else v for k, v in numbers.items()}))
        return
    told = [f"{k} {100 * v:.1f}" for k, v in numbers.items() if not math.isnan(v)]
    print(f"{name}: " + ("  ".join(told) or "no object, so nothing to score"))


def score(args) -> None:
    """The twelve COCO numbers of a results file."""
    from paperlib.scoring.coco_metrics import score_files

    scores = score_files(args.truth, args.results, args.type)
    if args.json:
        print_scores(scores, True, "")
        return
    for name, value in scores.items():
        if isinstance(value, (int, float)):
            print(f"{name:6} {value:.3f}" if not math.isnan(value) else f"{name:6} none")


def table(args) -> None:
    """Run what the named tables lack, then print them beside the paper's numbers."""
    import pandas as pd

    from paperlib.papers.printed import published
    from paperlib.tables import compare, runner

    names = [n for n, body in published().items() if "run" in body] if args.id == "all" else [args.id]
    rows = args.rows.split(",") if args.rows else None
    try:
        if not args.show:
            runner.run(names, args.budget, rows, args.seeds, args.jobs, args.device)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the runs that were done are recorded; run the same command to go on") from None
    for name in names if ranks()[0] == 0 else ():
        with pd.option_context("display.width", 200, "display.max_columns", 30, "display.precision", 1):
            print(f"\n{name}\n{compare.frame(name, args.budget)}")


def published(args) -> None:
    """Every published table as JSON."""
    from paperlib.papers.printed import published_json

    print(json.dumps(published_json(), indent=None if args.json else 1))


def claims(args) -> None:
    """Every claim of the papers with what was measured here and the verdict."""
    from paperlib.claims.verdicts import VERDICTS, counts, judged

    if args.verdict not in (None, *VERDICTS):
        raise ValueError(f"unknown verdict {args.verdict!r}; expected one of {', '.join(VERDICTS)}")
    lines = [c for c in judged(args.budget or "mini")
             if args.paper in (None, c["paper"]) and args.verdict in (None, c["verdict"])]
    if args.json:
        print(json.dumps(lines))
        return
    for c in lines:
        bounds = "" if c["interval"] is None else " [{:g}, {:g}]".format(*c["interval"])
        ours = "" if c["measured"] is None else f"  ours {c['measured']}{bounds}, n {c['n']}"
        ours += f", {c['mixed']} pairs with different products" if c["mixed"] else ""
        print(f"{c['verdict']:12} {c['id']:28} {c['say']}  Paper: {c['published']} {c['unit']}.{ours}")
    for paper, tally in counts(lines).items():
        print(f"{paper:12} " + ", ".join(f"{n} {verdict}" for verdict, n in tally.items() if n))


def scorecard(args) -> None:
    """Write the page of all claims and tables."""
    from paperlib.claims.page.scorecard import write

    print(write(args.out, args.budget or "mini"))


def bench(args) -> None:
    """Time ours beside the peers, or what the papers claim about time, or probe the drawn world, and record it."""
    from paperlib.bench import timing
    from paperlib.claims.registry import TIMED
    from paperlib.course import bench_section
    from paperlib.studies import world

    ids = args.ids.split(",") if args.ids else None
    if args.what == "peers":
        bench_section.bench(ids, args.repeats, args.device, args.full, args.shrink, args.picture)
    for record in world.bench(ids) if args.what == "world" else ():
        print(f"{record['row']}: " + ", ".join(f"{k} {100 * v:.1f}%" for k, v in record["metrics"].items()))
    for record in timing.bench(TIMED, timing.TABLE, ids, args.repeats, args.device) if args.what == "claims" else ():
        seconds = ", ".join(f"{name} {s:.3g} s" for name, s in record["parts"].items())
        print(f"{record['row']}: {record['metrics']['value']:.3g} ({seconds})")
