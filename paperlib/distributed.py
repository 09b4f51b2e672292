"""Several processes that train one system: who they are, waiting for all, and means over them."""
import os
from collections.abc import Callable
from datetime import timedelta

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(hours=12)  # the others wait while the first process of torchrun scores what they trained


def ranks() -> tuple[int, int]:
    """(rank, number of processes) of this process under `torchrun`; (0, 1) on its own."""
    dist = torch.distributed
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)


def join_ranks(device: torch.device) -> None:
    """Meet the other processes that `torchrun` started, if any: by nccl between GPUs, gloo between CPUs."""
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


def part_of_mean(mean: torch.Tensor, num: int) -> torch.Tensor:
    """A mean over `num` examples of this process as its part of the mean over those of all processes.

    `backward` averages over processes: the parts' average is the whole mean. Every process has to call it.
    """
    if ranks()[1] == 1:
        return mean
    whole = torch.full((), float(num), device=mean.device)
    mean_over_ranks(whole)
    return mean * (num / whole.clamp(min=1e-6))


def share_buffers(system: nn.Module) -> None:
    """Give all processes the first one's buffers: batch norm's statistics, which each keeps for itself."""
    if ranks()[1] > 1:
        for buffer in system.buffers():
            torch.distributed.broadcast(buffer, 0)


class _Losses(nn.Module):
    """Losses of a system as a module's `forward`: DistributedDataParallel watches no other call."""

    def __init__(self, system: nn.Module, losses: Callable):
        super().__init__()
        self.system, self.losses = system, losses

    def forward(self, *inputs):
        return self.losses(*inputs)


def with_mean_gradients(system: nn.Module, losses: Callable) -> Callable:
    """`losses` of a system, whose gradients `backward` replaces by their mean over all processes.

    A process that trains alone gets them as they are.
    Each process keeps buffers of its own, as the statistics of batch norm. Parameters that no process reads
    (a level without RoIs, a part that the stage leaves out) get no gradient.
    """
    if ranks()[1] == 1:
        return losses
    return DistributedDataParallel(_Losses(system, losses), broadcast_buffers=False,
                                   find_unused_parameters=True)
