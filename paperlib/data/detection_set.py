"""The in-memory form of every detection set, whatever its format on disk."""
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as rle_tools
from torch import Tensor

from paperlib.data.pixels import cached_pixels, read_rgb
from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.segmentations import PngMask, encode


@dataclass
class DetectionSet:
    """Images with boxes (and masks), as COCO records whatever the format on disk.

    Images are read when asked for.
    Units:  label k in 1..K is `categories[k-1]`; boxes leave as xyxy px,
            and are COCO's x, y, width, height inside.
    """
    name: str
    root: Path                                             # folder that file_name is relative to
    categories: list[dict]
    images: list[dict]
    annotations: dict[int, list[dict]]                     # image id -> records
    version: str  # first 12 hex digits of the annotation files' sha256
    area_ranges: dict[str, tuple[float, float]]            # px^2
    skipped: list[Fault] = field(default_factory=list)     # dropped on load
    clipped: list[Fault] = field(default_factory=list)     # boxes cut at the image's border on load
    refused: frozenset[str] = frozenset()  # pictures (file names) whose records cannot be used
    proposals: list[Tensor] | None = field(default=None, repr=False)  # (P, 4) px an image
    sources: dict[int, Path] = field(default_factory=dict, repr=False)  # image id -> its annotation file
    _labels: dict[int, int] = field(init=False, repr=False)
    _names: dict[int, str] = field(init=False, repr=False)  # category id -> name
    has_difficult: bool = field(init=False, repr=False)    # a PASCAL set: objects may be flagged difficult
    _origin: "tuple[DetectionSet, list[int]] | None" = field(default=None, repr=False)

    def __post_init__(self):
        ids = [category["id"] for category in self.categories]
        self._labels = dict(zip(ids, range(1, len(ids) + 1)))
        self._names = dict(zip(ids, self.classes))
        self.has_difficult = any("difficult" in ann for ann in self.every_annotation())

    @property
    def classes(self) -> list[str]:
        return [category["name"] for category in self.categories]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, dict]:
        return self.image(i), self.target(i)

    @property
    def image_ids(self) -> list[int]:
        """The id of every image, in order."""
        return [image["id"] for image in self.images]

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) px of every image, in order."""
        return [(image["height"], image["width"]) for image in self.images]

    @property
    def files(self) -> list[Path]:
        """The image files, in order."""
        return [self.root / image["file_name"] for image in self.images]

    def class_of(self, ann: dict) -> str:
        """The name of an object's category."""
        return self._names[ann["category_id"]]

    def every_annotation(self) -> Iterator[dict]:
        """The records of all images, image by image."""
        return chain.from_iterable(self.annotations.values())

    def image(self, i: int) -> Tensor:
        """Image i as uint8 (3, H, W), RGB. Errors: as `pixels.read_rgb`."""
        record = self.images[i]
        return read_rgb(self.root / record["file_name"], (record["height"], record["width"]))

    def target(self, i: int, masks: bool = False) -> dict:
        """What there is to find in image i.

        Shapes: boxes (G, 4) float32 xyxy px, labels (G,) int64 1..K, crowd (G,) bool, area (G,) float32 px^2,
            image_id int, size (2,) int64 (height, width), [masks (G, H, W) bool], [difficult (G,) bool] in
            VOC sets, [proposals (P, 4) float32 xyxy px] where the set has them.
        Errors: ValueError naming the annotation that has no mask, when masks are asked for; objects whose
            polygons were dropped on load are left out then.
        """
        image = self.images[i]
        anns = self._annotations_of(image, masks)
        boxes = _column(anns, "bbox", torch.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        size = (image["height"], image["width"])
        target = {
            "boxes": boxes.float(),
            "labels": torch.tensor([self._labels[ann["category_id"]] for ann in anns], dtype=torch.int64),
            "crowd": _column(anns, "iscrowd", torch.bool),
            "area": _column(anns, "area", torch.float32),
            "image_id": image["id"],
            "size": torch.tensor(size)}
        if self.has_difficult:
            target["difficult"] = _column(anns, "difficult", torch.bool)
        if self.proposals is not None:
            target["proposals"] = self.proposals[i]
        if masks:
            target["masks"] = torch.zeros(len(anns), *size, dtype=torch.bool)
            for slot, ann in zip(target["masks"], anns):
                slot.copy_(torch.from_numpy(self._mask(ann, *size)))
        return target

    def _annotations_of(self, image: dict, masks: bool) -> list[dict]:
        """The records of an image; with `masks` without those whose polygons were dropped on load."""
        anns = self.annotations.get(image["id"], [])
        return [ann for ann in anns if not (masks and _lost_its_mask(ann))]

    def _mask(self, ann: dict, height: int, width: int) -> np.ndarray:
        return rle_tools.decode(self._rle(ann, height, width)).astype(bool)

    def _rle(self, ann: dict, height: int, width: int) -> dict:
        """The mask in pycocotools' compressed form, whatever form the record has."""
        if not (seg := ann.get("segmentation")):
            raise ValueError(f"{self.name}: annotation {ann['id']} has no segmentation, but masks were asked "
                             "for")
        return encode(seg, (height, width))

    def subset(self, chosen: int | Sequence[int]) -> "DetectionSet":
        """The first n images, or those at the given indices, in that order."""
        if isinstance(chosen, int):
            chosen = range(min(chosen, len(self)))
        picked = list(map(int, chosen))
        images = [self.images[i] for i in picked]
        kept = {image["id"]: self.annotations.get(image["id"], []) for image in images}
        proposals = self.proposals
        if proposals is not None:
            proposals = [proposals[i] for i in picked]
        return dataclasses.replace(self, images=images, annotations=kept, proposals=proposals,
                                   _origin=(self, picked))

    def only(self, classes: Sequence[str]) -> "DetectionSet":
        """The same images with objects of these categories only; label k is then `classes[k-1]`.

        Errors: KeyError naming the categories that the set lacks.
        """
        known = dict(zip(self.classes, self.categories))
        if missing := [name for name in classes if name not in known]:
            raise KeyError(f"{self.name}: no category {', '.join(map(repr, missing))}; it has "
                           f"{', '.join(known)}")
        categories = [known[name] for name in classes]
        ids = {category["id"] for category in categories}
        kept = {}
        for image_id, anns in self.annotations.items():
            kept[image_id] = [ann for ann in anns if ann["category_id"] in ids]
        return dataclasses.replace(self, categories=categories, annotations=kept)

    def coco_dict(self, masks: bool = False) -> dict:
        """The set as a fresh COCO dict, every mask in a form that pycocotools reads.

        `masks` leaves objects out whose polygons were dropped on load, as `target` does.
        """
        anns = []
        for image in self.images:
            for ann in map(dict, self._annotations_of(image, masks)):
                if isinstance(ann.get("segmentation"), PngMask):
                    ann["segmentation"] = self._rle(ann, image["height"], image["width"])
                if _lost_its_mask(ann):
                    del ann["segmentation"]
                anns.append(ann)
        small, large = self.area_ranges["medium"]
        info = {"description": self.name, "area_bounds": [small ** 0.5, large ** 0.5]}
        return {"info": info, "images": list(map(dict, self.images)),
                "annotations": anns, "categories": list(map(dict, self.categories))}

    def pixels(self) -> np.ndarray | None:
        """All images, uint8 (n, 3, H, W), from a memory map; None for several sizes, or over 1 GiB."""
        if self._origin is None:
            return cached_pixels(self.root, self.images, self.version)
        whole, picked = self._origin
        pixels = whole.pixels()
        if pixels is None:
            return None
        first_n = picked == list(range(len(picked)))       # a slice stays on disk
        return pixels[:len(picked)] if first_n else pixels[picked]


def _column(anns: list[dict], key: str, dtype: torch.dtype) -> Tensor:
    """One entry of every record, 0 where a record lacks it."""
    return torch.tensor([ann.get(key, 0) for ann in anns], dtype=dtype)


def _lost_its_mask(ann: dict) -> bool:
    return "segmentation" in ann and ann["segmentation"] is None
