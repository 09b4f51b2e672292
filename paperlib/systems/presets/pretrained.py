"""What presets share: trunks that start from stored weights, and the same on a smaller trunk."""
from dataclasses import replace

from paperlib.parts.trunks import TrunkConfig


def fixed_trunk(name: str, weights: str | None) -> TrunkConfig:
    """A trunk of random weights; `weights` also fix its norms, its stem and its first stage."""
    if weights is None:
        return TrunkConfig(name)
    return TrunkConfig(name, weights, frozen_stages=2, frozen_norm=True)


def on_resnet18(cfg):
    """The same configuration of a system on a ResNet-18, for photographs on a CPU or a small GPU."""
    return replace(cfg, trunk=replace(cfg.trunk, name="resnet18"))
