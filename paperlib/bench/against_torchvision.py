"""Speed beside the peers, and how time and memory grow: `PEERS[row](device, shrink)`, run by `timing.bench`.

Beside torchvision: its class in float32 with the same weights, images, anchors, thresholds and optimiser.
Equal outputs are asserted before anything is timed. The learning rate is 0: every step is the same work.
"""
import copy
from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelP6P7

from paperlib.bench.timing import PRODUCT, Race, counted, over, product
from paperlib.config import override
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.presets import faster_rcnn as faster
from paperlib.systems.presets import retinanet as ours
from paperlib.systems.retinanet import RetinaNet

SHORT = 512  # px, the images' shorter side before `shrink`
AS_THEIRS = {"loss.normaliser": "image", "loss.box_beta": 0.0}  # torchvision's losses: per image, plain L1
KEPT = {"score_thresh": 0.05, "detections_per_img": 100}


def batch(device, height: int, width: int, number: int = 2, objects: int = 8) -> tuple[Tensor, list[dict]]:
    """Images of noise in [0, 1] and boxes on them, all drawn from one seed."""
    g = torch.Generator().manual_seed(0)
    size, targets = torch.tensor([width, height]), []
    for _ in range(number):
        wh = (0.1 + 0.4 * torch.rand(objects, 2, generator=g)) * size
        xy = torch.rand(objects, 2, generator=g) * (size - wh)
        labels = torch.randint(1, 20, (objects,), generator=g)
        targets.append({"boxes": torch.cat([xy, xy + wh], 1).to(device), "labels": labels.to(device)})
    return torch.rand(number, 3, height, width, generator=g).to(device), targets


def photos(device, shrink: int) -> tuple[Tensor, list[dict]]:
    """Two images of 4:3, sides divided by `shrink` and rounded to 32 px."""
    return batch(device, 32 * round(SHORT / shrink / 32), 32 * round(SHORT / shrink / 24))


def unscaled(images: Tensor) -> dict:
    """What keeps torchvision's detectors from resizing the images."""
    return {"min_size": min(images.shape[2:]), "max_size": max(images.shape[2:]), "_skip_resize": True}


def backbone(**more) -> nn.Module:
    """torchvision's ResNet-50 and pyramid; norms frozen, fit for the random weights; two stages fixed."""
    net = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=nn.BatchNorm2d, **more)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    net(torch.randn(2, 3, 128, 128))
    frozen = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d,
                                 trainable_layers=3, **more)
    frozen.load_state_dict(net.state_dict())
    return frozen


@torch.no_grad()
def liven(net: detection.RetinaNet, images: Tensor) -> None:
    """Random boxes; random scores, 2 of 1,000 above the threshold, none for torchvision's background."""
    head = net.eval().head.classification_head
    nn.init.normal_(head.cls_logits.weight, std=0.05)
    nn.init.normal_(net.head.regression_head.bbox_reg.weight, std=0.05)
    nn.init.zeros_(head.cls_logits.bias)
    maps = net.backbone(net.transform(list(images))[0].tensors)
    logits = head(list(maps.values())).flatten()
    head.cls_logits.bias -= 2.94 + logits.kthvalue(int(0.998 * len(logits))).values  # sigmoid(-2.94) is .05
    head.cls_logits.weight.view(head.num_anchors, head.num_classes, -1)[:, 0] = 0
    head.cls_logits.bias.view(head.num_anchors, head.num_classes)[:, 0] = -1e4


def retinanet_resnet50(device, shrink):
    """torchvision's RetinaNet and ours with its weights, two images and their targets."""
    images, targets = photos(device, shrink)
    body = backbone(returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256))
    theirs = detection.RetinaNet(body, 91, **KEPT, **unscaled(images))
    liven(theirs, images.cpu())
    cfg = override(ours.torchvision_resnet50(90), {**AS_THEIRS, "trunk.frozen_stages": 2})
    return theirs, ours.load_torchvision(RetinaNet(cfg), theirs.state_dict()), images, targets


def faster_rcnn_resnet50(device, shrink):
    """torchvision's Faster R-CNN on a pyramid and ours with its weights."""
    images, targets = photos(device, shrink)
    theirs = detection.FasterRCNN(backbone(), 91, box_detections_per_img=100, **unscaled(images))
    rpn_head = theirs.rpn.head
    for layer in (rpn_head.cls_logits, rpn_head.bbox_pred, theirs.roi_heads.box_predictor.cls_score):
        nn.init.normal_(layer.weight, std=0.05)
    cfg = override(faster.torchvision_resnet50(90), {"trunk.frozen_stages": 2, "rpn.train.pre_nms": 2000})
    return theirs, faster.load_torchvision(FasterRCNN(cfg), theirs.state_dict()), images, targets


class _P6(ExtraFPNBlock):
    """The tiny pyramid's P6: a convolution on C5."""

    def __init__(self, channels: int, dim: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, 3, 2, 1)

    def forward(self, results, x, names):
        return [*results, self.conv(x[-1])], [*names, "p6"]


class _TinyBackbone(nn.Module):
    """The tiny trunk's layers under torchvision's pyramid."""

    def __init__(self, trunk, dim: int):
        super().__init__()
        self.body, self.out_channels = nn.ModuleList(copy.deepcopy(trunk.stages())), dim
        channels = [trunk.channels[level] for level in (2, 3, 4, 5)]
        self.fpn = FeaturePyramidNetwork(channels, dim, _P6(channels[-1], dim))

    def forward(self, x):
        x, maps = self.body[0](x), OrderedDict()
        for i, stage in enumerate(self.body[1:]):
            maps[str(i)] = x = stage(x)
        return self.fpn(maps)


def _three_sides(first: float) -> tuple[float, float, float]:
    """The anchors' sides of one level, px: three to an octave."""
    return first, first * 2 ** (1 / 3), first * 2 ** (2 / 3)


@torch.no_grad()
def _copy_weights(source: nn.Module, target: nn.Module) -> None:
    """torchvision's tiny RetinaNet copied into ours, in the same order, without the rows of background."""
    for (name, parameter), other in zip(target.named_parameters(), source.parameters()):
        if name.startswith("head.cls.2."):
            other = other.unflatten(0, (9, 37))[:, 1:].flatten(0, 1)
        parameter.copy_(other)


def retinanet_tiny(device, shrink):
    """The tiny system, and torchvision's class (its pyramid, head, losses, selection) on the same trunk."""
    sides = tuple(_three_sides(2.0 * 2**level) for level in (2, 3, 4, 5, 6))
    cfg = override(ours.tiny(36), {**AS_THEIRS, "trunk.weights": "mininet", "anchors.sizes": sides,
                                   "anchors.rounded": True, "anchors.offset": 0.0, "anchors.fit_image": True})
    mine, dim = RetinaNet(cfg), cfg.pyramid.dim
    images, targets = batch(device, 256 // shrink, 256 // shrink, 4)
    body, head = _TinyBackbone(mine.trunk, dim), RetinaNetHead(dim, 9, 37)
    subnets = (head.classification_head, "cls_logits", 37), (head.regression_head, "bbox_reg", 4)
    for subnet, name, columns in subnets:
        subnet.conv = subnet.conv[:1]  # the tiny head: one layer, then one of a single tap
        setattr(subnet, name, nn.Conv2d(dim, 9 * columns, 1))
    anchors = AnchorGenerator(sides, 5 * ((0.5, 1.0, 2.0),))
    theirs = detection.RetinaNet(body, 37, anchor_generator=anchors, head=head, **KEPT, **unscaled(images))
    liven(theirs, images.cpu())
    _copy_weights(theirs, mine)
    return theirs.to(memory_format=torch.contiguous_format), mine, images, targets


def _rows(detections: dict, side: float) -> Tensor:
    """Boxes as shares of `side`, scores and labels, side by side: (N, 6)."""
    scores, labels = detections["scores"][:, None], detections["labels"][:, None]
    return torch.cat([detections["boxes"] / side, scores, labels], 1)


def agree(first: dict, second: dict, side: float) -> float:
    """The share of detections equal to 0.001 (boxes: of the image's side), the smaller of both sides'."""
    if not len(first["boxes"]) or not len(second["boxes"]):
        return 0.0
    apart = torch.cdist(_rows(first, side), _rows(second, side), p=torch.inf)   # (N, M)
    nearest_of_each = apart.amin(0), apart.amin(1)
    return min(float((nearest < 1e-3).float().mean()) for nearest in nearest_of_each)


def beside(build, training: bool, device, shrink) -> Race:
    """A training step or inference of torchvision's and our detector, after the check that they say the same."""
    theirs, mine, images, targets = build(device, shrink)
    theirs.to(device).eval(), mine.to(device).eval()
    drawn = build is faster_rcnn_resnet50  # both draw samples, not the same; near ties change proposals, and so boxes
    for own, other in zip(mine.detect(images), theirs(list(images))):
        if (share := agree(own, other, max(images.shape))) < (0.9 if drawn else 0.99):
            raise ValueError(f"{build.__name__}: only {share:.0%} of our detections are torchvision's, so their times "
                             "mean nothing")
    note = f"{len(images)} images of {images.shape[3]} x {images.shape[2]} px, float32"
    if not training:
        parts = {"theirs": lambda: theirs(list(images)), "paperlib": lambda: mine.detect(images)}
        return _race(parts, note)
    losses = {"theirs": partial(theirs.train(), list(images), targets),
              "paperlib": partial(mine.train().losses, images, targets)}
    sums = {name: float(sum(loss().values())) for name, loss in losses.items()}
    if abs(sums["theirs"] / sums["paperlib"] - 1) > (0.2 if drawn else 1e-3):
        raise ValueError(f"{build.__name__}: the losses should be equal, but are {sums}")
    parts = {"theirs": step(theirs, losses["theirs"]), "paperlib": step(mine, losses["paperlib"])}
    return _race(parts, note + "; forward, backward and SGD")


def _race(parts: dict, note: str) -> Race:
    """Theirs and ours beside a matrix product, which shows how near both come to the processor's peak."""
    ops = {name: counted(part) for name, part in parts.items()}
    product_part, ops[PRODUCT] = product()
    return Race({**parts, PRODUCT: product_part}, over("theirs", "paperlib"), note, giga_ops=ops)


def step(net: nn.Module, losses):
    """One training step as a function: forward, backward and SGD with rate 0."""
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.0, 0.9, fused=True)

    @torch.enable_grad()
    def run():
        optimiser.zero_grad()
        sum(losses().values()).backward()
        optimiser.step()
    return run


PEERS = {}
for _build in (retinanet_resnet50, faster_rcnn_resnet50, retinanet_tiny):
    PEERS[f"{_build.__name__} step"] = partial(beside, _build, True)
    PEERS[f"{_build.__name__} inference"] = partial(beside, _build, False)
