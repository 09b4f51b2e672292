"""DeepMask and SharpMask in the sizes that the course uses, and as published."""
from paperlib.parts.trunks import TrunkConfig
from paperlib.parts.windows.centred import CentredConfig
from paperlib.parts.windows.grid import WindowConfig
from paperlib.parts.windows.heads import MaskHeadConfig
from paperlib.systems.deepmask import DeepMaskConfig
from paperlib.systems.presets.pretrained import on_resnet18

FOURTH = CentredConfig(min_side=1.25, min_area=6.25)  # of the published code's 5 px and 100 px^2


def scale(num_classes: int = 36) -> DeepMaskConfig:
    """A true scale model for 128 px images on a CPU core, 1:4: windows of 40 px, ten strides of 4 px.

    The table of what became of each number is in `systems/deepmask.py`.
    """
    return DeepMaskConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("slim", scale=0.25),
        window=WindowConfig(size=40, stride=4, context=4),
        centred=FOURTH,
        head=MaskHeadConfig(features=32, rank=128, hidden=256, output=14, enlarged=28, pooled=128),
    )


def resnet50(num_classes: int = 80, weights: str | None = None) -> DeepMaskConfig:
    """DeepMask-ours: W160-P4-D39-F128 with head C (Sec. 3.5.1); with `weights` its norms are fixed."""
    return DeepMaskConfig(num_classes, TrunkConfig("resnet50", weights, frozen_norm=weights is not None))


def resnet18(num_classes: int = 80, weights: str | None = None) -> DeepMaskConfig:
    """The same on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(resnet50(num_classes, weights))
