"""Masks, in windows or of whole images, as COCO's result records.

Legend: D proposals of an image of H x W px, m x m px of a window's mask.
"""
import torch
import torch.nn.functional as F
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


def region_records(image: dict, scale: Tensor, detected: dict[str, Tensor], category: int) -> list[dict]:
    """COCO records of one image's boxes and the masks (D, h, w) bool that come with them, best first.

    Masks of an image that was seen resized are as coarse as it was.
    Units: as in `segment_records`.
    """
    size, scores, records = (image["height"], image["width"]), detected["scores"].tolist(), []
    boxes = detected["boxes"].cpu().double() * scale
    boxes[:, 2:] -= boxes[:, :2]
    for some in torch.arange(len(boxes)).split(CHUNK):
        masks = F.interpolate(detected["masks"][some].cpu()[None].float(), size)[0] > 0.5
        for i, rle in zip(some.tolist(), rles(masks)):
            records.append({"image_id": image["id"], "category_id": category, "segmentation": rle,
                            "bbox": boxes[i].tolist(), "score": scores[i]})
    return records
