"""Pictures that a set, or two of its splits, hold twice: what is trained on must not be scored on."""
from collections.abc import Sequence

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.look_alikes import Prints, named, pairs, prints
from paperlib.doctor.finding import Finding
from paperlib.doctor.training_size import even_picks

PICTURES = 3000                # of a split that are looked at


def examine_duplicates(dataset: DetectionSet, others: Sequence[DetectionSet] = ()) -> list[Finding]:
    """Pictures that the set holds twice, and those that another split of it holds too.

    A split that is made of the other one's files (PASCAL's trainval of train and val) is no fault.
    """
    ours = _looks(dataset)
    findings, twice = [], pairs(ours, ours)
    others = [other for other in others if not _nested(dataset, other)]
    if len(twice):
        repeated = len(np.unique(twice[:, 1]))
        text = f"{repeated} pictures are in {dataset.name} twice: {named(ours, ours, twice)}"
        findings.append(Finding("duplicates", "look", text, "they count twice; remove one of each"))
    for other in others:
        others_prints = _looks(other)
        shared = pairs(ours, others_prints)
        if len(shared):
            text = (f"{len(np.unique(shared[:, 0]))} of {len(ours.files)} pictures of {dataset.name} are "
                    f"also in {other.name}: {named(ours, others_prints, shared)}")
            advice = "scores on one after training on the other are too good: remove them from one of the two"
            findings.append(Finding("duplicates", "bad", text, advice))
    if not findings and ours.files:
        against = "".join(f", nor in {other.name}" for other in others)
        findings.append(Finding("duplicates", "ok", f"no picture is in {dataset.name} twice{against}"))
    return findings


def _nested(a: DetectionSet, b: DetectionSet) -> bool:
    """Whether one of two splits holds all files of the other."""
    one, other = set(a.files), set(b.files)
    return one <= other or other <= one


def _looks(dataset: DetectionSet) -> Prints:
    """The prints of a set; of a large one, those of PICTURES at even distances."""
    return prints(dataset, even_picks(dataset, PICTURES))
