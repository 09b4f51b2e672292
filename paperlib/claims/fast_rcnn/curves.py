"""Claims of Fast R-CNN about whole curves.

`CURVES[id](claim, trained)` is (difference, verdict, remark), or None where runs are missing.
"""
from collections.abc import Callable
from dataclasses import replace

from paperlib.intervals import Difference, mean_interval, paired, verdict
from paperlib.tables.row_jobs import variants

LEAST = 1.0  # points of mAP below which a rise counts as none
Outcome = tuple[Difference, str, str] | None  # the difference, the verdict, how it was measured


def _sweep(claim: dict, trained) -> list[tuple[dict, dict]]:
    """(mAP, average recall) by seed of each number of proposals, fewest first; empty if one was not run."""
    table = claim["judge"]["table"]
    labels = [label for label in variants(table) if label.endswith(" proposals")]
    labels.sort(key=_number_of_proposals)
    sweep = []
    for label in labels:
        mAP, recall = trained.points(table, label, "mAP"), trained.points(table, label, "given_AR")
        if not mAP:
            return []
        sweep.append((mAP, recall))
    if len(sweep) < 3:
        return []
    return sweep


def _number_of_proposals(label: str) -> int:
    return int(label.split()[0])


def _peak(sweep: list[tuple[dict, dict]]) -> tuple[dict, dict]:
    """The entry between the fewest and the most proposals that has the highest mean mAP."""
    return max(sweep[1:-1], key=_mean_mAP)


def _mean_mAP(entry: tuple[dict, dict]) -> float:
    mAP, _ = entry
    return mean_interval(list(mAP.values())).mean


def rise_then_fall(claim: dict, trained) -> Outcome:
    """Whether some number of proposals inside the range beats the fewest and the most (Fig. 3)."""
    sweep = _sweep(claim, trained)
    if not sweep:
        return None
    (best, _), (fewest, _), (most, _) = _peak(sweep), sweep[0], sweep[-1]
    better_end = {}
    for seed in fewest.keys() & most.keys():
        better_end[seed] = max(fewest[seed], most[seed])
    lead = paired(best, better_end)
    if lead is None:
        return None
    return lead, verdict(lead, 1), "Measured: the best number inside the range minus the better end."


def recall_misleads(claim: dict, trained) -> Outcome:
    """Whether average recall goes on rising where mAP has stopped (Fig. 3)."""
    sweep = _sweep(claim, trained)
    if not sweep:
        return None
    (best_mAP, best_recall), (last_mAP, last_recall) = _peak(sweep), sweep[-1]
    rise, recall = paired(last_mAP, best_mAP), paired(last_recall, best_recall)
    if rise is None or recall is None:
        return None
    if rise.low > 0 or recall.mean <= 0:
        says = "contradicted"
    elif rise.high < LEAST:
        says = "holds"
    else:
        says = "unresolved"
    remark = (f"Measured: mAP with the most proposals minus mAP at its peak; average recall changes by "
              f"{recall.mean:+.1f} meanwhile; a rise under {LEAST:g} counts as none.")
    return rise, says, remark


def only_l2_diverges(claim: dict, trained) -> Outcome:
    """Whether at some learning rate every run with L2 diverges and none with smooth L1 (Sec. 2.3)."""
    rows, shares, runs = trained.rows(claim["judge"]["table"]), {}, []  # shares: {rate: {loss: of its runs}}
    for label in claim["judge"]["rows"]:
        row = rows.get(label)
        if not row or not row["seconds"]:
            return None
        loss, rate = label.split(", rate ")
        runs.append(len(row["seconds"]))
        shares.setdefault(rate, {})[loss] = row["diverged"] / len(row["seconds"])
    gaps, sentences = [], []
    for rate, share in shares.items():
        l2, smooth = share["L2"], share["smooth L1"]
        gaps.append(l2 - smooth)
        sentences.append(f"at rate {rate} {100 * l2:.0f}% with L2, {100 * smooth:.0f}% with smooth L1")
    widest = max(gaps)
    if widest == 1:
        says = "holds"
    elif widest <= 0:
        says = "contradicted"
    else:
        says = "unresolved"
    difference = replace(mean_interval([100 * widest]), n=min(runs))  # a share of runs: no interval
    return difference, says, f"Runs that diverged: {'; '.join(sentences)}."


CURVES: dict[str, Callable] = {
    "frcn-more-proposals": rise_then_fall,
    "frcn-ar-not-map": recall_misleads,
    "frcn-smooth-l1-stable": only_l2_diverges,
}
