"""Verdicts on Faster R-CNN's claims that no single column of a table answers, from what the runs recorded."""
from collections.abc import Callable

from paperlib.intervals import Difference, mean_interval, paired, verdict
from paperlib.scoring.proposal_recall import COUNTS, IOUS
from paperlib.studies import world
from paperlib.studies.proposals import TABLE

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


def _probed(key: str, say: Callable, remark: str):
    """A claim that `paperlib bench world` measured on parts of the test images: `say(interval)` is the verdict."""
    def judge(claim: dict, _) -> Outcome:
        record = world.measured(TABLE).get(claim["id"])
        if record is None or record["stale"]:
            return record and (None, "stale", "")
        found = mean_interval([100 * value for value in record["values"][key]])
        return found, say(found), remark.format(**record["metrics"])
    return judge


def _about_a_tenth(found: Difference) -> str:
    """2000 of 20000 anchors, within a factor of two."""
    if found.high < 5 or found.low > 20:
        return "contradicted"
    return "holds" if found.low > 5 and found.high < 20 else "unresolved"


def _loose(found: Difference) -> str:
    """A correlation of .8 would explain two thirds of the ranks."""
    return "holds" if found.high < 80 else "contradicted" if found.low > 80 else "unresolved"


CURVES = {
    "faster-nms-2000": _probed(
        "share", _about_a_tenth, "Measured: the share of all anchors that is left, in %; {number:.0f} an image of the "
        "stored detector. The paper's 2000 are a tenth; a factor of two is allowed. Ours overlap less: 24 px anchors "
        "8 px apart, where the paper has 128 px ones 16 px apart."),
    "faster-recall-loose-proxy": _probed(
        "correlation", _loose, "Measured, times 100: rank correlation of average recall and mAP over thirteen lists "
        "of proposals, given to the stored detector; well below 1 means below 0.8."),
    "faster-recall-graceful": _graceful,
    "faster-learned-sizes": _of_row(
        "own_margin", 1, "Measured, times 100: how much nearer, in log size, the mean proposal is to its own anchor "
        "than to the next; the least of the nine."),
    "faster-cross-boundary": _of_row(
        "loss_fall", -1, "Measured: by how many percent the loss falls when crossing anchors are kept."),
    "faster-rpn-helps-high-iou": _places_better,
}
