"""The reader of YOLO's text files: a line an object, numbers as fractions of the picture."""
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.picture_files import image_records
from paperlib.data.layouts.yolo_pictures import label_of, pictures_of
from paperlib.data.layouts.yolo_places import YoloPlaces, read_yaml
from paperlib.data.read_coco import assemble
from paperlib.data.record_checks.categories import NAMES_DIFFER
from paperlib.data.record_checks.faults import Fault, read_lines
from paperlib.data.record_checks.records import check_records
from paperlib.data.record_checks.values import Wrong, brief, whole

ROUNDED = 1e-5                 # of a fraction in a text, by which a box may stick out unsaid
BOX = 5                        # numbers of a box's line, with its class; keypoints may stand behind them


@dataclass(frozen=True)
class _Labels:
    """One file of labels and what its numbers mean."""
    file: Path
    image: dict                # COCO's record of the picture
    names: list[str]
    keypoints: bool


def gather_yolo(places: YoloPlaces, name: str) -> tuple[DetectionSet, list[Fault]]:
    """As much of a split as can be used, and every fault in it; of pictures only the head is read.

    A line is "class x y width height" or "class x1 y1 x2 y2 x3 y3 ...". A picture without a file of labels,
    or with an empty one, has no object. Category k is class k - 1.
    Units: x, y (the centre's for a box), width and height are fractions of the picture as it is shown.
    """
    faults: list[Fault] = []
    pictures = pictures_of(places, faults)
    images = image_records(pictures, places.top, faults)
    names = class_names(places.names_file, faults)
    digest, annotations, sources = hashlib.sha256("\n".join(names).encode(errors="surrogateescape")), [], {}
    if not names:
        names = _numbers_as_names(images, places, faults)
    for image in images:
        file = label_of(places.top / image["file_name"], places.top)
        digest.update(image["file_name"].encode(errors="surrogateescape"))
        if file.is_file():
            sources[image["id"]] = file
            lines, wrong = read_lines(file)
            faults += wrong
            digest.update("\n".join(lines).encode(errors="surrogateescape"))
            annotations += _objects(lines, _Labels(file, image, names, places.keypoints), faults)
    faults += _said_missing(places) + _without_labels(images, sources, places)
    for number, ann in enumerate(annotations, 1):
        ann["id"] = number
    categories = [{"id": number, "name": each} for number, each in enumerate(names, 1)]
    origin = {f"annotation {ann['id']}": (ann.pop("file"), object_name(ann, names)) for ann in annotations}
    records, more = check_records({"images": images, "annotations": annotations, "categories": categories},
                                  str(places.top))
    for fault in more:
        file, record = origin.get(fault.record, (fault.file, fault.record))
        if fault.expected != NAMES_DIFFER:                 # told by `class_names`, with its file
            faults.append(Fault(file, record, fault.found, fault.expected, fault.fatal, fault.action))
    refused = {picture.name for picture in pictures} - {Path(image["file_name"]).name for image in images}
    return assemble(name, places.top, records, digest.hexdigest()[:12], faults, refused=refused,
                    sources=sources), faults


def object_name(ann: dict, names: list[str]) -> str:
    """The name of an object in a fault."""
    return f"line {ann['line']} ({names[ann['category_id'] - 1]})"


def class_names(file: Path | None, faults: list[Fault]) -> list[str]:
    """The names of a data.yaml, a list or {number: name}, or of a text, one a line."""
    if file is None:
        return []
    if file.suffix not in (".yaml", ".yml"):
        lines, wrong = read_lines(file)
        faults += wrong
        return _unique(lines, file, faults)
    data = read_yaml(file)
    names, count = data["names"], data.get("nc")
    if isinstance(names, list | dict) and count not in (None, len(names)):
        faults.append(Fault(str(file), "nc", f"nc {brief(count)} beside {len(names)} names",
                            "as many names as nc says; the names decide", False))
    if isinstance(names, dict):
        numbers = [whole(key) for key in names]
        if sorted(map(str, numbers)) != sorted(map(str, range(len(names)))):
            faults.append(Fault(str(file), "names", f"the numbers {brief(list(names))}",
                                "0, 1, 2, ... without a gap", True))
            return []
        names = [names[key] for key in sorted(names)]
    if not isinstance(names, list) or not all(isinstance(name, str | int | float) for name in names):
        wanted = "a list of texts, or {0: text, 1: text, ...}"
        faults.append(Fault(str(file), "names", brief(names), wanted, True))
        return []
    return _unique(list(map(str, names)), file, faults)


def _unique(names: list[str], file: Path, faults: list[Fault]) -> list[str]:
    """The names, each once and in whole letters: one that stands there twice would be two classes."""
    for k, name in enumerate(names):                       # YAML reads JSON's two halves of a letter as two
        names[k] = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\ufffd" in names[k] and "\ufffd" not in name:
            faults.append(Fault(str(file), "names", f"class {name!r}", "a name in whole letters", True))
    if len(set(names)) < len(names):
        twice = next(name for k, name in enumerate(names) if name in names[:k])
        faults.append(Fault(str(file), "names", f"class {twice!r} twice", "each name once", True))
    return names


def _numbers_as_names(images: list[dict], places: YoloPlaces, faults: list[Fault]) -> list[str]:
    """"0", "1", ... up to the highest class of any label, and a fault that says so."""
    highest = -1
    for image in images:
        file = label_of(places.top / image["file_name"], places.top)
        if not file.is_file():
            continue
        for line in read_lines(file)[0]:
            highest = max(highest, _class_of(line.split()[0]) or 0)
    lacks = "no name in it" if places.names_file else "no data.yaml and no classes.txt"
    if not any(fault.record == "names" for fault in faults):
        faults.append(Fault(str(places.names_file or places.top), "names", lacks,
                            "the names of the classes; they are called by their numbers", False))
    return list(map(str, range(min(highest, 9999) + 1)))


def _class_of(text: str) -> int | None:
    """A class's number; "3.0" is 3, as some tools write."""
    try:
        return whole(float(text), 0)
    except (ValueError, OverflowError):
        return None


def _objects(lines: list[str], labels: _Labels, faults: list[Fault]) -> list[dict]:
    """COCO records of a file's lines; each line that is none is a fault."""
    records = []
    for place, line in enumerate(lines, 1):
        words = line.split()
        wrong = _wrong_line(words, labels)
        if wrong:
            faults.append(Fault(str(labels.file), f"line {place}", *wrong, True))
        else:
            numbers = list(map(float, words[1:]))
            if labels.keypoints:
                numbers = numbers[:BOX - 1]
            records.append({"image_id": labels.image["id"], "category_id": int(float(words[0])) + 1,
                            "iscrowd": 0, "line": place, "file": str(labels.file),
                            **_shape(numbers, labels.image)})
    return records


def _wrong_line(words: list[str], labels: _Labels) -> Wrong | None:
    """(found, expected) for a line that is neither a box nor a polygon of known class."""
    said = f"line {brief(' '.join(words[:8]))}"
    number = _class_of(words[0])
    if number is None or number >= len(labels.names):
        return f"class number {brief(words[0])}", f"0 to {len(labels.names) - 1}, a line of the names"
    is_pose = labels.keypoints and len(words) > BOX
    if len(words) != BOX and not is_pose and (len(words) < 7 or len(words) % 2 == 0):
        return (f"{len(words)} numbers, {said}",
                "five numbers for a box; a class and three or more points for a polygon")
    try:
        numbers = np.array(list(map(float, words[1:BOX] if is_pose else words[1:])))
    except ValueError:
        return said, "numbers"
    if not np.isfinite(numbers).all():
        return said, "finite numbers"
    if len(numbers) == 4 and min(numbers[2:]) < 0:
        return said, "width and height not negative"
    if numbers.min() < -1 or numbers.max() > 2:
        return said, "fractions of the picture, 0 to 1"
    return None


def _shape(numbers: list[float], image: dict) -> dict:
    """The box, and the polygon of more than four numbers, in COCO's px."""
    scale = np.array([image["width"], image["height"]], float)
    if len(numbers) == 4:
        x, y, w, h = numbers
        low, high = _inside(np.array([x - w / 2, y - h / 2])), _inside(np.array([x + w / 2, y + h / 2]))
        return {"bbox": [*(low * scale).tolist(), *((high - low) * scale).tolist()]}
    points = _inside(np.array(numbers).reshape(-1, 2)) * scale
    low, high = points.min(0), points.max(0)
    return {"bbox": [*low.tolist(), *(high - low).tolist()], "segmentation": [points.reshape(-1).tolist()]}


def _inside(fractions: np.ndarray) -> np.ndarray:
    """Fractions that rounding in the text put beyond the picture's edge, put back on it."""
    near = np.abs(fractions - fractions.clip(0, 1)) <= ROUNDED
    return np.where(near, fractions.clip(0, 1), fractions)


def _said_missing(places: YoloPlaces) -> list[Fault]:
    """What data.yaml names and is not there; Roboflow names a test split that it may not have."""
    return [Fault(str(places.names_file), text, "nothing at that place", "a folder of pictures", False)
            for text in places.missing]


def _without_labels(images: list[dict], sources: dict[int, Path], places: YoloPlaces) -> list[Fault]:
    """One fault for all pictures that have no file of labels: are they meant to be empty?"""
    bare = [image["file_name"] for image in images if image["id"] not in sources]
    if not bare:
        return []
    share = f"{math.floor(100 * len(bare) / len(images))}%"
    return [Fault(str(places.top / bare[0]), f"{len(bare)} pictures ({share}), first {bare[0]}",
                  "no file of labels", "one for each picture that shows an object; these count as empty",
                  False)]
