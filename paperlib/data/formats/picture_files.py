"""Pictures that no file describes: their sizes are read from their heads, and their records made here."""
import hashlib
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.layouts.folders import pictures_in
from paperlib.data.pixels import size_of
from paperlib.data.read_coco import assemble
from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.values import wrong_path, wrong_size


def image_records(pictures: list[Path], top: Path, faults: list[Fault]) -> list[dict]:
    """COCO's records of pictures below `top`, numbered from 1; one that cannot be read is a fault."""
    images = []
    for picture in pictures:
        name = picture.relative_to(top).as_posix()
        try:
            height, width = size_of(picture)
        except ValueError as error:
            saw, _, wanted = str(error).partition(": found ")[2].partition("; expected ")
            faults.append(Fault(str(picture), f"image {name}", saw, wanted, True))
            continue
        wrong = wrong_path(name) or wrong_size(height, width)
        if wrong:
            faults.append(Fault(str(picture), f"image {name}", *wrong, True))
        else:
            images.append({"id": len(images) + 1, "file_name": name, "height": height, "width": width})
    return images


def _bytes_of(picture: Path) -> int:
    """The size of a file; 0 of a link that leads nowhere, whose fault is told by its record."""
    try:
        return picture.stat().st_size
    except OSError:
        return 0


def gather_pictures(folder: Path, name: str) -> tuple[DetectionSet, list[Fault]]:
    """The pictures of a folder as a set without labels, and every fault in them."""
    faults: list[Fault] = []
    pictures = pictures_in(folder)
    images = image_records(pictures, folder, faults)
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.name} {_bytes_of(picture)}".encode(errors="surrogateescape"))
    records = {"images": images, "annotations": [], "categories": []}
    refused = {picture.name for picture in pictures} - {image["file_name"] for image in images}
    return assemble(name, folder, records, digest.hexdigest()[:12], faults, refused=refused), faults
