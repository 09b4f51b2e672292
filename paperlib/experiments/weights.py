"""Weights on disk: safetensors files whose header says which system and configuration they belong to."""

import json
import os
from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from paperlib.experiments.configs import override, to_dict
from paperlib.systems import PRESETS, SYSTEMS


def save_weights(path: Path, name: str, system: nn.Module, half: bool = False, **facts: str) -> Path:
    """Write a system's weights as safetensors, with its name, configuration and `facts` in the header."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        k: (v.half() if half and v.is_floating_point() else v).detach().cpu().contiguous()
        for k, v in system.state_dict().items()
    }
    header = {"system": name, "config": json.dumps(to_dict(system.cfg)), **facts}
    safetensors.torch.save_file(tensors, part := path.with_suffix(".part"), header)
    os.replace(part, path)
    return path


def read_header(path: Path) -> dict:
    """The header that `save_weights` wrote. Errors: FileNotFoundError; ValueError if it is no such file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from None
    if "system" not in header:
        raise ValueError(f"{path}: no paperlib header; expected weights that `paperlib train` wrote")
    return header


def load_weights(path: Path, expect: str | None = None) -> nn.Module:
    """The system stored at `path`, ready to detect, on the CPU. Errors: ValueError if it is not an `expect`."""
    header = read_header(path)
    name = header["system"]
    if (expect and name != expect) or name not in SYSTEMS:
        raise ValueError(f"{path}: holds weights of {name!r}, expected {expect or ' or '.join(SYSTEMS)!r}")
    kind = SYSTEMS[name]
    preset = next(iter(PRESETS[name].values()))()
    cfg = override(preset, _flat(json.loads(header["config"])))
    system = kind(_without_pretraining(cfg))
    if (after := getattr(cfg, "after", None)) and after.svm:
        system.svm = nn.Linear(system.head.cls.in_features, cfg.num_classes)
    if after and after.svd:
        system.compress(after.svd)
    system.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in safetensors.torch.load_file(path).items()}
    )
    return system.eval()


def _without_pretraining(cfg):
    """The same configuration, but not asking for a trunk's stored weights: they are about to be overwritten."""
    return override(cfg, {"trunk.weights": None})


def _flat(tree: dict, prefix: str = "") -> dict:
    return {
        key: value
        for name, branch in tree.items()
        for key, value in (
            _flat(branch, f"{prefix}{name}.") if isinstance(branch, dict) else {f"{prefix}{name}": branch}
        ).items()
    }
