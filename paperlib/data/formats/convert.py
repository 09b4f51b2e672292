"""`paperlib data convert` and `split`: a set written anew in another format, or in parts, and read back."""
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.output import fresh_folder, names_of
from paperlib.data.formats.parts import NAMES, parts_of
from paperlib.data.formats.shares import by_share
from paperlib.data.formats.write_coco import write_coco
from paperlib.data.formats.write_voc import write_voc
from paperlib.data.formats.write_yolo import SLACK, key_of, write_yolo

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo}
# px by which an edge may move: VOC widens what is narrower than a pixel, YOLO's boxes are their polygons'
MOVED = {"coco": 0.01, "voc": 1.0, "yolo": SLACK + 0.01}


def convert(sets: Mapping[str | None, DetectionSet], to: str, out: str | Path) -> list[str]:
    """Write splits of a set in the format `to` ("coco", "voc", "yolo") into the new folder `out`.

    Gives a line for each kind of thing that the format cannot say. What was written is read back: images and
    objects of each class must be as many as before, and each picture's objects the same, class and box, but
    for what those lines say.
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
        _read_back(folder, sets, to, names)
    return lines


def shared(dataset: DetectionSet, shares: Mapping[str, float], seed: int = 0,
           groups: Sequence[int] | None = None) -> dict[str, DetectionSet]:
    """Part -> its images: see `by_share`."""
    return {part: dataset.subset(chosen) for part, chosen in by_share(dataset, shares, seed, groups).items()}


def _read_back(folder: Path, sets: Mapping[str | None, DetectionSet], to: str,
               names: Mapping[Path, str]) -> None:
    """Whether a written folder holds the same images, and the same objects in each. Errors: ValueError."""
    parts = parts_of(folder)
    for split, dataset in sets.items():
        written = parts.get(split) or parts[key_of(split)]
        again, faults = written.gather()
        fatal = [fault for fault in faults if fault.fatal]
        start = f"{dataset.name}: written as {NAMES[to]},"
        if fatal:
            raise ValueError(f"{start} it could not be read: {fatal[0]}")
        if len(again) != len(dataset):
            files = len(set(dataset.files))
            raise ValueError(f"{start} it would have {len(again)} images; expected {len(dataset)}, "
                             f"whose records name {files} files")
        objects, expected = _objects(again, to, {}), _objects(dataset, to, names)
        wrong = _other_counts(objects, expected) or _other_objects(objects, expected, MOVED[to])
        if wrong:
            raise ValueError(f"{start} {wrong}")


def _objects(dataset: DetectionSet, to: str, names: Mapping[Path, str]) -> dict[str, list[tuple]]:
    """The class and the edges, px, of every object that a format can hold, by their picture's stem.

    `names`: those of the pictures' copies, where the set is not made of copies.
    """
    objects: dict[str, list[tuple]] = {}
    for image in dataset.images:
        file = dataset.root / image["file_name"]
        listed = objects.setdefault(Path(names.get(file, file.name)).stem, [])
        for ann in dataset.annotations[image["id"]]:
            if to != "yolo" or not ann["iscrowd"]:
                x, y, w, h = ann["bbox"]
                listed.append((dataset.class_of(ann), (x, y, x + w, y + h)))
    return objects


def _other_counts(written: dict[str, list[tuple]], expected: dict[str, list[tuple]]) -> str:
    """What is said of the first class that has more or fewer objects than expected; "" if none has."""
    now, before = _counts(written), _counts(expected)
    for name in sorted(now.keys() | before.keys()):
        if now[name] != before[name]:
            return f"it would have {now[name]} objects of class {name!r}; expected {before[name]}"
    return ""


def _counts(objects: dict[str, list[tuple]]) -> Counter:
    """How many objects of each class there are."""
    counts: Counter = Counter()
    for listed in objects.values():
        counts.update(name for name, _ in listed)
    return counts


def _other_objects(written: dict[str, list[tuple]], expected: dict[str, list[tuple]], moved: float) -> str:
    """What is said of the first picture with other objects, which each format keeps in order; "" if none."""
    for stem, before in expected.items():
        now = written.get(stem, [])
        if len(now) != len(before):
            return f"picture {stem!r} would have {len(now)} objects; expected {len(before)}"
        for number, (new, old) in enumerate(zip(now, before), 1):
            if new[0] != old[0] or np.abs(np.subtract(new[1], old[1])).max() > moved:
                return f"object {number} of picture {stem!r} would be {_said(new)}; expected {_said(old)}"
    return ""


def _said(each: tuple) -> str:
    """An object's class and edges in words."""
    return f"{each[0]!r} in x1, y1, x2, y2 = {np.round(each[1], 2).tolist()}"
