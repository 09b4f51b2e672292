"""The annotation pipeline from end to end, on a set whose truth is known: its result and its cost."""
from dataclasses import dataclass

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation.outlines import Hand, draw_by_hand, mask_iou, training_task
from paperlib.studies.annotation.simulated_workers import (
    WORKERS,
    Spotted,
    Workers,
    hire,
    name_categories,
    presence,
    spot,
    verify,
)


@dataclass(frozen=True)
class Rules:
    """How the pipeline is run; numbers of people are COCO's, the rest is ours."""
    workers: int = 8            # who name categories, and who spot objects
    applicants: int = 60        # who try the training task
    bar: float = 0.8            # IoU that the training task asks for
    rounds: int = 3             # times that an object is drawn before it is given up
    dismissed: float = 0.9      # wrongly named categories that the person who is to draw them turns down
    approve: tuple[float, float] = (0.65, 15.0)   # IoU that half of the judges approve; logits a unit of IoU


RULES = Rules()


@dataclass(frozen=True)
class Annotated:
    """The result of the pipeline."""
    stages: dict[str, int]                              # {stage: how many objects, segments or votes}
    segments: list[tuple[int, int, float, np.ndarray]]  # kept: image, label, IoU with the truth, mask


def approval(iou, rules: Rules = RULES):
    """The probability that a judge approves of a segment."""
    middle, slope = rules.approve
    return 1 / (1 + np.exp(-slope * (np.asarray(iou, float) - middle)))


def annotate(dataset: DetectionSet, rng: np.random.Generator, model: Workers = WORKERS,
             rules: Rules = RULES) -> Annotated:
    """Name, spot, draw and verify every image of a set. Crowd regions and their painting are left out."""
    present, crew = presence(dataset), hire(model, rules.workers, rng)
    named, truth = name_categories(present, model, crew, rng).any(-1), present.there
    spotted = spot(dataset, model, crew, rng)
    reached = named[spotted.image, spotted.label - 1]
    todo = reached & spotted.by.any(1)
    segments, left, work = _segment(_masks(dataset, spotted, todo), _trained(dataset, rules, rng), rules, rng)
    wrong = int((named & ~truth).sum())
    invented = int((rng.random(wrong) >= rules.dismissed).sum())
    slipped, cast = verify(np.full(invented, float(approval(0.0, rules))), rng)
    stages = {
        "categories there": truth.sum(), "categories named rightly": (named & truth).sum(),
        "categories named wrongly": wrong, "objects there": len(todo), "in a named category": reached.sum(),
        "spotted": todo.sum(), "segments kept": len(segments), "segments of nothing kept": slipped.sum(),
        "given up": left, "segments drawn": work[0] + invented, "votes cast": work[1] + cast.sum()}
    return Annotated({name: int(count) for name, count in stages.items()}, segments)


def _trained(dataset: DetectionSet, rules: Rules, rng) -> list[Hand]:
    """The applicants who pass the training task. Errors: ValueError if none does."""
    crew, test, _ = training_task(dataset, rules.applicants, rng, work=0)
    passed = [hand for hand, iou in zip(crew, test) if iou >= rules.bar]
    if not passed:
        raise ValueError(f"nobody passed the training task at IoU {rules.bar:g}; "
                         f"the best reached {test.max():.2f}")
    return passed


def _segment(waiting: list, crew: list[Hand], rules: Rules, rng) -> tuple[list, int, tuple[int, int]]:
    """Draw and judge, round after round: kept segments, objects given up, (segments drawn, votes cast)."""
    segments, drawn, votes = [], 0, 0
    for _ in range(rules.rounds):
        done, quality = [], []
        for _, _, mask in waiting:
            hand = crew[rng.integers(len(crew))]
            done.append(draw_by_hand(mask, hand, rng))
            quality.append(mask_iou(mask, done[-1]))
        kept, cast = verify(approval(quality, rules), rng)
        again = []
        for k, (image, label, mask) in enumerate(waiting):
            if kept[k]:
                segments.append((image, label, quality[k], done[k]))
            else:
                again.append((image, label, mask))
        waiting = again
        drawn, votes = drawn + len(done), votes + int(cast.sum())
    return segments, len(waiting), (drawn, votes)


def _masks(dataset: DetectionSet, spotted: Spotted, wanted: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """(image, label, mask) of the wanted objects; `spot` lists objects in the order of the records."""
    out, start = [], 0
    for i, count in enumerate(np.bincount(spotted.image, minlength=len(dataset))):
        here = wanted[start:start + count]
        if here.any():
            target = dataset.target(i, masks=True)
            for k in np.flatnonzero(~target["crowd"].numpy())[here]:
                mask = target["masks"][k].numpy()
                if mask.any():
                    out.append((i, int(target["labels"][k]), mask))
        start += count
    return out
