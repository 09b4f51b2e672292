"""Trunks: networks that turn images into feature maps {level: (N, C_l, H / stride, W / stride)}.

Legend: N images of H x W px, C_l channels of level l, whose stride is 2**l px times the trunk's `scale`.
"""
from dataclasses import dataclass
from itertools import pairwise

import torch
import torchvision
from torch import Tensor, nn

from paperlib.parts.convs import Block, ConvNorm, pointwise
from paperlib.parts.trunk_weights import load_weights

SLIM_WIDTHS = {2: 16, 3: 32, 4: 64, 5: 128}  # channels of level l
SLIM_DEPTHS = {"slim": (1, 1, 2, 2), "slim_deep": (1, 1, 6, 2)}  # blocks of two 3x3 layers at levels 2 to 5
TINY_WIDTHS = {1: 16, 2: 32, 3: 48, 4: 64, 5: 96}  # channels of level l; multiples of 16 fill a vector


@dataclass(frozen=True)
class TrunkConfig:
    # slim, tiny[_deep] | small | medium | large | vgg16 | resnet18, 50, 101 | resnext101_32x8d
    name: str = "resnet50"
    weights: str | None = None  # None: random | "imagenet" | "mininet" | path of a .safetensors or .pth file
    frozen_stages: int = 0  # leading ones of `stages` that do not learn (Fast R-CNN Sec. 4.5)
    frozen_norm: bool = False  # batch norm as a fixed affine map of its statistics (RetinaNet starts so)
    norm_eps: float = 1e-5  # added to the variance (0 for torchvision's published RetinaNet weights)
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  # RGB in [0, 1], subtracted from the images (ImageNet's)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)  # RGB in [0, 1], divides the images (ImageNet's)
    # a level's stride over the papers' 2**l, for the whole model (convs.stride_of); .25, .5, 1: slim; else 1
    scale: float = 1.0


class Trunk(nn.Module):
    """Shared by all trunks: normalises the images, runs the stages, keeps what each level gave last."""

    floored: tuple[int, ...] = ()  # levels made by 2x2 pooling, whose side is half of an odd one rounded down
    scales: tuple[float, ...] = (1.0,)  # that TrunkConfig.scale may ask for

    def __init__(self, cfg: TrunkConfig, channels: dict[int, int], levels: tuple[int, ...] = ()):
        super().__init__()
        self.cfg, self.channels = cfg, channels
        self.levels = levels or tuple(level for level in channels if level > 1)  # of stages after the stem
        self.trained = None  # as of a system: a trunk that is stored by itself names no classes
        self.fc = None  # fc6 and fc7, of trunks that are trained with them; a box head takes them over
        self.register_buffer("mean", torch.tensor(cfg.mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(cfg.std).view(3, 1, 1), persistent=False)

    def stages(self) -> list[nn.Module]:
        """The stem (to stride 4 or 2), then the stage of each level, finest first."""
        return [self.stem, *self.blocks]

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        scale = 255 if images.dtype == torch.uint8 else 1
        x = (images.to(self.mean.dtype) - self.mean * scale) / (self.std * scale)
        x = x.contiguous(memory_format=torch.channels_last)
        stem, *levels = self.stages()
        x = stem(x)
        features = {}
        if 1 in self.channels:
            features[1] = x
        for level, stage in zip(self.levels, levels):
            features[level] = x = stage(x)  # (N, C_l, H / stride, W / stride)
        return features

    def train(self, mode: bool = True):
        super().train(mode)
        for stage in self.stages()[: self.cfg.frozen_stages]:
            stage.eval()  # a frozen stage keeps its statistics too
        return self

    def finish(self) -> "Trunk":
        """Load the weights, freeze what the configuration freezes, choose the fast memory layout."""
        load_weights(self, self.cfg)
        for stage in self.stages()[: self.cfg.frozen_stages]:
            stage.requires_grad_(False)
        return self.to(memory_format=torch.channels_last).train()


class Tiny(Trunk):
    """A residual net of nine 3x3 layers, 0.2 M parameters, levels 1 to 5; "tiny_deep": two blocks a level."""

    def __init__(self, cfg: TrunkConfig):
        super().__init__(cfg, dict(TINY_WIDTHS))
        norm = cfg.frozen_norm, cfg.norm_eps
        self.stem = nn.Sequential(ConvNorm(3, TINY_WIDTHS[1], 3, 2, *norm), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList(Block(a, b, 2, *norm) for a, b in pairwise(TINY_WIDTHS.values()))
        if cfg.name == "tiny_deep":
            self.blocks = nn.ModuleList(nn.Sequential(first, Block(c, c, 1, *norm))
                                        for first, c in zip(self.blocks, list(TINY_WIDTHS.values())[1:]))


class Slim(Trunk):
    """A ResNet in the small: levels 2 to 5 are 3, 5, 9 and 13 layers deep; 0.7 M parameters.

    The stem alone sets the scale, so that one file of weights serves all: stride 1 or 2, a pooling at 1.
    "slim_deep" has three times the blocks at level 4: it stands to "slim" as ResNet-101 to ResNet-50.
    """

    scales = (0.25, 0.5, 1.0)

    def __init__(self, cfg: TrunkConfig):
        super().__init__(cfg, dict(SLIM_WIDTHS))
        norm = cfg.frozen_norm, cfg.norm_eps
        c_in, stride = SLIM_WIDTHS[2], int(4 * cfg.scale)  # of level 2, as the stem's
        self.stem = nn.Sequential(ConvNorm(3, c_in, 3, min(stride, 2), *norm), nn.ReLU(inplace=True))
        if stride == 4:
            self.stem.append(nn.MaxPool2d(2, ceil_mode=True))
        self.blocks = nn.ModuleList()
        for (level, width), depth in zip(SLIM_WIDTHS.items(), SLIM_DEPTHS[cfg.name]):
            first = Block(c_in, width, min(level - 1, 2), *norm)
            more = [Block(width, width, 1, *norm) for _ in range(depth - 1)]
            self.blocks.append(nn.Sequential(first, *more))
            c_in = width


class ResNet(Trunk):
    """torchvision's ResNet, levels 2 to 5; parameter names are torchvision's behind the prefix `body.`."""

    def __init__(self, cfg: TrunkConfig):
        def norm(channels):
            if cfg.frozen_norm:
                return torchvision.ops.FrozenBatchNorm2d(channels, eps=cfg.norm_eps)
            return nn.BatchNorm2d(channels, eps=cfg.norm_eps)

        body = torchvision.models.get_model(cfg.name, weights=None, norm_layer=norm)
        body.fc = nn.Identity()
        pointwise(body)
        super().__init__(cfg, {level: body.inplanes >> (5 - level) for level in range(2, 6)})
        self.body = body

    def stages(self) -> list[nn.Module]:
        b = self.body
        return [nn.Sequential(b.conv1, b.bn1, b.relu, b.maxpool), b.layer1, b.layer2, b.layer3, b.layer4]


PLANS = {  # of five groups: channels, number of layers, kernel side
    "small": ((24, 48, 64, 64, 64), (1, 1, 1, 1, 1), (5, 5, 3, 3, 3)),
    "medium": ((32, 64, 88, 88, 88), (1, 1, 1, 1, 1), (7, 5, 3, 3, 3)),
    "large": ((16, 32, 56, 72, 72), (2, 2, 3, 3, 3), (3, 3, 3, 3, 3)),
}
FC_SIDE, FC_WIDTH = 6, 192  # cells along the window that their fc6 reads; outputs of fc6 and fc7


class Plain(Trunk):
    """AlexNet, VGG-M and VGG16 in the small: five groups of convolutions, pooled after two; fc6 and fc7.

    Source: Fast R-CNN (arXiv 1504.08083v2) Sec. 4.1, models S, M and L.
    Differs: the last map has stride 8, for 128 px images (16 in the paper); batch norm in place of local
             response normalisation; half a million weights each.
    """

    floored = (2, 3)

    def __init__(self, cfg: TrunkConfig):
        widths, depths, sides = PLANS[cfg.name]
        super().__init__(cfg, {2: widths[1], 3: widths[-1]}, (2, 3, 3, 3))
        self.groups, c_in = nn.ModuleList(), 3
        for group, (width, depth, side) in enumerate(zip(widths, depths, sides)):
            layers = []
            if group in (1, 2):
                layers.append(nn.MaxPool2d(2))
            for i in range(depth):
                stride = 1
                if group == i == 0:
                    stride = 2
                layers.append(ConvNorm(c_in, width, side, stride, cfg.frozen_norm, cfg.norm_eps))
                layers.append(nn.ReLU(inplace=True))
                c_in = width
            self.groups.append(nn.Sequential(*layers))
        self.fc = nn.ModuleDict({"fc6": nn.Linear(c_in * FC_SIDE**2, FC_WIDTH),
                                 "fc7": nn.Linear(FC_WIDTH, FC_WIDTH)})

    def stages(self) -> list[nn.Module]:
        return list(self.groups)


class VGG16(Trunk):
    """torchvision's VGG16 up to conv5_3, levels 1 to 4; its fc6 and fc7 (119 M weights) only with weights.

    Source: Simonyan and Zisserman (arXiv 1409.1556) Table 1, D; no last pooling: Fast R-CNN Sec. 2.2.
    """

    floored = (1, 2, 3, 4)

    def __init__(self, cfg: TrunkConfig):
        layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"], batch_norm=False)[:-1]
        super().__init__(cfg, {1: 128, 2: 256, 3: 512, 4: 512}, (1, 2, 3, 4))
        self.body = nn.ModuleDict({"features": layers})
        for conv in layers:
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)
        if cfg.weights is not None:
            self.fc = nn.ModuleDict({"fc6": nn.Linear(512 * 7 * 7, 4096), "fc7": nn.Linear(4096, 4096)})

    def stages(self) -> list[nn.Module]:
        layers = self.body["features"]
        ends = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        return [layers[first:last] for first, last in pairwise([0, *ends, len(layers)])]


TRUNKS = {"slim": Slim, "slim_deep": Slim, "tiny": Tiny, "tiny_deep": Tiny, **dict.fromkeys(PLANS, Plain),
          "vgg16": VGG16, "resnet18": ResNet, "resnet50": ResNet, "resnet101": ResNet,
          "resnext101_32x8d": ResNet}


def trunk(cfg: TrunkConfig) -> Trunk:
    """Build the trunk that `cfg` names: `.channels {level: C_l}`, `forward(images) -> {level: features}`.

    Shapes: images (N, 3, H, W) uint8, or float in [0, 1]; normalised inside.
    Errors: ValueError for an unknown name or weights of another trunk; FileNotFoundError for missing ones.
    """
    if cfg.name not in TRUNKS:
        raise ValueError(f"trunk {cfg.name!r}: expected one of {sorted(TRUNKS)}")
    if cfg.scale not in (known := TRUNKS[cfg.name].scales):
        raise ValueError(f"trunk.scale {cfg.scale} of {cfg.name!r}: expected one of {known}")
    if not 0 <= cfg.frozen_stages <= 5:
        raise ValueError(f"trunk.frozen_stages {cfg.frozen_stages}: expected 0 (none) to 5 (all)")
    return TRUNKS[cfg.name](cfg).finish()
