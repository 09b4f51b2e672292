"""What `paperlib notebooks COMMAND` does; `paperlib/__main__.py` holds its arguments.

Each notebook runs in a process of its own with one thread, `--jobs` of them at a time, the longest first.
"""
import datetime
import json
import os
import re
from pathlib import Path

from paperlib.course import readme_sections, site_pages, twins
from paperlib.course.lint import lint
from paperlib.course.run import nbval, papermill, report, run_all
from paperlib.course.skeleton import skeleton
from paperlib.paths import REPOSITORY


def run(args) -> int:
    """Execute the notebooks into `--out`; the sources stay as they are."""
    if wrong := [item for item in args.set if "=" not in item]:
        raise ValueError(f"--set {wrong[0]}: expected NAME=VALUE")
    given = {"BUDGET": args.budget, **dict(item.split("=", 1) for item in args.set)}
    commands = {name: papermill(args.folder / f"{name}.ipynb", args.out / f"{name}.ipynb", args.folder, given)
                for name in twins.names(args.names, args.folder)}
    outcomes = run_all(commands, args.jobs, args.budget, twins.measured(args.folder))
    for name in (n for n in outcomes if args.record and outcomes[n].code == 0):
        _record(name, outcomes[name].seconds, args)
    return report(outcomes, args.out)


def check(args) -> int:
    """Run every notebook under nbval, then again with its exercises solved."""
    commands = {}
    for name in twins.names(args.names, args.folder):
        stored = args.folder / f"{name}.ipynb"
        commands[name] = nbval(stored)
        if solved := twins.solved(twins.read(stored)):
            twins.write(solved, args.out / "exercises" / stored.name)
            commands[f"{name} (solved)"] = papermill(args.out / "exercises" / stored.name, args.out / stored.name,
                                                     args.folder)
    return report(run_all(commands, args.jobs, args.budget, twins.measured(args.folder)), args.out)


def store(args) -> int:
    """Execute at the given budget and, where nothing is wrong, write outputs, minutes and banners."""
    chosen, folder = twins.names(args.names, args.folder), args.folder
    for name in chosen:
        twins.sync(name, folder)
    commands = {name: papermill(folder / f"{name}.ipynb", args.out / f"{name}.ipynb", folder) for name in chosen}
    outcomes = run_all(commands, args.jobs, args.budget, twins.measured(folder))
    status = report(outcomes, args.out)
    for name in (n for n in chosen if outcomes[n].code == 0):
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
        if not re.fullmatch(r"\d\d\w?_\w+", name) or (twin := twins.twin_path(name, args.folder)).exists():
            raise ValueError(f"cannot begin {name!r}: expected a new name with a number, such as '15_my_paper'")
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_text(skeleton(name.split("_", 1)[1].replace("_", " ").capitalize()), encoding="utf-8", newline="\n")
        twins.sync(name, args.folder)
        print(twin.relative_to(args.folder))
    return 0


def sync(args) -> int:
    """Make each ipynb from its text twin, keeping the outputs of cells that did not change."""
    for name in twins.names(args.names, args.folder):
        print(f"{name}: {'written' if twins.sync(name, args.folder) else 'unchanged'}")
    return 0


def check_stored(args) -> int:
    """Print every fault of the stored notebooks."""
    chosen = twins.names(args.names, args.folder)
    faults = [fault for name in chosen for fault in lint(name, args.folder)]
    print(*faults, f"{len(faults)} faults in {len(chosen)} notebooks", sep="\n")
    return 1 if faults else 0


def readme(args) -> int:
    """Fill the README's list of notebooks from titles and measured minutes, and its table of speed from the records."""
    path = REPOSITORY / "README.md"
    path.write_text(readme_sections.filled_readme(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    return 0


def picture(args) -> int:
    """Draw the README's picture, data/readme.png."""
    readme_sections.picture(REPOSITORY / "data" / "readme.png")
    return 0


def site(args) -> int:
    """Render the executed notebooks (the stored ones where there are none) to HTML with an index page."""
    executed = REPOSITORY / "build" / "notebooks"
    print(site_pages.site(twins.names(args.names, args.folder), args.folder, executed, args.out))
    return 0


def _record(name: str, seconds: float, args) -> None:
    """Add what a notebook took to the file that banners and README read."""
    import torch  # imported here: the commands that compute nothing stay quick

    from paperlib.device import chip, has_bf16, pick_device
    device = pick_device()
    cuda = device.type == "cuda"
    machine = chip(device) if cuda else f"{os.cpu_count()} CPU cores"
    everything, file = twins.measured(args.folder), twins.minutes_file(args.folder)
    everything.setdefault(name, {})["gpu" if cuda else "cpu" if has_bf16("cpu") else "old"] = {
        "seconds": round(seconds, 1), "machine": machine, "chip": chip(device), "budget": args.budget,
        "jobs": args.jobs, "torch": torch.__version__, "date": datetime.date.today().isoformat()}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


COMMANDS = {"new": new, "run": run, "check": check, "store": store, "sync": sync, "lint": check_stored,
            "readme": readme, "picture": picture, "site": site}
OUT = {"run": "notebooks"}  # folders of build/ that are not called like their command


def run_command(args) -> int:
    """Run `args.command` with the folders that it reads and writes filled in; its exit status."""
    folder = args.folder or twins.NOTEBOOKS
    out = args.out or REPOSITORY / "build" / OUT.get(args.command, args.command)
    args.folder, args.out = Path(folder).resolve(), Path(out).resolve()
    return COMMANDS[args.command](args)
