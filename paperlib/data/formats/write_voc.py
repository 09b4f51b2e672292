"""Writing a set as PASCAL VOC: an XML file an image, lists of names."""
from pathlib import Path
from xml.etree import ElementTree

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.output import copy_picture, printable
from paperlib.data.record_checks.values import brief, flag

NARROWEST = 1.0005             # px; of one pixel xmin = xmax, which is taken for a click without a drag


def write_voc(out: Path, split: str | None, dataset: DetectionSet, names: dict[Path, str]) -> list[str]:
    """One split, its pictures under `names`; a line for each kind of thing that VOC cannot say.

    Errors: ValueError for a name that XML cannot hold, and for a `truncated` that is neither 0 nor 1.
    """
    for folder in ("Annotations", "JPEGImages"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name in (*dataset.classes, *names.values()):
        if not printable(name) or name != name.strip() or not name:
            raise ValueError(f"{dataset.name}: found the name {name!r}; "
                             "expected one that VOC's XML files can hold")
    stems = []
    for image in dataset.images:
        source = dataset.root / image["file_name"]
        target = out / "JPEGImages" / names[source]
        if not target.exists():
            copy_picture(source, target)
        tree = _tree(image, dataset, target.name)
        stems.append(target.stem)
        xml = out / "Annotations" / f"{target.stem}.xml"
        tree.write(xml, encoding="utf-8", xml_declaration=True)
    if split:
        file = out / "ImageSets" / "Main" / f"{split}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8", errors="surrogateescape")
    return _lost(dataset)


def _tree(image: dict, dataset: DetectionSet, file_name: str) -> ElementTree.ElementTree:
    root = ElementTree.Element("annotation")
    _add(root, "filename", file_name)
    size = _add(root, "size")
    for key in ("width", "height"):
        _add(size, key, image[key])
    _add(size, "depth", 3)
    for ann in dataset.annotations[image["id"]]:
        node = _add(root, "object")
        _add(node, "name", dataset.class_of(ann))
        _add(node, "pose", ann.get("pose") or "Unspecified")
        _add(node, "truncated", _truncated(ann, dataset))
        _add(node, "difficult", int(bool(ann.get("difficult") or ann["iscrowd"])))
        box = _add(node, "bndbox")
        x, y, w, h = ann["bbox"]
        w, h = max(w, NARROWEST), max(h, NARROWEST)
        for key, edge in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + w), ("ymax", y + h)):
            _add(box, key, f"{edge:.10g}")                 # counted from 1, both ends within
    ElementTree.indent(root)
    return ElementTree.ElementTree(root)


def _truncated(ann: dict, dataset: DetectionSet) -> int:
    """The flag as VOC has it, 0 where it is absent or null: the checks of COCO's records let any value by."""
    value = flag(ann, "truncated")
    if value is None:
        raise ValueError(f"{dataset.name}: annotation {ann['id']}: found truncated "
                         f"{brief(ann['truncated'])}; expected 0 or 1")
    return int(value)


def _add(parent: ElementTree.Element, key: str, text: object = None) -> ElementTree.Element:
    node = ElementTree.SubElement(parent, key)
    if text is not None:
        node.text = str(text)
    return node


def _lost(dataset: DetectionSet) -> list[str]:
    """What VOC cannot say of a set, a line each."""
    crowds = masks = narrow = 0
    named = set()
    for ann in dataset.every_annotation():
        crowds += bool(ann["iscrowd"])
        masks += bool(ann.get("segmentation"))
        narrow += min(ann["bbox"][2:]) < NARROWEST
        named.add(dataset.class_of(ann))
    lost = []
    if narrow:
        lost.append(f"{narrow} boxes of one pixel or less across are written {NARROWEST} px wide or high")
    if crowds:
        lost.append(f"{crowds} crowd regions are marked difficult: VOC has no crowds, and neither is scored")
    if masks:
        lost.append(f"{masks} masks are left out: boxes alone are written")
    if idle := [name for name in dataset.classes if name not in named]:
        lost.append(f"{len(idle)} classes without an object ({', '.join(idle[:5])}) are left out: "
                    "VOC has no list of classes")
    return lost
