"""How sharp proposed masks are: right and wrong in a narrow band around the true outlines, a trimap.

Source: SharpMask Figs. 3.2 and 3.9 show "proposals with highest IoU to the ground truth"; so those are taken.
        The trimap is Kohli et al.'s (2009) measure; the band's IoU is that of "boundary IoU"
        about the truth's outline.
"""
from collections import defaultdict

import numpy as np
from pycocotools import mask as rle_tools

from paperlib.parts.windows.overlap import band, rle_iou, rles

WIDTHS = (1, 2, 4)  # px on both sides of an outline
REACHED = 0.5  # IoU from which a mask is one of the object


def outlines(dataset, results: list[dict], widths=WIDTHS, reached: float = REACHED) -> dict[str, float]:
    """{"best IoU", "band IoU <px>", "trimap <px>", "reached"} of the best mask of every object.

    Means are over the objects that some mask reaches, nan where none is; "trimap" is the share of the band's
    pixels that are right, "reached" that of all objects. Crowds are left out.
    `results` are records with "segmentation" in run lengths.
    """
    by_image, rows, objects = defaultdict(list), [], 0
    for record in results:
        by_image[record["image_id"]].append(record["segmentation"])
    for i, image in enumerate(dataset.images):
        target = dataset.target(i, masks=True)
        masks, proposed = target["masks"][~target["crowd"]], by_image[image["id"]]
        objects += len(masks)
        overlaps = rle_iou(rles(masks), proposed)
        for mask, of_object in zip(masks.numpy(), overlaps):
            if of_object.size and of_object.max() >= reached:
                guess = rle_tools.decode(proposed[int(of_object.argmax())]).astype(bool)
                rows.append([of_object.max(), *along(mask, guess, widths)])
    names = ["best IoU", *[f"band IoU {width}" for width in widths], *[f"trimap {width}" for width in widths]]
    means = np.full(len(names), np.nan)
    if rows:
        means = np.nanmean(np.array(rows), 0)
    return dict(zip(names, means.tolist())) | {"reached": len(rows) / max(objects, 1)}


def along(truth: np.ndarray, guess: np.ndarray, widths=WIDTHS) -> list[float]:
    """Two masks (H, W) bool in bands around the first one's outline: IoU of each width, then the share right.

    nan for an object without an outline in the image.
    """
    overlap, right = [], []
    for width in widths:
        inside = band(truth, width)
        both, either = (truth & guess)[inside].sum(), (truth | guess)[inside].sum()
        overlap.append(both / either if either else np.nan)
        right.append((truth == guess)[inside].mean() if inside.any() else np.nan)
    return [*overlap, *right]
