"""Claims of Fast R-CNN about whole curves.

`CURVES[id](claim, trained)` is an Outcome, or None where runs are missing.
"""
from collections.abc import Callable
from dataclasses import replace

from paperlib.claims.by_seed import difference_by_seed
from paperlib.claims.comparisons import Comparison, Outcome, above, below, fewer_failures
from paperlib.intervals import mean_interval
from paperlib.tables.row_jobs import variants

LEAST = 1.0  # points of mAP below which a rise counts as none


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


def rise_then_fall(claim: dict, trained) -> Outcome | None:
    """Whether some number of proposals inside the range beats the fewest and the most (Fig. 3)."""
    sweep = _sweep(claim, trained)
    if not sweep:
        return None
    (best, _), (fewest, _), (most, _) = _peak(sweep), sweep[0], sweep[-1]
    better_end = {}
    for seed in fewest.keys() & most.keys():
        better_end[seed] = max(fewest[seed], most[seed])
    lead = difference_by_seed(best, better_end)
    return Outcome([above(lead, "mAP of the best number inside the range minus that of the better end")])


def recall_misleads(claim: dict, trained) -> Outcome | None:
    """Whether average recall goes on rising where mAP has stopped (Fig. 3)."""
    sweep = _sweep(claim, trained)
    if not sweep:
        return None
    (best_mAP, best_recall), (last_mAP, last_recall) = _peak(sweep), sweep[-1]
    rise = below(difference_by_seed(last_mAP, best_mAP),
                 f"mAP with the most proposals minus that at its peak, below {LEAST:g}", LEAST)
    recall = above(difference_by_seed(last_recall, best_recall),
                   "average recall with the most proposals minus that at the peak of mAP")
    return Outcome([rise, recall], f"A rise under {LEAST:g} counts as none, a bound of ours.")


def only_l2_diverges(claim: dict, trained) -> Outcome | None:
    """Whether at some learning rate more runs diverge with L2 than with smooth L1 (Sec. 2.3).

    The rate is chosen by the runs, so its p counts once for each rate.
    """
    runs = {}  # {rate: {loss: (diverged, all)}}
    for label in claim["judge"]["rows"]:
        row = trained.row(claim["judge"]["table"], label)
        if not row["seconds"]:
            return None
        loss, rate = label.split(", rate ")
        runs.setdefault(rate, {})[loss] = row["diverged"], len(row["seconds"])
    rates, sentences = [], []
    for rate, by_loss in runs.items():
        l2, smooth = by_loss["L2"], by_loss["smooth L1"]
        words = f"runs that diverged with L2 minus those with smooth L1, in percent, at rate {rate}"
        rates.append(fewer_failures(*smooth, *l2, words))
        sentences.append(f"at {rate} {l2[0]} of {l2[1]} with L2, {smooth[0]} of {smooth[1]} with smooth L1")
    widest = max(rates, key=Comparison.gap)
    p_for, p_against = widest.exact
    widest = replace(widest, exact=(min(1.0, len(rates) * p_for), p_against))
    return Outcome([widest], f"Runs that diverged: {'; '.join(sentences)}.")


CURVES: dict[str, Callable] = {
    "frcn-more-proposals": rise_then_fall,
    "frcn-ar-not-map": recall_misleads,
    "frcn-smooth-l1-stable": only_l2_diverges,
}
