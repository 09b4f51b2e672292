"""Masks for systems that need some, of objects that tests give as boxes."""
import torch


def filled(objects: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Masks (G, h, w) that fill boxes (G, 4) px, cut to whole pixels."""
    masks = torch.zeros(len(objects), *size, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, objects.int().tolist()):
        mask[y1:y2, x1:x2] = True
    return masks
