"""One XML file of PASCAL VOC as COCO records, each fault noted."""
import re
from pathlib import Path
from xml.etree import ElementTree

from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.segmentations import PngMask
from paperlib.data.record_checks.values import finite, wrong_path, wrong_size

EDGES = ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax")


def parse(xml: Path, faults: list[Fault], digest) -> ElementTree.Element | None:
    """The root of an XML file, which `digest` reads too; None and a fault where it cannot be read."""
    text = b""
    try:
        text = xml.read_bytes()
        digest.update(text)
        return tree(text)
    except OSError as error:
        where, problem = "file", str(error.strerror)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        where = f"line {getattr(error, 'position', [1])[0]}"
        problem = f"broken XML ({error}) in {len(text)} bytes"
    faults.append(Fault(str(xml), where, problem, "a whole XML document", True))
    return None


def tree(text: bytes) -> ElementTree.Element:
    """The root of an XML document in any encoding that Python knows.

    Errors: ParseError, ValueError or LookupError.
    """
    try:
        return ElementTree.fromstring(text)
    except ValueError:  # the parser itself knows none with several bytes a character
        head = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["'][^>]*>""", text)
        if not head:
            raise
        return ElementTree.fromstring(text[head.end():].decode(head[1].decode()))


def image_record(root, xml: Path, picture: Path, number: int, faults: list[Fault]) -> dict | None:
    """COCO's record of the picture; None and a fault where its size or name cannot be used."""
    texts = root.findtext("size/height"), root.findtext("size/width")
    try:
        sides = int(float(texts[0])), int(float(texts[1]))
    except (TypeError, ValueError, OverflowError):
        sides = texts
    wrong = wrong_size(*sides) or wrong_path(picture.name)
    if not wrong:
        return {"id": number, "file_name": picture.name, "height": sides[0], "width": sides[1]}
    faults.append(Fault(str(xml), "size", *wrong, True))
    return None


def object_records(root, xml: Path, image: dict, faults: list[Fault]) -> list[dict]:
    """COCO records of a file's objects; `object` is the place in the file from 1, as in its PNG mask."""
    png = xml.parents[1] / "SegmentationObject" / f"{xml.stem}.png"
    has_png, records = png.is_file(), []
    for k, node in enumerate(root.findall("object"), 1):
        name, texts = text_of(node, "name"), list(map(node.findtext, EDGES))
        box = _box(texts)
        if not name or box is None:
            arrived = ", ".join(f"{edge.removeprefix('bndbox/')} {text}" for edge, text in zip(EDGES, texts))
            wanted = "a name, and four numbers with xmin < xmax and ymin < ymax"
            faults.append(Fault(str(xml), f"object {k}", f"name {name!r}, {arrived}", wanted, True))
            continue
        record = {"image_id": image["id"], "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "name": name,
                  "pose": node.findtext("pose") or "Unspecified", "object": k, "file": str(xml)}
        for key in ("difficult", "truncated", "occluded"):
            record[key] = int(text_of(node, key) in ("1", "true"))
        if has_png:
            record["segmentation"] = PngMask(str(png), k)
        records.append(record)
    return records


def text_of(node: ElementTree.Element, key: str) -> str:
    """A child's text without the blanks around it; "" where there is no such child."""
    return (node.findtext(key) or "").strip()


def _box(texts: list[str | None]) -> list[float] | None:
    """VOC's edges as COCO's [x, y, width, height], of no width where both edges are one; None: no box."""
    try:
        x1, y1, x2, y2 = edges = list(map(float, texts))
    except (TypeError, ValueError):
        return None
    if not all(map(finite, edges)) or x2 < x1 or y2 < y1:
        return None
    pixel = int(x1 != x2 and y1 != y2)                     # both ends are included
    return [x1 - 1, y1 - 1, x2 - x1 + pixel, y2 - y1 + pixel]


def object_name(ann: dict) -> str:
    """The name of an object in a fault."""
    return f"object {ann['object']} ({ann['name']})"
