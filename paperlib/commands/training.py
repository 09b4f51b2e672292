"""What the commands that train or test a system do; `arguments.py` holds their arguments.

Every import of a room is inside the command that needs it: `paperlib --help` must not wait for torch.
"""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from paperlib.commands import first_try, looking, numbers, run_files, run_options
from paperlib.commands.measuring import json_alone, print_scores
from paperlib.failures import message_of

BAR = ("{desc} {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} steps, {elapsed} gone, "
       "about {remaining} left{postfix}")
VALIDATION = ("val", "valid", "validation")  # names of one thing; which one a set has is nobody's choice


def _recipe(args, test: str | None = None, test_images: int | None = None):
    """The budget's recipe of a system with the options of the command line applied."""
    from paperlib.data.named_sets import splits
    from paperlib.training.recipes import system_config

    recipe = run_options.planned(args.budget, args.system)
    names = splits(args.data or recipe.data)
    only = names[0] if len(names) == 1 else None  # a folder without splits is its own test set
    asked = {
        "data": args.data,
        "train": args.split or only,
        "test": test or only or _validation(recipe.test, names),
        "train_images": args.images,
        "test_images": test_images,
        "steps": args.steps,
        "batch": args.batch,
        "accumulate": getattr(args, "accumulate", None),
        "compiled": getattr(args, "compiled", False) or None,
        "lr": args.lr,
        "preset": args.preset,
        "size": _size(args),
    }
    recipe = replace(recipe, **{key: value for key, value in asked.items() if value is not None})
    numbers.check_anchors(system_config(args.system, recipe, 1, args.set))
    if names == [None]:
        return replace(recipe, train=None, test=None)
    return recipe


def _validation(test: str, names: list[str | None]) -> str | None:
    """The set's name of its validation split, where it lacks the split that the recipe tests on; or None."""
    if test in names:
        return None
    for name in VALIDATION:
        if name in names:
            return name
    return None


def _size(args) -> tuple[int, ...] | None:
    """--size as configurations hold it; None where it was not asked for."""
    return tuple(args.size) if args.size else None


@json_alone
def train(args) -> None:
    """One run and its scores: <out>/<system>.safetensors, and a checkpoint beside it until it is done."""
    out = run_files.writable(args.out, f"{args.system}.safetensors")
    with run_files.alone(out / f"{args.system}.checkpoint") as checkpoint:
        _train(args, out, checkpoint)


def _train(args, out: Path, checkpoint: Path) -> None:
    from paperlib.data.named_sets import load
    from paperlib.device import pick_device
    from paperlib.distributed import ranks
    from paperlib.training import trainer
    from paperlib.training.recipes import tested

    started, device, steps_done = time.time(), pick_device(args.device), []
    start = run_options.start_of(args, _recipe(args, args.test, args.test_images), device)
    test = load(*tested(start.recipe), limit=start.recipe.test_images)
    recipe, shorter = first_try.shortened(args, start.recipe, test, device)
    watched = run_options.watched(args, recipe, test, device, out)

    def begin(dataset):
        run_options.compare_sets(args.system, dataset, test)
        run_options.say(start.said, shorter)
        return start.fill

    def watch(system, record: dict) -> None:
        steps_done.append(record)
        watched(system, record)

    try:
        system, history = trainer.train(
            args.system, recipe, args.seed, args.set, device, checkpoint, watch=watch, begin=begin,
            bar=partial(_loss_bar, is_over=lambda: watched.is_over))
        if ranks()[0]:
            return  # torchrun: the first process scores and writes
        run_options.say(watched.end(system, len(history)))
        run_options.say(run_files.put_aside(out / f"{args.system}.safetensors"))
        _keep(args, system, history, test, device, out, started)
    except KeyboardInterrupt as stop:
        said = stop.args or (run_files.kept(checkpoint, bool(steps_done), started),)
        raise KeyboardInterrupt(*said) from None


def _keep(args, system, history: list[dict], test, device, out: Path, started: float) -> None:
    """Write a run's weights and curves, score the weights as they are stored, and print what came of it."""
    from paperlib.training.weights import save_weights
    from paperlib.watching.curves import plot

    seconds = sum(record["seconds"] for record in history)
    facts = {"budget": args.budget or "", "steps": str(len(history)), "seed": str(args.seed),
             "seconds": f"{seconds:.0f}", **run_options.origin(device)}
    path = save_weights(out / f"{args.system}.safetensors", args.system, system, args.half, **facts)
    scores = _scored(path, test, device, f"the trained weights are in {path}, for `paperlib eval`")
    save_weights(path, args.system, system, args.half, **facts, **run_options.headline_of(scores))
    picture, loss = plot(history, path.with_suffix(".png")), history[-1]["loss"]
    run_files.tidy(out / f"{args.system}.checkpoint")
    print(f"{run_options.cost(history, device, started)}, loss {loss:.4f}; {path}, {picture.name}")
    print_scores(scores, args.json, test.name, args.stdout)


def _scored(path: Path, test, device, kept: str) -> dict:
    """Scores of the weights as they are stored, so that `eval` gives the same; errors say what is `kept`."""
    from paperlib.scoring.coco_metrics import evaluate
    from paperlib.training.weights import load_weights

    try:
        return evaluate(load_weights(path), test, device)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept) from None
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{message_of(error)}; {kept}") from None


def _loss_bar(run, total: int, desc: str, is_over=lambda: False):
    """A progress bar with the loss and the time left by the clock; it ends early where `is_over` says so."""
    from paperlib.progress import progress

    with progress(total=total, desc=desc, unit="step", bar_format=BAR) as bar:
        for record in run:
            bar.update()
            score = f", AP {100 * record['AP']:.1f}" if "AP" in record else ""
            bar.set_postfix_str(f"loss {record['loss']:.3f}{score}", refresh=bool(score))
            yield record
            if is_over():
                return


@json_alone
def eval_(args) -> None:
    """Scores of stored weights on a data set, the one that they were scored on if none is named."""
    from paperlib.data.named_sets import load
    from paperlib.device import pick_device
    from paperlib.scoring.coco_metrics import evaluate
    from paperlib.training.trained import category_ids, compare, nothing_in, tells_classes
    from paperlib.training.weights import load_weights, read_header

    looking.check_page(args)
    looking.check_results(args.results)
    device, system = pick_device(args.device), load_weights(args.weights, args.system)
    if args.size:
        system.trained = replace(system.trained, size=_size(args))
    name, split, limit = system.trained.test
    if args.data is not None or args.split:
        name, split, limit = args.data or name, args.split, None
    if not name:
        raise ValueError(f"{args.weights}: does not say what it was scored on; name a set with --data")
    dataset = load(name, split, limit=args.test_images or limit)
    if category_ids(system, dataset) and tells_classes(system) and system.trained.classes:
        run_options.note(compare(system.trained.classes, dataset))
    if "size" not in read_header(args.weights) and not args.size:
        run_options.note(f"{args.weights} does not say at what size it was trained: "
                         "images are taken as stored; see --size")
    if nothing := nothing_in(dataset, "score"):
        raise ValueError(nothing)
    results = None
    if args.report or args.results:
        results = looking.examined(args, system, dataset, device)
    scores = evaluate(system, dataset, device, results=results)
    print_scores(scores, args.json, dataset.name, args.stdout)


def doctor(args) -> int:
    """What is wrong with a data set, or between it and a model, before you train."""
    from paperlib.config import override
    from paperlib.data.named_sets import load
    from paperlib.device import pick_device
    from paperlib.doctor.examine import doctor as examine
    from paperlib.training.recipes import system_config
    from paperlib.training.weights import load_weights, read_header

    stored = load_weights(args.weights) if args.weights else None
    dataset, device = load(args.data, args.split, args.images), pick_device(args.device)
    others = looking.other_splits(args.data, args.split)
    if stored:
        system, cfg = read_header(args.weights)["system"], override(stored.cfg, args.set)
        numbers.check_anchors(cfg)
        size = _size(args) or stored.trained.size
        findings = examine(dataset, cfg, size, system, args.steps, device, known=stored.trained.classes,
                           others=others)
    else:
        recipe, _ = first_try.shortened(args, _recipe(args), dataset, device)
        cfg = system_config(args.system, recipe, len(dataset.classes), args.set)
        findings = examine(dataset, cfg, recipe.size, args.system, args.steps, device, others=others,
                           command=looking.train_command(args))
    return int(any(finding.serious for finding in findings))
