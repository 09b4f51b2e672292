"""What each command of the command line does; `__main__.py` holds their arguments."""

import json
import math
from dataclasses import replace
from pathlib import Path

from paperlib.device import pick_device, progress, ranks


def info(args) -> None:
    """One line: device, versions, budget, data sets."""
    from paperlib.data.sets import known_sets
    from paperlib.experiments.configs import budget
    from paperlib.experiments.records import provenance

    facts = provenance(pick_device(args.device))
    found = ", ".join(f"{name} ({state})" for name, state in known_sets().items())
    print(f"paperlib {facts['paperlib']} | {facts['device']}, {facts['threads']} threads | torch {facts['torch']}, "
          f"torchvision {facts['torchvision']}, python {facts['python']} | budget {budget().name} | data: {found}")


def data(args) -> int:
    """Draw, download, validate or describe a data set."""
    if args.action == "check":
        from paperlib.data.check import check

        faults = check(args.name, args.split)
        for fault in faults:
            print(fault)
        print(f"{args.name}: {len(faults)} fault(s), {sum(f.fatal for f in faults)} of them fatal")
        return int(any(f.fatal for f in faults))
    if args.action == "statistics":
        from paperlib.data.sets import load, splits
        from paperlib.data.statistics import summary

        print(summary([load(args.name, s) for s in ([args.split] if args.split else splits(args.name))]).T.round(2))
        return 0
    if args.action == "build":
        from paperlib.data.sets import ensure

        print(f"{args.name}: {ensure(args.name)}")
        return 0
    from paperlib.data.download import download

    print(f"{args.name}: {download(args.name)}")
    return 0


def _recipe(args):
    """The budget's recipe of a system with the options of the command line applied."""
    from paperlib.data.sets import splits
    from paperlib.experiments.configs import budget

    recipe = budget(args.budget).recipe(args.system)
    data = args.data or recipe.data
    only = there[0] if len(there := splits(data)) == 1 else None  # a folder without splits is its own test set
    asked = {"data": args.data, "train": args.split or only, "test": getattr(args, "test", None) or only,
             "train_images": args.images, "test_images": getattr(args, "test_images", None), "steps": args.steps,
             "batch": args.batch, "lr": args.lr, "preset": args.preset, "size": tuple(args.size) if args.size else None}
    recipe = replace(recipe, **{key: value for key, value in asked.items() if value is not None})
    return replace(recipe, train=None, test=None) if there == [None] else recipe


def train(args) -> None:
    """One run: weights in <out>/<system>.safetensors, checkpoint beside them until it is done, scores at the end."""
    from paperlib.data.sets import load
    from paperlib.experiments import fit
    from paperlib.experiments.configs import tested
    from paperlib.experiments.evaluate import evaluate
    from paperlib.experiments.weights import save_weights

    device, recipe, out = pick_device(args.device), _recipe(args), Path(args.out)
    test = load(*tested(recipe), limit=recipe.test_images)
    checkpoint = out / f"{args.system}.checkpoint"
    system, history = fit.train(args.system, recipe, args.seed, args.set, device, checkpoint, bar=_loss_bar)
    if ranks()[0]:
        return  # torchrun: the first process scores and writes
    if args.half:
        system.half().float()  # what is scored below is what is stored
    scores = evaluate(system, test, device, **fit.sides(recipe))
    facts = {"data": recipe.data, "budget": args.budget or "", "steps": str(len(history)), "seed": str(args.seed),
             "seconds": f"{sum(h['seconds'] for h in history):.0f}", "AP": f"{scores['AP']:.4f}", **_origin(device)}
    path = save_weights(out / f"{args.system}.safetensors", args.system, system, args.half, **facts)
    for file in (checkpoint, *out.glob(f"{args.system}.[0-9].pt")):
        file.unlink(missing_ok=True)
    print(f"{len(history)} steps, {facts['seconds']} s, loss {history[-1]['loss']:.4f}; {path}")
    _print_scores(scores, args.json, test.name)


def _origin(device) -> dict[str, str]:
    """The commit and version that weights were trained with."""
    from paperlib.experiments.records import provenance

    return {key: str(value) for key, value in provenance(device).items() if key in ("commit", "torch", "device")}


def _loss_bar(run, total: int, desc: str):
    """A progress bar that shows the loss."""
    with progress(total=total, desc=desc, unit="step") as bar:
        for record in run:
            bar.update()
            bar.set_postfix_str(f"loss {record['loss']:.3f}", refresh=False)
            yield record


def eval_(args) -> None:
    """Scores of stored weights on a data set: COCO's twelve numbers and VOC's two."""
    from paperlib.data.sets import load
    from paperlib.experiments.evaluate import evaluate
    from paperlib.experiments.weights import load_weights

    device = pick_device(args.device)
    system, dataset = load_weights(args.weights, args.system).to(device), load(args.data, args.split)
    _print_scores(evaluate(system, dataset, device), args.json, dataset.name)


def _print_scores(scores: dict, as_json: bool, name: str) -> None:
    numbers = {k: v for k, v in scores.items() if isinstance(v, (int, float))}
    if as_json:
        print(json.dumps({k: None if math.isnan(v) else v for k, v in numbers.items()}))
        return
    print(f"{name}: " + "  ".join(f"{k} {100 * v:.1f}" for k, v in numbers.items() if not math.isnan(v)))


def score(args) -> None:
    """The twelve COCO numbers of a results file."""
    from paperlib.experiments.evaluate import score_files

    scores = score_files(args.truth, args.results, args.type)
    if args.json:
        _print_scores(scores, True, "")
        return
    for name, value in scores.items():
        if isinstance(value, (int, float)):
            print(f"{name:6} {value:.3f}" if not math.isnan(value) else f"{name:6} none")


def table(args) -> None:
    """Run what the named tables lack, then print them beside the paper's numbers."""
    import pandas as pd

    from paperlib.experiments import report, tables
    from paperlib.experiments.published import published

    names = [n for n, body in published().items() if "run" in body] if args.id == "all" else [args.id]
    if not args.show:
        tables.run(names, args.budget, args.rows.split(",") if args.rows else None, args.seeds, args.jobs, args.device)
    for name in names if ranks()[0] == 0 else ():
        with pd.option_context("display.width", 200, "display.max_columns", 30, "display.precision", 1):
            print(f"\n{name}\n{report.frame(name, args.budget)}")


def published(args) -> None:
    """Every published table as JSON."""
    from paperlib.experiments.published import published_json

    print(json.dumps(published_json(), indent=None if args.json else 1))


def claims(args) -> None:
    """Every claim of the papers with what was measured here and the verdict."""
    from paperlib.experiments.claims import VERDICTS, counts, judged

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
        print(f"{c['verdict']:12} {c['id']:28} {c['say']}  Paper: {c['published']} {c['unit']}.{ours}")
    for paper, tally in counts(lines).items():
        print(f"{paper:12} " + ", ".join(f"{n} {verdict}" for verdict, n in tally.items() if n))


def scorecard(args) -> None:
    """Write the page of all claims and tables."""
    from paperlib.experiments.scorecard import write

    print(write(args.out, args.budget or "mini"))


def bench(args) -> None:
    """Time ours beside the peers, or what the papers claim about time, or probe the drawn world, and record it."""
    from paperlib.experiments import ratios, world_probes
    from paperlib.teach import speed

    ids = args.ids.split(",") if args.ids else None
    if args.what == "peers":
        speed.bench(ids, args.repeats, args.device, args.full, args.shrink, args.picture)
    for record in world_probes.bench(ids) if args.what == "world" else ():
        print(f"{record['row']}: " + ", ".join(f"{k} {100 * v:.1f}%" for k, v in record["metrics"].items()))
    for record in ratios.bench(ids, args.repeats, args.device) if args.what == "claims" else ():
        seconds = ", ".join(f"{name} {s:.3g} s" for name, s in record["parts"].items())
        print(f"{record['row']}: {record['metrics']['value']:.3g} ({seconds})")


def doctor(args) -> int:
    """What is wrong with a data set, or between it and a model, before you train."""
    from paperlib.data.sets import load
    from paperlib.experiments.configs import system_config
    from paperlib.experiments.diagnose import doctor as examine

    dataset = load(args.data, args.split)
    recipe = _recipe(args)
    cfg = system_config(args.system, recipe, len(dataset.classes), args.set)
    findings = examine(dataset, cfg, recipe.size, args.system, device=pick_device(args.device))
    return int(any(finding.serious for finding in findings))


def pretrain(args) -> None:
    """Train a trunk to name MiniNet's crops and store its weights with their accuracy."""
    from paperlib.experiments.pretrain import pretrain as run

    path, accuracy = run(args.trunk, args.budget, args.seed, pick_device(args.device), lr=args.lr)
    print(f"{args.trunk}: top-1 {100 * accuracy:.1f}%, weights: {path}")
