"""An image classifier: the task on which trunks are pre-trained, as the papers' are on ImageNet.

Legend: N images of H x W px, K classes.
"""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts.trunks import FC_SIDE, TrunkConfig, trunk
from paperlib.systems.contract import Trainable, TrainableConfig


@dataclass(frozen=True)
class ClassifierConfig(TrainableConfig):
    num_classes: int = 1000  # labels are 0..K-1 here: there is no background (ImageNet: 1000)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)


class Classifier(nn.Module, Trainable):
    """Trunk, mean over the coarsest map (or the trunk's own fc6 and fc7), one linear layer.

    Source: He et al. (arXiv 1512.03385) Fig. 3; with fc6 and fc7: AlexNet, VGG16. What it learns in `.trunk`
            is what detectors start from.
    """

    revision = 1

    def __init__(self, cfg: ClassifierConfig):
        super().__init__()
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        fc, channels = self.trunk.fc, self.trunk.channels
        width = fc["fc7"].out_features if fc else channels[max(channels)]
        self.linear = nn.Linear(width, cfg.num_classes)

    def predict(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, 3, H, W), uint8 or float in [0, 1]."""
        features = self.trunk(images)
        x = features[max(features)]  # (N, C, h, w) of the coarsest level
        if self.trunk.fc is None:
            return self.linear(x.mean(dim=(2, 3)))
        x = F.adaptive_max_pool2d(x, FC_SIDE).flatten(1)  # (N, C * 36): as RoI pooling of the whole image
        return self.linear(self.trunk.fc["fc7"](self.trunk.fc["fc6"](x).relu()).relu())

    def losses(self, images: Tensor, targets: Tensor | list[dict]) -> dict[str, Tensor]:
        """{"cls"}: mean softmax cross entropy.

        `targets` are labels (N,) in 0..K-1, or N dicts with "labels" (1,).

        Errors: ValueError naming the first label outside 0..K-1.
        """
        if not isinstance(targets, Tensor):
            targets = torch.cat([t["labels"].reshape(1) for t in targets])
        last = self.cfg.num_classes - 1
        bad = ((targets < 0) | (targets > last)).nonzero()
        if len(bad):
            i = int(bad[0])
            raise ValueError(f"image {i} has label {int(targets[i])}: expected 0 to {last}")
        return {"cls": F.cross_entropy(self.predict(images).float(), targets.to(images.device))}
