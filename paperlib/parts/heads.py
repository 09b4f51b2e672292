"""Heads: small networks that read predictions off feature maps.

Legend: N images, H x W cells of a map, C channels, A anchors of a position, R RoIs, K classes.
"""
import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts.convs import Pointwise


@dataclass(frozen=True)
class HeadConfig:
    convs: int = 4  # 3x3 layers before the output of each subnet (RetinaNet Sec. 4)
    prior: float = 0.01  # pi, the score of every anchor before training (RetinaNet Sec. 3.3, 4.1)
    class_agnostic: bool = True  # one box per anchor; False: one per anchor and class (RetinaNet Sec. 4)
    std: float = 0.01  # of the initial weights of the output layers (RetinaNet Sec. 4.1)
    hidden_std: float = 0.01  # of the initial weights of the other layers (RetinaNet Sec. 4.1)
    out_kernel: int = 3  # side of the output layers' kernels (RetinaNet Sec. 4)
    shared: bool = False  # both subnets use the same hidden layers (RetinaNet Sec. 4 advises against it)


def _subnet(dim: int, outputs: int, cfg: HeadConfig) -> nn.Sequential:
    layers = []
    for _ in range(cfg.convs):
        layers += [nn.Conv2d(dim, dim, 3, padding=1), nn.ReLU(inplace=True)]
    out = _output_layer(dim, outputs, cfg.out_kernel)
    for conv in layers:
        if isinstance(conv, nn.Conv2d):
            _draw(conv, cfg.hidden_std)
    _draw(out, cfg.std)
    return nn.Sequential(*layers, out)


def _output_layer(dim: int, outputs: int, side: int) -> nn.Conv2d:
    if side == 1:
        return Pointwise(dim, outputs)
    return nn.Conv2d(dim, outputs, side, padding=side // 2)


def _draw(layer: nn.Conv2d | nn.Linear, std: float) -> None:
    """Start a layer from normal weights and biases of 0."""
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)


class DenseHead(nn.Module):
    """Two fully convolutional subnets of equal form, for classes and for boxes, shared by all levels.

    Source: RetinaNet (arXiv 1708.02002v2) Sec. 4, Fig. 3 c-d; its prior Sec. 3.3 and 4.1.
    Shapes: {level: (N, dim, H, W)} -> [logits (N, H W A, K)], [deltas (N, H W A, 4)], one tensor per level,
            fine to coarse, A shapes per position in the order of `anchors_for`;
            deltas (N, H W A, K, 4) if not class_agnostic.
    """

    def __init__(self, dim: int, num_anchors: int, num_classes: int, cfg: HeadConfig = HeadConfig()):
        super().__init__()
        self.num_anchors, self.cls_shape = num_anchors, (num_classes,)
        self.box_shape = (4,) if cfg.class_agnostic else (num_classes, 4)
        self.cls = _subnet(dim, num_anchors * num_classes, cfg)
        self.box = _subnet(dim, num_anchors * math.prod(self.box_shape), cfg)
        if cfg.shared:
            for i in range(len(self.cls) - 1):
                self.box[i] = self.cls[i]
        nn.init.constant_(self.cls[-1].bias, -math.log((1 - cfg.prior) / cfg.prior))

    def forward(self, features: dict[int, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        levels = [features[level] for level in sorted(features)]
        logits = [_per_anchor(self.cls(x), self.num_anchors, self.cls_shape) for x in levels]
        return logits, [_per_anchor(self.box(x), self.num_anchors, self.box_shape) for x in levels]


def _per_anchor(x: Tensor, num_anchors: int, shape: tuple) -> Tensor:
    n, _, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w * num_anchors, *shape)  # no copy if channels-last


class ProposalHead(nn.Module):
    """RPN's network on one map: a 3x3 layer, then objectness and box of each anchor as sibling 1x1 layers.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3.1, Fig. 3; weights drawn as in Sec. 3.1.3.
    Shapes: (N, c_in, H, W) -> logits (N, H W A), deltas (N, H W A, 4), in the order of `anchors_for`.
    Differs: one logit per anchor instead of a softmax over two, which the paper's footnote 4 allows.
    """

    def __init__(self, c_in: int, num_anchors: int, dim: int | None = None, std=0.01, hidden_std=0.01):
        super().__init__()
        self.num_anchors, dim = num_anchors, dim or c_in
        self.conv = nn.Conv2d(c_in, dim, 3, padding=1)
        self.cls, self.box = Pointwise(dim, num_anchors), Pointwise(dim, 4 * num_anchors)
        _draw(self.conv, hidden_std)
        _draw(self.cls, std)
        _draw(self.box, std)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.conv(x), inplace=True)
        logits = _per_anchor(self.cls(x), self.num_anchors, ())  # (N, H W A)
        return logits, _per_anchor(self.box(x), self.num_anchors, (4,))


@dataclass(frozen=True)
class BoxHeadConfig:
    widths: tuple[int, ...] = (4096, 4096)  # outputs of fc6 and fc7 (VGG16; FPN Sec. 5.2: 1024 each)
    dropout: float = 0.0  # share of fc6's and fc7's outputs that training zeroes (.5 in the papers' networks)
    class_agnostic: bool = False  # one box per RoI; False: one per RoI and class (Fast R-CNN Sec. 2.1)
    kind: str = "fc"  # "fc": fc6 and fc7 | "stage": the trunk's last stage, as on C4 (FPN Sec. 5.2.1)
    cls_std: float = 0.01  # of the initial weights of the class layer (Fast R-CNN Sec. 2.3)
    box_std: float = 0.001  # of the initial weights of the box layer (Fast R-CNN Sec. 2.3)


class RoIHead(nn.Module):
    """Layers that turn each window into one vector (`features`), and one each for its class and its box.

    Source: Fast R-CNN (arXiv 1504.08083v2) Sec. 2.1-2.3.
    Shapes: pooled (R, C, side, side) -> logits (R, K + 1), background first; deltas (R, K, 4), or (R, 1, 4)
            if class_agnostic, normalised (`roi_training.DeltaConfig`).
    """

    def __init__(self, layers: dict[str, nn.Module], width: int, num_classes: int, cfg: BoxHeadConfig):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.cls = nn.Linear(width, num_classes + 1)
        self.box = nn.Linear(width, 4 if cfg.class_agnostic else 4 * num_classes)
        _draw(self.cls, cfg.cls_std)
        _draw(self.box, cfg.box_std)

    def features(self, pooled: Tensor) -> Tensor:
        """The vector of every RoI, (R, width)."""
        raise NotImplementedError

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        x = self.features(pooled)  # (R, width)
        return self.cls(x), self.box(x).unflatten(1, (-1, 4))


class BoxHead(RoIHead):
    """An RoI head whose layers are two fully connected ones, fc6 and fc7 (Fast R-CNN Sec. 2.1)."""

    def __init__(self, dim: int, side: int, num_classes: int, cfg: BoxHeadConfig = BoxHeadConfig()):
        layers = {"fc6": nn.Linear(dim * side * side, cfg.widths[0]), "fc7": nn.Linear(*cfg.widths),
                  "dropout": nn.Dropout(cfg.dropout)}
        super().__init__(layers, cfg.widths[1], num_classes, cfg)

    def take_over(self, trunk: nn.Module) -> None:
        """Start from the fc6 and fc7 that the trunk was trained with, if it has them (Fast R-CNN Sec. 2.2).

        Errors: ValueError for layers of other sizes.
        """
        if trunk.fc is None:
            return
        for name, drawn in (("fc6", self.fc6), ("fc7", self.fc7)):
            shape, pretrained = tuple(drawn.weight.shape), tuple(trunk.fc[name].weight.shape)
            if shape != pretrained:
                raise ValueError(f"{name} of the head is {shape}, that of trunk {trunk.cfg.name!r} "
                                 f"{pretrained}: expected the trunk's head.widths, roi.side and a single map")
        self.fc6, self.fc7 = trunk.fc["fc6"], trunk.fc["fc7"]
        trunk.fc = None

    def features(self, pooled: Tensor) -> Tensor:
        """fc7 of every RoI after its ReLU, (R, widths[1])."""
        x = self.dropout(self.fc6(pooled.flatten(1)).relu())
        return self.dropout(self.fc7(x).relu())


class StageHead(RoIHead):
    """An RoI head that runs the last stage of a trunk on every window and takes the mean over it.

    Source: FPN (arXiv 1612.03144v2) Sec. 5.2.1, after He et al.: conv5 on 14x14 windows of C4.
    """

    def __init__(self, trunk: nn.Module, num_classes: int, cfg: BoxHeadConfig):
        stage = copy.deepcopy(trunk.stages()[-1])  # with the weights that the trunk starts from
        super().__init__({"stage": stage}, trunk.channels[max(trunk.channels)], num_classes, cfg)

    def features(self, pooled: Tensor) -> Tensor:
        """The mean over each window of what the stage makes of it, (R, C_5)."""
        return self.stage(pooled.contiguous(memory_format=torch.channels_last)).mean(dim=(2, 3))


def box_head(cfg: BoxHeadConfig, trunk: nn.Module, dim: int, side: int, num_classes: int) -> RoIHead:
    """The head that `cfg` names, with the layers that the trunk was trained with, where it has them.

    Errors: ValueError for an unknown kind, or for a stage that does not fit the map.
    """
    if cfg.kind == "stage":
        below = sorted(trunk.channels)[-2]
        if dim != trunk.channels[below]:
            raise ValueError(f"head.kind 'stage' reads level {below} of {trunk.channels[below]} channels, "
                             f"found {dim}")
        return StageHead(trunk, num_classes, cfg)
    if cfg.kind != "fc":
        raise ValueError(f"head.kind {cfg.kind!r}: expected 'fc' or 'stage'")
    head = BoxHead(dim, side, num_classes, cfg)
    head.take_over(trunk)
    return head


def truncated(layer: nn.Linear, kept: int) -> nn.Sequential:
    """Two linear layers in place of one, of `kept` singular values: Sigma V^T, then U with the bias.

    Source: Fast R-CNN Sec. 3.1, Eq. 5: u v weights become kept (u + v).
    Errors: ValueError for more values than the layer's rank allows, or none.
    """
    most = min(layer.weight.shape)
    if not 1 <= kept <= most:
        raise ValueError(f"{kept} singular values of a layer of {tuple(layer.weight.shape)}: "
                         f"expected 1 to {most}")
    u, sigma, vt = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    like = {"dtype": layer.weight.dtype, "device": layer.weight.device}
    first = nn.Linear(layer.in_features, kept, bias=False, **like)
    second = nn.Linear(kept, layer.out_features, **like)
    first.weight.data, second.weight.data = sigma[:kept, None] * vt[:kept], u[:, :kept].clone()
    second.bias.data = layer.bias.detach().clone()
    return nn.Sequential(first, second)
