"""Images of a data set as a system is tested on them, batch by batch.

Legend: N images of a batch.
"""
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as T

from paperlib.data.batches import pad_images, padded_side
from paperlib.progress import progress


@dataclass(frozen=True)
class ImageBatch:
    """Images of a data set as a system is tested on them, each on the canvas that it would have alone."""

    places: list[int]  # of the images in the data set, rising
    records: list[dict]  # of the images, as the data set has them
    images: Tensor  # (N, 3, H, W) uint8, padded to one canvas
    sizes: Tensor  # (N, 2) h, w px of the images without padding

    def scales(self) -> list[Tensor]:
        """Per image, what boxes on it are multiplied by to lie on the image as stored: (4,) float64."""
        stored = [[record["width"], record["height"]] for record in self.records]
        stored = torch.tensor(stored, dtype=torch.float64)
        return list((stored / self.sizes.cpu().flip(1)).repeat(1, 2))


def image_batches(dataset, device: torch.device, batch: int = 16, short: int | None = None,
                  long: int | None = None, title: str = "") -> Iterator[ImageBatch]:
    """All images of `dataset`, at most `batch` at a time; with `title` behind a progress bar.

    A batch holds images of one canvas (`by_canvas`), so what is found on one does not depend on the others.
    Images of one size come in the order of the data set; others by `ImageBatch.places`.
    `short`, `long`: resize so that the shorter side is `short` px, unless the longer would pass `long`;
    without both, images are as large as stored.
    """
    pixels = None
    if short is None and long is None:
        pixels = dataset.pixels()
    shown = [resized(record["height"], record["width"], short, long) for record in dataset.images]
    batches = by_canvas(shown, batch)
    if title:
        batches = progress(batches, desc=title)
    for places in batches:
        if pixels is not None:
            images = list(torch.from_numpy(np.array(pixels[places[0]:places[-1] + 1])))
        else:
            images = [resize(dataset.image(i), short, long) for i in places]
        sizes = torch.tensor([image.shape[-2:] for image in images], device=device)
        records = [dataset.images[i] for i in places]
        yield ImageBatch(places, records, pad_images(images).to(device), sizes)


def by_canvas(sizes: list[tuple[int, int]], batch: int) -> list[list[int]]:
    """Places of images (h, w) px in batches of at most `batch`, each of images that are padded alike.

    A batch stands where it became full; those that never do come last.
    """
    full, waiting = [], {}
    for place, (height, width) in enumerate(sizes):
        canvas = padded_side(height), padded_side(width)
        waiting.setdefault(canvas, []).append(place)
        if len(waiting[canvas]) == batch:
            full.append(waiting.pop(canvas))
    return full + list(waiting.values())


def resize(image: torch.Tensor, short: int | None, long: int | None) -> torch.Tensor:
    """(C, H, W) with the shorter side `short` px, or the longer one `long` if that is smaller.

    None asks for nothing.
    """
    size = resized(*image.shape[-2:], short, long)
    if size == tuple(image.shape[-2:]):
        return image
    return T.resize(image, list(size), antialias=True)


def resized(height: int, width: int, short: int | None, long: int | None) -> tuple[int, int]:
    """(h, w) px of an image after `resize`, one at least, as in training (`batches.fit_size`)."""
    scale = short / min(height, width) if short else 1.0
    if long:
        scale = min(scale, long / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
