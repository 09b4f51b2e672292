"""Writing a set as YOLO: data.yaml, images/<split> and labels/<split>."""
import re
from pathlib import Path

import numpy as np
import yaml

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.output import copy_as_recorded

SLACK = 2.0                    # px by which a polygon's extent may differ from the box that it stands for


def write_yolo(out: Path, split: str | None, dataset: DetectionSet, names: dict[Path, str]) -> list[str]:
    """One split ("train" where a set has none), its pictures under `names`; a line for what YOLO cannot say.

    Polygons are written where every object has one that its box agrees with, else boxes. The classes of an
    earlier split keep their numbers, which data.yaml has; those that only this split has come behind them.
    Errors: ValueError for two classes of one name.
    """
    if len(set(dataset.classes)) < len(dataset.classes):
        raise ValueError(f"{dataset.name}: found two classes of one name in {dataset.classes}; "
                         "expected each once")
    for name in dataset.classes:
        if re.search("[\ud800-\udfff]", name):
            raise ValueError(f"{dataset.name}: found the name {name!r}; "
                             "expected one that a text file can hold")
    split = split or "train"
    with_polygons = _all_polygons(dataset)
    classes = _add_to_yaml(out / "data.yaml", split, dataset.classes)
    for folder in ("images", "labels"):
        (out / folder / split).mkdir(parents=True, exist_ok=True)
    for image in dataset.images:
        source, size = dataset.root / image["file_name"], (image["height"], image["width"])
        copied = copy_as_recorded(source, out / "images" / split / names[source], size)
        lines = _lines(dataset, image, classes, with_polygons)
        (out / "labels" / split / f"{copied.stem}.txt").write_text("".join(lines), encoding="utf-8")
    return _lost(dataset, with_polygons)


def _lines(dataset: DetectionSet, image: dict, classes: list[str], with_polygons: bool) -> list[str]:
    """A line an object of an image; a class is its place in `classes`."""
    scale = np.array([image["width"], image["height"]], float)
    lines = []
    for ann in dataset.annotations[image["id"]]:
        if ann["iscrowd"]:
            continue
        if with_polygons:
            numbers = (np.array(ann["segmentation"][0]).reshape(-1, 2) / scale).reshape(-1)
        else:
            low, extent = np.array(ann["bbox"]).reshape(2, 2)
            numbers = np.concatenate([(low + extent / 2) / scale, extent / scale])
        number = classes.index(dataset.class_of(ann))
        lines.append(f"{number} {' '.join(f'{value:.10g}' for value in numbers)}\n")
    return lines


def _all_polygons(dataset: DetectionSet) -> bool:
    """Whether each object is one polygon that spans its box: polygons alone then tell the boxes."""
    objects = [ann for ann in dataset.every_annotation() if not ann["iscrowd"]]
    return bool(objects) and all(map(_is_its_polygon, objects))


def _is_its_polygon(ann: dict) -> bool:
    seg = ann.get("segmentation")
    if not isinstance(seg, list) or len(seg) != 1:
        return False
    points = np.array(seg[0], float).reshape(-1, 2)
    x, y, w, h = ann["bbox"]
    extent = np.concatenate([points.min(0), points.max(0)])
    return bool(np.abs(extent - [x, y, x + w, y + h]).max() <= SLACK)


def key_of(split: str | None) -> str:
    """The key of a split in data.yaml; a set without splits is its "train"."""
    return {None: "train", "valid": "val", "validation": "val"}.get(split, split)


def _add_to_yaml(file: Path, split: str, classes: list[str]) -> list[str]:
    """Enter a split in data.yaml, which keeps those that are in it; the names of all of them, by number."""
    data = {"path": ".", "names": {}}
    if file.is_file():
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    names = list(data["names"].values())
    names += [name for name in classes if name not in names]
    data["names"] = dict(enumerate(names))
    data[key_of(split)] = f"images/{split}"
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return names


def _lost(dataset: DetectionSet, with_polygons: bool) -> list[str]:
    """What YOLO cannot say of a set, a line each."""
    crowds = masks = difficult = 0
    for ann in dataset.every_annotation():
        crowds += bool(ann["iscrowd"])
        masks += bool(ann.get("segmentation")) and not ann["iscrowd"]
        difficult += bool(ann.get("difficult"))
    lost = []
    if crowds:
        lost.append(f"{crowds} crowd regions are left out: YOLO has none")
    if difficult:
        lost.append(f"{difficult} difficult objects are written like all others, and will be scored")
    if masks and not with_polygons:
        lost.append(f"{masks} masks are left out: not every object is one polygon that its box agrees with")
    return lost
