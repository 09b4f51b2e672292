"""RetinaNet in the sizes that the course uses, and torchvision's weights in ours."""
import re

from torch import Tensor

from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.heads import HeadConfig
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.presets.pretrained import fixed_trunk, on_resnet18
from paperlib.systems.retinanet import RetinaNet, RetinaNetConfig


def tiny(num_classes: int = 36) -> RetinaNetConfig:
    """For 128 px images on a CPU core: tiny trunk, P2-P6 of 32 channels, one layer a subnet.

    Differs: anchors of 8 to 203 px, half as large for their stride as the paper's, since two objects of five
             are under 12 px. One layer a subnet learns sooner than the paper's four.
    """
    return RetinaNetConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("tiny"),
        pyramid=PyramidConfig(levels=(2, 3, 4, 5, 6), dim=32),
        anchors=AnchorConfig(levels=(2, 3, 4, 5, 6), size_per_stride=2.0),
        head=HeadConfig(convs=1, hidden_std=0.03, out_kernel=1),
    )


def scale(num_classes: int = 36) -> RetinaNetConfig:
    """A true scale model for 128 px images on a CPU core: trunk slim at scale 1/2, P3-P7 of strides 4 to 64.

    Differs: anchors of 3 strides, 12 to 305 px (4 in the paper), since half of the objects are under 16 px;
             one layer a subnet.
    """
    return RetinaNetConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("slim", scale=0.5),
        pyramid=PyramidConfig(dim=32),
        anchors=AnchorConfig(size_per_stride=3.0),
        head=HeadConfig(convs=1, hidden_std=0.03, out_kernel=1),
    )


def resnet50(num_classes: int = 80, weights: str | None = None) -> RetinaNetConfig:
    """The paper's ablation model (RetinaNet Sec. 4); `weights` also fix norms, stem and first stage."""
    return RetinaNetConfig(num_classes, fixed_trunk("resnet50", weights))


def resnet18(num_classes: int = 80, weights: str | None = None) -> RetinaNetConfig:
    """As `resnet50` on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(resnet50(num_classes, weights))


def resnet101(num_classes: int = 80, weights: str | None = None) -> RetinaNetConfig:
    """The paper's best model (RetinaNet Sec. 5.3)."""
    return RetinaNetConfig(num_classes, fixed_trunk("resnet101", weights))


def torchvision_resnet50(num_classes: int = 90, norm_eps: float = 1e-5) -> RetinaNetConfig:
    """The geometry of torchvision's `retinanet_resnet50_fpn`; norm_eps 0 for its published COCO weights.

    It differs from the paper in P6, which reads P5 (not C5), and in the anchors: whole-pixel corners, centred
    on the corners of their cells, strides rounded to the padded image.
    """
    sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in (32, 64, 128, 256, 512))
    return RetinaNetConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("resnet50", frozen_norm=True, norm_eps=norm_eps),
        pyramid=PyramidConfig(extra_from="P"),
        anchors=AnchorConfig(sizes=sizes, rounded=True, offset=0.0, fit_image=True),
    )


RENAMED = (
    (r"backbone\.body\.", "trunk.body."),
    (r"backbone\.fpn\.inner_blocks\.(\d)(?:\.0)?\.", lambda m: f"pyramid.lateral.{int(m[1]) + 3}."),
    (r"backbone\.fpn\.layer_blocks\.(\d)(?:\.0)?\.", lambda m: f"pyramid.smooth.{int(m[1]) + 3}."),
    (r"backbone\.fpn\.extra_blocks\.p(\d)\.", r"pyramid.down.\1."),
    (r"head\.classification_head\.conv\.(\d)(?:\.0)?\.", lambda m: f"head.cls.{2 * int(m[1])}."),
    (r"head\.regression_head\.conv\.(\d)(?:\.0)?\.", lambda m: f"head.box.{2 * int(m[1])}."),
    (r"head\.classification_head\.cls_logits\.", "head.cls.8."),
    (r"head\.regression_head\.bbox_reg\.", "head.box.8."),
)


def from_torchvision(state: dict[str, Tensor], num_anchors: int = 9,
                     classes: list[int] | None = None) -> dict[str, Tensor]:
    """torchvision's `retinanet_resnet50_fpn` state dict as that of RetinaNet(torchvision_resnet50(K)).

    torchvision gives background a column of its own that nothing uses; ours starts at class 1, so the column
    goes: with its 91 columns, K is 90. `classes` keeps these columns only: COCO's category ids, of which 80
    are in use.
    Errors: KeyError naming a key that is not of that model.
    """
    ours = renamed(state, RENAMED, "retinanet_resnet50_fpn")
    kept = slice(1, None) if classes is None else classes
    for key, value in ours.items():
        if key.startswith("head.cls.8."):
            ours[key] = value.unflatten(0, (num_anchors, -1))[:, kept].flatten(0, 1)
    return ours


def renamed(state: dict[str, Tensor], rules: tuple, model: str) -> dict[str, Tensor]:
    """A state dict of torchvision's `model` under our names, by the first (pattern, name) that fits a key.

    The counts of batches that norms keep are left out: fixed norms have none.
    Errors: KeyError naming a key that no rule fits.
    """
    ours = {}
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        for pattern, name in rules:
            new, hits = re.subn("^" + pattern, name, key)
            if hits:
                break
        else:
            raise KeyError(f"{key!r} is not a key of torchvision's {model}")
        ours[new] = value
    return ours


def load_torchvision(model: RetinaNet, state: dict[str, Tensor],
                     classes: list[int] | None = None) -> RetinaNet:
    """Fill our RetinaNet(torchvision_resnet50(...)) with torchvision's weights, and return it."""
    ours = from_torchvision(state, classes=classes) | {"positives": model.positives}
    model.load_state_dict(ours)
    return model
