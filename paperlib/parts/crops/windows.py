"""Which regions a network is fine-tuned on.

Legend: R windows of a batch, K classes.
"""
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.distributed import ranks
from paperlib.parts.roi_training import RoISampleConfig, sample_rois
from paperlib.parts.sampling import sample

ALL = 2**30  # more windows than an image has


@dataclass(frozen=True)
class WindowSampleConfig:
    num: int = 128  # windows a step (Sec. 2.3)
    positive: float = 0.25  # share of them that show an object: 32 of 128 (Sec. 2.3)
    hi: float = 0.5  # IoU with an object from which a window shows it (Sec. 2.3)
    biased: bool = True  # towards positive windows, which are rare (Sec. 2.3); False: all windows alike


def sample_windows(targets: list[dict],
                   cfg: WindowSampleConfig = WindowSampleConfig()) -> tuple[Tensor, Tensor]:
    """The windows of a fine-tuning step, from all regions of its images: RoIs (R, 5), labels (R,) in 0..K.

    Source: R-CNN Sec. 2.3: 32 windows with an IoU of .5 or more over all classes, 96 of all others, those
            that touch no object among them; objects' own boxes are windows too. Fewer positives: more of the
            others. Processes of torchrun draw an equal share each.
    """
    num = cfg.num // ranks()[1]
    every = RoISampleConfig(num=ALL, positive=1.0, hi=cfg.hi, background=(0.0, cfg.hi))
    rois, labels, _ = sample_rois([target["proposals"] for target in targets], targets, every)
    if cfg.biased:
        kept = (sample((labels > 0).long(), num, cfg.positive) >= 0).nonzero().squeeze(1)
    else:
        kept = torch.randperm(len(labels))[:num].sort().values.to(labels.device)
    return rois[kept], labels[kept]
