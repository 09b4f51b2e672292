"""Whether the objects of a set have masks, and whether the windows of a mask system suit them."""
import torch

from paperlib.data.batches import Size
from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.finding import ENOUGH, Finding, graded
from paperlib.doctor.training_size import resized_objects, resized_size
from paperlib.parts.windows.centred import label_windows
from paperlib.parts.windows.grid import grid
from paperlib.progress import progress
from paperlib.training.trained import lacks_masks

IMAGES = 200  # at most, that are looked at
USABLE = 0.6  # share of objects in a window from which a set can be trained on as it is


def window_coverage(dataset: DetectionSet, cfg, size: Size = None, limit: int = IMAGES) -> tuple[float, int]:
    """The share of objects that some tested window holds centred and right-sized, and their number.

    `size` is the training size, as in `Batches`; no image is opened.
    """
    reached, objects = 0, 0
    for i in progress(range(min(limit, len(dataset))), desc="windows", unit="image"):
        boxes, _ = resized_objects(dataset, i, size)
        objects += len(boxes)
        covered = torch.zeros(len(boxes), dtype=torch.bool)
        for octaves in cfg.window.scales:
            windows = grid(resized_size(dataset.images[i], size), octaves, cfg.window).windows
            gt, label = label_windows(windows, boxes, cfg.window, cfg.centred)
            covered[gt[label == 1]] = True
        reached += int(covered.sum())
    return reached / max(objects, 1), objects


def examine_windows(dataset: DetectionSet, cfg, size: Size, kind: type) -> tuple[list[Finding], int]:
    """What there is to say of masks and windows, for a system of this `kind`; and of how many objects."""
    if bare := lacks_masks(kind, dataset):
        return [Finding("masks", "bad", bare, "add segmentations, or train a detector of boxes")], 0
    share, objects = window_coverage(dataset, cfg, size)
    scales = ", ".join(f"2^{octaves:g}" for octaves in cfg.window.scales)
    text = f"{share:.0%} of {objects} objects are right-sized in some window at the scales {scales}"
    advice = ""
    if share < ENOUGH:
        advice = "another --size, or more scales: --set window.scales"
    return [Finding("windows", graded(share >= ENOUGH, share >= USABLE), text, advice)], objects
