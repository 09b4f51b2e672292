"""Selective search as a system without weights: the boxes that come with an image, each with its region.

OpenCV's search says where its regions are, but not which pixels they hold. So they are grouped once more
here, by the same rule, and each box gets the region that it was drawn around.

Legend: N images of H x W px, P proposals and R regions of an image, S segments that it is first cut into.
"""
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from scipy.ndimage import find_objects
from torch import Tensor, nn

from paperlib.parts.boxes import iou
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.contract import DetectionSystem, SystemConfig, image_sizes, require_proposals
from paperlib.systems.mask_proposals import ProposeConfig

SMALL = 256  # px; images with a shorter side below are searched in finer steps
# colour spaces, graph segmentations (sigma, k, least px), similarities: colour, size, fill
FAST = (("HSV", "Lab"), ((0.4, 30, 12),), ("csf", "sf"))
BINS = 25  # of a colour channel's histogram


@dataclass(frozen=True)
class SelectiveSearchConfig(SystemConfig):
    num_classes: int = 36  # for the contract alone: a region may hold an object of any class
    trunk: TrunkConfig = field(default_factory=TrunkConfig)  # likewise: there is no network
    proposals: ProposalSource = field(default_factory=ProposalSource)
    propose: ProposeConfig = field(default_factory=ProposeConfig)  # `keep` alone: regions are cut already

    def needs_proposals(self, training: bool = False) -> bool:
        """The boxes come with the images; nothing is trained."""
        return not training


class SelectiveSearch(nn.Module, DetectionSystem):
    """The given boxes in their order, each with the region whose box overlaps it most.

    Source: Uijlings et al. 2013, in SharpMask's Table 3.3 (arXiv 1603.08695).
    Differs: nothing is learnt and nothing drawn, so it keeps `detect` alone of the contract, and one run says
             all. The regions are ours, the boxes OpenCV's: 97% of them are the very box of a region.
    """

    scored_by = "segments"
    needs_masks = True
    seeded = False
    revision = 1

    def __init__(self, cfg: SelectiveSearchConfig):
        super().__init__()
        self.cfg = cfg

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), their rank below 0, "labels" (D,), all 1, "masks"
        (D, H, W) bool}, best first.

        Shapes: images (N, 3, H, W) uint8; of each its `sizes` (N, 2) h, w px are searched.
        Errors: ValueError for images without proposals, or too large for FAST.
        """
        sizes = image_sizes(images) if sizes is None else sizes
        proposals = require_proposals(images, proposals)
        detections = []
        for image, (height, width), boxes in zip(images, sizes.tolist(), proposals):
            picture = image[:, :height, :width].permute(1, 2, 0).cpu().numpy()
            boxes = boxes[:self.cfg.propose.keep]
            detections.append({
                "boxes": boxes,
                "scores": -torch.arange(len(boxes), dtype=torch.float32, device=boxes.device),
                "labels": torch.ones(len(boxes), dtype=torch.int64, device=boxes.device),
                "masks": masks_of(boxes, regions(picture)),
            })
        return detections


@dataclass(frozen=True)
class Regions:
    """All regions that one grouping of an image makes, the segments first, then each union of two."""

    labels: np.ndarray  # (H, W): each pixel's segment
    members: list[list[int]]  # of each region, its segments
    boxes: np.ndarray  # (R, 4) px

    def mask(self, region: int) -> np.ndarray:
        """(H, W) bool."""
        inside = np.zeros(self.labels.max() + 1, bool)
        inside[self.members[region]] = True
        return inside[self.labels]


def masks_of(boxes: Tensor, groupings: list[Regions]) -> Tensor:
    """The region of each box, (P, 4) px -> (P, H, W) bool: of all groupings the one whose box overlaps it
    most, the first of equals."""
    owner = []
    for grouping in groupings:
        owner += [(grouping, region) for region in range(len(grouping.boxes))]
    around = torch.from_numpy(np.concatenate([grouping.boxes for grouping in groupings])).to(boxes)
    masks = np.zeros((len(boxes), *groupings[0].labels.shape), bool)
    for place, best in enumerate(iou(boxes, around).argmax(1).tolist()):
        grouping, region = owner[best]
        masks[place] = grouping.mask(region)
    return torch.from_numpy(masks).to(boxes.device)


def regions(picture: np.ndarray) -> list[Regions]:
    """The regions of every colour space, first segmentation and similarity: (H, W, 3) RGB uint8.

    Errors: ValueError for a picture that is not small.
    """
    if min(picture.shape[:2]) >= SMALL:
        raise ValueError(f"a picture of {picture.shape[1]} x {picture.shape[0]} px: selective search has "
                         f"regions only where a side is below {SMALL} px")
    spaces, graphs, mixes = FAST
    groupings = []
    for space in spaces:
        converted = cv2.cvtColor(picture, getattr(cv2, f"COLOR_RGB2{space}"))
        for graph in graphs:
            labels = cv2.ximgproc.segmentation.createGraphSegmentation(*graph).processImage(converted)
            groupings += [grouped(converted, labels, letters) for letters in mixes]
    return groupings


def grouped(picture: np.ndarray, labels: np.ndarray, letters: str) -> Regions:
    """Unite the two most similar neighbours until one region is left: (H, W, 3), (H, W) of S segments.

    Source: Uijlings et al. 2013, Alg. 1. Similarity is the mean of what `letters` name: c, the histograms'
            intersection; s, how small both are; f, how well they fill their common box.
    """
    features = _Features(picture, labels)
    members = [[segment] for segment in range(len(features.sizes))]
    similar = {}
    for pair in _neighbours(labels):
        similar[pair] = features.similarity(*pair, letters)
    while similar:
        pair = max(similar, key=similar.get)
        new, around = features.unite(*pair), set()
        members.append(members[pair[0]] + members[pair[1]])
        for other in [other for other in similar if set(other) & set(pair)]:
            around |= set(other)
            del similar[other]
        for neighbour in sorted(around - set(pair)):
            similar[neighbour, new] = features.similarity(neighbour, new, letters)
    return Regions(labels, members, np.array(features.boxes, np.float32))


def _neighbours(labels: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of segments that touch across an edge, or along one diagonal as in OpenCV."""
    here, touching = labels[1:, 1:], []
    for beside in (labels[1:, :-1], labels[:-1, 1:], labels[:-1, :-1]):
        pairs = np.stack([here, beside], -1)[here != beside]
        touching.append(np.sort(pairs, 1))
    return [(low, high) for low, high in np.unique(np.concatenate(touching), axis=0).tolist()]


class _Features:
    """What similarities are worked out from, of every region: its colours, its size, its box."""

    def __init__(self, picture: np.ndarray, labels: np.ndarray):
        self.area, num_segments = labels.size, labels.max() + 1
        self.sizes = np.bincount(labels.ravel()).tolist()
        histograms = []
        for channel in np.moveaxis(picture.astype(np.int64), -1, 0):
            bins = labels * BINS + channel * BINS // 256
            histograms.append(np.bincount(bins.ravel(), minlength=num_segments * BINS).reshape(-1, BINS))
        counts = np.concatenate(histograms, 1).astype(np.float32)
        self.colours = list(counts / counts.sum(1, keepdims=True))
        self.boxes = []
        for rows, columns in find_objects(labels + 1):
            self.boxes.append((columns.start, rows.start, columns.stop, rows.stop))

    def similarity(self, first: int, second: int, letters: str) -> float:
        """The mean of what `letters` name."""
        size, total = self.sizes[first] + self.sizes[second], 0.0
        if "c" in letters:
            total += float(np.minimum(self.colours[first], self.colours[second]).sum())
        if "s" in letters:
            total += 1 - size / self.area
        if "f" in letters:
            x1, y1, x2, y2 = _around(self.boxes[first], self.boxes[second])
            total += min(1 - ((x2 - x1) * (y2 - y1) - size) / self.area, 1.0)
        return total / len(letters)

    def unite(self, first: int, second: int) -> int:
        """Add the union of two regions; its number."""
        a, b = self.sizes[first], self.sizes[second]
        self.colours.append((self.colours[first] * a + self.colours[second] * b) / np.float32(a + b))
        self.sizes.append(a + b)
        self.boxes.append(_around(self.boxes[first], self.boxes[second]))
        return len(self.sizes) - 1


def _around(first: tuple, second: tuple) -> tuple:
    return (min(first[0], second[0]), min(first[1], second[1]),
            max(first[2], second[2]), max(first[3], second[3]))
