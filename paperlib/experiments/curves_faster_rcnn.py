"""Verdicts on Faster R-CNN's claims that no single column of a table answers, from what the runs recorded."""
from paperlib.experiments.judge import Difference, paired, verdict
from paperlib.experiments.proposal_probes import COUNTS, IOUS

Outcome = tuple[Difference, str, str] | None  # the difference, the verdict, how it was measured


def _graceful(claim: dict, trained) -> Outcome:
    """Mean fall of recall over the IoUs from the most to the fewest proposals: selective search's minus RPN's."""
    few, many = min(COUNTS), max(COUNTS)
    falls = []
    for row in (claim["judge"]["row"], "RPN+ZF unshared / 300"):
        at = {(t, n): trained.points("faster_rcnn/2", row, f"recall_{t:g}_{n}") for t in IOUS for n in (few, many)}
        seeds = set.intersection(*map(set, at.values()))
        falls.append({s: sum(at[t, many][s] - at[t, few][s] for t in IOUS) / len(IOUS) for s in seeds})
    found = paired(*falls)
    return found and (found, verdict(found, 1), f"Measured: fall from {many} to {few} proposals of 128 px images, "
                      "selective search's minus RPN's, mean over IoU .5 to .9.")


def _of_row(metric: str, sign: int, remark: str):
    """A claim about one measured number of the row that its judge names: `sign` times it is above 0."""
    def judge(claim: dict, trained) -> Outcome:
        values = trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)
        found = paired(values, dict.fromkeys(values, 0.0))
        return found and (found, verdict(found, sign), remark)
    return judge


def _places_better(claim: dict, trained) -> Outcome:
    """Relative gain of Faster over Fast R-CNN in AP minus that in AP50, seed by seed, in percent."""
    gains = []
    for metric in ("AP", "AP50"):
        fast, faster = (trained.points("faster_rcnn/11", row, metric)
                        for row in ("Fast R-CNN here, train", "Faster R-CNN, train"))
        gains.append({s: 100 * (faster[s] / fast[s] - 1) for s in faster.keys() & fast.keys() if fast[s]})
    found = paired(*gains)
    return found and (found, verdict(found, 1), "Measured: relative gain in AP minus that in AP50, percent.")


CURVES = {
    "faster-recall-graceful": _graceful,
    "faster-learned-sizes": _of_row(
        "own_margin", 1, "Measured, times 100: how much nearer, in log size, the mean proposal is to its own anchor "
        "than to the next; the least of the nine."),
    "faster-cross-boundary": _of_row(
        "loss_fall", -1, "Measured: by how many percent the loss falls when crossing anchors are kept."),
    "faster-rpn-helps-high-iou": _places_better,
}
