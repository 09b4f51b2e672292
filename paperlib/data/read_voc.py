"""The reader of PASCAL VOC folders: one XML file per image, lists of names in ImageSets/Main."""
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from paperlib.data.detection_set import DetectionSet
from paperlib.data.pixels import SUFFIXES
from paperlib.data.read_coco import assemble
from paperlib.data.record_checks.faults import Fault, read_lines, stop_if_fatal, summary
from paperlib.data.record_checks.records import check_records
from paperlib.data.record_checks.segmentations import PngMask
from paperlib.data.record_checks.values import finite, wrong_path, wrong_size

CLASSES = ("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
           "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor")
EDGES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: str | Path, split: str | None = None, classes: Sequence[str] | None = None,
             report: Callable[[str], None] | None = print) -> DetectionSet:
    """A split (ImageSets/Main/<split>.txt) of a folder in VOC's format; without `split`, every file of Annotations.

    The classes are those given, else VOC's 20 when they name every object, else the names found, in alphabetical order.
    Units: VOC counts pixels from 1 and includes both ends, so a box covers [xmin-1, xmax] x [ymin-1, ymax] px.
    Errors: FileNotFoundError; ValueError naming file, record, what was found and what was expected.
    Differs: a box with xmin = xmax or ymin = ymax (one pixel, by the rule above) is taken for a click without a drag
        and dropped. `area` is that of the box, with and without mask. Files that count from 0 lose one pixel at the
        left and top border (clipped, counted). image_id is the place in the list, from 1.
    """
    found, faults = gather_voc(Path(folder), split, classes)
    stop_if_fatal(faults)
    if report and (line := summary(faults)):
        report(f"{found.name}: {line}")
    return found


def gather_voc(folder: Path, split: str | None, classes=None) -> tuple[DetectionSet, list[Fault]]:
    """As much of a split as can be used, and every fault in its records; opens no image."""
    faults: list[Fault] = []
    pictures = _pictures(_part(folder, "JPEGImages"))
    names, digest = _listed(folder, split, pictures, faults)
    images, annotations = [], []
    for name in names:
        xml = folder / "Annotations" / f"{name}.xml"
        listed = (str(folder / f"ImageSets/Main/{split}.txt") if split else str(xml), f"image {name}")
        if name not in pictures:
            faults.append(Fault(*listed, "no such image", f"{folder / 'JPEGImages' / name}.jpg (or .png ...)", True))
        elif not xml.is_file():
            faults.append(Fault(*listed, "no annotation file", str(xml), True))
        elif (root := _parse(xml, faults, digest)) is not None:
            image = _image_record(root, xml, pictures[name], len(images) + 1, faults)
            if image:
                images.append(image)
                annotations += _object_records(root, xml, image, faults)
    known = list(classes) if classes else _class_names(folder, annotations)
    for number, ann in enumerate(annotations, 1):
        ann["id"] = number
        ann["category_id"] = known.index(ann["name"]) + 1 if ann["name"] in known else 0
        if not ann["category_id"]:
            faults.append(Fault(ann["file"], _object(ann), f"class {ann['name']!r}", f"one of {known}", True))
    records, more = check_records({"images": images, "annotations": [a for a in annotations if a["category_id"]],
                                   "categories": [{"id": i, "name": n} for i, n in enumerate(known, 1)]}, str(folder))
    faults += _by_file(more, annotations)
    title = f"{folder.name}/{split}" if split else folder.name
    refused = set(names) - {Path(image["file_name"]).stem for image in images}
    return assemble(title, folder / "JPEGImages", records, digest.hexdigest()[:12], faults, refused=refused), faults


def splits_of(folder: Path) -> list[str]:
    """The lists in ImageSets/Main, without VOC's lists per class ("cat_train")."""
    stems = {p.stem for p in (folder / "ImageSets" / "Main").glob("*.txt")}
    return sorted(s for s in stems if "_" not in s or s.rpartition("_")[2] not in stems)


def _part(folder: Path, name: str) -> Path:
    if not (folder / name).is_dir():
        raise FileNotFoundError(f"{folder}: no folder {name}; a VOC folder has Annotations, ImageSets and JPEGImages")
    return folder / name


def _pictures(folder: Path) -> dict[str, Path]:
    """Stem -> picture; of several with one stem the first kind of SUFFIXES. Other files beside them are none."""
    there = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    there.sort(key=lambda p: (-SUFFIXES.index(p.suffix.lower()), p.name))
    return {p.stem: p for p in there}


def _listed(folder: Path, split: str | None, pictures: dict, faults: list[Fault]) -> tuple[list[str], "hashlib._Hash"]:
    """Names of a split's images, and a digest that has read the list."""
    annotations = _part(folder, "Annotations")
    if split is None:
        return sorted(p.stem for p in annotations.glob("*.xml")), hashlib.sha256()
    file = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such image set; {folder} has {splits_of(folder)}")
    lines, wrong = read_lines(file)
    faults += wrong
    names = [_name(line, pictures) for line in lines]
    seen = set()
    for name in names:
        if name in seen:
            faults.append(Fault(str(file), f"image {name}", "listed twice", "each image once", False, "dropped"))
        seen.add(name)
    return list(dict.fromkeys(names)), hashlib.sha256(b"" if wrong else file.read_bytes())


def _name(line: str, pictures: dict) -> str:
    """The image that a line names; VOC's lists of one class add a flag behind it."""
    flagged = re.fullmatch(r"(.*\S)\s+(-1|0|1)", line)
    return flagged[1] if flagged and line not in pictures and flagged[1] in pictures else line


def _parse(xml: Path, faults: list[Fault], digest) -> ElementTree.Element | None:
    text = b""
    try:
        text = xml.read_bytes()
        digest.update(text)
        return _tree(text)
    except OSError as error:
        where, found = "file", str(error.strerror)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        where = f"line {getattr(error, 'position', [1])[0]}"
        found = f"broken XML ({error}) in {len(text)} bytes"
    faults.append(Fault(str(xml), where, found, "a whole XML document", True))
    return None


def _tree(text: bytes) -> ElementTree.Element:
    """The root of an XML document in any encoding that Python knows.

    Errors: ParseError, ValueError or LookupError.
    """
    try:
        return ElementTree.fromstring(text)
    except ValueError:                                     # the parser itself knows none with several bytes a character
        head = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["'][^>]*>""", text)
        if not head:
            raise
        return ElementTree.fromstring(text[head.end():].decode(head[1].decode()))


def _image_record(root, xml: Path, picture: Path, number: int, faults: list[Fault]) -> dict | None:
    texts = [root.findtext(f"size/{key}") for key in ("height", "width")]
    try:
        sides = [int(float(text)) for text in texts]
    except (TypeError, ValueError, OverflowError):
        sides = texts
    wrong = wrong_size(*sides) or wrong_path(picture.name)
    if not wrong:
        return {"id": number, "file_name": picture.name, "height": sides[0], "width": sides[1]}
    faults.append(Fault(str(xml), "size", *wrong, True))
    return None


def _object_records(root, xml: Path, image: dict, faults: list[Fault]) -> list[dict]:
    """COCO records of one file's objects; `object` is the place in the file, from 1, as in SegmentationObject."""
    png = xml.parents[1] / "SegmentationObject" / f"{xml.stem}.png"
    has_png, records = png.is_file(), []
    for k, thing in enumerate(root.findall("object"), 1):
        name, texts = (thing.findtext("name") or "").strip(), [thing.findtext(f"bndbox/{edge}") for edge in EDGES]
        try:
            x1, y1, x2, y2 = edges = [float(text) for text in texts]
            if not name or not all(map(finite, edges)) or x2 < x1 or y2 < y1:
                raise ValueError
        except (TypeError, ValueError):
            found = f"name {name!r}, " + ", ".join(f"{e} {t}" for e, t in zip(EDGES, texts))
            wanted = "a name, and four numbers with xmin < xmax and ymin < ymax"
            faults.append(Fault(str(xml), f"object {k}", found, wanted, True))
            continue
        empty = x1 == x2 or y1 == y2
        box = [x1 - 1, y1 - 1, x2 - x1 + (not empty), y2 - y1 + (not empty)]
        flags = {key: int((thing.findtext(key) or "0").strip() in ("1", "true")) for key in ("difficult", "truncated")}
        flags |= {"segmentation": PngMask(str(png), k)} if has_png else {}
        records.append({"image_id": image["id"], "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "name": name,
                        "pose": thing.findtext("pose") or "Unspecified", "object": k, "file": str(xml), **flags})
    return records


def _object(ann: dict) -> str:
    return f"object {ann['object']} ({ann['name']})"


def _class_names(folder: Path, annotations: list[dict]) -> list[str]:
    """VOC's classes if they suffice for the whole folder, else every name in it: all splits number classes alike."""
    names = {ann["name"] for ann in annotations}
    if names <= set(CLASSES) and (folder / "ImageSets/Main/aeroplane_train.txt").is_file():
        return list(CLASSES)                               # VOC itself; spares reading 17,000 files
    for xml in (folder / "Annotations").glob("*.xml"):
        try:
            root = _tree(xml.read_bytes())
        except (ElementTree.ParseError, ValueError, LookupError, OSError):
            continue                                       # reported when its split is read
        names |= {(thing.findtext("name") or "").strip() for thing in root.findall("object")}
    names.discard("")
    return list(CLASSES) if names <= set(CLASSES) else sorted(names)


def _by_file(faults: list[Fault], annotations: list[dict]) -> list[Fault]:
    """Faults of numbered records under the name of the XML file and the object they came from."""
    origin = {f"annotation {ann['id']}": (ann.pop("file"), _object(ann)) for ann in annotations}
    moved = []
    for f in faults:
        file, record = origin.get(f.record, (f.file, f.record))
        moved.append(Fault(file, record, f.found, f.expected, f.fatal, f.action))
    return moved
