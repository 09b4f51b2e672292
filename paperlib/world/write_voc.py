"""MiniVOC on disk, in PASCAL VOC's format."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

import cv2
import numpy as np
from PIL import Image

from paperlib.world.catalogue import CATEGORIES
from paperlib.world.drawn_sets import first_id, seed_of, world_of
from paperlib.world.world import Drawing, compose
from paperlib.world.write_pictures import draw_pictures, save

VOID = 255                                          # the border of objects in the segmentation PNGs
HARD_VISIBLE, HARD_SIZE = 0.5, 9  # less visible, or a longest side below so many px: difficult


def _palette() -> list[int]:
    """VOC's colours: the bits of an index spread over the high bits of red, green and blue."""
    index = np.arange(256)
    rgb = np.zeros((256, 3), int)
    for bit in range(8):
        for channel in range(3):
            # bits above the eighth are 0
            rgb[:, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    return rgb.ravel().tolist()


PALETTE = _palette()


def write_voc(folder: Path, stem: str, drawing: Drawing) -> dict[str, bool]:
    """Write Annotations/<stem>.xml and the PNGs; for each class shown, whether all of it is difficult."""
    height, width = drawing.image.shape[:2]
    root = ElementTree.Element("annotation")
    for key, value in (("folder", "MiniVOC"), ("filename", f"{stem}.jpg"), ("segmented", 1)):
        SubElement(root, key).text = str(value)
    size = SubElement(root, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        SubElement(size, key).text = str(value)
    objects, classes = np.zeros((2, height, width), np.uint8)
    only_hard: dict[str, bool] = {}
    for k, instance in enumerate(drawing.instances, 1):
        name, mask = instance["name"], instance["mask"]
        hard = instance["visible"] < HARD_VISIBLE or max(instance["bbox"][2:]) < HARD_SIZE
        only_hard[name] = only_hard.get(name, True) and hard
        _add_object(root, instance, hard)
        objects[mask], classes[mask] = k, instance["category"]
    border = cv2.morphologyEx(objects, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
    ElementTree.indent(root, "\t")
    (folder / "Annotations" / f"{stem}.xml").write_bytes(ElementTree.tostring(root))
    for part, labels in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        shown = labels.copy()
        if part == "SegmentationClass":
            shown[border] = VOID
        picture = Image.fromarray(shown, "P")
        picture.putpalette(PALETTE)
        picture.save(folder / part / f"{stem}.png", compress_level=1)
    return only_hard


def _add_object(root, instance: dict, hard: bool) -> None:
    """VOC counts pixels from 1 and includes both ends."""
    x, y, w, h = instance["bbox"]
    node = SubElement(root, "object")
    occluded, truncated = int(instance["visible"] < 0.95), int(instance["truncated"])
    for key, value in (("name", instance["name"]), ("pose", "Unspecified"), ("truncated", truncated),
                       ("occluded", occluded), ("difficult", int(hard))):
        SubElement(node, key).text = str(value)
    box = SubElement(node, "bndbox")
    for key, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + w), ("ymax", y + h)):
        SubElement(box, key).text = str(value)


def write_lists(folder: Path, lists: dict[str, list[tuple[str, dict[str, bool]]]],
                classes: list[str]) -> None:
    """ImageSets: each split, trainval's halves, and per class 1 (there), 0 (only difficult ones) or -1."""
    main, segmentation = folder / "ImageSets" / "Main", folder / "ImageSets" / "Segmentation"
    main.mkdir(parents=True)
    segmentation.mkdir()
    lists = dict(lists)
    if both := lists.get("trainval"):
        lists |= {"train": both[:len(both) // 2], "val": both[len(both) // 2:]}
    for split, entries in lists.items():
        text = "".join(f"{stem}\n" for stem, _ in entries)
        (main / f"{split}.txt").write_text(text)
        (segmentation / f"{split}.txt").write_text(text)
        for name in classes:
            lines = [f"{stem} {_flag(name, only_hard):2d}\n" for stem, only_hard in entries]
            (main / f"{name}_{split}.txt").write_text("".join(lines))


def _flag(name: str, only_hard: dict[str, bool]) -> int:
    """What the list of a class says of an image: 1 (it is shown), 0 (as difficult objects only) or -1."""
    if name not in only_hard:
        return -1
    return int(not only_hard[name])


def _voc_one(name: str, split: str, k: int, folder: Path) -> tuple[str, dict[str, bool]]:
    """Draw and write one picture; its stem, and the classes that it shows."""
    drawing = compose(world_of(name), seed_of(name, split, k))
    stem = f"{first_id(name, split) + k:06d}"
    save(folder / "JPEGImages" / f"{stem}.jpg", drawing.image)
    return stem, write_voc(folder, stem, drawing)


def write_minivoc(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    """Draw MiniVOC into a folder: JPEGs, XML files, masks, and the lists of ImageSets."""
    for part in ("JPEGImages", "Annotations", "SegmentationObject", "SegmentationClass"):
        (folder / part).mkdir(exist_ok=True)
    lists: dict[str, list] = {split: [] for split in counts}
    for split, _, entry in draw_pictures(_voc_one, name, counts, jobs, folder):
        lists[split].append(entry)
    write_lists(folder, lists, [c.name for c in CATEGORIES[:world_of(name).categories]])
