"""What is taken for what: a confusion matrix with a row and a column for the background.

Legend: G objects, D detections, K classes.
"""
import numpy as np

from paperlib.report.evidence import IOU, Evidence
from paperlib.scoring.error_types import greedy_match, pairs


def confusion(evidence: Evidence, threshold: float) -> np.ndarray:
    """(K + 1, K + 1) counts: a row an object's class, a column the answer's.

    The last row is the background, the last column "not found".
    Only detections of `threshold` or more are looked at. An object that has been found under its own name
    counts on the diagonal. What is left is then matched without regard to names, best score first, at IoU
    .5: these are the confusions. Objects that remain are not found; detections that remain lie on the
    background, or on an object that another one has found. The last cell stays 0: nobody lists the places
    where nothing is and nothing was found.
    """
    gt, dt = evidence.gt, evidence.dt
    num = len(gt.names)
    taken = evidence.counted & (dt.scores >= threshold)
    right = evidence.hit & taken
    object_of = {}
    for det in np.flatnonzero(right).tolist():
        object_of[det] = int(evidence.object_of[det])
    free = evidence.real.copy()
    free[list(object_of.values())] = False
    d, g, overlap = pairs(gt, dt)
    allowed = (overlap >= IOU) & (taken & ~right)[d] & free[g]
    object_of |= greedy_match(dt.scores, d, g, overlap, allowed)
    matrix = np.zeros((num + 1, num + 1), int)
    for det, obj in object_of.items():
        matrix[gt.category[obj] - 1, dt.category[det] - 1] += 1
        free[obj] = False
    np.add.at(matrix[:, num], gt.category[free] - 1, 1)
    unmatched = taken.copy()
    unmatched[list(object_of)] = False
    np.add.at(matrix[num], dt.category[unmatched] - 1, 1)
    return matrix


def mix_ups(matrix: np.ndarray, names: list[str], most: int = 12) -> list[tuple[str, str, int, float]]:
    """(object, answer, count, share of the object's class) of the most frequent confusions of two classes."""
    between = matrix[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    totals, rows = matrix[:-1].sum(1), []
    for place in np.argsort(-between, axis=None, kind="stable")[:most].tolist():
        row, column = divmod(place, len(names))
        if between[row, column]:
            count = int(between[row, column])
            rows.append((names[row], names[column], count, count / totals[row]))
    return rows
