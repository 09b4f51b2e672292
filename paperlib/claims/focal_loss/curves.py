"""Verdicts on the focal loss's claims that no single column of a table answers, from the recorded runs."""
from collections.abc import Callable, Collection

import torch

from paperlib.claims.by_seed import difference_by_seed, least_by_seed, mean_by_seed
from paperlib.claims.comparisons import Outcome, above
from paperlib.parts.losses import cross_entropy, focal_star
from paperlib.tables import row_jobs, run_measurements


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
    fall = difference_by_seed(_best_alpha(plain, alphas), _best_alpha(focused, alphas))
    names = ", ".join(format(alpha, "g") for alpha in alphas)
    return Outcome([above(fall, f"the best alpha of {names} at gamma 0 minus that at gamma 2")])


def _of_the_judges_row(claim: dict, trained, metric: str) -> dict[int, float]:
    return trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)


def _half_in_the_hardest_fifth(claim: dict, trained) -> Outcome:
    """At every gamma half of the positives' loss, give or take 15 points, lies in their hardest fifth."""
    margins = []
    for gamma in run_measurements.GAMMAS:
        share = _of_the_judges_row(claim, trained, f"top20_pos_{gamma:g}")
        margins.append({seed: 15 - abs(points - 50) for seed, points in share.items()})
    words = "15 minus the largest distance from 50% of the share in the hardest fifth, over the gammas"
    return Outcome([above(least_by_seed(margins), f"in points, {words}")])


def _grows_with_gamma(metric: str, words: str) -> Callable:
    """A claim that a share of the judge's row is larger at gamma 2 than at gamma 0."""
    def judge(claim: dict, trained) -> Outcome:
        focused = _of_the_judges_row(claim, trained, f"{metric}_2")
        plain = _of_the_judges_row(claim, trained, f"{metric}_0")
        rise = difference_by_seed(focused, plain)
        return Outcome([above(rise, f"in points, {words}, at gamma 2 minus at gamma 0")])
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
    words = "in points, the smallest of both shares less 50, and of what they lie above those under gamma 2"
    return Outcome([above(least_by_seed(margins), words)])


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
    lead = difference_by_seed(mean_by_seed(discounting), mean_by_seed(others))
    words = "mean AP of the settings of FL* that discount easy examples minus that of the others"
    return Outcome([above(lead, words)])


CURVES = {
    "focal-alpha-falls-with-gamma": _alpha_falls_with_gamma,
    "focal-flstar-effective-shape": _effective_shapes,
    "focal-cdf-positive": _half_in_the_hardest_fifth,
    "focal-cdf-negative": _grows_with_gamma("top1_neg", "share in the hardest hundredth"),
    "focal-cdf-gamma0-similar": _grows_with_gamma("cdf_gap", "widest gap between both cumulative curves"),
    "focal-imbalance-overwhelms": _background_drowns,
}
