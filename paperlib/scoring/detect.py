"""Running a system over a data set: detections as COCO's results."""

import numpy as np
import torch
from torchvision.transforms.v2 import functional as T

from paperlib.data.batches import pad_images
from paperlib.data.given_proposals import asks_for_proposals, with_proposals
from paperlib.progress import progress
from paperlib.training.trained import category_ids, trained


@torch.no_grad()
def detect_all(system, dataset, device, batch: int = 16, short: int | None = None,
               long: int | None = None) -> list[dict]:
    """Detections of `system` on every image of `dataset`, as COCO result records with boxes on the original images.

    `short`, `long`: resize so that the shorter side is `short` px, unless the longer would pass `long`; without both,
    images are as large as the system was trained at, if it says so (`trained`), else as stored. Labels become the set's
    categories by their names. Images of a batch are padded as in training. A system that asks for proposals gets them
    with the images.
    Errors: ValueError for a set that shares no class with the system.
    """
    categories = category_ids(system, dataset)
    if short is None and long is None:
        short, long = (trained(system).sides.get(side) for side in ("short", "long"))
    system.to(device).eval()
    asks = asks_for_proposals(system)
    dataset = with_proposals(dataset, system.cfg.proposals) if asks and dataset.proposals is None else dataset
    results, pixels = [], dataset.pixels() if short is None and long is None else None
    for first in progress(range(0, len(dataset), batch), desc="detect"):
        records = dataset.images[first:first + batch]
        if pixels is not None:
            images = list(torch.from_numpy(np.array(pixels[first:first + batch])))
        else:
            images = [resize(dataset.image(first + n), short, long) for n in range(len(records))]
        sizes = torch.tensor([i.shape[-2:] for i in images], device=device)
        given = {"proposals": [(b / _scale(*pair)).float().to(device) for b, *pair in
                               zip(dataset.proposals[first:], records, sizes)]} if asks else {}
        for record, size, found_ in zip(records, sizes, system.detect(pad_images(images).to(device), sizes, **given)):
            results += _records(record, size, found_, categories)
    return results


def resize(image: torch.Tensor, short: int | None, long: int | None) -> torch.Tensor:
    """(C, H, W) with the shorter side `short` px, or the longer one `long` if that is smaller; None changes nothing."""
    height, width = image.shape[-2:]
    scale = short / min(height, width) if short else 1.0
    scale = min(scale, long / max(height, width)) if long else scale
    size = [round(height * scale), round(width * scale)]
    return image if scale == 1 else T.resize(image, size, antialias=True)


def _scale(image: dict, size) -> torch.Tensor:
    """What boxes on the input of `size` (h, w) are multiplied by to lie on the image as stored."""
    return torch.tensor([image["width"] / int(size[1]), image["height"] / int(size[0])] * 2, dtype=torch.float64)


def _records(image: dict, size, output: dict, categories: list[int | None]) -> list[dict]:
    """COCO records of one image's detections, scaled from the input `size` (h, w) back to the image's own.

    Label k is category `categories[k-1]`; what the set has no category for is left out.
    """
    boxes = output["boxes"].double().cpu() * _scale(image, size)
    boxes[:, 2:] -= boxes[:, :2]
    return [{"image_id": image["id"], "category_id": categories[label - 1], "bbox": box, "score": score}
            for label, box, score in zip(output["labels"].tolist(), boxes.tolist(), output["scores"].tolist())
            if categories[label - 1] is not None]
