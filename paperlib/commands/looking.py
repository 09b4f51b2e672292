"""What the commands that look at detections do; `arguments.py` holds their arguments.

Every import of a room is inside the command that needs it: `paperlib --help` must not wait for torch.
"""

import json
import math
import sys
from pathlib import Path

from paperlib.commands.measuring import print_scores


def detect(args) -> int:
    """Run a detector on pictures: draw what it finds, and write it as COCO results."""
    from paperlib.commands import run_files
    from paperlib.device import pick_device
    from paperlib.report.detecting import detect_into, is_published, load_detector, summary
    from paperlib.report.picture_set import picture_files
    from paperlib.training.weights import read_header

    _check_share("--threshold", args.threshold)
    out = run_files.writable(args.out, "results.json")
    files = picture_files(args.paths, except_in=out)
    system, size = load_detector(args.weights), tuple(args.size or ()) or None
    if size is None and not is_published(args.weights) and "size" not in read_header(args.weights):
        print(f"note: {args.weights} does not say at what size it was trained: pictures are taken as stored; "
              "see --size", file=sys.stderr)
    if note := _of_drawings(args.weights, system, files, size):
        print(f"note: {note}", file=sys.stderr)
    detected = detect_into(out, system, files, pick_device(args.device), size, args.threshold)
    for line in detected.unreadable:
        print(f"note: left out: {line}", file=sys.stderr)
    print(summary(detected, args.threshold))
    print(f"look at {out / 'contact_sheet.jpg'}; all of it, at every score, is in {out / 'results.json'}")
    return int(bool(detected.unreadable))


def _of_drawings(weights: str, system, files: list[Path], size) -> str:
    """What to expect where a detector of the course's drawings is shown other pictures; "" elsewhere."""
    from paperlib.data.named_sets import is_drawn
    from paperlib.paths import data_folder

    facts, home = getattr(system, "trained", None), data_folder().resolve()
    if facts is None or not facts.data or not is_drawn(facts.data):
        return ""
    if all(home in file.resolve().parents for file in files):
        return ""
    advice = "" if size or facts.size else " (--size 128 shows them as large as the drawings were)"
    return (f"{weights} learnt from the drawings of {facts.data}: expect nonsense on photographs{advice}; "
            "`paperlib train --data` teaches a detector on pictures of yours")


def _check_share(name: str, value: float) -> None:
    """Errors: ValueError for a value outside 0..1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value:g}; expected a score from 0 to 1")


def score(args) -> None:
    """The twelve COCO numbers of a results file; with --report a page that says where they come from."""
    from paperlib.scoring.result_files import read_json, read_results, score_files

    check_page(args)
    if args.report and args.type != "bbox":
        raise ValueError(f"--report: found --type {args.type}; expected bbox, as the page is about boxes")
    scores = score_files(args.truth, args.results, args.type)
    if args.report:
        folder, truth = None, read_json(args.truth)
        if not args.images:
            folder = picture_folder(Path(args.truth), truth)
        title = f"{Path(args.truth).resolve().parent.name}: {Path(args.truth).name}"
        write_report(args, truth, read_results(args.results, truth), title, Path(args.results).name,
                     args.images or folder)
    if args.json:
        print_scores(scores, True, "")
        return
    for name, value in scores.items():
        if isinstance(value, (int, float)):
            print(f"{name:6} none" if math.isnan(value) else f"{name:6} {value:.3f}")


def picture_folder(file: Path, truth: dict) -> Path | None:
    """The folder beside a ground truth that has its pictures; None where there is none."""
    from paperlib.data.pixels import find_images

    named = [image for image in truth["images"] if isinstance(image.get("file_name"), str)]
    if not named:
        return None
    folder = find_images(file, named)
    if any((folder / image["file_name"]).is_file() for image in named[:20]):
        return folder
    return None


def check_page(args) -> None:
    """Refuse what --report cannot do.

    Errors: ValueError for options that need --report, for a number of draws that cannot be, and for a place
            that the page cannot or may not have.
    """
    for name in ("compare", "images"):
        if getattr(args, name, None) and not args.report:
            raise ValueError(f"--{name} is for the page: expected --report OUT.html with it")
    if args.draws < 0:
        raise ValueError(f"--draws is {args.draws}; expected 0 or more")
    if args.report:
        from paperlib.commands import run_files
        from paperlib.report.page import is_page

        run_files.replaceable(args.report, is_page, "page that --report wrote")


def check_results(path: str | None) -> None:
    """Errors: ValueError for a file that the results of --results cannot or may not replace."""
    if path:
        from paperlib.commands import run_files
        from paperlib.scoring.result_files import is_results

        run_files.replaceable(path, is_results, "list of COCO results")


def write_report(args, truth, results: list[dict], title: str, source: str, folder) -> None:
    """Write the page that --report asks for, and say where it is."""
    from paperlib.report.facts import report_facts
    from paperlib.report.page import write
    from paperlib.scoring.result_files import read_results

    compared, root = None, Path(folder) if folder else None
    if root is not None and not root.is_dir():
        raise ValueError(f"--images {root}: no such folder")
    if args.compare:
        compared = Path(args.compare).name, read_results(args.compare, truth)
    facts = report_facts(truth, results, title, source, root, compared, args.draws)
    print(f"report: {write(facts, args.report)}", file=sys.stderr)


def examined(args, system, dataset, device) -> list[dict]:
    """Detections of a system on a set, written to --results and --report if they are asked for."""
    from paperlib.scoring.detect import detect_all
    from paperlib.training.trained import tells_classes

    if args.report and not tells_classes(system):
        raise ValueError("--report: these weights propose boxes of any class; expected a detector of classes")
    results = detect_all(system, dataset, device)
    if args.results:
        Path(args.results).write_text(json.dumps(results), encoding="utf-8")
    if args.report:
        write_report(args, dataset, results, dataset.name, Path(args.weights).name, dataset.root)
    return results


def other_splits(name: str, split: str | None) -> list:
    """The other splits of a set, those that can be read: the doctor looks for the same pictures in them."""
    from paperlib.data.named_sets import load, splits

    sets = []
    for other in splits(name):
        if other is None or split in (None, other):
            continue
        try:
            sets.append(load(name, other))
        except (ValueError, KeyError, OSError) as error:
            print(f"note: {other} is left out: {error.args[0]}", file=sys.stderr)
    return sets


def train_command(args) -> str:
    """How the command begins that trains what the doctor was asked about."""
    import shlex

    words = ["paperlib", "train", args.system, "--data", args.data]
    for name in ("split", "budget", "preset", "batch", "lr", "images"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name}", str(value)]
    for change in args.set:
        words += ["--set", change]
    scored_on = _scored_on(args.data, args.split)
    if scored_on:
        words += ["--test", scored_on]
    return shlex.join(words)


def _scored_on(name: str, split: str | None) -> str | None:
    """The split that a model trained on another is best scored on; None where the set has no other."""
    from paperlib.data.named_sets import splits

    for other in ("val", "valid", "validation", "test"):
        if other in splits(name) and split not in (None, other):
            return other
    return None
