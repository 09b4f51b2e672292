"""`paperlib data check A --fix OUT`: a copy of a set without its faults, and the list of what was changed."""
from dataclasses import replace
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.convert import convert
from paperlib.data.formats.parts import Part
from paperlib.data.plausibility import pictures_that_fail
from paperlib.data.record_checks.faults import Fault

LEFT_OUT = "left out"


def fix(parts: list[Part], out: str | Path) -> tuple[list[Fault], list[str]]:
    """Write what can be used of a set's splits into the new folder `out`, in the format that they have.

    Gives every change: what was mended, clipped or dropped, and what was left out, records and pictures; and
    a line for what the format cannot say. What is only to be looked at stays as it is.
    Errors: ValueError where nothing is left, and as `convert`.
    """
    changes, sets = [], {}
    for part in parts:
        dataset, faults = part.gather(pictures=False, mend=True)
        for fault in faults:
            if fault.fatal or fault.action != "kept":
                changes.append(_done(fault))
        if dataset is not None:
            broken = pictures_that_fail(dataset)
            changes += map(_done, broken.values())
            whole = [i for i, image in enumerate(dataset.images) if image["id"] not in broken]
            sets[part.split] = dataset.subset(whole)
    kinds = {part.kind for part in parts} - {"pictures"}
    if not kinds or not any(map(_is_worth_it, sets.values())):
        raise ValueError(f"{parts[0].place}: nothing of it can be used, so there is nothing to write")
    lost = convert(sets, kinds.pop(), out)
    return list(dict.fromkeys(changes)), lost


def _is_worth_it(dataset: DetectionSet) -> bool:
    return len(dataset) > 0


def _done(fault: Fault) -> Fault:
    """A fault as what was done about it."""
    if fault.fatal:
        return replace(fault, fatal=False, action=LEFT_OUT)
    return fault
