"""What `paperlib data ACTION` does: build, download, check, statistics, convert, split."""
from pathlib import Path

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.convert import convert, shared
from paperlib.data.formats.look_alikes import groups
from paperlib.data.formats.parts import NAMES
from paperlib.data.named_sets import Name, load, locate, splits

HALVES = ("train=0.8", "val=0.2")                          # what `split` makes where no shares are asked for


def build(args) -> int:
    """Draw an embedded set if it is not there yet."""
    from paperlib.data.named_sets import ensure

    print(f"{args.name}: {ensure(args.name)}")
    return 0


def download(args) -> int:
    """Fetch COCO or VOC."""
    from paperlib.data.download import download as fetch

    print(f"{args.name}: {fetch(args.name)}")
    return 0


def check(args) -> int:
    """Print the faults of a set; 1 if one of them is fatal. With --fix also write a copy without them."""
    from paperlib.data.set_checks import check as faults_of

    faults = faults_of(args.name, args.split)
    for fault in faults:
        print(fault)
    fatal = sum(fault.fatal for fault in faults)
    print(f"{args.name}: {len(faults)} fault(s), {fatal} of them fatal")
    if args.fix:
        return _fix(args)
    return int(fatal > 0)


def _fix(args) -> int:
    """Write the copy, list what was changed, and check it; 1 if a fatal fault is left."""
    from paperlib.data.set_checks import check as faults_of
    from paperlib.data.set_checks import fix

    changes, lost = fix(args.name, args.fix, args.split)
    for line in (*changes, *lost):
        print(f"changed: {line}")
    remaining = faults_of(args.fix)
    fatal = sum(fault.fatal for fault in remaining)
    print(f"{args.fix}: {len(changes)} change(s); {len(remaining)} fault(s) are left, {fatal} of them fatal")
    return int(fatal > 0)


def statistics(args) -> int:
    """Print the statistics of one split, or of all."""
    from paperlib.data.statistics import summary

    print(summary(list(_sets(args.name, args.split).values())).T.round(2))
    return 0


def convert_(args) -> int:
    """Write a set anew in another format."""
    if args.to is None:
        raise ValueError("data convert: lacks --to coco, voc or yolo")
    return _write(args, args.to, args.shares)


def split(args) -> int:
    """Write a set anew in parts, in its format or another."""
    kind = locate(args.name, args.split or splits(args.name)[0]).kind
    to = args.to or kind
    if to == "pictures":
        to = "coco"
    return _write(args, to, args.shares or HALVES)


def _write(args, to: str, asked: list[str] | tuple[str, ...] | None) -> int:
    if args.out is None:
        raise ValueError(f"data {args.action}: lacks --out, the name of a new folder")
    sets = _sets(args.name, args.split)
    if asked:
        if len(sets) > 1:
            names = ", ".join(map(str, sets))
            raise ValueError(f"{args.name} has splits already ({names}); name one with --split")
        sets = _divided(next(iter(sets.values())), args)
    for line in convert(sets, to, args.out):
        print(f"note: {line}")
    counts = []
    for part, dataset in _sets(args.out, None).items():
        objects = sum(map(len, dataset.annotations.values()))
        counts.append(f"{part or 'all'} {len(dataset)} images with {objects} objects")
    print(f"{args.out}: {NAMES[to]}, {'; '.join(counts)}")
    return 0


def _divided(dataset: DetectionSet, args) -> dict[str, DetectionSet]:
    """Part -> its images; those that look the same in one part, unless they may be apart."""
    shares = _shares(args.shares or HALVES)
    if args.look_alikes == "apart":
        return shared(dataset, shares, args.seed)
    numbers = groups(dataset)
    copies = len(dataset) - len(np.unique(numbers))
    if copies:
        print(f"note: {copies} pictures look like another one: they stay in the part of that")
    return shared(dataset, shares, args.seed, numbers)


def _sets(name: Name, only: str | None) -> dict[str | None, DetectionSet]:
    """Split -> set, of one split or of all."""
    chosen = [only] if only else splits(name)
    return {part: load(name, part) for part in chosen}


def _shares(asked: list[str] | tuple[str, ...]) -> dict[str, float]:
    """{"train": 0.8, "val": 0.2} of train=0.8 val=0.2. Errors: ValueError for words of another form."""
    shares = {}
    for word in asked:
        part, _, number = word.partition("=")
        try:
            shares[part] = float(number)
        except ValueError:
            raise ValueError(f"--shares {word}: expected PART=SHARE, as train=0.8") from None
        if not Path(part).name == part or part in ("", ".", ".."):
            raise ValueError(f"--shares {word}: expected the name of a part, as train=0.8")
    return shares


ACTIONS = {"build": build, "download": download, "check": check, "statistics": statistics,
           "convert": convert_, "split": split}
