"""Features of regions on disk: a file an image, in a folder named by all that decides them.

A system asks its store for the features of an image's regions (`RCNN.features`); what the store lacks is
computed and kept, so that an interrupted pass goes on, and that all that share a network share its features.
"""
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from paperlib.clock import busy
from paperlib.config import digest, to_dict
from paperlib.paths import written_whole
from paperlib.training.weights import weights_digest

NETWORKS = 4  # folders that are kept, the latest used; one of the mini budget's holds 4 GB


def network_key(system: nn.Module) -> str:
    """Digest of a network's weights and of how it crops: all that decides the features of given pixels."""
    cfg, parts = system.cfg, (system.trunk, system.fc6, system.fc7)
    weights = [weights_digest(part) for part in parts]
    return digest([weights, to_dict(cfg.trunk), to_dict(cfg.crop), cfg.level, cfg.side])


class FeatureStore:
    """`store(image, regions, compute)`: what compute(image, regions) gives, from disk where that has it.

    `seconds`: core-seconds that the features read from disk have cost when they were computed.
    """

    def __init__(self, folder: Path, system: nn.Module):
        self.folder, self.seconds = Path(folder) / network_key(system), 0.0
        self.folder.mkdir(parents=True, exist_ok=True)
        os.utime(self.folder)
        forget(Path(folder))

    def __call__(self, image: Tensor, regions: Tensor, compute: Callable) -> Mapping[str, Tensor]:
        path = self.folder / f"{_name(image, regions)}.npz"
        if path.exists():
            stored = Stored(path, image.device)
            self.seconds += stored.seconds
            return stored
        clock = busy(image.device)
        features = compute(image, regions)
        arrays = {name: value.cpu().numpy() for name, value in features.items()}
        write_arrays(path, arrays | {"seconds": np.float64(busy(image.device) - clock)})
        return features


class Stored(Mapping):
    """One image's features, of which a layer is read when it is asked for."""

    def __init__(self, path: Path, device: torch.device):
        self.path, self.device = path, device
        with np.load(path) as file:
            self.layers = [name for name in file.files if name != "seconds"]
            self.seconds = float(file["seconds"])

    def __getitem__(self, name: str) -> Tensor:
        with np.load(self.path) as file:
            return torch.from_numpy(file[name]).to(self.device)

    def __iter__(self):
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def _name(image: Tensor, regions: Tensor) -> str:
    content = hashlib.sha256(str([tuple(image.shape), image.dtype, tuple(regions.shape)]).encode())
    for part in (image, regions):
        content.update(part.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:24]


def write_arrays(path: Path, arrays: dict) -> None:
    """Named arrays as an .npz, whole or not at all."""
    with written_whole(path, f".{os.getpid()}") as part, part.open("wb") as file:
        np.savez(file, **arrays)


def forget(folder: Path, keep: int = NETWORKS) -> None:
    """Remove the features of all networks but the `keep` latest used."""
    networks = [path for path in folder.iterdir() if path.is_dir()]
    networks.sort(key=_last_used)
    for old in networks[:max(0, len(networks) - keep)]:
        shutil.rmtree(old, ignore_errors=True)


def _last_used(path: Path) -> float:
    return path.stat().st_mtime


def features_read(system: nn.Module) -> float:
    """Core-seconds that the features which a system has read from disk have cost; 0 without a store."""
    store = getattr(system, "store", None)
    if store is None:
        return 0.0
    return store.seconds
