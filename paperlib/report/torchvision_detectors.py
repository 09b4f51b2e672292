"""torchvision's published detectors, trained on COCO, behind the methods that our systems have.

They are used where they are in torch's cache, or can be fetched; nothing of them comes with paperlib.
"""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision import models

from paperlib.spelling import did_you_mean
from paperlib.systems.contract import image_sizes
from paperlib.training.trained import Trained

PREFIX = "torchvision:"
NO_CLASS = ("__background__", "no person", "N/A")  # names in torchvision's lists that stand for nothing


@dataclass(frozen=True)
class PublishedConfig:
    """What scoring asks of a configuration."""

    num_classes: int  # K, without background

    def needs_proposals(self, training: bool = False) -> bool:
        """Never: these systems make their own."""
        return False


class TorchvisionDetector(nn.Module):
    """One of torchvision's detection models; label k is `trained.classes[k-1]`.

    Names that stand for nothing are left out.
    """

    scored_by = "coco"
    proposes = False

    def __init__(self, model: nn.Module, names: list[str]):
        super().__init__()
        self.model = model.eval()
        classes, labels = [], []
        for name in names:
            if name in NO_CLASS:
                labels.append(0)
            else:
                classes.append(name)
                labels.append(len(classes))
        self.trained = Trained(classes=tuple(classes))
        self.cfg = PublishedConfig(len(classes))
        self.register_buffer("labels", torch.tensor(labels))  # ours for each of torchvision's

    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Detections of each image, as of our systems; the model resizes images itself."""
        if sizes is None:
            sizes = image_sizes(images)
        pictures = []
        for image, (height, width) in zip(images, sizes.tolist()):
            pictures.append(image[:, :height, :width] / 255)
        detections = []
        for detected in self.model(pictures):
            labels = self.labels[detected["labels"]]
            known = labels > 0
            detections.append({"boxes": detected["boxes"][known], "scores": detected["scores"][known],
                               "labels": labels[known]})
        return detections


def published(name: str) -> TorchvisionDetector:
    """torchvision's detector of that name, such as "fasterrcnn_resnet50_fpn", with its newest COCO weights.

    Errors: ValueError for a name that it lacks; FileNotFoundError if the weights are not on disk
            and cannot be fetched.
    """
    names = models.list_models(module=models.detection)
    if name not in names:
        raise ValueError(f"torchvision has no detector {name!r}; expected one of {', '.join(names)}"
                         f"{did_you_mean(name, names)}")
    weights = models.get_model_weights(name).DEFAULT
    try:
        model = models.get_model(name, weights=weights, weights_backbone=None)
    except OSError as error:
        file = weights.url.rpartition("/")[2]
        place = torch.hub.get_dir() + "/checkpoints"
        raise FileNotFoundError(f"{PREFIX}{name}: {file} is not in {place} and could not be fetched "
                                f"({error}); put it there, or name weights of yours") from None
    return TorchvisionDetector(model, weights.meta["categories"])
