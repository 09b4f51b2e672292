"""The parts of a detection set in a folder: which format, which splits, and reading any of them."""
from dataclasses import dataclass
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.picture_files import gather_pictures
from paperlib.data.formats.read_yolo import gather_yolo
from paperlib.data.layouts.coco_places import json_splits, other_json, top_of
from paperlib.data.layouts.folders import NOTE_FOLDERS, called, holds_pictures
from paperlib.data.layouts.foreign import holds_other_labels
from paperlib.data.layouts.voc_places import VocPlaces, standard, voc_splits
from paperlib.data.layouts.yolo_places import YoloPlaces, yolo_splits
from paperlib.data.read_coco import gather_coco
from paperlib.data.read_voc import gather_voc
from paperlib.data.record_checks.faults import Fault

NAMES = {"coco": "COCO", "voc": "PASCAL VOC", "yolo": "YOLO", "pictures": "pictures without labels"}


@dataclass(frozen=True)
class Part:
    """One split of a set on disk."""
    kind: str                  # "coco" | "voc" | "yolo" | "pictures"
    place: Path                # COCO's annotation file, else the folder that the set is known by
    split: str | None = None
    places: VocPlaces | YoloPlaces | None = None  # where its files lie, if not known by `place`

    @property
    def title(self) -> str:
        """The name of the set that is read: its folder's, and the split."""
        top = top_of(self.place, self.split).name
        return f"{top}/{self.split}" if self.split else top

    def gather(self, pictures: bool = True, mend: bool = False) -> tuple[DetectionSet | None, list[Fault]]:
        """As much of it as can be used, and every fault in its records; opens no image.

        `pictures=False` does not ask whether COCO's are there. `mend` puts right what is clear.
        """
        if self.kind == "coco":
            return gather_coco(self.place, name=self.title, pictures=pictures, mend=mend)
        if self.kind == "voc":
            return gather_voc(self.place, self.split, places=self.places, mend=mend)
        if self.kind == "yolo":
            return gather_yolo(self.places, self.title)
        dataset, faults = gather_pictures(self.places or self.place, self.title)
        return dataset, [*faults, _unlabelled(self.place, len(dataset))]


def _unlabelled(folder: Path, num: int) -> Fault:
    wanted = "annotations, to train or to score: label them, or use the pictures for detection only"
    return Fault(str(folder), "folder", f"{num} pictures without any annotation file", wanted, False)


def parts_of(folder: Path) -> dict[str | None, Part]:
    """Split -> part of a folder, None -> that of a set without splits; {} for a folder that holds no set.

    COCO's own names come first, then VOC's own folders, then a data.yaml, then other names of people and
    tools, last pictures alone, where no file beside them could hold labels in a format that is not read here.
    Errors: ValueError naming a data.yaml that cannot be used.
    """
    if files := json_splits(folder):
        return _of_json(files)
    if (folder / "Annotations").is_dir() and (folder / "JPEGImages").is_dir():
        return _of_voc(folder)
    if parts := yolo_splits(folder):
        return {split: Part("yolo", folder, split, places) for split, places in parts.items()}
    if parts := _of_voc(folder):
        return parts
    if files := other_json(folder):
        return _of_json(files)
    return _of_pictures(folder)


def _of_json(files: dict[str, Path]) -> dict[str | None, Part]:
    parts = {}
    for name, file in files.items():
        split = None if name == "instances" else name
        parts[split] = Part("coco", file, split)
    return parts


def _of_voc(folder: Path) -> dict[str | None, Part]:
    parts = {}
    for split, places in voc_splits(folder).items():
        is_usual = places == standard(folder)
        parts[split] = Part("voc", folder, split, None if is_usual else places)
    return parts


def _of_pictures(folder: Path) -> dict[str | None, Part]:
    """A folder of pictures, or with a folder of them called images."""
    for place in (folder, folder / "images"):
        if place.is_dir() and holds_pictures(place):
            if any(holds_other_labels(near) for near in (folder, place, *called(folder, NOTE_FOLDERS))):
                return {}
            return {None: Part("pictures", place)}
    return {}
