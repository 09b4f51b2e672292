"""Claims of Fast R-CNN about whole curves: `CURVES[id](claim, trained)` is (difference, verdict, remark) or None."""
from collections.abc import Callable
from dataclasses import replace

from paperlib.intervals import Difference, mean_interval, paired, verdict
from paperlib.tables.row_jobs import variants

LEAST = 1.0  # points of mAP below which a rise counts as none


def _sweep(claim: dict, trained) -> list[tuple[dict, dict]]:
    """(mAP, average recall) by seed of each number of proposals that was run, fewest first."""
    table = claim["judge"]["table"]
    labels = [label for label in variants(table) if label.endswith(" proposals")]
    labels.sort(key=lambda label: int(label.split()[0]))
    found = [(trained.points(table, label, "mAP"), trained.points(table, label, "given_AR")) for label in labels]
    return found if len(found) > 2 and all(mAP for mAP, _ in found) else []


def _peak(sweep: list[tuple[dict, dict]]) -> int:
    """Which number between the fewest and the most has the highest mean mAP."""
    return max(range(1, len(sweep) - 1), key=lambda i: mean_interval(list(sweep[i][0].values())).mean)


def rise_then_fall(claim: dict, trained) -> tuple[Difference, str, str] | None:
    """Whether some number of proposals inside the range beats the fewest and the most (Fig. 3)."""
    if not (sweep := _sweep(claim, trained)):
        return None
    best, first, last = (sweep[i][0] for i in (_peak(sweep), 0, -1))
    found = paired(best, {s: max(first[s], last[s]) for s in first.keys() & last.keys()})
    return found and (found, verdict(found, 1), "Measured: the best number inside the range minus the better end.")


def recall_misleads(claim: dict, trained) -> tuple[Difference, str, str] | None:
    """Whether average recall goes on rising where mAP has stopped (Fig. 3)."""
    if not (sweep := _sweep(claim, trained)):
        return None
    (best, before), (last, after) = sweep[_peak(sweep)], sweep[-1]
    found, recall = paired(last, best), paired(after, before)
    if found is None or recall is None:
        return None
    says = "contradicted" if found.low > 0 or recall.mean <= 0 else "holds" if found.high < LEAST else "unresolved"
    return found, says, (f"Measured: mAP with the most proposals minus mAP at its peak; average recall changes by "
                         f"{recall.mean:+.1f} meanwhile; a rise under {LEAST:g} counts as none.")


def only_l2_diverges(claim: dict, trained) -> tuple[Difference, str, str] | None:
    """Whether at some learning rate every run with L2 diverges and none with smooth L1 (Sec. 2.3)."""
    table, shares, runs = claim["judge"]["table"], {}, []
    for label in claim["judge"]["rows"]:
        row = trained.rows(table).get(label)
        if not row or not row["seconds"]:
            return None
        loss, rate = label.split(", rate ")
        runs.append(len(row["seconds"]))
        shares.setdefault(rate, {})[loss] = row["diverged"] / len(row["seconds"])
    apart = {rate: share["L2"] - share["smooth L1"] for rate, share in shares.items()}
    says = "holds" if max(apart.values()) == 1 else "contradicted" if max(apart.values()) <= 0 else "unresolved"
    told = "; ".join(f"at rate {rate} {100 * s['L2']:.0f}% with L2, {100 * s['smooth L1']:.0f}% with smooth L1"
                     for rate, s in shares.items())
    found = replace(mean_interval([100 * max(apart.values())]), n=min(runs))  # a share of runs: no interval
    return found, says, f"Runs that diverged: {told}."


CURVES: dict[str, Callable] = {
    "frcn-more-proposals": rise_then_fall,
    "frcn-ar-not-map": recall_misleads,
    "frcn-smooth-l1-stable": only_l2_diverges,
}
