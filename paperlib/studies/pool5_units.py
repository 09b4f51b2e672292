"""What single units of pool5 fire on: the regions that move each of them most (R-CNN Sec. 3.1, Fig. 4).

Legend: R regions of a set's images, C channels, U units.
"""
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.config import digest, override
from paperlib.data import selective_search
from paperlib.data.given_proposals import with_proposals
from paperlib.data.named_sets import load
from paperlib.parts import boxes
from paperlib.parts.proposals import ProposalSource
from paperlib.paths import weights_folder
from paperlib.progress import progress
from paperlib.systems.presets import rcnn
from paperlib.systems.rcnn import RCNN
from paperlib.world import drawn_sets

TOP = 16  # regions of a unit (Fig. 4)
TABLE = "units"  # of the probe's records
IMAGES, KEPT = 300, 200  # of MiniVOC's test, and regions of each, that units are probed on


@dataclass(frozen=True)
class Regions:
    """The regions of a set's images, and how much each channel of pool5 fires on them at its middle cell."""

    image: Tensor  # (R,) place of the image in the set
    boxes: Tensor  # (R, 4) px
    labels: Tensor  # (R,) class of the object that a region overlaps most, from `overlap` on; 0: none
    values: Tensor  # (R, C)


@torch.no_grad()
def fire(system: RCNN, dataset, device: torch.device, overlap: float = 0.3) -> Regions:
    """The activations of all channels at pool5's middle cell, on every proposal of `dataset`.

    Source: R-CNN Sec. 3.1; a cell in the middle sees nearly the whole crop.
    """
    system.to(device).eval()
    side, columns = system.cfg.side, {"image": [], "boxes": [], "labels": [], "values": []}
    for i in progress(range(len(dataset)), desc="units", unit="image"):
        target, regions = dataset.target(i), dataset.proposals[i]
        features = system.features(dataset.image(i).to(device), regions.to(device))
        pool5 = features["pool5"].float().cpu().unflatten(1, (-1, side, side))  # (P, C, side, side)
        columns["image"].append(torch.full((len(regions),), i))
        columns["boxes"].append(regions)
        columns["labels"].append(shown(regions, target, overlap))
        columns["values"].append(pool5[:, :, side // 2, side // 2])
    return Regions(**{name: torch.cat(parts) for name, parts in columns.items()})


def shown(regions: Tensor, target: dict, overlap: float) -> Tensor:
    """(P,) label of the object that each region overlaps most, 0 where the IoU is below `overlap`."""
    if not len(target["boxes"]):
        return torch.zeros(len(regions), dtype=torch.int64)
    best, at = boxes.iou(regions, target["boxes"]).max(1)
    return target["labels"][at] * (best >= overlap)


def top_regions(regions: Regions, unit: int, count: int = TOP, nms: float = 0.3) -> Tensor:
    """Places (count,) of the regions that fire a unit most, after suppression within each image."""
    kept = boxes.nms(regions.boxes, regions.values[:, unit], regions.image, nms, count)
    return kept[:count]


def purity(regions: Regions, unit: int, count: int = TOP) -> float:
    """The share of the commonest class among a unit's top regions; a region without an object has none."""
    labels = regions.labels[top_regions(regions, unit, count)]
    objects = labels[labels > 0]
    if not len(objects):
        return 0.0
    return float(objects.bincount().max()) / count


def purities(regions: Regions, count: int = TOP) -> Tensor:
    """`purity` of every channel, (C,)."""
    return torch.tensor([purity(regions, unit, count) for unit in range(regions.values.shape[1])])


def receptive_field(trunk: nn.Module) -> tuple[int, int]:
    """(side, step) px of what one cell of a plain trunk's last map sees: field += (kernel - 1) * step."""
    field, step = 1, 1
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride = _first(layer.kernel_size), _first(layer.stride)
            field += (kernel - 1) * step
            step *= stride
    return field, step


def _first(value: int | tuple[int, ...]) -> int:
    if isinstance(value, tuple):
        return value[0]
    return value


def purer(*_, share: float = 1.0) -> dict[str, list[float]]:
    """`purities` of the small trunk's channels with MiniNet's weights and with random ones, and differences.

    Units of two networks do not correspond: the k-th of one is set against the k-th of the other.
    """
    dataset = load("minivoc", "test", limit=max(2, round(share * IMAGES)))
    dataset, pure = with_proposals(dataset, ProposalSource(keep=KEPT)), {}
    for name, weights in (("trained", "mininet"), ("random", None)):
        torch.manual_seed(0)
        system = RCNN(override(rcnn.small(), {"trunk.weights": weights}))
        pure[name] = purities(fire(system, dataset, torch.device("cpu"))).tolist()
    pure["purer"] = (torch.tensor(pure["trained"]) - torch.tensor(pure["random"])).tolist()
    return pure


def identity(name: str) -> str:
    """A hash of what the probe measures: the drawings, the search, the trunk's weights."""
    weights = (weights_folder() / "small.safetensors").read_bytes().hex()
    search = [selective_search.FAST, selective_search.SMALL]
    return digest([name, drawn_sets.version("minivoc"), IMAGES, KEPT, TOP, search, weights])


PROBES = {"rcnn-unit-concepts": purer}
