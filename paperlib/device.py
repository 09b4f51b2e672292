"""Choosing a device, its numbers and memory, seeding, and the one-line summary of this machine."""
import ctypes
import os
import platform
import random
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch


def pick_device(name: str | None = None) -> torch.device:
    """The device to compute on: `name`, else PAPERLIB_DEVICE, else CUDA, else Apple's MPS, else the CPU.

    Errors: ValueError naming the device that was asked for when this machine does not have it.
    """
    name = name or os.environ.get("PAPERLIB_DEVICE") or None
    if name is None:
        name = _best_kind()
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # under torchrun
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        unusable = f"device {name!r} is not usable here; expected 'cpu', 'cuda[:N]' or 'mps' ({error})"
        raise ValueError(unusable) from None
    return device


def _best_kind() -> str:
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


@cache
def has_bf16(kind: str) -> bool:
    """Whether bfloat16 products are fast here on a "cuda" or "cpu" device.

    They are on GPUs of 2020 and later, and on CPUs with AVX-512 BF16 or AMX.
    """
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return kind == "cpu" and bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def half(device: torch.device, wanted: bool = True) -> torch.autocast:
    """A context that runs matrix products in bfloat16 if `device` is fast at them; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and has_bf16(device.type))


def chip(device: torch.device) -> str:
    """The name of the GPU or of the CPU, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listed = Path("/proc/cpuinfo")  # of Linux; elsewhere `platform` knows
    names = re.findall(r"model name\s*:\s*(.+)", listed.read_text()) if listed.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


@cache
def keep_memory() -> None:
    """Let the C library keep freed blocks instead of giving them back to the system. On Linux only.

    A training step frees and takes the same large blocks again. Asking the system for fresh ones, page by
    page, costs a tenth of the time of a small network's step.
    """
    if platform.libc_ver()[0] == "glibc":
        libc, trim_threshold, mmap_threshold = ctypes.CDLL(None), -1, -3
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch on every device, so that one thread repeats itself exactly."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
