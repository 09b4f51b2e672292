"""Choosing a device, seeding, progress bars, and the one-line summary of this machine."""
import ctypes
import os
import platform
import random
import re
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

PATIENCE = timedelta(hours=12)  # the others wait while the first process of torchrun scores what they trained


def pick_device(name: str | None = None) -> torch.device:
    """The device to compute on: `name`, else PAPERLIB_DEVICE, else CUDA, else Apple's MPS, else the CPU.

    Errors: ValueError naming the device that was asked for when this machine does not have it.
    """
    name = name or os.environ.get("PAPERLIB_DEVICE") or None
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # under torchrun
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {name!r} is not usable here; expected 'cpu', 'cuda[:N]' or 'mps' ({error})") from None
    return device


@cache
def has_bf16(kind: str) -> bool:
    """Whether bfloat16 products are fast on a "cuda" or "cpu" device here: GPUs of 2020 on, CPUs with AVX-512 BF16."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return kind == "cpu" and bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def half(device: torch.device, wanted: bool = True) -> torch.autocast:
    """Run matrix products in bfloat16 inside this context, where `device` is fast at them; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and has_bf16(device.type))


def chip(device: torch.device) -> str:
    """The name of the GPU or of the CPU, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    listed = Path("/proc/cpuinfo")  # of Linux; elsewhere `platform` knows
    names = re.findall(r"model name\s*:\s*(.+)", listed.read_text()) if listed.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def busy(device: torch.device) -> float:
    """A clock, in seconds, of what work costs: core-seconds of this process on a CPU, which other work beside it does
    not lengthen; seconds on a GPU."""
    return time.process_time() if device.type == "cpu" else time.perf_counter()


@cache
def keep_memory() -> None:
    """Let the C library keep freed blocks instead of giving them back to the system (Linux; elsewhere nothing).

    A training step frees and takes the same large blocks again; asking the system for fresh ones, page by page, costs
    a tenth of the time of a small network's step.
    """
    if platform.libc_ver()[0] == "glibc":
        libc, trim_threshold, mmap_threshold = ctypes.CDLL(None), -1, -3
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)


def ranks() -> tuple[int, int]:
    """(rank, number of processes) of this process under `torchrun`; (0, 1) on its own."""
    dist = torch.distributed
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)


def join_ranks(device: torch.device) -> None:
    """Meet the other processes that `torchrun` started, if it started any: nccl between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.distributed.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)


def wait_for_ranks() -> None:
    """Go on when every process of `torchrun` has come here; at once if there is only one."""
    if ranks()[1] > 1:
        torch.distributed.barrier()


def mean_over_ranks(*tensors: torch.Tensor) -> None:
    """Replace tensors by their mean over all processes, in place and in one exchange."""
    if ranks()[1] == 1 or not tensors:
        return
    flat = torch.cat([t.detach().reshape(-1).float() for t in tensors])
    torch.distributed.all_reduce(flat)
    for t, mean in zip(tensors, (flat / ranks()[1]).split([t.numel() for t in tensors])):
        t.detach().copy_(mean.view_as(t))


def peak_memory(call: Callable, device: torch.device) -> float | None:
    """MiB that `call` needs at most beyond what is held before it; None where the system does not tell (not Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if platform.libc_ver()[0] != "glibc" or not os.access("/proc/self/clear_refs", os.W_OK):
        return None
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _memory("VmRSS")
    call()
    return _memory("VmHWM") - before


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch (every device), so that one process with one thread repeats itself exactly."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def progress(iterable=None, **kwargs) -> tqdm:
    """A tqdm bar for terminals and notebooks; silent when PAPERLIB_PROGRESS=0, and in all ranks but the first."""
    kwargs.setdefault("leave", False)
    kwargs.setdefault("file", sys.stdout)
    return tqdm(iterable, disable=os.environ.get("PAPERLIB_PROGRESS") == "0" or ranks()[0] > 0, **kwargs)
