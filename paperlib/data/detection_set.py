"""The in-memory form of every detection set, and the reader of COCO's JSON format."""
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    """Images with boxes (and masks), as COCO records whatever the format on disk; images are read when asked for.

    Units: label k in 1..K is `categories[k-1]`; boxes leave as xyxy px, inside stay COCO's x, y, width, height.
    """
    name: str
    root: Path                                             # folder that file_name is relative to
    categories: list[dict]
    images: list[dict]
    annotations: dict[int, list[dict]]                     # image id -> records
    version: str                                           # first 12 hex digits of the annotation files' sha256
    area_ranges: dict[str, tuple[float, float]]            # px^2
    skipped: list[Fault] = field(default_factory=list)     # dropped on load
    clipped: list[Fault] = field(default_factory=list)     # boxes cut at the image's border on load
    refused: frozenset[str] = frozenset()                  # pictures (file names) whose records cannot be used
    proposals: list[Tensor] | None = field(default=None, repr=False)  # (P, 4) px an image
    _labels: dict[int, int] = field(init=False, repr=False)
    has_difficult: bool = field(init=False, repr=False)    # a PASCAL set: objects may be flagged difficult
    _origin: "tuple[DetectionSet, list[int]] | None" = field(default=None, repr=False)

    def __post_init__(self):
        self._labels = {category["id"]: k for k, category in enumerate(self.categories, 1)}
        self.has_difficult = any("difficult" in ann for anns in self.annotations.values() for ann in anns)

    @property
    def classes(self) -> list[str]:
        return [category["name"] for category in self.categories]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, dict]:
        return self.image(i), self.target(i)

    def image(self, i: int) -> Tensor:
        """Image i as uint8 (3, H, W), RGB. Errors: as `pixels.read_rgb`."""
        record = self.images[i]
        return read_rgb(self.root / record["file_name"], (record["height"], record["width"]))

    def target(self, i: int, masks: bool = False) -> dict:
        """What there is to find in image i.

        Shapes: boxes (G, 4) float32 xyxy px, labels (G,) int64 1..K, crowd (G,) bool, area (G,) float32 px^2,
            image_id int, size (2,) int64 (height, width), [masks (G, H, W) bool], [difficult (G,) bool] in VOC sets,
            [proposals (P, 4) float32 xyxy px] where the set has them.
        Errors: ValueError naming the annotation that has no mask, when masks are asked for; objects whose polygons
            were dropped on load are left out then.
        """
        image = self.images[i]
        anns = [a for a in self.annotations.get(image["id"], []) if not (masks and _lost_its_mask(a))]
        boxes = torch.tensor([a["bbox"] for a in anns], dtype=torch.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        size = (image["height"], image["width"])
        target = {
            "boxes": boxes.float(), "labels": torch.tensor([self._labels[a["category_id"]] for a in anns],
                                                           dtype=torch.int64),
            "crowd": torch.tensor([bool(a["iscrowd"]) for a in anns], dtype=torch.bool),
            "area": torch.tensor([a["area"] for a in anns], dtype=torch.float32),
            "image_id": image["id"], "size": torch.tensor(size)}
        if self.has_difficult:
            target["difficult"] = torch.tensor([bool(a.get("difficult")) for a in anns], dtype=torch.bool)
        if self.proposals is not None:
            target["proposals"] = self.proposals[i]
        if masks:
            stack = [self._mask(a, *size) for a in anns]
            target["masks"] = torch.from_numpy(np.stack(stack)) if stack else torch.zeros(0, *size, dtype=torch.bool)
        return target

    def _mask(self, ann: dict, height: int, width: int) -> np.ndarray:
        return rle_tools.decode(self._rle(ann, height, width)).astype(bool)

    def _rle(self, ann: dict, height: int, width: int) -> dict:
        """The mask in pycocotools' compressed form, whatever form the record has."""
        if not (seg := ann.get("segmentation")):
            raise ValueError(f"{self.name}: annotation {ann['id']} has no segmentation, but masks were asked for")
        return encode(seg, (height, width))

    def subset(self, chosen: int | Sequence[int]) -> "DetectionSet":
        """The first n images, or those at the given indices, in that order."""
        picked = list(range(min(chosen, len(self)))) if isinstance(chosen, int) else [int(i) for i in chosen]
        images = [self.images[i] for i in picked]
        kept = {image["id"]: self.annotations.get(image["id"], []) for image in images}
        given = None if self.proposals is None else [self.proposals[i] for i in picked]
        return dataclasses.replace(self, images=images, annotations=kept, proposals=given, _origin=(self, picked))

    def only(self, classes: Sequence[str]) -> "DetectionSet":
        """The same images with objects of these categories only; label k is then `classes[k-1]`.

        Errors: KeyError naming the categories that the set lacks.
        """
        known = {category["name"]: category for category in self.categories}
        if missing := [name for name in classes if name not in known]:
            raise KeyError(f"{self.name}: no category {', '.join(map(repr, missing))}; it has {', '.join(known)}")
        ids = {known[name]["id"] for name in classes}
        kept = {image: [a for a in anns if a["category_id"] in ids] for image, anns in self.annotations.items()}
        return dataclasses.replace(self, categories=[known[name] for name in classes], annotations=kept)

    def coco_dict(self, masks: bool = False) -> dict:
        """The set as a fresh COCO dict, every mask in a form that pycocotools reads.

        `masks` leaves objects out whose polygons were dropped on load, as `target` does.
        """
        anns = []
        for image in self.images:
            for ann in self.annotations.get(image["id"], []):
                ann, lost = dict(ann), _lost_its_mask(ann)
                if isinstance(ann.get("segmentation"), PngMask):
                    ann["segmentation"] = self._rle(ann, image["height"], image["width"])
                if lost:
                    del ann["segmentation"]
                if not (lost and masks):
                    anns.append(ann)
        small, large = (self.area_ranges["medium"][i] ** 0.5 for i in (0, 1))
        return {"info": {"description": self.name, "area_bounds": [small, large]},
                "images": [dict(i) for i in self.images], "annotations": anns,
                "categories": [dict(c) for c in self.categories]}

    def pixels(self) -> np.ndarray | None:
        """All images, uint8 (n, 3, H, W), from a memory map decoded once; None when sizes differ (or over 1 GiB)."""
        if self._origin is None:
            return cached_pixels(self.root, self.images, self.version)
        whole, picked = self._origin
        pixels = whole.pixels()
        first_n = picked == list(range(len(picked)))
        return None if pixels is None else pixels[:len(picked)] if first_n else pixels[picked]


def _lost_its_mask(ann: dict) -> bool:
    return "segmentation" in ann and ann["segmentation"] is None
