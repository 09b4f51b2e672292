"""What `paperlib notebooks COMMAND` does; `paperlib/commands/arguments.py` holds its arguments.

Each notebook runs in a process of its own with one thread, `--jobs` of them at a time, the longest first.
"""
import datetime
import json
import os
import re
from pathlib import Path

from paperlib.course import export_files, readme_sections, twins
from paperlib.course.lint import lint
from paperlib.course.run import Outcome, nbval, papermill, report, run_all
from paperlib.course.skeleton import skeleton
from paperlib.paths import REPOSITORY
from paperlib.spelling import did_you_mean
from paperlib.training.recipes import budget


def run(args) -> int:
    """Execute the notebooks into `--out`; the sources stay as they are."""
    names, parameters = twins.names(args.names, args.folder), {"BUDGET": args.budget}
    for item in args.set:
        name, sign, value = item.partition("=")
        if not sign:
            raise ValueError(f"--set {item}: expected NAME=VALUE")
        parameters[name] = value
    budget(parameters["BUDGET"])  # refuses unknown ones
    for name in names:
        _check_parameters(name, parameters.keys() - {"BUDGET"}, args.folder)
    outcomes = _executed(names, args, parameters)
    for name, outcome in outcomes.items():
        if args.record and outcome.code == 0:
            _record(name, outcome.seconds, args)
    return report(outcomes, args.out)


def _check_parameters(name: str, asked: set[str], folder: Path) -> None:
    """Errors: ValueError for a parameter that the notebook's cell tagged "parameters" does not set."""
    known = []
    for cell in twins.read(folder / f"{name}.ipynb").cells:
        if "parameters" in twins.tags(cell):
            known += re.findall(r"^(\w+)\s*(?::[^=\n]*)?=(?!=)", cell.source, re.MULTILINE)
    for parameter in sorted(asked - set(known)):
        raise ValueError(f"--set {parameter}: {name} has no such parameter; "
                         f"it has {', '.join(known) or 'none'}{did_you_mean(parameter, known)}")


def _executed(names: list[str], args, parameters: dict[str, str] | None = None) -> dict[str, Outcome]:
    """Execute notebooks of `args.folder` into `args.out`."""
    commands = {}
    for name in names:
        source, target = args.folder / f"{name}.ipynb", args.out / f"{name}.ipynb"
        commands[name] = papermill(source, target, args.folder, parameters)
    return run_all(commands, args.jobs, args.budget, twins.measured(args.folder))


def check(args) -> int:
    """Run every notebook under nbval, then again with its exercises solved."""
    commands = {}
    for name in twins.names(args.names, args.folder):
        stored = args.folder / f"{name}.ipynb"
        commands[name] = nbval(stored)
        if solved := twins.solved(twins.read(stored)):
            exercises = args.out / "exercises" / stored.name
            twins.write(solved, exercises)
            commands[f"{name} (solved)"] = papermill(exercises, args.out / stored.name, args.folder)
    return report(run_all(commands, args.jobs, args.budget, twins.measured(args.folder)), args.out)


def store(args) -> int:
    """Execute at `args.budget` and, where nothing is wrong, write outputs, minutes and banners."""
    chosen, folder = twins.names(args.names, args.folder), args.folder
    for name in chosen:
        twins.sync(name, folder)
    outcomes = _executed(chosen, args)
    status = report(outcomes, args.out)
    for name in chosen:
        if outcomes[name].code:
            continue
        twins.write(twins.clean(twins.read(args.out / f"{name}.ipynb")), folder / f"{name}.ipynb")
        _record(name, outcomes[name].seconds, args)
        twins.sync(name, folder)
        for fault in lint(name, folder):
            print(fault)
            status = 1
    return status


def new(args) -> int:
    """Begin one notebook from the skeleton: give its name, such as 15_my_paper."""
    for name in args.names:
        twin = twins.twin_path(name, args.folder)
        if twin.exists():
            raise ValueError(f"cannot begin {name!r}: {twin} exists; expected a new name, or edit that file")
        if not re.fullmatch(r"\d\d\w?_\w+", name):
            raise ValueError(f"cannot begin {name!r}: expected a new name with a number, "
                             "such as '15_my_paper'")
        title = name.split("_", 1)[1].replace("_", " ").capitalize()
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_text(skeleton(title), encoding="utf-8", newline="\n")
        twins.sync(name, args.folder)
        print(twin.relative_to(args.folder))
    return 0


def sync(args) -> int:
    """Make each ipynb from its text twin, keeping the outputs of cells that did not change."""
    for name in twins.names(args.names, args.folder):
        state = "written" if twins.sync(name, args.folder) else "unchanged"
        print(f"{name}: {state}")
    return 0


def check_stored(args) -> int:
    """Print every fault of the stored notebooks."""
    chosen = twins.names(args.names, args.folder)
    faults = []
    for name in chosen:
        faults += lint(name, args.folder)
    print(*faults, f"{len(faults)} faults in {len(chosen)} notebooks", sep="\n")
    return int(bool(faults))


def readme(args) -> int:
    """Fill the README's list of notebooks, its counts of verdicts and its table of speed."""
    path = REPOSITORY / "README.md"
    text = readme_sections.filled_readme(path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", newline="\n")
    return 0


def picture(args) -> int:
    """Draw the README's picture, data/readme.png, and the first one of notebook 00 and of the site."""
    from paperlib.course import pictures  # imported here: the other commands need no detector

    pictures.annotated_scenes(REPOSITORY / "data" / "readme.png")
    pictures.first_look(args.folder / "first_look.png")
    return 0


def lab(args) -> int:
    """Put copies to work in into the folder work, where git does not look; yours are never written over."""
    copied, kept = export_files.working_copies(twins.names(args.names, args.folder), args.folder, args.out)
    print(f"{args.out}: {len(copied)} copied, {len(kept)} kept as you left them")
    if kept:
        print("  delete one there to have it anew from the course")
    return 0


def export(args) -> int:
    """Write copies of the notebooks: for students, teachers and graders, slides, questions; then names."""
    if not args.names or args.names[0] not in export_files.KINDS:
        near = did_you_mean(args.names[0], export_files.KINDS) if args.names else ""
        raise ValueError(f"export: expected one of {', '.join(export_files.KINDS)}, then names or numbers; "
                         f"got {' '.join(args.names) or 'nothing'}{near}")
    kind, wanted = args.names[0], args.names[1:]
    chosen = export_files.noted(twins.names(wanted, args.folder))
    print(*export_files.KINDS[kind](chosen, args.folder, args.out / kind), sep="\n")
    return 0


def site(args) -> int:
    """Render the executed notebooks (the stored ones where there are none) to HTML, with a front page."""
    # imported here: the other commands judge nothing, and need no torch
    from paperlib.claims.page import scorecard
    from paperlib.course.site import site_pages

    executed = REPOSITORY / "build" / "notebooks"
    front = site_pages.site(twins.names(args.names, args.folder), args.folder, executed, args.out)
    scorecard.write(args.out / "scorecard.html", args.budget)
    print(front)
    return 0


def _record(name: str, seconds: float, args) -> None:
    """Add what a notebook took to the file that banners and README read."""
    import torch  # imported here: the commands that compute nothing stay quick

    from paperlib.device import chip, has_bf16, pick_device
    device = pick_device()
    kind, machine = "cpu", f"{os.cpu_count()} CPU cores"
    if device.type == "cuda":
        kind, machine = "gpu", chip(device)
    elif not has_bf16("cpu"):
        kind = "old"
    everything, file = twins.measured(args.folder), twins.minutes_file(args.folder)
    everything.setdefault(name, {})[kind] = {
        "seconds": round(seconds, 1), "machine": machine, "chip": chip(device), "budget": args.budget,
        "jobs": args.jobs, "torch": torch.__version__, "date": datetime.date.today().isoformat()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


COMMANDS = {"new": new, "run": run, "check": check, "store": store, "sync": sync, "lint": check_stored,
            "readme": readme, "picture": picture, "site": site, "lab": lab, "export": export}
# Folders of results; the others: build/COMMAND. `work` lies as deep as `notebooks`: "../data" is the same.
OUT = {"run": "build/notebooks", "lab": "work"}


def run_command(args) -> int:
    """Run `args.command` with the folders that it reads and writes filled in; its exit status."""
    folder = args.folder or twins.NOTEBOOKS
    out = args.out or REPOSITORY / OUT.get(args.command, f"build/{args.command}")
    args.folder, args.out = Path(folder).resolve(), Path(out).resolve()
    budget(args.budget)  # refuses unknown ones
    return COMMANDS[args.command](args)
