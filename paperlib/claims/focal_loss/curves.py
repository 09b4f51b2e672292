"""Verdicts on the focal loss's claims that no single column of a table answers, from what the runs recorded."""
from collections.abc import Callable

import torch

from paperlib.intervals import Difference, paired, verdict
from paperlib.parts.losses import cross_entropy, focal_star
from paperlib.tables import row_jobs, run_measurements

Outcome = tuple[Difference | None, str, str] | None  # the difference, the verdict, how it was measured
REACHED = 1.0  # AP points that one stage may stay behind and still have "reached the accuracy" of two


def _alpha_falls_with_gamma(claim: dict, trained) -> Outcome:
    """The best alpha without focusing minus the best with gamma 2, seed by seed, of the alphas planned for both.

    A seed counts when it has all of them: the best of a few says little.
    """
    found: dict[float, dict[float, dict]] = {0.0: {}, 2.0: {}}  # {gamma: {alpha: {seed: AP}}}
    for table in ("focal_loss/1a", "focal_loss/1b"):
        for job in row_jobs.jobs_of(table, trained.plan, seeds=1):
            gamma, alpha = job.changes.get("loss.gamma"), job.changes.get("loss.alpha")
            if gamma in found and set(job.changes) == {"loss.gamma", "loss.alpha"}:
                found[gamma].setdefault(alpha, {}).update(trained.points(table, job.row, "AP"))
    alphas = sorted(found[0.0].keys() & found[2.0].keys())
    seeds = set.intersection(*(set(found[gamma][alpha]) for gamma in found for alpha in alphas))
    best = [{seed: max(alphas, key=lambda alpha: found[gamma][alpha][seed]) for seed in seeds} for gamma in found]
    difference = paired(*best)
    if difference is None:
        return None
    says = "holds" if difference.low > 0 else "contradicted" if difference.high <= 0 else "unresolved"
    told = ", ".join(format(alpha, "g") for alpha in alphas)
    return difference, says, f"Measured: the best alpha of {told} at gamma 0 minus that at gamma 2."


def _all_parts(claim: dict, trained) -> Outcome:
    """A sentence of several comparisons, its judge's `parts`, each over the seeds that its rows share: all must hold.

    A part's better row may lie `spare` points behind; with a `margin` neither may lead by more; its metric may be
    "A - B", the difference of two.
    """
    table, parts = claim["judge"]["table"], claim["judge"]["parts"]

    def points(row: str, metric: str) -> dict[int, float]:
        first, *rest = [trained.points(table, row, name) for name in metric.split(" - ")]
        return {s: v - sum(other[s] for other in rest) for s, v in first.items() if all(s in other for other in rest)}

    found = []
    for part in parts:
        metric, margin = part.get("metric", "AP"), part.get("margin")
        better, worse = (points(part[side], metric) for side in ("better", "worse"))
        lead = paired({seed: value + part.get("spare", 0) for seed, value in better.items()}, worse)
        if lead is None:
            return (None, "stale", "") if any(row["stale"] for row in trained.rows(table).values()) else None
        says, told = verdict(lead, 1, margin), f"{metric} of \"{part['better']}\" minus \"{part['worse']}\""
        if "spare" in part:
            told += f", plus {part['spare']:g}"
        elif margin is not None:
            told += f", no more than {margin:g} apart"
        left = lead.mean if margin is None else margin - abs(lead.mean)
        found.append((("contradicted", "unresolved", "holds").index(says), left, lead, says, told))
    _, _, lead, says, told = min(found, key=lambda each: each[:2])
    return lead, says, f"Measured: {told}, the least of {len(parts)} parts; all must hold."


def _shares(margins: Callable, told: str) -> Callable:
    """A claim about Fig. 4: it holds as far as the smallest of `margins(share)` is above 0, seed by seed.

    `share(name)` is a number that `run_measurements.loss_shares` measured of the row that the claim's judge names.
    """
    def judge(claim: dict, trained) -> Outcome:
        row = trained.rows(claim["judge"]["table"]).get(claim["judge"]["row"], {"metrics": {}, "stale": 0})
        runs = {seed for name, found in row["metrics"].items() if name.startswith("easy_") for seed in found}
        shares = {seed: lambda name, seed=seed: 100 * row["metrics"][name][seed] for seed in runs}
        found = paired({seed: min(margins(share)) for seed, share in shares.items()}, dict.fromkeys(runs, 0.0))
        if found is None:
            return (None, "stale", "") if row["stale"] else None
        return found, verdict(found, 1), f"Measured, in points: {told}."
    return judge


def _background_drowns(claim: dict, trained) -> Outcome:
    """Easy background's shares of the loss and of the slopes, in networks that cross entropy trained, seed by seed.

    Both must exceed one half, and what they are under the focal loss in networks that it trained.
    """
    judge, margins = claim["judge"], []
    for kind in ("easy_loss", "easy_slope"):
        entropy = trained.points(judge["table"], judge["row"], f"{kind}_0")
        focal = trained.points("focal_loss/1b", "gamma 2", f"{kind}_2")
        margins += [{seed: entropy[seed] - other for seed, other in side.items() if seed in entropy}
                    for side in (dict.fromkeys(entropy, 50.0), focal)]
    seeds = set.intersection(*map(set, margins))
    found = paired({seed: min(each[seed] for each in margins) for seed in seeds}, dict.fromkeys(seeds, 0.0))
    return found and (found, verdict(found, 1), "Measured, in points: the smallest of both shares less 50, and of what "
                                                "they lie above those under gamma 2.")


def _effective_shapes(claim: dict, trained) -> Outcome:
    """Mean AP of the settings of FL* that discount what is easy minus that of the others, seed by seed."""
    table, sides = claim["judge"]["table"], {True: [], False: []}
    for job in row_jobs.jobs_of(table, trained.plan, seeds=1):
        if job.changes["loss.kind"] == "focal_star":
            x_t, yes = torch.tensor(2.0), torch.tensor(1.0)
            loss = focal_star(x_t, yes, job.changes["loss.gamma"], job.changes["loss.beta"], None)
            sides[bool(loss < cross_entropy(x_t, yes) / 2)].append(trained.points(table, job.row, "AP"))
    means = [{seed: sum(row[seed] for row in rows) / len(rows) for seed in set.intersection(*map(set, rows))}
             for rows in (sides[True], sides[False])]
    found = paired(*means)
    return found and (found, verdict(found, 1), "")


def _reaches_two_stages(claim: dict, trained) -> Outcome:
    """AP of the one-stage row that the judge adds minus that of Faster R-CNN on a pyramid, seed by seed."""
    (row,) = claim["judge"]["rows"]
    one = trained.points(claim["judge"]["table"], row, "AP")
    found = paired(one, trained.points("fpn/5", "shared", "AP"))
    if found is None:
        return None
    says = "holds" if found.low > -REACHED else "contradicted" if found.high < -REACHED else "unresolved"
    return found, says, ("Measured: RetinaNet minus Faster R-CNN with the same trunk and images, features shared (FPN, "
                         f"Table 5); \"reached\" allows {REACHED:g} point less.")


CURVES = {
    **dict.fromkeys(("focal-gamma-curve", "focal-gamma-robust", "focal-depth-scale", "focal-anchors-saturate",
                     "focal-flstar-equal"), _all_parts),
    "focal-alpha-falls-with-gamma": _alpha_falls_with_gamma,
    "focal-flstar-effective-shape": _effective_shapes,
    "focal-matches-two-stage": _reaches_two_stages,
    "focal-cdf-positive": _shares(
        lambda share: [15 - abs(share(f"top20_pos_{g:g}") - 50) for g in run_measurements.GAMMAS],
        "15 minus the largest distance from 50% of the share in the hardest fifth, over the gammas"),
    "focal-cdf-negative": _shares(
        lambda share: [share("top1_neg_2") - share("top1_neg_0")],
        "share in the hardest hundredth, at gamma 2 minus at gamma 0"),
    "focal-cdf-gamma0-similar": _shares(
        lambda share: [share("cdf_gap_2") - share("cdf_gap_0")],
        "widest gap between both cumulative curves, at gamma 2 minus at gamma 0"),
    "focal-imbalance-overwhelms": _background_drowns,
}
