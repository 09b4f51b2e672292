"""Fast R-CNN in the sizes that the course uses."""
from paperlib.parts.heads import BoxHeadConfig
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.roi_pooling import RoIConfig
from paperlib.parts.trunks import FC_SIDE, FC_WIDTH, TrunkConfig
from paperlib.systems.fast_rcnn import FastRCNNConfig
from paperlib.systems.presets.pretrained import fixed_trunk, on_resnet18


def small(num_classes: int = 20) -> FastRCNNConfig:
    """Model S for 128 px images, conv1 fixed (Fast R-CNN Sec. 4.1, 4.5).

    M and L differ in `trunk.name` alone, "medium" or "large"; L fixes conv1 and conv2
    (trunk.frozen_stages 2).
    """
    return FastRCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("small", frozen_stages=1, frozen_norm=True),
        pyramid=PyramidConfig(levels=(3,), kind="single"),
        roi=RoIConfig(side=FC_SIDE),
        head=BoxHeadConfig((FC_WIDTH, FC_WIDTH)),
        scale_size=48.0,
    )


def tiny(num_classes: int = 36) -> FastRCNNConfig:
    """On a pyramid, for 128 px images on a CPU core: tiny trunk, P2-P5 of 64 channels, fc6 and fc7 of 128.

    Differs: a RoI of 64 px is read from P4 (224 px in FPN Eq. 1): our images are a fifth as wide.
    """
    return FastRCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("tiny"),
        pyramid=PyramidConfig(levels=(2, 3, 4, 5), dim=64, extra=None),
        roi=RoIConfig("align", side=5, canonical_size=64.0),
        head=BoxHeadConfig((128, 128)),
    )


def scale(num_classes: int = 36) -> FastRCNNConfig:
    """A true scale model for 128 px images on a CPU core: trunk slim at scale 1/2, P2-P5 of strides 2 to 16.

    Differs: 40 px is the canonical RoI (224 px of 800 in FPN Eq. 1), read from P4, where it is 5 cells wide.
    """
    return FastRCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("slim", scale=0.5),
        pyramid=PyramidConfig(levels=(2, 3, 4, 5), dim=32, extra=None),
        roi=RoIConfig("align", side=5, canonical_size=40.0),
        head=BoxHeadConfig((128, 128)),
    )


def vgg16(num_classes: int = 20, weights: str | None = None) -> FastRCNNConfig:
    """Model L as published: VGG16, conv1 and conv2 fixed, 2000 proposals (Fast R-CNN Sec. 2.2, 4.1, 4.5)."""
    return FastRCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("vgg16", weights, frozen_stages=2),
        head=BoxHeadConfig(dropout=0.5),
        proposals=ProposalSource(keep=2000),
    )


def resnet50(num_classes: int = 80, weights: str | None = None) -> FastRCNNConfig:
    """ResNet-50 with a pyramid (FPN Sec. 5.2); `weights` also fix the norms, the stem and the first stage."""
    return FastRCNNConfig(
        num_classes=num_classes,
        trunk=fixed_trunk("resnet50", weights),
        pyramid=PyramidConfig(levels=(2, 3, 4, 5), extra=None),
        roi=RoIConfig("align"),
        head=BoxHeadConfig((1024, 1024)),
    )


def resnet18(num_classes: int = 80, weights: str | None = None) -> FastRCNNConfig:
    """As `resnet50` on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(resnet50(num_classes, weights))
