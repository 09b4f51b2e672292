"""Whether the objects of a set have masks, and whether the windows of a mask system suit them."""
import math

import torch

from paperlib.config import override
from paperlib.data.batches import Size
from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.finding import ENOUGH, Finding, graded
from paperlib.doctor.training_size import resized_objects, resized_size
from paperlib.progress import progress
from paperlib.training.trained import lacks_masks

IMAGES = 200  # at most, that are looked at
USABLE = 0.6  # share of objects in a window from which a set can be trained on as it is


def window_coverage(dataset: DetectionSet, cfg, size: Size = None, limit: int = IMAGES) -> tuple[float, int]:
    """The share of objects that some window holds right-sized, and their number.

    `size` is the training size, as in `Batches`; no image is opened.
    """
    reached, objects = 0, 0
    for i in progress(range(min(limit, len(dataset))), desc="windows", unit="image"):
        boxes, _ = resized_objects(dataset, i, size)
        objects += len(boxes)
        reached += int(cfg.right_sized(boxes, resized_size(dataset.images[i], size)).sum())
    return reached / max(objects, 1), objects


def fitting_scales(dataset: DetectionSet, cfg, size: Size = None, limit: int = IMAGES) -> tuple[float, ...]:
    """Scales (log2) in half octaves at which DeepMask's windows fit all objects but the smallest tenth.

    An octave more at the small end costs four times as much, at the large end next to nothing. `size` is the
    training size, as in `Batches`; no image is opened. () without objects.
    """
    sides = [_longer_sides(dataset, i, size) for i in range(min(limit, len(dataset)))]
    longer = torch.cat([torch.empty(0), *sides])
    if not len(longer):
        return ()
    octaves = (cfg.window.object_size / longer).log2()
    first, last = round(2 * float(octaves.min())), math.ceil(2 * float(octaves.quantile(ENOUGH)))
    return tuple(step / 2 for step in range(first, last + 1))


def _longer_sides(dataset: DetectionSet, i: int, size: Size) -> torch.Tensor:
    """Px of the longer side of each object of image i, of those that have one."""
    boxes, _ = resized_objects(dataset, i, size)
    sides = (boxes[:, 2:] - boxes[:, :2]).amax(1)
    return sides[sides > 0]


def examine_windows(dataset: DetectionSet, cfg, size: Size, kind: type) -> tuple[list[Finding], int]:
    """What there is to say of masks and windows, for a system of this `kind`; and of how many objects."""
    if bare := lacks_masks(kind, dataset):
        return [Finding("masks", "bad", bare, "add segmentations, or train a detector of boxes")], 0
    share, objects = window_coverage(dataset, cfg, size)
    scales, setting = cfg.scales_said()
    text = f"{share:.0%} of {objects} objects are right-sized {scales}"
    advice = ""
    if share < ENOUGH:
        advice = "another --size, or other windows: --set "
        advice += _fitting(dataset, cfg, size) if setting == "window.scales" else setting
    return [Finding("windows", graded(share >= ENOUGH, share >= USABLE), text, advice)], objects


def _fitting(dataset: DetectionSet, cfg, size: Size) -> str:
    """The setting of window.scales that fits the objects, and how many it reaches; bare without objects."""
    fitting = fitting_scales(dataset, cfg, size)
    if not fitting:
        return "window.scales"
    share, _ = window_coverage(dataset, override(cfg, {"window.scales": fitting}), size)
    listed = ",".join(f"{octaves:g}" for octaves in fitting)
    return f"'window.scales=[{listed}]' reaches {share:.0%}"
