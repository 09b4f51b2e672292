"""Masks in windows as COCO's result records.

Legend: D proposals of an image of H x W px, m x m px of a window's mask.
"""
import torch
from pycocotools import mask as rle_tools
from torch import Tensor

from paperlib.parts.windows.overlap import rles
from paperlib.parts.windows.resampling import paste

CHUNK = 256  # masks of an image that are laid out at a time, for the memory


def segment_records(image: dict, scale: Tensor, detected: dict[str, Tensor], category: int) -> list[dict]:
    """COCO records of one image's proposals, best first: "segmentation" in run lengths, "bbox" around it.

    Masks are laid into the image as stored, so they are as fine as it is. Windows whose mask has no pixel
    there are left out.
    Units: `scale` (4,) is what boxes are multiplied by to lie on the stored image.
    """
    size, threshold = (image["height"], image["width"]), float(detected["threshold"])
    windows = (detected["windows"].cpu().double() * scale).float()
    scores, records = detected["scores"].tolist(), []
    for some in torch.arange(len(windows)).split(CHUNK):
        masks = paste(detected["window_masks"][some].cpu(), windows[some], size, threshold)
        for i, rle in zip(some.tolist(), rles(masks)):
            x, y, width, height = rle_tools.toBbox(rle).tolist()
            if width * height > 0:
                records.append({"image_id": image["id"], "category_id": category, "segmentation": rle,
                                "bbox": [x, y, width, height], "score": scores[i]})
    return records
