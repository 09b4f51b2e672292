"""Where PASCAL VOC's parts lie: as VOC has them, annots/ beside images/, or XML files beside pictures."""
import re
from dataclasses import dataclass
from pathlib import Path

from paperlib.data.layouts.folders import (
    NOTE_FOLDERS,
    PICTURE_FOLDERS,
    called,
    holds_pictures,
    subfolders,
    visible,
)

HEAD = 4096                    # bytes of an XML file in which its first element stands
ONE_IMAGE = re.compile(rb"<annotation[\s>]")  # CVAT's own format begins with <annotations>


@dataclass(frozen=True)
class VocPlaces:
    """The folders of one set, or of one of its splits."""
    top: Path                  # that the set is known by
    annotations: Path          # of one XML file an image
    pictures: Path
    every_annotation: tuple[Path, ...] = ()  # folders of all splits: they number their classes alike
    by_folder: bool = False    # a split is a folder of its own, and no list

    @property
    def lists(self) -> Path:
        """The folder of the lists of images."""
        return self.top / "ImageSets" / "Main"

    @property
    def masks(self) -> Path:
        """The folder of the pictures that paint each object in a value of its own."""
        return self.top / "SegmentationObject"


def standard(folder: Path) -> VocPlaces:
    """The places as VOC itself has them."""
    return VocPlaces(folder, folder / "Annotations", folder / "JPEGImages", (folder / "Annotations",))


def splits_of(folder: Path) -> list[str]:
    """The lists in ImageSets/Main, without VOC's lists per class ("cat_train")."""
    stems = {p.stem for p in visible(folder / "ImageSets" / "Main", "*.txt")}
    return sorted(s for s in stems if "_" not in s or s.rpartition("_")[2] not in stems)


def voc_splits(folder: Path) -> dict[str | None, VocPlaces]:
    """Split -> its places, None -> those of a set without splits; {} where there is no VOC.

    A split is a list in ImageSets/Main, a folder of its own (Roboflow: train/a.jpg and train/a.xml), or a
    folder of that name among the annotations and one among the pictures.
    """
    if places := places_in(folder):
        return dict.fromkeys(splits_of(folder) or [None], places)
    parts = {}
    for sub in subfolders(folder):
        if places := _beside(sub):
            parts[sub.name] = places
    parts = parts or _parallel(folder)
    every = tuple(places.annotations for places in parts.values())
    return {name: VocPlaces(p.top, p.annotations, p.pictures, every, True) for name, p in parts.items()}


def places_in(folder: Path) -> VocPlaces | None:
    """The places of a folder that is no collection of splits; None if it holds no VOC files."""
    if (folder / "Annotations").is_dir() and (folder / "JPEGImages").is_dir():
        return standard(folder)
    places = _beside(folder)
    if places is None and _is_headless(folder):
        return standard(folder)
    return places


def _is_headless(folder: Path) -> bool:
    """Whether VOC's Annotations are there and their pictures are not: the reader will say so."""
    return (folder / "Annotations").is_dir() and _holds_annotations(folder / "Annotations")


def _beside(folder: Path) -> VocPlaces | None:
    """A folder of annotations beside one of pictures, or both kinds of file in one folder."""
    for annotations in (*called(folder, NOTE_FOLDERS), folder):
        if not _holds_annotations(annotations):
            continue
        for pictures in (*called(folder, PICTURE_FOLDERS), annotations, folder):
            if holds_pictures(pictures):
                return VocPlaces(folder, annotations, pictures, (annotations,))
    return None


def _parallel(folder: Path) -> dict[str, VocPlaces]:
    """annotations/train beside images/train."""
    parts = {}
    for annotations in called(folder, NOTE_FOLDERS):
        for pictures in called(folder, PICTURE_FOLDERS):
            for sub in subfolders(annotations):
                both = pictures / sub.name
                if both.is_dir() and holds_pictures(both) and _holds_annotations(sub):
                    parts.setdefault(sub.name, VocPlaces(folder, sub, both))
    return parts


def _holds_annotations(folder: Path) -> bool:
    """Whether the first XML file of a folder is that of one image; a project's pom.xml is none.

    A broken one counts: its reader tells what is wrong.
    """
    for file in visible(folder, "*.xml")[:20]:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
        if ONE_IMAGE.search(head) or b"<" not in head:
            return True
    return False
