"""What the doctor says of a data set: its records, its pixels, its classes."""
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.plausibility import inspect
from paperlib.data.record_checks.faults import Fault
from paperlib.doctor.finding import Finding
from paperlib.doctor.training_size import even_picks
from paperlib.training.trained import compare, nothing_in, some_of

OPENED = 1000                  # images that are opened at most
LISTED = 5                     # faults of one kind that are shown
RARE = 10                      # objects: of a class with fewer, AP is mostly chance


def examine_records(dataset: DetectionSet) -> list[Finding]:
    """What loading dropped or clipped, and what `plausibility.inspect` sees in (at most OPENED) images."""
    sample = dataset.subset(even_picks(dataset, OPENED))
    faults = inspect([sample])
    findings = []
    for action, records in (("dropped", dataset.skipped), ("clipped", dataset.clipped)):
        if records:
            text = f"{len(records)} records were {action} on load; first: {_short(records[0])}"
            findings.append(Finding("boxes", "look", text))
    fatal = [fault for fault in faults if fault.fatal]
    if fatal:
        findings.append(_listed("bad", "cannot be used", fatal))
    doubtful = [fault for fault in faults if not fault.fatal]
    if doubtful:
        findings.append(_listed("look", "deserve a look", doubtful))
    empty = sum(not dataset.annotations[image["id"]] for image in dataset.images)
    if empty * 2 > len(dataset):
        findings.append(Finding("images", "look", f"{empty} of {len(dataset)} images have no object",
                                "meant as background? Else the annotations are incomplete"))
    if not findings:
        findings.append(Finding("boxes", "ok", f"{len(sample)} images opened, every record in order"))
    return findings


def _listed(level: str, verdict: str, faults: list[Fault]) -> Finding:
    """The first LISTED of the faults, a line each, and how to see the others."""
    text = f"{len(faults)} records {verdict}:"
    for fault in faults[:LISTED]:
        text += f"\n         {_short(fault)}"
    advice = "`paperlib data check` lists all of them" if len(faults) > LISTED else ""
    return Finding("images", level, text, advice)


def _short(fault: Fault) -> Fault:
    """The same fault with the file's name in place of its path."""
    return replace(fault, file=Path(fault.file).name)


def examine_classes(dataset: DetectionSet, num_classes: int) -> list[Finding]:
    """Label range against the configuration, classes without objects, imbalance."""
    labels = len(dataset.categories)
    counts = Counter(dict.fromkeys(dataset.classes, 0))
    for annotation in dataset.every_annotation():
        if not annotation["iscrowd"]:
            counts[dataset.class_of(annotation)] += 1
    findings = []
    if num_classes != labels:
        text = f"labels run 1..{labels}, the configuration has num_classes {num_classes}"
        advice = f"set num_classes={labels}; background is not counted"
        findings.append(Finding("classes", "bad", text, advice))
    absent = [name for name, count in counts.items() if not count]
    if absent:
        text = f"{len(absent)} of {labels} classes have no object: {some_of(absent)}"
        advice = "they can only cost AP; wrong split or wrong names?"
        findings.append(Finding("classes", "look", text, advice))
    if counts.total():
        findings.append(_balance(counts))
    else:
        reason = nothing_in(dataset, "learn").removeprefix(f"{dataset.name}: ")
        advice = "is this a test set without labels?"
        findings.append(Finding("classes", "bad", f"no object at all: {reason}", advice))
    return findings


def _balance(counts: Counter[str]) -> Finding:
    """The classes with most and with fewest objects, and how many are rare; of those that have an object."""
    ranked = (+counts).most_common()                       # + leaves out what counts 0
    most, highest = ranked[0]
    least, lowest = ranked[-1]
    rare = sum(count < RARE for _, count in ranked)
    text = f"{most} has {highest} objects"
    if len(ranked) > 1:
        text += f", {least} has {lowest}"
    text += f"; {rare} classes have fewer than {RARE}"
    if rare:
        return Finding("classes", "look", text, "AP of rare classes is mostly chance")
    return Finding("classes", "look" if highest > 100 * lowest else "ok", text)


def examine_known(dataset: DetectionSet, known: Sequence[str]) -> list[Finding]:
    """The classes of stored weights against the set's, then the set's own as `examine_classes` sees them."""
    findings = examine_classes(dataset, len(dataset.classes))
    try:
        difference = compare(known, dataset)
    except ValueError as error:
        return [Finding("classes", "bad", str(error), "train anew, or rename the classes"), *findings]
    if difference:
        return [Finding("classes", "look", difference), *findings]
    return findings
