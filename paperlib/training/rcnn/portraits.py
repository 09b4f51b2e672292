"""MiniNet's pictures with the box of what each portrays, and sets of scenes to which such pictures are added.

Legend: K classes of a set of scenes, G objects.
"""
import json
from dataclasses import replace

import torch
from filelock import FileLock

from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import ensure
from paperlib.data.pixels import cache_folder, writable
from paperlib.paths import written_whole
from paperlib.progress import progress
from paperlib.world import drawn_sets
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.world import compose

NAME, SPLIT = "mininet", "train"


def with_portraits(dataset: DetectionSet, per_class: int) -> DetectionSet:
    """The set, and after its images `per_class` MiniNet pictures of each of its classes, each with its box.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 4.3: "train" adds objects' boxes to "val1", and nothing else, as
            its images are not annotated exhaustively. So the pictures bring no proposals.
    Errors: ValueError for more pictures than a class has, and for a set that shares no class with MiniNet.
    """
    pictures = [picture for picture in _pictures(per_class) if picture["name"] in dataset.classes]
    if not pictures:
        raise ValueError(f"{dataset.name}: none of its classes is MiniNet's; expected some, for "
                         f"{per_class} pictures of each")
    ids, next_id = dict(zip(dataset.classes, dataset.categories)), max(dataset.image_ids) + 1
    root, side = ensure(NAME), drawn_sets.world_of(NAME).size
    images = [{**image, "file_name": str(file)} for image, file in zip(dataset.images, dataset.files)]
    annotations, flags = dict(dataset.annotations), {}
    if dataset.has_difficult:
        flags = {"difficult": 0}
    for image_id, picture in enumerate(pictures, next_id):
        images.append({"id": image_id, "file_name": str(root / picture["file"]), "width": side,
                       "height": side})
        w, h = picture["bbox"][2:]
        annotations[image_id] = [{"id": -image_id, "image_id": image_id, "bbox": picture["bbox"],
                                  "area": w * h, "iscrowd": 0, "category_id": ids[picture["name"]]["id"],
                                  **flags}]
    proposals = dataset.proposals
    if proposals is not None:
        proposals = proposals + [torch.zeros(0, 4)] * len(pictures)
    version = f"{dataset.version}+{per_class}@{drawn_sets.version(NAME)}"
    return replace(dataset, images=images, annotations=annotations, proposals=proposals, version=version,
                   _origin=None)


def _pictures(per_class: int) -> list[dict]:
    """{"file", "name", "bbox" xywh px} of every class's first `per_class` pictures, classes in turn.

    A picture is drawn again to know its box; what was drawn is kept beside the set.
    """
    kinds = drawn_sets.world_of(NAME).categories
    most = drawn_sets.counts_of(NAME)[SPLIT] // kinds
    if per_class > most:
        raise ValueError(f"{per_class} pictures of each class: {NAME} has {most}")
    path = cache_folder(ensure(NAME)) / f".boxes-{drawn_sets.version(NAME)}-{per_class}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    pictures = [_picture(k, kinds) for k in progress(range(per_class * kinds), desc="boxes", unit="picture")]
    if writable(path.parent):
        with FileLock(f"{path}.lock"), written_whole(path) as part:
            part.write_text(json.dumps(pictures), encoding="utf-8")
    return pictures


def _picture(k: int, kinds: int) -> dict:
    """Picture k of MiniNet, as `world.write_folder` draws it."""
    label = k % kinds
    drawing = compose(drawn_sets.world_of(NAME), drawn_sets.seed_of(NAME, SPLIT, k), label + 1)
    boxes = [instance["bbox"] for instance in drawing.instances if instance["category"] == label + 1]
    name = CATEGORIES[label].name
    return {"file": f"{SPLIT}/{name}/{k:06d}.jpg", "name": name, "bbox": max(boxes, key=_area)}


def _area(box: list[float]) -> float:
    return box[2] * box[3]
