"""Claims of Fast R-CNN that no comparison of rows answers.

`CURVES[id](claim, trained)` is an Outcome, or None where runs are missing.
"""
from collections.abc import Callable
from statistics import fmean

from paperlib.claims.comparisons import Outcome, fewer_failures
from paperlib.claims.rows import FAILED


def l2_fails_more(claim: dict, trained) -> Outcome | None:
    """Whether more runs fail with L2 than with smooth L1, over all learning rates together (Sec. 2.3).

    Counting all rates at once chooses none by its runs. A run fails by rule 6 of data/claims/RULES.md.
    """
    table, scores = claim["judge"]["table"], {}
    for label in claim["judge"]["rows"]:
        points = trained.points(table, label, "mAP")
        if not points:
            return None
        scores[label] = list(points.values())
    least = FAILED * max(fmean(points) for points in scores.values())
    failed, runs, sentences = {"L2": 0, "smooth L1": 0}, {"L2": 0, "smooth L1": 0}, []
    for label, points in scores.items():
        count = sum(score < least for score in points)
        loss = label.split(", rate ")[0]
        failed[loss] += count
        runs[loss] += len(points)
        sentences.append(f"{label}: {count} of {len(points)}")
    words = "runs that failed with L2 minus those with smooth L1, in percent, over all learning rates"
    counts = fewer_failures(failed["smooth L1"], runs["smooth L1"], failed["L2"], runs["L2"], words)
    return Outcome([counts], f"Runs that failed: {'; '.join(sentences)}.")


CURVES: dict[str, Callable] = {"frcn-smooth-l1-stable": l2_fails_more}
