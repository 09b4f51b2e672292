"""Splits that are lists of images, as COCO's trainval35k and minival are, over all annotation files of a folder."""
import dataclasses
import hashlib
import os
from collections import Counter
from pathlib import Path

from paperlib.data.coco import DetectionSet, read_coco


def read_list(file: Path, annotation_files: list[Path], name: str) -> DetectionSet:
    """The images that a text file names, one id or file name a line, with what any of the files knows of them.

    Source: the papers train on COCO 2014's trainval35k and test on minival, lists of images of train2014 and val2014.
    Errors: ValueError naming the list and the first entry that no annotation file has or that stands there twice.
    """
    entries = file.read_text(encoding="utf-8").split()
    if twice := [e for e, n in Counter(entries).items() if n > 1]:
        raise ValueError(f"{file}: {twice[0]!r} stands there twice")
    parts = [read_coco(path) for path in annotation_files]
    root = Path(os.path.commonpath([part.root for part in parts]))
    known = {}
    for part in parts:
        for image in part.images:
            moved = {**image, "file_name": (part.root / image["file_name"]).relative_to(root).as_posix()}
            known |= dict.fromkeys((str(image["id"]), Path(image["file_name"]).name), (moved, part))
    if lost := [e for e in entries if e not in known]:
        raise ValueError(f"{file}: {lost[0]!r} is neither the id nor the file name of an image in "
                         f"{', '.join(path.name for path in annotation_files)}")
    chosen = [known[e] for e in entries]
    version = hashlib.sha256("".join([*sorted(part.version for part in parts), *entries]).encode()).hexdigest()[:12]
    return dataclasses.replace(
        parts[0], name=name, root=root, version=version, images=[image for image, _ in chosen],
        annotations={image["id"]: part.annotations.get(image["id"], []) for image, part in chosen})
