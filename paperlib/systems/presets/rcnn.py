"""R-CNN in the sizes that the course uses."""
from paperlib.parts.crops.warp import CropConfig
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.trunks import FC_SIDE, FC_WIDTH, TrunkConfig
from paperlib.systems.rcnn_config import RCNNConfig

SIDE, CONTEXT, PUBLISHED_SIDE = 48, 16.0, 227  # px: our crop, the published context, the published crop


def small(num_classes: int = 20) -> RCNNConfig:
    """T-Net for crops of 48 px, whose last map of 6 x 6 cells is pool5, as 227 px are AlexNet's.

    O-Net and a net between the two differ in `trunk.name` alone, "large" or "medium".
    """
    return RCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("small", frozen_norm=True),
        level=3,
        side=FC_SIDE,
        widths=(FC_WIDTH, FC_WIDTH),
        crop=CropConfig(SIDE, CONTEXT * SIDE / PUBLISHED_SIDE),
    )


def tiny(num_classes: int = 20) -> RCNNConfig:
    """For tests: the tiny trunk and thin layers of random weights on crops of 64 px."""
    return RCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("tiny"),
        level=5,
        side=2,
        widths=(64, 64),
        crop=CropConfig(64, CONTEXT * 64 / PUBLISHED_SIDE),
    )


def vgg16(num_classes: int = 20, weights: str | None = None) -> RCNNConfig:
    """O-Net as published, on crops of 224 px, of 2000 proposals (Sec. 2.2, 3.3); torchvision has weights."""
    return RCNNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("vgg16", weights),
        side=7,
        dropout=0.5,
        crop=CropConfig(224, CONTEXT),
        proposals=ProposalSource(keep=2000),
    )
