"""Choosing a device, its numbers and memory, seeding, and the one-line summary of this machine."""
import ctypes
import os
import platform
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

COMPILED = ("trunk", "pyramid")  # what follows them sees another number of boxes at every step


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

    They are on GPUs of 2020 and later, and on CPUs with AVX-512 BF16 or AMX, unless ATEN_CPU_CAPABILITY
    holds these back.
    """
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = getattr(torch.cpu, "get_capabilities", dict)()
    has_units = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    return kind == "cpu" and has_units and "ATEN_CPU_CAPABILITY" not in os.environ


def vector_units() -> str:
    """The CPU's widest vector units that torch uses, as in "AVX512 with bfloat16" or "AVX2".

    "…, simulated" where ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA hold wider ones back.
    """
    name = torch.backends.cpu.get_cpu_capability()
    if has_bf16("cpu"):
        name += " with bfloat16"
    held_back = {"ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"} & os.environ.keys()
    if held_back:
        name += ", simulated"
    return name


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


@contextmanager
def compiled(system: nn.Module, device: torch.device, wanted: bool = True) -> Iterator[None]:
    """While it lasts, the system's trunk and pyramid run compiled.

    For long runs on a GPU, where small layers wait for their launches: there they are recorded as CUDA
    graphs and replayed. On a CPU it hardly pays: on one core with bfloat16 units a step of the tables'
    RetinaNet takes 1% less time, after a minute of compiling. Afterwards the parts run as before: tests meet
    images of many shapes, each of which would be compiled anew.
    """
    modes = {"cuda": "reduce-overhead"}
    parts = [getattr(system, name) for name in COMPILED if wanted and hasattr(system, name)]
    for part in parts:
        part.compile(mode=modes.get(device.type, "default"), dynamic=False)
    try:
        yield
    finally:
        for part in parts:
            part._compiled_call_impl = None  # torch names no other way back
