"""RPN and Faster R-CNN in the sizes that the course uses, and torchvision's weights in ours."""
from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.proposals import ProposalConfig
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.rpn import ProposerConfig, RPNConfig

LEVELS = (2, 3, 4, 5, 6)


def rpn_tiny(num_classes: int = 36) -> RPNConfig:
    """For 128 px images on a CPU core: tiny trunk, P2-P6 of 64 channels, one anchor scale a level, 8 to 128 px.

    Differs: 128 sampled anchors an image of 4,092, where the papers have 256 of 20,000 or of 200,000.
    """
    return RPNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("tiny"),
        pyramid=PyramidConfig(levels=LEVELS, dim=64, extra="pool"),
        rpn=ProposerConfig(AnchorConfig(levels=LEVELS, size_per_stride=2.0, scales=(1.0,)), samples=128,
                           hidden_std=0.03, train=ProposalConfig(pre_nms=400, keep=200)),
    )


def rpn_resnet50(num_classes: int = 80, weights: str | None = None) -> RPNConfig:
    """FPN's proposal network (FPN Sec. 5.1); `weights` also fix the norms, the stem and the first stage."""
    frozen = weights is not None
    return RPNConfig(num_classes, TrunkConfig("resnet50", weights, 2 if frozen else 0, frozen_norm=frozen))
