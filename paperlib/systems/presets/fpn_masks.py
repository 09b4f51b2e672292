"""FPN's mask proposals in the sizes that the course uses, and as published."""
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.trunks import TrunkConfig
from paperlib.parts.windows.cell_head import CellHeadConfig
from paperlib.parts.windows.levels import LevelWindowConfig
from paperlib.systems.fpn_masks import FPNMasksConfig
from paperlib.systems.presets.pretrained import fixed_trunk, on_resnet18


def scale(num_classes: int = 36) -> FPNMasksConfig:
    """A true scale model for 128 px images on a CPU core: trunk slim at scale 1/2, P2-P6 of strides 2 to 32.

    The table of what became of each number is in `systems/fpn_masks.py`.
    """
    return FPNMasksConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("slim", scale=0.5),
        pyramid=PyramidConfig(levels=(2, 3, 4, 5, 6), dim=32, extra="pool"),
        windows=LevelWindowConfig(object_cells=4.0, reach=0.5),
        head=CellHeadConfig(hidden=128),
        samples=32,
    )


def resnet50(num_classes: int = 80, weights: str | None = None) -> FPNMasksConfig:
    """As published: both MLPs, 28 px masks (App. A); `weights` also fix the norms, stem and first stage."""
    return FPNMasksConfig(num_classes, fixed_trunk("resnet50", weights))


def resnet18(num_classes: int = 80, weights: str | None = None) -> FPNMasksConfig:
    """The same on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(resnet50(num_classes, weights))
