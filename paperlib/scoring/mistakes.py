"""What R-CNN's Figures 5 and 6 draw, as numbers of one run: its false positives by kind, its weak objects."""
from collections import Counter

import numpy as np

from paperlib.scoring.checked_arrays import truth
from paperlib.scoring.error_types import KINDS, error_types
from paperlib.scoring.sensitivity import CHARACTERISTICS, sensitivity


def mistakes(gt, results: list[dict]) -> dict[str, float]:
    """{"FP Loc": ..., "nAP size small": ...}: `kinds_of_mistakes`, and each group's normalised AP.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 3.4, Fig. 5 and 6, after Hoiem et al.
    Units:  fractions.
    """
    numbers = {}
    for kind, share in kinds_of_mistakes(gt, results).items():
        numbers[f"FP {kind}"] = share
    for name, measure in CHARACTERISTICS.items():
        for group, ap in sensitivity(gt, results, measure).items():
            numbers[f"nAP {name} {group}"] = ap
    return numbers


def kinds_of_mistakes(gt, results: list[dict]) -> dict[str, float]:
    """The share of each kind among false positives: {"Loc", "Sim", "Oth", "BG"}, mean over classes.

    Source: R-CNN Fig. 5. Of each class the highest-scoring false positives count, as many as it has objects;
            a class without any is left out.
    """
    columns = truth(gt)
    real = ~(columns.difficult | columns.crowd)
    ids, kinds = np.array([result["category_id"] for result in results], int), error_types(gt, results)[0]
    order = np.argsort([-result["score"] for result in results], kind="stable")
    order = order[np.isin(kinds[order], KINDS[1:])]
    shares = []
    for category, number in columns.categories.items():
        wrong = kinds[order[ids[order] == category]]
        first = wrong[:int((real & (columns.category == number)).sum())]
        if len(first):
            counts = Counter(first.tolist())
            shares.append([counts[kind] / len(first) for kind in KINDS[1:]])
    if not shares:
        return dict.fromkeys(KINDS[1:], 0.0)
    return dict(zip(KINDS[1:], np.mean(shares, 0).tolist()))
