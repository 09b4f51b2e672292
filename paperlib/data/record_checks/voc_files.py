"""One XML file of PASCAL VOC as COCO records, each fault noted."""
import re
from pathlib import Path
from xml.etree import ElementTree

from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.segmentations import PngMask
from paperlib.data.record_checks.values import brief, finite, wrong_path, wrong_size

EDGES = ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax")
YES, NO = ("1", "true"), ("", "0", "false", "unspecified")


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


def image_record(root, xml: Path, picture: Path, number: int, faults: list[Fault],
                 mend: bool = False) -> dict | None:
    """COCO's record of the picture; None and a fault where its size or name cannot be used.

    With `mend` a size that cannot be is left for `mending` to fill in: it stays as it is in the file.
    """
    texts = root.findtext("size/height"), root.findtext("size/width")
    try:
        sides = int(float(texts[0])), int(float(texts[1]))
    except (TypeError, ValueError, OverflowError):
        sides = texts
    wrong = wrong_size(*sides) or wrong_path(picture.name)
    if not wrong or (mend and not wrong_path(picture.name)):
        return {"id": number, "file_name": picture.name, "height": sides[0], "width": sides[1]}
    faults.append(Fault(str(xml), "size", *wrong, True))
    return None


def object_records(root, xml: Path, image: dict, faults: list[Fault], masks: Path,
                   mend: bool = False) -> list[dict]:
    """COCO records of a file's objects; `object` is the place in the file from 1, as in its PNG of `masks`.

    With `mend` edges that were swapped are put in order, and said.
    """
    png = masks / f"{xml.stem}.png"
    has_png, records = png.is_file(), []
    for k, node in enumerate(root.findall("object"), 1):
        name, texts = text_of(node, "name"), list(map(node.findtext, EDGES))
        if mend:
            texts = _in_order(texts, str(xml), k, faults)
        box = _box(texts)
        if not name or box is None:
            arrived = ", ".join(f"{edge.removeprefix('bndbox/')} {text}" for edge, text in zip(EDGES, texts))
            wanted = "a name, and four numbers with xmin < xmax and ymin < ymax"
            faults.append(Fault(str(xml), f"object {k}", f"name {name!r}, {arrived}", wanted, True))
            continue
        record = {"image_id": image["id"], "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "name": name,
                  "pose": node.findtext("pose") or "Unspecified", "object": k, "file": str(xml)}
        flags = _flags(node, str(xml), k, faults)
        if flags is None:
            continue
        record |= flags
        if has_png:
            record["segmentation"] = PngMask(str(png), k)
        records.append(record)
    return records


def _flags(node: ElementTree.Element, file: str, k: int, faults: list[Fault]) -> dict[str, int] | None:
    """`difficult`, which decides what is scored, and `truncated` and `occluded`, which do not, as 0 or 1.

    None where `difficult` is neither.
    """
    flags = {}
    for key in ("difficult", "truncated", "occluded"):
        text = text_of(node, key).casefold()
        flags[key] = int(text in YES)
        if text not in YES + NO:
            faults.append(Fault(file, f"object {k}", f"{key} {brief(text)}", "0 or 1", key == "difficult"))
            if key == "difficult":
                return None
    return flags


def text_of(node: ElementTree.Element, key: str) -> str:
    """A child's text without the blanks around it; "" where there is no such child."""
    return (node.findtext(key) or "").strip()


def _in_order(texts: list[str | None], file: str, k: int, faults: list[Fault]) -> list[str | None]:
    """The edges with xmin below xmax and ymin below ymax."""
    try:
        x1, y1, x2, y2 = list(map(float, texts))
    except (TypeError, ValueError):
        return texts
    if x1 <= x2 and y1 <= y2:
        return texts
    ordered = list(map(str, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))))
    saw, now = f"edges {', '.join(texts)}", f"now {', '.join(ordered)}"
    faults.append(Fault(file, f"object {k}", saw, now, False, "mended"))
    return ordered


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
