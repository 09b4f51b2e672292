"""Six kinds of mistakes, and what average precision would gain if all of one kind were mended.

Source: Bolya et al., "TIDE" (ECCV 2020), Sec. 2, as hotcoco computes it; the gain is in AP at IoU .5.
"""
from dataclasses import dataclass

from paperlib.report.evidence import Evidence, cleaned
from paperlib.scoring import coco_curves

KINDS = {  # hotcoco's name: (ours, what it means, what may help)
    "Miss": ("Missed", "no detection is near the object, at any score",
             "A larger size, or anchors and levels for these objects: paperlib doctor says which."),
    "Bkg": ("Background", "a detection where nothing is",
            "Look at them first: many are objects that nobody labelled. Else add images without objects."),
    "Cls": ("Wrong name", "the box is right, the name is not",
            "See what is taken for what below: more examples of those classes, or one class for both."),
    "Loc": ("Loose box", "the name is right, the box overlaps by .1 to .5 only",
            "A finer feature map or a larger image; and look how tight the labelled boxes are."),
    "Both": ("Name and box", "an object is near, but neither name nor box fit",
             "These mostly go as training goes on."),
    "Dupe": ("Double", "a second box for an object that has been found",
             "A lower IoU threshold of the suppression of doubles (nms), or a higher score threshold."),
}


@dataclass(frozen=True)
class Mistake:
    """One kind of mistake."""

    name: str
    meaning: str
    advice: str
    count: int                 # of detections; of objects for those that are missed
    gain: float                # AP50 with all of this kind mended, less AP50


def mistakes(evidence: Evidence) -> list[Mistake]:
    """The six kinds, the greatest gain first; [] where hotcoco is not installed."""
    if coco_curves.hotcoco is None:
        return []
    gt, dt = cleaned(evidence)
    gains, counts = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0)
    if len(dt.scores):
        evaluator = coco_curves.hotcoco_evaluator(gt, dt)
        evaluator.evaluate()
        said = evaluator.tide_errors(pos_thr=0.5, bg_thr=0.1)
        gains, counts = said["delta_ap"], said["counts"]
    else:
        gains["Miss"], counts["Miss"] = 1.0, len(gt.image)
    kinds = []
    for key, (name, meaning, advice) in KINDS.items():
        kinds.append(Mistake(name, meaning, advice, int(counts[key]), float(gains[key])))
    return sorted(kinds, key=lambda kind: -kind.gain)
