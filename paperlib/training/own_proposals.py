"""Proposals that come with the images, from weights too: of an RPN, a DeepMask, a SharpMask, FPN's masks.

Legend: N images of a batch, P proposals of an image.
"""
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from paperlib.data.detection_set import DetectionSet
from paperlib.data.given_proposals import treated, with_proposals
from paperlib.data.image_batches import ImageBatch, image_batches
from paperlib.data.selective_search import kept
from paperlib.device import pick_device
from paperlib.parts.proposals import ProposalConfig, ProposalSource, propose
from paperlib.paths import file_digest, weights_folder
from paperlib.training.trained import tells_classes, trained
from paperlib.training.weights import load_weights

MOST = 1000  # proposals of an image


def with_given_proposals(dataset: DetectionSet, source: ProposalSource) -> DetectionSet:
    """As `given_proposals.with_proposals`; a source that names weights has their best MOST proposals.

    Like those of selective search they are kept on disk, and are the same for every seed of a detector.
    Errors: those of `with_proposals`; FileNotFoundError for missing weights;
            ValueError for weights that propose nothing.
    """
    if not source.kind.endswith(".safetensors"):
        return with_proposals(dataset, source)
    file = weights_file(source.kind)
    method = json.dumps(["own proposals 1", file_digest(file), MOST])
    system = []  # loaded when the first boxes are missing

    def find(places: list[int]) -> list[np.ndarray]:
        if not system:
            system.append(proposer(file))
        return boxes_of(system[0], dataset.subset(places))

    ranked = kept(dataset, method, find, f"proposals of {file.name}")
    return treated(dataset, ranked, source)


def with_tested_proposals(dataset: DetectionSet, system: nn.Module) -> DetectionSet:
    """The set with the proposals that the system is tested on, if it reads any and the set has none yet."""
    if not system.cfg.needs_proposals() or dataset.proposals is not None:
        return dataset
    return with_given_proposals(dataset, system.cfg.proposals.at_test())


def weights_file(kind: str) -> Path:
    """The file that `proposals.kind` names: a path, or the name of one of the course's.

    Errors: FileNotFoundError.
    """
    for file in (Path(kind), weights_folder() / kind):
        if file.is_file():
            return file
    raise FileNotFoundError(f"proposals.kind {kind}: no such file, nor one of {weights_folder()}")


def proposer(file: Path) -> nn.Module:
    """The system of these weights. Errors: ValueError for one that proposes nothing."""
    system = load_weights(file)
    if not system.proposes and tells_classes(system):
        raise ValueError(f"proposals.kind {file}: its weights find objects of classes; "
                         "expected those of an RPN, Faster R-CNN, DeepMask, SharpMask or FPN's masks")
    return system


@torch.no_grad()
def boxes_of(system: nn.Module, dataset: DetectionSet) -> list[np.ndarray]:
    """The best boxes of every image, MOST at most, (P, 4) px of the image as stored; seen as in training."""
    device, of_image = pick_device(), {}
    system.to(device).eval()
    for batch in image_batches(dataset, device, **trained(system).sides):
        for place, scale, boxes in zip(batch.places, batch.scales(), _proposed(system, batch)):
            of_image[place] = (boxes[:MOST].cpu().double() * scale).float().numpy()
    return [of_image[place] for place in range(len(dataset))]


def _proposed(system: nn.Module, batch: ImageBatch) -> list[Tensor]:
    """Boxes (P, 4) px of each image of a batch, best first."""
    if system.proposes:
        outputs = system.predict_levels(batch.images)
        images = propose(*outputs, batch.sizes, ProposalConfig(keep=MOST))
    else:
        images = system.detect(batch.images, batch.sizes)
    return [image["boxes"] for image in images]
