"""Where a trunk's weights come from: a file of ours, torchvision's ImageNet weights, any state dict."""
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from paperlib.paths import weights_folder

FC = {"classifier.0": "fc.fc6", "classifier.3": "fc.fc7"}  # of torchvision's VGG


def load_weights(module: nn.Module, cfg) -> None:
    """Fill a trunk from the source that cfg.weights names; None leaves it as it is."""
    if cfg.weights is None:
        return
    if cfg.weights == "imagenet":
        state = _imagenet(cfg.name)
        source = f"torchvision's ImageNet weights of {cfg.name}"
    else:
        source = Path(cfg.weights)
        if cfg.weights == "mininet":
            source = weights_folder() / f"{cfg.name}.safetensors"
        if not source.is_file():
            raise FileNotFoundError(f"trunk.weights {cfg.weights!r}: no file {source}; "
                                    "expected a state dict there")
        state = _read(source)
    if "conv1.weight" in state or "features.0.weight" in state:
        state = _from_torchvision(state)
    if not any(key.startswith("fc.") for key in state):
        module.fc = None  # a file of convolutions alone: a box head draws its own
    missing, unexpected = module.load_state_dict(_fitting(module, state, source), strict=False)
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{source} does not fit trunk {cfg.name!r}: "
                         f"missing {missing[:3]}, unexpected {unexpected[:3]}")


def _read(source: Path) -> dict:
    """The named tensors of a file. Errors: ValueError for a file that holds something else."""
    try:
        stored = source.suffix == ".safetensors"
        state = load_file(source) if stored else torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file makes the readers raise; no code of the file is run
        reason = str(error).splitlines()[0][:120]
        raise ValueError(f"{source}: not a readable file of weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{source}: holds no named tensors; expected a trunk's state dict")
    return state


def _fitting(module: nn.Module, state: dict, source) -> dict:
    wanted = module.state_dict()
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value.float()).all():
            raise ValueError(f"{source}: some numbers of {key} are NaN or infinite; expected none")
        if key in wanted and wanted[key].shape != value.shape:
            raise ValueError(f"{source}: {key} has shape {tuple(value.shape)}, "
                             f"expected {tuple(wanted[key].shape)}")
    return state


def _from_torchvision(state: dict) -> dict:
    """torchvision's keys of a ResNet or VGG as our trunks have them; without the layer that classifies."""
    renamed = {}
    for key, value in state.items():
        place, dot, rest = key.rpartition(".")
        if place not in ("fc", "classifier.6"):
            renamed[FC.get(place, f"body.{place}") + dot + rest] = value
    return renamed


def _imagenet(name: str) -> dict:
    if not name.startswith(("res", "vgg")):
        raise ValueError(f"trunk.weights 'imagenet': there are none for {name!r}; "
                         "expected a resnet, vgg16, or 'mininet'")
    try:
        return torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].get_state_dict(progress=False)
    except OSError as error:
        raise FileNotFoundError(
            f"trunk.weights 'imagenet': {name} is not in torch's cache and the download failed "
            f"({error})") from None
