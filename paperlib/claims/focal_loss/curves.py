"""Verdicts on the focal loss's claims that no single column of a table answers, from the recorded runs."""
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch

from paperlib.claims.by_seed import above_zero, difference_by_seed, least_by_seed, mean_by_seed
from paperlib.intervals import Difference, paired, verdict
from paperlib.parts.losses import cross_entropy, focal_star
from paperlib.tables import row_jobs, run_measurements

Outcome = tuple[Difference | None, str, str] | None  # the difference, the verdict, how it was measured
REACHED = 1.0  # AP points that one stage may stay behind and still have "reached the accuracy" of two
FROM_WEAK_TO_STRONG = ("contradicted", "unresolved", "holds")


def _without_runs(stale: int) -> Outcome:
    """The outcome of a claim whose runs are missing; `stale` is how many there are of other code."""
    if stale:
        return None, "stale", ""
    return None


def _by_alpha(gamma: float, trained) -> dict[float, dict[int, float]]:
    """{alpha: {seed: AP}} of the rows of Tables 1a and 1b that set only this gamma and an alpha."""
    by_alpha = {}
    for table in ("focal_loss/1a", "focal_loss/1b"):
        for job in row_jobs.jobs_of(table, trained.plan, seeds=1):
            changes = job.changes
            if set(changes) == {"loss.gamma", "loss.alpha"} and changes["loss.gamma"] == gamma:
                by_alpha.setdefault(changes["loss.alpha"], {}).update(trained.points(table, job.row, "AP"))
    return by_alpha


def _best_alpha(by_alpha: dict[float, dict[int, float]], alphas: Collection[float]) -> dict[int, float]:
    """{seed: the alpha of the highest AP}, of the seeds with all alphas: the best of a few says little."""
    best = {}
    for seed in set.intersection(*[set(by_alpha[alpha]) for alpha in alphas]):
        best[seed] = max(alphas, key=lambda alpha: by_alpha[alpha][seed])
    return best


def _alpha_falls_with_gamma(claim: dict, trained) -> Outcome:
    """The best alpha without focusing minus the best with gamma 2, of the alphas planned for both."""
    plain, focused = _by_alpha(0.0, trained), _by_alpha(2.0, trained)
    alphas = sorted(plain.keys() & focused.keys())
    fall = paired(_best_alpha(plain, alphas), _best_alpha(focused, alphas))
    if fall is None:
        return None
    if fall.low > 0:
        says = "holds"
    elif fall.high <= 0:
        says = "contradicted"
    else:
        says = "unresolved"
    names = ", ".join(format(alpha, "g") for alpha in alphas)
    return fall, says, f"Measured: the best alpha of {names} at gamma 0 minus that at gamma 2."


@dataclass(frozen=True)
class _Part:
    """One comparison of a sentence that makes several."""

    lead: Difference
    says: str
    reserve: float  # points that the lead lies on the right side of what the part asks
    words: str

    def strength(self) -> tuple[int, float]:
        return FROM_WEAK_TO_STRONG.index(self.says), self.reserve


def _points(trained, table: str, row: str, metric: str) -> dict[int, float]:
    """{seed: points} of a metric, or of "A - B", the difference of two."""
    metric, _, subtrahend = metric.partition(" - ")
    points = trained.points(table, row, metric)
    if not subtrahend:
        return points
    return difference_by_seed(points, trained.points(table, row, subtrahend))


def _judge_part(part: dict, table: str, trained) -> _Part | None:
    """One of a judge's `parts`; None if its rows share no seed."""
    metric, margin, spare = part.get("metric", "AP"), part.get("margin"), part.get("spare")
    better = _points(trained, table, part["better"], metric)
    worse = _points(trained, table, part["worse"], metric)
    words = f"{metric} of \"{part['better']}\" minus \"{part['worse']}\""
    if spare is not None:
        better = {seed: value + spare for seed, value in better.items()}
        words += f", plus {spare:g}"
    elif margin is not None:
        words += f", no more than {margin:g} apart"
    lead = paired(better, worse)
    if lead is None:
        return None
    reserve = lead.mean
    if margin is not None:
        reserve = margin - abs(lead.mean)
    return _Part(lead, verdict(lead, 1, margin), reserve, words)


def _all_parts(claim: dict, trained) -> Outcome:
    """A sentence of several comparisons, its judge's `parts`: all must hold, each over the seeds of its rows.

    A part's better row may lie `spare` points behind. With a `margin` neither row may lead by more. The
    metric may be "A - B", the difference of two.
    """
    table, parts = claim["judge"]["table"], []
    for record in claim["judge"]["parts"]:
        part = _judge_part(record, table, trained)
        if part is None:
            return _without_runs(sum(row["stale"] for row in trained.rows(table).values()))
        parts.append(part)
    weakest = min(parts, key=_Part.strength)
    remark = f"Measured: {weakest.words}, the least of {len(parts)} parts; all must hold."
    return weakest.lead, weakest.says, remark


def _of_the_judges_row(claim: dict, trained, metric: str) -> dict[int, float]:
    return trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)


def _share_judged(claim: dict, trained, margin: Difference | None, words: str) -> Outcome:
    """A claim about Fig. 4 holds if its margin, from `run_measurements.loss_shares`, is above 0."""
    if margin is None:
        row = trained.rows(claim["judge"]["table"]).get(claim["judge"]["row"], {"stale": 0})
        return _without_runs(row["stale"])
    return margin, verdict(margin, 1), f"Measured, in points: {words}."


def _half_in_the_hardest_fifth(claim: dict, trained) -> Outcome:
    """At every gamma half of the positives' loss, give or take 15 points, lies in their hardest fifth."""
    margins = []
    for gamma in run_measurements.GAMMAS:
        share = _of_the_judges_row(claim, trained, f"top20_pos_{gamma:g}")
        margins.append({seed: 15 - abs(points - 50) for seed, points in share.items()})
    words = "15 minus the largest distance from 50% of the share in the hardest fifth, over the gammas"
    return _share_judged(claim, trained, above_zero(least_by_seed(margins)), words)


def _grows_with_gamma(metric: str, words: str) -> Callable:
    """A claim that a share of the judge's row is larger at gamma 2 than at gamma 0."""
    def judge(claim: dict, trained) -> Outcome:
        focused = _of_the_judges_row(claim, trained, f"{metric}_2")
        plain = _of_the_judges_row(claim, trained, f"{metric}_0")
        return _share_judged(claim, trained, paired(focused, plain), f"{words}, at gamma 2 minus at gamma 0")
    return judge


def _background_drowns(claim: dict, trained) -> Outcome:
    """Easy background's shares of the loss and of the slopes, in networks that cross entropy trained.

    Both must exceed one half, and their like under the focal loss in networks that it trained.
    """
    margins = []
    for kind in ("easy_loss", "easy_slope"):
        entropy = _of_the_judges_row(claim, trained, f"{kind}_0")
        focal = trained.points("focal_loss/1b", "gamma 2", f"{kind}_2")
        margins.append({seed: share - 50 for seed, share in entropy.items()})
        margins.append(difference_by_seed(entropy, focal))
    least = above_zero(least_by_seed(margins))
    if least is None:
        return None
    return least, verdict(least, 1), ("Measured, in points: the smallest of both shares less 50, and of what "
                                      "they lie above those under gamma 2.")


def _discounts_the_easy(gamma: float, beta: float) -> bool:
    """Whether FL* at x_t = 2 is under half of cross entropy."""
    x_t, positive = torch.tensor(2.0), torch.tensor(1.0)
    return bool(focal_star(x_t, positive, gamma, beta, None) < cross_entropy(x_t, positive) / 2)


def _effective_shapes(claim: dict, trained) -> Outcome:
    """Mean AP of the settings of FL* that discount what is easy minus that of the others, seed by seed."""
    table, discounting, others = claim["judge"]["table"], [], []
    for job in row_jobs.jobs_of(table, trained.plan, seeds=1):
        if job.changes["loss.kind"] != "focal_star":
            continue
        points = trained.points(table, job.row, "AP")
        if _discounts_the_easy(job.changes["loss.gamma"], job.changes["loss.beta"]):
            discounting.append(points)
        else:
            others.append(points)
    lead = paired(mean_by_seed(discounting), mean_by_seed(others))
    if lead is None:
        return None
    return lead, verdict(lead, 1), ""


def _reaches_two_stages(claim: dict, trained) -> Outcome:
    """AP of the one-stage row that the judge adds minus that of Faster R-CNN on a pyramid, seed by seed."""
    (row,) = claim["judge"]["rows"]
    lead = paired(trained.points(claim["judge"]["table"], row, "AP"), trained.points("fpn/5", "shared", "AP"))
    if lead is None:
        return None
    if lead.low > -REACHED:
        says = "holds"
    elif lead.high < -REACHED:
        says = "contradicted"
    else:
        says = "unresolved"
    remark = ("Measured: RetinaNet minus Faster R-CNN with the same trunk and images, features shared (FPN, "
              f"Table 5); \"reached\" allows {REACHED:g} point less.")
    return lead, says, remark


CURVES = {
    **dict.fromkeys(("focal-gamma-curve", "focal-gamma-robust", "focal-depth-scale", "focal-anchors-saturate",
                     "focal-flstar-equal"), _all_parts),
    "focal-alpha-falls-with-gamma": _alpha_falls_with_gamma,
    "focal-flstar-effective-shape": _effective_shapes,
    "focal-matches-two-stage": _reaches_two_stages,
    "focal-cdf-positive": _half_in_the_hardest_fifth,
    "focal-cdf-negative": _grows_with_gamma("top1_neg", "share in the hardest hundredth"),
    "focal-cdf-gamma0-similar": _grows_with_gamma("cdf_gap", "widest gap between both cumulative curves"),
    "focal-imbalance-overwhelms": _background_drowns,
}
