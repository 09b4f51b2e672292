"""The reader of PASCAL VOC folders: one XML file per image, lists of names in ImageSets/Main."""
import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

from paperlib.data.detection_set import DetectionSet
from paperlib.data.layouts.folders import SUFFIXES, pictures_in, visible
from paperlib.data.layouts.voc_places import VocPlaces, splits_of, standard
from paperlib.data.pixels import known_size
from paperlib.data.read_coco import assemble
from paperlib.data.record_checks.faults import Fault, read_lines, usable
from paperlib.data.record_checks.mending import mend_images
from paperlib.data.record_checks.records import check_records
from paperlib.data.record_checks.voc_files import (
    image_record,
    object_name,
    object_records,
    parse,
    text_of,
    tree,
)

CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
           "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
           "tvmonitor")


def read_voc(folder: str | Path, split: str | None = None, classes: Sequence[str] | None = None,
             report: Callable[[str], None] | None = print) -> DetectionSet:
    """A split (ImageSets/Main/<split>.txt) of a folder in VOC's format.

    Without `split`, every file of Annotations.
    Without `classes` they are VOC's 20 where those name every object, else all names in the folder,
    in alphabetical order.
    Units:  VOC counts pixels from 1 and includes both ends:
            a box covers [xmin-1, xmax] x [ymin-1, ymax] px.
    Errors: FileNotFoundError; ValueError naming file, record, what was found and what was expected.
    Differs: a box with xmin = xmax or ymin = ymax (one pixel, by the rule above) is taken for a click without
        a drag and dropped. `area` is that of the box, with and without mask. Files that count from 0 lose one
        pixel at the left and top border (clipped, counted). image_id is the place in the list, from 1.
    """
    dataset, faults = gather_voc(Path(folder), split, classes)
    return usable(dataset, faults, report)


def gather_voc(folder: Path, split: str | None, classes=None, places: VocPlaces | None = None,
               mend: bool = False) -> tuple[DetectionSet, list[Fault]]:
    """As much of a split as can be used, and every fault in its records; opens no image.

    `places` are those of a folder that is laid out otherwise than VOC's. `mend` puts right what is clear.
    """
    faults: list[Fault] = []
    places = places or standard(folder)
    pictures = _pictures(_part(folder, places.pictures))
    names, digest = _listed(places, split, pictures, faults)
    images, annotations, sources = [], [], {}
    for name in names:
        xml = places.annotations / f"{name}.xml"
        listed = _where(places, split, xml), f"image {name}"
        if name not in pictures:
            wanted = f"{places.pictures / name}.jpg (or .png ...)"
            faults.append(Fault(*listed, "no such image", wanted, True))
        elif not xml.is_file():
            faults.append(Fault(*listed, "no annotation file", str(xml), True))
        elif (root := parse(xml, faults, digest)) is not None:
            image = image_record(root, xml, pictures[name], len(images) + 1, faults, mend)
            if image:
                images.append(image)
                sources[image["id"]] = xml
                annotations += object_records(root, xml, image, faults, places.masks, mend)
    known = list(classes) if classes else _class_names(places, annotations)
    _number(annotations, known, faults)
    categories = [{"id": number, "name": name} for number, name in enumerate(known, 1)]
    named = [ann for ann in annotations if ann["category_id"]]
    raw = {"images": images, "annotations": named, "categories": categories}
    mended = mend_images(raw, str(folder), places.pictures, known_size) if mend else []
    records, more = check_records(raw, str(folder))
    faults += _by_file([*mended, *more], annotations, sources)
    title = f"{folder.name}/{split}" if split else folder.name
    refused = set(names) - {Path(image["file_name"]).stem for image in images}
    return assemble(title, places.pictures, records, digest.hexdigest()[:12], faults, refused=refused,
                    sources=sources), faults


def _number(annotations: list[dict], classes: list[str], faults: list[Fault]) -> None:
    """Number the records, and their categories by their place in `classes`; another name is a fault."""
    for number, ann in enumerate(annotations, 1):
        ann["id"], ann["category_id"] = number, 0
        if ann["name"] in classes:
            ann["category_id"] = classes.index(ann["name"]) + 1
        else:
            faults.append(Fault(ann["file"], object_name(ann), f"class {ann['name']!r}", f"one of {classes}",
                                True))


def _part(folder: Path, part: Path) -> Path:
    if not part.is_dir():
        raise FileNotFoundError(f"{folder}: no folder {part.name}; a VOC folder has Annotations, ImageSets "
                                "and JPEGImages")
    return part


def _where(places: VocPlaces, split: str | None, xml: Path) -> str:
    """The file that names an image: the split's list, or, where splits are folders, its own."""
    if split is None or places.by_folder:
        return str(xml)
    return str(places.lists / f"{split}.txt")


def _pictures(folder: Path) -> dict[str, Path]:
    """Stem -> picture; of several with one stem the first kind of SUFFIXES."""
    files = pictures_in(folder)
    files.sort(key=lambda p: (-SUFFIXES.index(p.suffix.lower()), p.name))
    return {p.stem: p for p in files}


def _listed(places: VocPlaces, split: str | None, pictures: dict,
            faults: list[Fault]) -> tuple[list[str], "hashlib._Hash"]:
    """Names of a split's images, and a digest that has read the list."""
    annotations = _part(places.top, places.annotations)
    file = places.lists / f"{split}.txt"
    if split is None or places.by_folder:
        return [p.stem for p in visible(annotations, "*.xml")], hashlib.sha256()
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such image set; {places.top} has {splits_of(places.top)}")
    lines, wrong = read_lines(file)
    faults += wrong
    names: dict[str, None] = {}
    for line in lines:
        name = _name(line, pictures)
        if name in names:
            faults.append(Fault(str(file), f"image {name}", "listed twice", "each image once", False,
                                "dropped"))
        names[name] = None
    return list(names), hashlib.sha256(b"" if wrong else file.read_bytes())


def _name(line: str, pictures: dict) -> str:
    """The image that a line names; VOC's lists of one class add a flag behind it."""
    flagged = re.fullmatch(r"(.*\S)\s+(-1|0|1)", line)
    if flagged and line not in pictures and flagged[1] in pictures:
        return flagged[1]
    return line


def _class_names(places: VocPlaces, annotations: list[dict]) -> list[str]:
    """VOC's classes if they suffice for the whole folder, else its names: all splits number classes alike."""
    names = {ann["name"] for ann in annotations}
    if names <= set(CLASSES) and (places.lists / "aeroplane_train.txt").is_file():
        return list(CLASSES)                               # VOC itself; spares reading 17,000 files
    for xml in chain.from_iterable(visible(folder, "*.xml") for folder in places.every_annotation):
        try:
            root = tree(xml.read_bytes())
        except (ElementTree.ParseError, ValueError, LookupError, OSError):
            continue                                       # reported when its split is read
        names |= {text_of(node, "name") for node in root.findall("object")}
    names.discard("")
    return list(CLASSES) if names <= set(CLASSES) else sorted(names)


def _by_file(faults: list[Fault], annotations: list[dict], sources: dict[int, Path]) -> list[Fault]:
    """Faults of numbered records under the name of the XML file and the object they came from."""
    origin = {f"annotation {ann['id']}": (ann.pop("file"), object_name(ann)) for ann in annotations}
    for number, xml in sources.items():
        origin[f"image {number}"] = str(xml), "size"
    moved = []
    for f in faults:
        file, record = origin.get(f.record, (f.file, f.record))
        moved.append(Fault(file, record, f.found, f.expected, f.fatal, f.action))
    return moved
