"""What the commands that train or test a system do; `__main__.py` holds their arguments."""

import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from paperlib.commands import print_scores
from paperlib.device import pick_device
from paperlib.distributed import ranks
from paperlib.progress import progress

VALIDATION = ("val", "valid", "validation")  # names of one thing; which one a set has is nobody's choice


def _recipe(args, test: str | None = None, test_images: int | None = None):
    """The budget's recipe of a system with the options of the command line applied."""
    from paperlib.data.named_sets import splits
    from paperlib.training.recipes import budget

    recipe = budget(args.budget).recipe(args.system)
    data = args.data or recipe.data
    there = splits(data)
    only = there[0] if len(there) == 1 else None  # a folder without splits is its own test set
    usual = next((name for name in VALIDATION if recipe.test == "val" and name in there), None)
    asked = {"data": args.data, "train": args.split or only, "test": test or only or usual,
             "train_images": args.images, "test_images": test_images, "steps": args.steps,
             "batch": args.batch, "lr": args.lr, "preset": args.preset, "size": tuple(args.size) if args.size else None}
    recipe = replace(recipe, **{key: value for key, value in asked.items() if value is not None})
    return replace(recipe, train=None, test=None) if there == [None] else recipe


def train(args) -> None:
    """One run: weights in <out>/<system>.safetensors, checkpoint beside them until it is done, scores at the end."""
    from paperlib.data.named_sets import load
    from paperlib.systems.registry import SYSTEMS
    from paperlib.training import trainer
    from paperlib.training.recipes import tested
    from paperlib.training.trained import compare, nothing_in, tells_classes
    from paperlib.training.weights import save_weights

    started, out = time.time(), writable(args.out, f"{args.system}.safetensors")
    device, recipe, seen = pick_device(args.device), _recipe(args, args.test, args.test_images), []
    test = load(*tested(recipe), limit=recipe.test_images)

    def begin(dataset) -> None:
        _note(nothing_in(test, "score"))
        _note(compare(dataset.classes, test, f"{dataset.name} has") if tells_classes(SYSTEMS[args.system]) else "")

    checkpoint = out / f"{args.system}.checkpoint"
    try:
        system, history = trainer.train(args.system, recipe, args.seed, args.set, device, checkpoint, bar=_loss_bar,
                                    watch=lambda _, record: seen.append(record), begin=begin)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(checkpoint, bool(seen), started)) from None
    if ranks()[0]:
        return  # torchrun: the first process scores and writes
    facts = {"budget": args.budget or "", "steps": str(len(history)), "seed": str(args.seed),
             "seconds": f"{sum(h['seconds'] for h in history):.0f}", **_origin(device)}
    path = save_weights(out / f"{args.system}.safetensors", args.system, system, args.half, **facts)
    scores = _scored(path, test, device, f"the trained weights are in {path}, for `paperlib eval`")
    save_weights(path, args.system, system, args.half, **facts, **_headline(scores))
    _tidy(checkpoint)
    print(f"{len(history)} steps, {facts['seconds']} s, loss {history[-1]['loss']:.4f}; {path}")
    print_scores(scores, args.json, test.name)


def _scored(path: Path, test, device, kept: str) -> dict:
    """Scores of the weights as they are stored, so that `eval` finds the same; what goes wrong says what is kept."""
    from paperlib.scoring.coco_metrics import evaluate
    from paperlib.training.weights import load_weights

    try:
        return evaluate(load_weights(path), test, device)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept) from None
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{error.args[0] if isinstance(error, KeyError) else error}; {kept}") from None


def _headline(scores: dict) -> dict[str, str]:
    """The one score that a header holds: AP, or the recall of the most proposals."""
    name = "AP" if "AP" in scores else [key for key in scores if re.fullmatch(r"AR\d+", key)][-1]
    return {name: f"{scores[name]:.4f}"}


def writable(folder: str | Path, name: str) -> Path:
    """`folder`, made if it is not there, after a trial: the file `name` can be written in it. Errors: ValueError."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write in {folder}: {error.strerror or error}; expected a folder") from None
    if (folder / name).is_dir():
        raise ValueError(f"cannot write {folder / name}: there is a folder of this name")
    return folder


def _note(text: str) -> None:
    """A line that is no result: to stderr, once."""
    if text and ranks()[0] == 0:
        print(f"note: {text}", file=sys.stderr)


def _beside(checkpoint: Path) -> list[Path]:
    """Files that a run keeps to go on from: its checkpoint and those of later stages, and what a kill left of them."""
    own = re.compile(re.escape(checkpoint.stem) + r"\.(checkpoint|\d+\.pt|after\.pt)(\.part)?")
    return [file for file in checkpoint.parent.iterdir() if own.fullmatch(file.name)]


def _kept(checkpoint: Path, begun: bool, started: float) -> str:
    """What an interrupted run left, in words; nothing, if it had not begun or a file is older than the command."""
    files = [*_beside(checkpoint), *(checkpoint.parent / "stages").glob("*.pt")]
    times = {file.stat().st_mtime: file for file in files if file.suffix != ".part"}
    if not begun or not times or max(times) < started - 0.1:  # file systems' clocks are coarser
        return "nothing new was kept"
    return f"what was done is in {times[max(times)]}; run the same command to go on"


def _tidy(checkpoint: Path) -> None:
    """Remove what a run needed to go on from, and what earlier runs left of that."""
    from paperlib.training.alternating import clear

    for file in _beside(checkpoint):
        file.unlink(missing_ok=True)
    if checkpoint.stem == "faster_rcnn":
        clear(checkpoint)


def _origin(device) -> dict[str, str]:
    """The commit and version that weights were trained with."""
    from paperlib.tables.records import provenance

    return {key: str(value) for key, value in provenance(device).items() if key in ("commit", "torch", "device")}


def _loss_bar(run, total: int, desc: str):
    """A progress bar that shows the loss."""
    with progress(total=total, desc=desc, unit="step") as bar:
        for record in run:
            bar.update()
            bar.set_postfix_str(f"loss {record['loss']:.3f}", refresh=False)
            yield record


def eval_(args) -> None:
    """Scores of stored weights on a data set, the one that they were scored on if none is named."""
    from paperlib.data.named_sets import load
    from paperlib.scoring.coco_metrics import evaluate
    from paperlib.training.trained import category_ids, compare, nothing_in, tells_classes
    from paperlib.training.weights import load_weights, read_header

    device, system = pick_device(args.device), load_weights(args.weights, args.system)
    if args.size:
        system.trained = replace(system.trained, size=tuple(args.size))
    name, split, limit = system.trained.test if args.data is None and not args.split else (
        args.data or system.trained.test[0], args.split, None)
    if not name:
        raise ValueError(f"{args.weights}: does not say what it was scored on; name a set with --data")
    dataset = load(name, split, limit=args.test_images or limit)
    if category_ids(system, dataset) and tells_classes(system) and system.trained.classes:
        _note(compare(system.trained.classes, dataset))
    if "size" not in read_header(args.weights) and not args.size:
        _note(f"{args.weights} does not say at what size it was trained: images are taken as stored; see --size")
    if nothing := nothing_in(dataset, "score"):
        raise ValueError(nothing)
    print_scores(evaluate(system, dataset, device), args.json, dataset.name)


def doctor(args) -> int:
    """What is wrong with a data set, or between it and a model, before you train."""
    from paperlib.config import override
    from paperlib.data.named_sets import load
    from paperlib.doctor.examine import doctor as examine
    from paperlib.training.recipes import system_config
    from paperlib.training.weights import load_weights, read_header

    stored = load_weights(args.weights) if args.weights else None
    dataset, device = load(args.data, args.split), pick_device(args.device)
    if stored:
        system, cfg = read_header(args.weights)["system"], override(stored.cfg, args.set)
        size = tuple(args.size) if args.size else stored.trained.size
        findings = examine(dataset, cfg, size, system, device=device, known=stored.trained.classes)
    else:
        recipe = _recipe(args)
        cfg = system_config(args.system, recipe, len(dataset.classes), args.set)
        findings = examine(dataset, cfg, recipe.size, args.system, device=device)
    return int(any(finding.serious for finding in findings))


def pretrain(args) -> None:
    """Train a trunk to name MiniNet's crops and store its weights with their accuracy."""
    from paperlib.paths import weights_folder
    from paperlib.training.pretrain import pretrain as run

    writable(weights_folder(), f"{args.trunk}.safetensors")
    path, accuracy = run(args.trunk, args.budget, args.seed, pick_device(args.device), lr=args.lr)
    print(f"{args.trunk}: top-1 {100 * accuracy:.1f}%, weights: {path}")
