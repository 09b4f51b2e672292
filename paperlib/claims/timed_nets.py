"""What the papers' claims on time are about, with random weights: trunks, region-wise heads, proposal stages."""
import copy
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from torchvision import ops

from paperlib.claims import paper_nets as geometry
from paperlib.parts import boxes
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.trunks import TrunkConfig, trunk

VOC_CLASSES, COCO_CLASSES = 20, 80


def real(net: nn.Module, device) -> nn.Module:
    """A network of `geometry`, which has no memory, with weights that neither grow nor vanish."""
    net = copy.deepcopy(net).to_empty(device=device).eval()
    for p in net.parameters():
        nn.init.normal_(p, std=(2 / p[0].numel()) ** 0.5 if p.dim() > 1 else 0.01)
    return net


def photo(short: float, device, shape: float = 4 / 3) -> Tensor:
    """One image of noise, (1, 3, short, shape * short), sides rounded to 32 px."""
    h, w = (max(32, 32 * round(side / 32)) for side in (short, short * shape))
    return torch.rand(1, 3, h, w, device=device)


def regions(num: int, image: Tensor) -> Tensor:
    """Boxes within an image as RoI operators take them, (num, 5): 0, then xyxy px; a fifth to all of each side."""
    h, w = image.shape[-2:]
    size = torch.tensor([w, h], device=image.device)
    wh = (0.2 + 0.8 * torch.rand(num, 2, device=image.device)) * size
    xy = torch.rand(num, 2, device=image.device) * (size - wh)
    return torch.cat([xy.new_zeros(num, 1), xy, xy + wh], 1)


def fc_head(inputs: int, hidden: int, classes: int, device, kept: tuple[int, int] | None = None) -> nn.Sequential:
    """Two hidden layers, then scores and boxes of all classes; `kept` gives the singular values that SVD leaves."""
    def layer(wide: int, rank: int | None) -> list[nn.Module]:
        if rank is None:
            return [nn.Linear(wide, hidden), nn.ReLU()]
        return [nn.Linear(wide, rank, bias=False), nn.Linear(rank, hidden), nn.ReLU()]

    first, second = kept or (None, None)
    with torch.device(device):
        return nn.Sequential(*layer(inputs, first), *layer(hidden, second), nn.Linear(hidden, 5 * (classes + 1)))


class FastRCNN:
    """Convolutions once an image, then RoI pooling and two large layers a region (Fast R-CNN Sec. 2.1)."""

    def __init__(self, name: str, device, kept: tuple[int, int] | None = None):
        if name == "VGG16":
            self.convs, self.side, channels = real(geometry.vgg16().features[:-1], device), 7, 512
        else:
            net = geometry.zf() if name == "ZF" else geometry.alexnet(groups=2)["pool5"][:-1]
            self.convs, self.side, channels = real(net, device), 6, 256
        self.head = fc_head(channels * self.side**2, 4096, VOC_CLASSES, device, kept)
        self.rpn = rpn_head(channels, 256 if name == "ZF" else 512, 9, device)

    def pool(self, features: Tensor, rois: Tensor) -> Tensor:
        return ops.roi_pool(features, rois, self.side, 1 / 16).flatten(1)

    def classify(self, features: Tensor, rois: Tensor) -> Tensor:
        return self.head(self.pool(features, rois))

    def __call__(self, image: Tensor, rois: Tensor) -> Tensor:
        return self.classify(self.convs(image), rois)

    def propose(self, features: Tensor) -> Tensor:
        return proposals([self.rpn(features)])

    def faster(self, image: Tensor, rois: Tensor) -> Tensor:
        """As Faster R-CNN: proposals from the same features. How many there are is `rois`'s, not chance's."""
        features = self.convs(image)
        self.propose(features)
        return self.classify(features, rois)


def rpn_head(channels: int, hidden: int, shapes: int, device) -> nn.Sequential:
    """A 3x3 layer, then one score and four deltas an anchor."""
    with torch.device(device):
        return nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 5 * shapes, 1))


def proposals(maps: list[Tensor], before: int = 6000, after: int = 300) -> Tensor:
    """Score, decode, suppress at 0.7 (Faster R-CNN Sec. 3.3): what turns maps of an RPN into boxes."""
    out = torch.cat([m.permute(0, 2, 3, 1).reshape(-1, 5) for m in maps])
    scores, chosen = out[:, 0].topk(min(before, len(out)))
    deltas = out[chosen, 1:]
    corner = torch.rand(len(chosen), 2, device=out.device) * 500  # anchors of 100 px, wherever
    found = boxes.clip(boxes.decode(torch.cat([corner, corner + 100], 1), deltas), (600, 600))
    return found[boxes.nms(found, scores, None, 0.7)[:after]]


class FPNDetector:
    """Faster R-CNN on a pyramid: RPN on P2 to P6, two layers of 1024 a region (FPN Sec. 4, 5.2)."""

    def __init__(self, name: str, device):
        self.trunk = trunk(TrunkConfig(name, frozen_norm=True)).to(device).eval()
        self.pyramid = pyramid(PyramidConfig((2, 3, 4, 5, 6), extra="pool"), self.trunk.channels).to(device).eval()
        self.rpn = rpn_head(256, 256, 3, device)
        self.head = fc_head(7 * 7 * 256, 1024, COCO_CLASSES, device)

    def features(self, image: Tensor) -> dict[int, Tensor]:
        return self.pyramid(self.trunk(image))

    def propose(self, features: dict[int, Tensor]) -> Tensor:
        return proposals([self.rpn(x) for x in features.values()], after=1000)

    def classify(self, features: dict[int, Tensor], rois: Tensor) -> Tensor:
        parts = zip(rois.chunk(4), (2, 3, 4, 5))
        pooled = [ops.roi_pool(features[level], part, 7, 2.0**-level) for part, level in parts]
        return self.head(torch.cat(pooled).flatten(1))

    def __call__(self, image: Tensor, rois: Tensor) -> Tensor:
        features = self.features(image)
        self.propose(features)
        return self.classify(features, rois)


class C4Detector:
    """Faster R-CNN on ResNet-50's fourth stage, the fifth run on each region (FPN Table 3 a)."""

    def __init__(self, device):
        self.trunk = trunk(TrunkConfig("resnet50", frozen_norm=True)).to(device).eval()
        self.rpn = rpn_head(1024, 512, 15, device)
        with torch.device(device):
            self.out = nn.Linear(2048, 5 * (COCO_CLASSES + 1))

    def features(self, image: Tensor) -> Tensor:
        x = image.contiguous(memory_format=torch.channels_last)
        for stage in self.trunk.stages()[:-1]:
            x = stage(x)
        return x

    def propose(self, features: Tensor) -> Tensor:
        return proposals([self.rpn(features)], after=1000)

    def classify(self, features: Tensor, rois: Tensor) -> Tensor:
        pooled = ops.roi_pool(features, rois, 14, 1 / 16).contiguous(memory_format=torch.channels_last)
        return self.out(self.trunk.stages()[-1](pooled).mean((2, 3)))


def classifier(name: str, device) -> Callable[[Tensor], Tensor]:
    """A whole network for one crop: "AlexNet" (in two groups, as R-CNN's) or torchvision's VGG of 11 or 16 layers."""
    if name != "AlexNet":
        with torch.device(device):
            return torchvision.models.get_model(name, init_weights=False).eval()
    parts = real(geometry.alexnet(groups=2), device)
    return lambda crops: parts["fc7"](parts["fc6"](parts["pool5"](crops).flatten(1)).relu()).relu()
