"""Weights on disk: safetensors files whose header names system, configuration and training."""

import hashlib
import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from paperlib.config import override, to_dict
from paperlib.paths import written_whole
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.training.trained import from_header, to_header, trained


def save_weights(path: Path, name: str, system: nn.Module, half: bool = False, **facts: str) -> Path:
    """Write a system's weights as safetensors; the header has its name, configuration, training and `facts`.

    Errors: ValueError naming a tensor that is not finite; nothing is written then.
    """
    path, tensors = Path(path), {}
    for key, value in system.state_dict().items():
        if half and value.is_floating_point():
            value = value.half()
        tensors[key] = value.detach().cpu().contiguous()
        _check_finite(f"{path}: not written", key, tensors[key])
    header = {"system": name, "config": json.dumps(to_dict(system.cfg))}
    header |= to_header(trained(system)) | facts
    with written_whole(path) as part:
        part.write_bytes(safetensors.torch.save(tensors, header))  # save_file hides it from others: mode 600
    return path


def weights_digest(system: nn.Module) -> str:
    """SHA-256 of all parameters and buffers, in hexadecimal."""
    numbers = hashlib.sha256()
    for value in system.state_dict().values():
        numbers.update(value.detach().cpu().numpy().tobytes())
    return numbers.hexdigest()


def read_header(path: Path) -> dict:
    """The header that `save_weights` wrote. Errors: FileNotFoundError; ValueError if it is no such file."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from None
    if not {"system", "config"} <= header.keys():
        raise ValueError(f"{path}: no paperlib header; expected weights that `paperlib train` wrote")
    return header


def load_weights(path: Path, expect: str | None = None) -> nn.Module:
    """The system stored at `path`, ready to detect, on the CPU; it knows what it was trained on (`trained`).

    Errors: ValueError if it is not an `expect`, or if header and tensors do not fit each other,
            or are not finite.
    """
    header = read_header(path)
    name = header["system"]
    if (expect and name != expect) or name not in SYSTEMS:
        raise ValueError(f"{path}: holds weights of {name!r}, expected {expect or ' or '.join(SYSTEMS)!r}")
    system = _built(path, name, header)
    tensors = safetensors.torch.load_file(path)
    check_tensors(path, system, tensors)
    system.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return system.eval()


def _built(path: Path, name: str, header: dict) -> nn.Module:
    """An untrained system as the header describes it."""
    try:
        preset = next(iter(PRESETS[name].values()))()
        cfg = override(preset, _flat(json.loads(header["config"])))
        system = SYSTEMS[name](override(cfg, {"trunk.weights": None}))  # stored ones are about to be replaced
        if cfg.after is not None and cfg.after.svm:
            system.svm = nn.Linear(system.head.cls.in_features, cfg.num_classes)
        if cfg.after is not None and cfg.after.svd:
            system.compress(cfg.after.svd)
        system.cfg = cfg  # as it was trained
        system.trained = from_header(header, cfg.num_classes)
    # whatever a foreign header makes of the parts: one line says that it does not fit
    except Exception as error:
        why = str(error.args[0] if error.args else type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: its header describes no {name} of this version ({why})") from None
    return system


def check_tensors(path: Path, system: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Whether stored tensors are those of a system.

    Errors: ValueError naming the first that is not, or that is not finite.
    """
    wanted = system.state_dict()
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError(f"{path}: holds no named tensors")
    differences = []
    for verb, keys in (("lacks", [key for key in wanted if key not in tensors]),
                       ("has besides", [key for key in tensors if key not in wanted])):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            differences.append(f"{verb} {keys[0]!r}{more}")
    if differences:
        raise ValueError(f"{path}: does not hold the tensors of its configuration: "
                         f"it {'; '.join(differences)}")
    for key, value in tensors.items():
        want = wanted[key]
        if value.shape != want.shape or value.is_floating_point() != want.is_floating_point():
            raise ValueError(f"{path}: {key} is {value.dtype} {tuple(value.shape)}, "
                             f"expected {want.dtype} {tuple(want.shape)}")
        _check_finite(path, key, value)


def _check_finite(path, key: str, value: Tensor) -> None:
    if not value.is_floating_point():
        return
    bad = int((~torch.isfinite(value.float())).sum())
    if bad:
        raise ValueError(f"{path}: {bad} of the {value.numel()} numbers of {key} are NaN or infinite; "
                         "expected none")


def _flat(tree: dict, prefix: str = "") -> dict:
    """{"a": {"b": 1}} -> {"a.b": 1}"""
    leaves = {}
    for name, branch in tree.items():
        if isinstance(branch, dict):
            leaves |= _flat(branch, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = branch
    return leaves


def flat_config(cfg) -> dict:
    """A configuration as overrides by dotted names."""
    return _flat(to_dict(cfg))
