"""Running a system over a data set, batch by batch: detections as COCO's results.

Legend: N images of a batch, P proposals, D detections.
"""
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from paperlib.data.image_batches import image_batches
from paperlib.parts.windows.records import region_records, segment_records
from paperlib.training.own_proposals import with_tested_proposals
from paperlib.training.trained import category_ids, sides_for


def detect_all(system, dataset, device, batch: int = 16, short: int | None = None,
               long: int | None = None) -> list[dict]:
    """Detections of `system` on every image of `dataset`, image by image: as `detect_each` yields them."""
    of_image = dict(detect_each(system, dataset, device, batch, short, long))
    return list(chain.from_iterable(of_image[place] for place in sorted(of_image)))


@torch.no_grad()
def detect_each(system, dataset, device, batch: int = 16, short: int | None = None,
                long: int | None = None) -> Iterator[tuple[int, list[dict]]]:
    """The place of each image in `dataset`, as `image_batches` has them, and what `system` detects on it.

    Detections are COCO result records, boxes on the stored image.
    `short`, `long`: as in `image_batches`; without both, the size that the system was trained at (`trained`),
    where it says so. Labels become the set's categories by their names.
    Proposed masks are records with "segmentation" too (`parts.windows.records`), of the first category.
    A system that needs proposals gets those of the data set, else those that its configuration names.
    Errors: ValueError for a set that shares no class with the system.
    """
    categories = category_ids(system, dataset)
    short, long = sides_for(system, short, long)
    system.to(device).eval()
    dataset, reads_proposals = with_tested_proposals(dataset, system), system.cfg.needs_proposals()
    for images in image_batches(dataset, device, batch, short, long, title="detect"):
        scales, proposals = images.scales(), None
        if reads_proposals:
            proposals = []
            for i, scale in zip(images.places, scales):
                proposals.append((dataset.proposals[i] / scale).float().to(device))
        detections = system.detect(images.images, images.sizes, proposals)
        for i, record, scale, detected in zip(images.places, images.records, scales, detections):
            if "window_masks" in detected:
                yield i, segment_records(record, scale, detected, categories[0])
            elif "masks" in detected:
                yield i, region_records(record, scale, detected, categories[0])
            else:
                yield i, _records(record, scale, detected, categories)


def _records(image: dict, scale: Tensor, detected: dict[str, Tensor],
             categories: list[int | None]) -> list[dict]:
    """COCO records of one image's detections, scaled to the image as stored.

    Label k is category `categories[k-1]`; what the set has no category for is left out.
    """
    boxes = detected["boxes"].cpu().double() * scale  # (D, 4) xyxy
    boxes[:, 2:] -= boxes[:, :2]
    records = []
    for label, box, score in zip(detected["labels"].tolist(), boxes.tolist(), detected["scores"].tolist()):
        category = categories[label - 1]
        if category is not None:
            records.append({"image_id": image["id"], "category_id": category, "bbox": box, "score": score})
    return records
