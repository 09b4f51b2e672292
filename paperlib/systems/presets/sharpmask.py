"""SharpMask on the DeepMasks of `presets/deepmask.py`."""
from paperlib.parts.windows.refinement import RefineConfig
from paperlib.systems.deepmask import DeepMaskConfig
from paperlib.systems.presets import deepmask
from paperlib.systems.sharpmask import SharpMaskConfig


def _on(cfg: DeepMaskConfig, **more) -> SharpMaskConfig:
    """A DeepMask's configuration with refinement."""
    return SharpMaskConfig(**vars(cfg), **more)


def scale(num_classes: int = 36) -> SharpMaskConfig:
    """A true scale model for 128 px images on a CPU core, 1:4; the table is in `systems/sharpmask.py`."""
    return _on(deepmask.scale(num_classes), refine=RefineConfig(between=32))


def resnet50(num_classes: int = 80, weights: str | None = None) -> SharpMaskConfig:
    """SharpMask as published: on W160-P4-D39-F128, schedule b with k = 32 (Sec. 3.5.2)."""
    return _on(deepmask.resnet50(num_classes, weights))


def resnet18(num_classes: int = 80, weights: str | None = None) -> SharpMaskConfig:
    """The same on a ResNet-18, for photographs on a CPU or a small GPU."""
    return _on(deepmask.resnet18(num_classes, weights))
