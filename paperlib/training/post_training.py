"""What Fast R-CNN's ablations do to a trained network: the box layer alone, SVMs on fc7, thinner layers."""
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import nn

from paperlib.data.batches import Batches
from paperlib.distributed import wait_for_ranks
from paperlib.parts import boxes
from paperlib.parts.matching import by_class
from paperlib.parts.roi_pooling import to_rois
from paperlib.training.svms import train_svms


def finish(system: nn.Module, batches: Batches, device: torch.device, fit: Callable) -> list[dict]:
    """Do in place what the configuration's `after` asks for; return the records of any further training.

    `fit()` trains the system once more by the run's own recipe. Under `torchrun` every process does the same.
    """
    wait_for_ranks()  # from here on the first may delete the checkpoint, which all have read
    wanted, history = system.cfg.after, []
    if wanted is None:
        return history
    if wanted.stage_wise:
        # old gradients of what is now frozen would count in the clipped norm
        system.zero_grad(set_to_none=True)
        system.requires_grad_(False)
        system.head.box.requires_grad_(True)
        system.cfg = replace(system.cfg, box_weight=1.0)
        history = list(fit())
        wait_for_ranks()
    if wanted.svm:
        weight, bias = train_svms(fc7_pages(system, batches, device), system.cfg.num_classes)
        system.svm = nn.Linear(weight.shape[1], len(bias), device=device)
        system.svm.weight.data.copy_(torch.from_numpy(weight))
        system.svm.bias.data.copy_(torch.from_numpy(bias))
    if wanted.svd:
        system.compress(wanted.svd)
    return history


@torch.no_grad()
def fc7_pages(system: nn.Module, batches: Batches, device: torch.device) -> Iterator[tuple]:
    """For `train_svms`: of every training image, fc7 of its proposals and objects, labels and overlaps."""
    system.to(device).eval()
    pages = Batches(batches.dataset, 1, size=batches.size, flip=False)
    for step in range(len(pages.dataset)):
        images, (target,) = pages[step]
        plain = ~target["crowd"]
        gt, classes = target["boxes"][plain], target["labels"][plain]
        regions = torch.cat([target["proposals"], gt])
        labels = torch.cat([classes.new_zeros(len(target["proposals"])), classes])
        overlaps = by_class(boxes.iou(regions, gt), classes, system.cfg.num_classes)
        features = system.head.features(system.windows(images.to(device), to_rois([regions.to(device)])))
        yield features.float().cpu().numpy(), labels.numpy(), overlaps.numpy()
