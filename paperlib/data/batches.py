"""Training batches as a function of the step: what batch s holds depends on (seed, s) and nothing before it.

So a resumed run sees what the uninterrupted one would have seen,
and the number of worker processes changes nothing.
"""
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from paperlib.data.detection_set import DetectionSet

PAD = (124, 116, 104)          # RGB 0..255, the mean that trunks subtract: padding becomes 0
KEEP = 512 << 20               # bytes of resized images that a set may keep in memory

Size = int | tuple[int, ...] | None


def fit_size(height: int, width: int, size: Size, zoom: float = 1.0) -> tuple[int, int]:
    """(h, w) px of an image resized by the rule `size` (see Batches), whole pixels."""
    if size is None:
        scale = zoom
    elif isinstance(size, int):
        scale = zoom * size / max(height, width)
    else:
        short, long = (*size, math.inf)[:2]
        scale = zoom * min(short / min(height, width), long / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def padded_side(side: int, multiple: int = 32) -> int:
    """The least multiple of so many px that holds a side."""
    return -(-side // multiple) * multiple


def pad_images(images: list[Tensor], multiple: int = 32, at_least: tuple[int, int] = (0, 0)) -> Tensor:
    """One uint8 batch (N, 3, H, W) of images (3, h, w), each at the top left on the mean colour.

    H and W are the largest h and w (and those of `at_least`), rounded up to a `multiple`.
    """
    sides = np.array([at_least, *(image.shape[1:] for image in images)]).max(0)
    h, w = (padded_side(side, multiple) for side in sides.tolist())
    batch = torch.tensor(PAD, dtype=torch.uint8)[:, None, None].expand(len(images), 3, h, w).contiguous()
    for slot, image in zip(batch, images):
        slot[:, :image.shape[1], :image.shape[2]] = image
    return batch


class Batches(Dataset):
    """`batches[step]` -> (images, targets), shuffled anew each epoch, flipped and resized at random.

    Shapes: images (N, 3, H, W) uint8; targets as `DetectionSet.target`, in px of the resized image, plus
        `scale` (x, y: resized / stored, so boxes / scale.repeat(2) lie in the file's pixels);
        `size` is without padding.
    Units:  `size`: None keeps the stored size; an int fits the image into a square of so many px; (short,
        long) resizes the shorter side to `short` unless the longer would exceed `long` (left out: no limit).
        `jitter` (lo, hi) is the range of a random factor on that. Images are padded (`pad_images`) to the
        square for an int size without jitter, else to the largest of the batch,
        and then to a multiple of `multiple` px.
    `share` is (rank, number of processes): a process gets its part of a batch, on the canvas of the whole.
    Tensors of a target are shared by all steps that show the image: do not change them in place.
    Errors: ValueError for an empty set or a size that is none of these.
    """

    def __init__(self, dataset: DetectionSet, batch_size: int, seed: int = 0, size: Size = None,
                 flip: bool = True,
                 jitter: tuple[float, float] | None = None, masks: bool = False, multiple: int = 32,
                 share: tuple[int, int] = (0, 1)):
        if not len(dataset) or batch_size < 1:
            raise ValueError(f"{dataset.name}: {len(dataset)} images and batch_size {batch_size}; expected 1 "
                             "or more")
        if size is not None:
            sides = np.atleast_1d(size).tolist()
            if len(sides) > 2 or not all(isinstance(side, int) and side > 0 for side in sides):
                raise ValueError(f"size {size!r}: expected None, a number of px, (short,) or (short, long) "
                                 "in px")
        self.dataset, self.batch_size, self.seed, self.size = dataset, batch_size, seed, size
        rank, world = share
        if batch_size % world:
            raise ValueError(f"batch_size {batch_size} for {world} processes: expected a multiple")
        self.share = slice(rank * batch_size // world, (rank + 1) * batch_size // world)
        self.flip, self.jitter, self.masks, self.multiple = flip, jitter, masks, multiple
        self._targets: dict[int, dict] = {}
        sizes = [self._resized(i) for i in range(len(dataset))]
        self._kept = None
        if jitter is None and 3 * np.prod(sizes, axis=1).sum() <= KEEP:
            self._kept = {}
        stored = set(dataset.sizes)
        one_size = stored == {sizes[0]} == set(sizes)
        padded = any(side % multiple for side in sizes[0])
        self._whole = one_size and not padded and jitter is None
        self._pixels = self._mapped()

    def __getstate__(self) -> dict:
        # a worker maps the pixels itself: pickling would copy them
        state = {**self.__dict__, "_pixels": None}
        if self._kept:
            state["_kept"] = {}
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._pixels = self._mapped()

    def _mapped(self) -> np.ndarray | None:
        """The pixels of all images, where they are used as they are stored."""
        if self._whole:
            return self.dataset.pixels()
        return None

    def indices(self, step: int) -> list[int]:
        """Which images batch `step` holds; a batch may begin in one epoch and end in the next."""
        n, first = len(self.dataset), step * self.batch_size
        return [int(_order(n, self.seed, p // n)[p % n]) for p in range(first, first + self.batch_size)]

    def __getitem__(self, step: int) -> tuple[Tensor, list[dict]]:
        picks = self.indices(step)
        rng = np.random.default_rng((self.seed, 1, step))
        flips = (rng.random(len(picks)) < 0.5) & self.flip
        zooms = [1.0] * len(picks)
        if self.jitter:
            zooms = rng.uniform(*self.jitter, len(picks))
        canvas = self._canvas(picks, zooms)
        picks, flips, zooms = picks[self.share], flips[self.share], zooms[self.share]
        shown = list(zip(picks, zooms, flips))
        if self._pixels is not None:
            images = torch.from_numpy(self._pixels[picks])
            images[flips] = images[flips].flip(-1)
        else:
            images = pad_images([self._image(*item) for item in shown], self.multiple, canvas)
        return images, [self._target(*item, images.shape[-2:]) for item in shown]

    def _canvas(self, picks: list[int], zooms: Sequence[float]) -> tuple[int, int]:
        """The least (h, w) px of a whole batch, whatever this process's share of it."""
        square = self.size if isinstance(self.size, int) and not self.jitter else 0
        sizes = [self._resized(i, zoom) for i, zoom in zip(picks, zooms)]
        return tuple(np.array([(square, square), *sizes]).max(0).tolist())

    def _resized(self, i: int, zoom: float = 1.0) -> tuple[int, int]:
        record = self.dataset.images[i]
        return fit_size(record["height"], record["width"], self.size, zoom)

    def _image(self, i: int, zoom: float, flip: bool) -> Tensor:
        if self._kept is not None and i in self._kept:
            image = self._kept[i]
        else:
            image, size = self.dataset.image(i), self._resized(i, zoom)
            if image.shape[-2:] != size:
                image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
            if self._kept is not None:
                self._kept[i] = image
        if flip:
            return image.flip(-1)
        return image

    def _target(self, i: int, zoom: float, flip: bool, canvas: tuple[int, int]) -> dict:
        """The target of image i, moved with its pixels."""
        if i not in self._targets:                         # asked for masks, a set may leave objects out
            target = self.dataset.target(i, masks=self.masks)
            target.pop("masks", None)
            self._targets[i] = target
        record, (h, w) = self.dataset.images[i], self._resized(i, zoom)
        scale = torch.tensor((w / record["width"], h / record["height"]))
        target = {**self._targets[i], "scale": scale}
        for name in {"boxes", "proposals"} & target.keys():
            boxes = target[name] * scale.repeat(2)
            if flip:
                boxes = boxes[:, [2, 1, 0, 3]] * FLIP
                boxes[:, ::2] += w
            target[name] = boxes
        if (h, w) != (record["height"], record["width"]):
            target["area"], target["size"] = target["area"] * scale.prod(), torch.tensor((h, w))
        if self.masks:
            target["masks"] = self._masks(i, (h, w), flip, canvas)
        return target

    def _masks(self, i: int, size: tuple[int, int], flip: bool, canvas: tuple[int, int]) -> Tensor:
        """(G, *canvas) bool of image i resized to `size`."""
        masks = self.dataset.target(i, masks=True)["masks"]
        if masks.shape[1:] != size:
            masks = F.interpolate(masks[:, None].float(), size, mode="nearest-exact")[:, 0].bool()
        if flip:
            masks = masks.flip(-1)
        return F.pad(masks, (0, canvas[1] - size[1], 0, canvas[0] - size[0]))


FLIP = torch.tensor([-1.0, 1.0, -1.0, 1.0])                # x1, x2 = w - x2, w - x1


@lru_cache(maxsize=8)
def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, 0, epoch)).permutation(n)


def loader(batches: Batches, start: int, stop: int, workers: int = 0) -> Iterator[tuple[Tensor, list[dict]]]:
    """Batches start, ..., stop - 1 in order, prepared by `workers` processes (0: by this one)."""
    if not workers:
        return (batches[step] for step in range(start, stop))
    return iter(DataLoader(batches, batch_size=None, sampler=range(start, stop), num_workers=workers,
                           pin_memory=torch.cuda.is_available()))
