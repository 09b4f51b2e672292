"""`paperlib data convert` and `split`: a set written anew in another format, or in parts, and read back."""
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.output import fresh_folder, names_of
from paperlib.data.formats.parts import NAMES, parts_of
from paperlib.data.formats.shares import by_share
from paperlib.data.formats.write_coco import write_coco
from paperlib.data.formats.write_voc import write_voc
from paperlib.data.formats.write_yolo import key_of, write_yolo

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}


def convert(sets: Mapping[str | None, DetectionSet], to: str, out: str | Path) -> list[str]:
    """Write splits of a set in the format `to` ("coco", "voc", "yolo") into the new folder `out`.

    Gives a line for each kind of thing that the format cannot say. What was written is read back: images and
    objects of each class must be as many as before, but for what those lines say.
    Errors: ValueError where `out` is there, for a name that the format cannot hold, and where what is read
        back differs; FileNotFoundError naming a picture.
    """
    if to not in WRITERS:
        raise ValueError(f"format {to!r}: expected {', '.join(WRITERS)}")
    out, lines, names = Path(out), [], names_of(sets)
    with fresh_folder(out) as folder:
        for split, dataset in sets.items():
            for line in WRITERS[to](folder, split, dataset, names):
                lines.append(f"{dataset.name} as {NAMES[to]}: {line}")
        _read_back(folder, sets, to)
    return lines


def shared(dataset: DetectionSet, shares: Mapping[str, float], seed: int = 0,
           groups: Sequence[int] | None = None) -> dict[str, DetectionSet]:
    """Part -> its images: see `by_share`."""
    return {part: dataset.subset(chosen) for part, chosen in by_share(dataset, shares, seed, groups).items()}


def _read_back(folder: Path, sets: Mapping[str | None, DetectionSet], to: str) -> None:
    """Whether a written folder holds as many images, and objects of each class. Errors: ValueError."""
    parts = parts_of(folder)
    for split, dataset in sets.items():
        written = parts.get(split) or parts[key_of(split)]
        again, faults = written.gather()
        fatal = [fault for fault in faults if fault.fatal]
        pairs = (len(again), len(dataset)), (_objects(again, to), _objects(dataset, to))
        if fatal or pairs[0][0] != pairs[0][1] or pairs[1][0] != pairs[1][1]:
            raise ValueError(f"{dataset.name}: written as {NAMES[to]} it would be another set "
                             f"({fatal[0] if fatal else pairs}); expected the same images and objects")


def _objects(dataset: DetectionSet, to: str) -> Counter:
    """How many objects of each class a format can hold."""
    counts: Counter = Counter()
    for ann in dataset.every_annotation():
        if to != "yolo" or not ann["iscrowd"]:
            counts[dataset.class_of(ann)] += 1
    return counts
