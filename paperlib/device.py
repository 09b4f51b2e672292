"""Choosing a device, seeding, progress bars, and the one-line summary of this machine."""
import os
import random
import sys

import numpy as np
import torch
from tqdm.auto import tqdm


def pick_device(name: str | None = None) -> torch.device:
    """The device to compute on: `name`, else PAPERLIB_DEVICE, else CUDA, else Apple's MPS, else the CPU.

    Errors: ValueError naming the device that was asked for when this machine does not have it.
    """
    name = name or os.environ.get("PAPERLIB_DEVICE") or None
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {name!r} is not usable here; expected 'cpu', 'cuda[:N]' or 'mps' ({error})") from None
    return device


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch (every device), so that one process with one thread repeats itself exactly."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def progress(iterable=None, **kwargs) -> tqdm:
    """A tqdm bar for terminals and notebooks; silent when PAPERLIB_PROGRESS=0."""
    kwargs.setdefault("leave", False)
    kwargs.setdefault("file", sys.stdout)
    return tqdm(iterable, disable=os.environ.get("PAPERLIB_PROGRESS") == "0", **kwargs)
