"""What a run costs: core-seconds on a CPU, seconds on a GPU, and the peak of memory."""
import ctypes
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def busy(device: torch.device) -> float:
    """A clock of what work costs: on a CPU core-seconds of this process, on a GPU seconds.

    Other work beside it does not lengthen core-seconds.
    """
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def peak_memory(call: Callable, device: torch.device) -> float | None:
    """MiB that `call` needs at most beyond what is held before it; None where only Linux would tell."""
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
