"""Scores on the way of a run: its best weights are kept, and it ends early where nothing gets better."""
from pathlib import Path

import numpy as np
import torch
from torch import nn

from paperlib.data.detection_set import DetectionSet
from paperlib.distributed import ranks
from paperlib.scoring.coco_metrics import evaluate


class Best:
    """A training's `watch`: the score at `checks` even points; the best weights lie in `file` till the end.

    The score (AP, or the recall of the most proposals) goes into the step's record, so that a resumed run
    knows what was before; `done` are the steps that its checkpoint holds. With `patience`, `is_over` after so
    many checks without a better score.
    """

    def __init__(self, dataset: DetectionSet, device: torch.device, file: Path, steps: int, checks: int,
                 patience: int | None = None, done: int = 0):
        if checks < 0 or (patience is not None and patience < 1):
            raise ValueError(f"--checks {checks}, --patience {patience}; expected 0 or more, and 1 or more")
        self.dataset, self.device, self.file, self.patience = dataset, device, file, patience
        self.points = set(np.linspace(0, steps, checks + 1).round().astype(int)[1:].tolist())
        self.score, self.step, self.lately, self.done = -1.0, 0, 0, done

    def __call__(self, system: nn.Module, record: dict) -> None:
        step = record["step"] + 1
        if step not in self.points:
            return
        if "AP" not in record:  # a resumed run brings earlier ones
            if step < self.done:
                return  # of a step that was not checked then; the weights of today are later ones
            record["AP"] = headline(evaluate(system, self.dataset, self.device))[1]
            system.train()
            if record["AP"] >= self.score and ranks()[0] == 0:
                torch.save({"step": step, "model": system.state_dict()}, self.file)
        self.lately += 1
        if record["AP"] > self.score:
            self.lately = 0
        if record["AP"] >= self.score:  # of equal ones the last
            self.score, self.step = record["AP"], step

    @property
    def is_over(self) -> bool:
        """Whether the last `patience` checks brought nothing."""
        return self.patience is not None and self.lately >= self.patience

    def restore(self, system: nn.Module, steps: int) -> str:
        """Give the system its best weights, if later ones were worse; one line on that, or ""."""
        if not self.step or self.step == steps or not self.file.is_file():
            return ""
        kept = torch.load(self.file, map_location=self.device, weights_only=True)
        if kept["step"] != self.step:
            return ""
        system.load_state_dict(kept["model"])
        return (f"kept the weights of step {self.step}, the best of {len(self.points)} checks on "
                f"{self.dataset.name} (AP {100 * self.score:.1f}): "
                "a score on these pictures is a little too good")


def headline(scores: dict) -> tuple[str, float]:
    """The one score that stands for all: AP, or recall of the most proposals; of masks, of 100 segments."""
    if "AP" in scores:
        return "AP", float(scores["AP"])
    if "seg AR100" in scores:
        return "seg AR100", float(scores["seg AR100"])
    recalls = [name for name in scores if name.startswith("AR") and name[2:].isdigit()]
    return recalls[-1], float(scores[recalls[-1]])
