"""SharpMask: a trained DeepMask whose masks are refined, step by step, with its trunk's finer features.

Legend: N images of H x W px, R windows, P windows around objects, D proposals, m x m px of a window's mask.

What is scaled to 128 px images (preset `scale`), beside the table of `systems/deepmask.py`:

    modules, one a pooling: 4, 10 to 160 px        2, 10 to 40 px: the trunk has two halvings
    F^i: 1024, 512, 256, 64 channels               64, 32
    k 32, schedule b: 32, 16, 8, 4, (2)            32, 16, (8)
    64 channels between the skip convolutions      32
    masks of 160 px, stages of equal windows       masks of 40 px
"""
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.distributed import part_of_mean
from paperlib.parts.matching import check_targets
from paperlib.parts.windows.heads import enlarged_masks
from paperlib.parts.windows.patches import true_masks
from paperlib.parts.windows.refinement import RefineConfig, Refinement
from paperlib.systems.deepmask import DeepMask, DeepMaskConfig
from paperlib.systems.mask_proposals import Dense, mask_loss, score_loss

STAGES = ("refine", "all")
TRAINING = ("two", "one", "tuned", "forward")
CHUNK = 250  # windows that are refined at a time, for the memory


@dataclass(frozen=True)
class SharpMaskConfig(DeepMaskConfig):
    in_stages: ClassVar[bool] = True
    refine: RefineConfig = field(default_factory=RefineConfig)
    # "two": DeepMask, then the refinement alone | "one": all at once | "tuned": two, then all (Sec. 3.3.3)
    # | "forward": DeepMask alone, for rows that are tested with refined = false
    training: str = "two"
    refine_steps: float = 0.5  # length of the refinement's stage, and of tuning, in lengths of DeepMask's
    refine_rate: float = 1.0  # the later stages' learning rate, in rates of DeepMask's
    deepmask: str | None = None  # file of a trained DeepMask in place of the first stage; None: train it
    refined: bool = True  # masks at test time: refined, or the coarse ones of the same network (Sec. 3.3.3)

    def for_training(self):
        """Rows that differ in the order of stages, in `refine.top` or in `refined` have equal stages."""
        refine = replace(self.refine, top=RefineConfig().top)
        return replace(super().for_training(), training="two", deepmask=None, refine_steps=0.5,
                       refine_rate=1.0, refined=True, refine=refine)


class SharpMask(DeepMask):
    """DeepMask with refinement modules on its maps, trained after it while it stays as it is.

    Source: SharpMask (arXiv 1603.08695), Secs. 3.3.2, 3.3.3 and 3.5.2; Fig. 3.7.
    `stage` says what `losses` trains: "refine" the refinement alone (all else is frozen, the norms'
    statistics included), "all" everything, with the refined mask's loss in place of the coarse one's.
    Differs: skips are convolved with the patch's context around the window, and cut after that, as in an
             image; the published code cuts first, and mirrors.
    """

    revision = 1

    def __init__(self, cfg: SharpMaskConfig):
        if cfg.training not in TRAINING:
            raise ValueError(f"training {cfg.training!r}: expected one of {', '.join(TRAINING)}")
        super().__init__(cfg)
        modules = cfg.window.stride.bit_length() - 1  # halvings between the picture and the last map
        if 2**modules != cfg.window.stride or len(self.channels) < modules:
            raise ValueError(f"stride {cfg.window.stride} px, {len(self.channels)} maps: expected a power "
                             "of 2 and a map for each halving")
        self.refinement = Refinement(self.channels[:modules], cfg.window.cells, cfg.head.rank, cfg.refine,
                                     cfg.padding)
        self.stage = "all"
        self.to(memory_format=torch.channels_last)

    @property
    def mask_side(self) -> int:
        """m of a refined mask, px: that of the window."""
        return self.cfg.window.cells * 2**self.refinement.modules_count

    def enter(self, stage: str) -> None:
        """Train this from now on. Errors: ValueError for an unknown stage."""
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r}: expected one of {', '.join(STAGES)}")
        self.stage = stage
        self.zero_grad(set_to_none=True)  # gradients of what is frozen now would count in the clipped norm
        self.requires_grad_(stage == "all")
        self.head.mask.requires_grad_(False)  # the coarse mask has no loss in either
        self.refinement.requires_grad_(True)
        for part in self.trunk.stages()[:self.cfg.trunk.frozen_stages]:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True):
        super().train(mode)
        if getattr(self, "stage", "all") == "refine":
            self.trunk.eval()  # its norms keep their statistics
        return self

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"mask", "score"}; {"mask"} alone, of windows around objects alone, in the stage "refine".

        Errors: ValueError naming the first target without masks.
        """
        check_targets(targets, len(images), ("boxes", "masks"))
        alone, kind = self.stage == "refine", self.cfg.patches
        if alone:
            kind = replace(kind, positive=1.0)
        patches = self.sample(images, targets, kind)
        label = torch.cat([each.label for each in patches])
        with torch.set_grad_enabled(torch.is_grad_enabled() and not alone):
            maps, vectors, scores = self.on_windows(self.pictures(images, patches))
        around = (label > 0).nonzero().squeeze(1)
        parts = self.refinement.skip_maps([x[around] for x in self.used(maps)])
        logits = self.refinement(vectors.flatten(1)[around], [self.inner(x, i) for i, x in enumerate(parts)])
        truth = true_masks(targets, patches, self.mask_side)
        mask = logits.sum()  # 0 where there is no window
        if len(around):
            mask = mask_loss(logits, truth)
        mask = part_of_mean(mask, len(around))
        if alone:
            return {"mask": mask}
        return {"mask": mask, "score": self.cfg.score_weight * score_loss(scores.flatten(), label)}

    def used(self, maps: list[Tensor]) -> list[Tensor]:
        """F^1 ... F^n of the trunk's maps."""
        return maps[:self.refinement.modules_count]

    def inner(self, x: Tensor, i: int) -> Tensor:
        """The window's part of a patch's shared map i."""
        edge, side = self.cfg.window.context // self.cfg.window.stride * 2**i, self.cfg.window.cells * 2**i
        if self.cfg.refine.plain:
            x, side = self.refinement.bordered(x), side + 2
        return x[..., edge:edge + side, edge:edge + side]

    def masks(self, dense: Dense, chosen: Tensor) -> Tensor:
        """Mask logits (D, m, m) of the windows `chosen` (D,), best first; cfg.refine.top of them refined."""
        if not self.cfg.refined:
            return super().masks(dense, chosen)
        top = chosen[:self.cfg.refine.top]
        refined = self.refine(dense, top)
        if len(top) == len(chosen):
            return refined
        rest = enlarged_masks(self.head, dense.vectors[chosen[len(top):]])[:, None]
        side = (self.mask_side, self.mask_side)
        return torch.cat([refined, F.interpolate(rest, side, mode="bilinear", align_corners=False)[:, 0]])

    def refine(self, dense: Dense, chosen: Tensor) -> Tensor:
        """Refined mask logits of windows (D,) -> (D, m, m); what windows share is computed once a scale."""
        side, edge = self.mask_side, self.cfg.window.context // self.cfg.window.stride
        logits = dense.scores.new_zeros(len(chosen), side, side)
        for place, maps in enumerate(dense.maps):
            of_scale = (dense.scale[chosen] == place).nonzero().squeeze(1)
            if not len(of_scale):
                continue
            shared = self.refinement.skip_maps(self.used(maps))
            for some in of_scale.split(CHUNK):
                windows = chosen[some]
                parts = self.refinement.cut(shared, dense.cell[windows] + edge)
                logits[some] = self.refinement(dense.vectors[windows], parts)
        return logits
