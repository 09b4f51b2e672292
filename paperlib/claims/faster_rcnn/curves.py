"""Verdicts on Faster R-CNN's claims that no single column of a table answers, from what the runs recorded."""
from collections.abc import Callable

from paperlib.claims.by_seed import above_zero, mean_by_seed
from paperlib.intervals import Difference, mean_interval, paired, verdict
from paperlib.scoring.proposal_recall import COUNTS, IOUS
from paperlib.studies import world
from paperlib.studies.proposals import TABLE

Outcome = tuple[Difference | None, str, str] | None  # the difference, the verdict, how it was measured
FEW, MANY = min(COUNTS), max(COUNTS)  # proposals an image


def _fall_of_recall(row: str, trained) -> dict[int, float]:
    """{seed: recall with the most proposals minus that with the fewest, mean over the IoUs}."""
    falls: dict[float, dict[int, float]] = {}  # {IoU: {seed: points}}
    for iou in IOUS:
        with_many = trained.points("faster_rcnn/2", row, f"recall_{iou:g}_{MANY}")
        with_few = trained.points("faster_rcnn/2", row, f"recall_{iou:g}_{FEW}")
        falls[iou] = {seed: with_many[seed] - with_few[seed] for seed in with_many.keys() & with_few.keys()}
    return mean_by_seed(list(falls.values()))


def _graceful(claim: dict, trained) -> Outcome:
    """Mean fall of recall from the most to the fewest proposals: selective search's minus RPN's."""
    searched = _fall_of_recall(claim["judge"]["row"], trained)
    learned = _fall_of_recall("RPN+ZF unshared / 300", trained)
    difference = paired(searched, learned)
    if difference is None:
        return None
    remark = (f"Measured: fall from {MANY} to {FEW} proposals of 128 px images, "
              "selective search's minus RPN's, mean over IoU .5 to .9.")
    return difference, verdict(difference, 1), remark


def _of_row(metric: str, sign: int, remark: str) -> Callable:
    """A claim about one measured number of the row that its judge names: `sign` times it is above 0."""
    def judge(claim: dict, trained) -> Outcome:
        values = trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)
        height = above_zero(values)
        if height is None:
            return None
        return height, verdict(height, sign), remark
    return judge


def _relative_gain(metric: str, trained) -> dict[int, float]:
    """{seed: how much Faster R-CNN lies above Fast R-CNN, in percent}."""
    fast = trained.points("faster_rcnn/11", "Fast R-CNN here, train", metric)
    faster = trained.points("faster_rcnn/11", "Faster R-CNN, train", metric)
    gains = {}
    for seed in faster.keys() & fast.keys():
        if fast[seed]:
            gains[seed] = 100 * (faster[seed] / fast[seed] - 1)
    return gains


def _places_better(claim: dict, trained) -> Outcome:
    """Relative gain of Faster over Fast R-CNN in AP minus that in AP50, seed by seed, in percent."""
    difference = paired(_relative_gain("AP", trained), _relative_gain("AP50", trained))
    if difference is None:
        return None
    return difference, verdict(difference, 1), "Measured: relative gain in AP minus that in AP50, percent."


def _probed(key: str, say: Callable, remark: str) -> Callable:
    """A claim that `paperlib bench world` measured on parts of the test images; `say` gives the verdict."""
    def judge(claim: dict, _) -> Outcome:
        record = world.measured(TABLE).get(claim["id"])
        if record is None:
            return None
        if record["stale"]:
            return None, "stale", ""
        percent = mean_interval([100 * value for value in record["values"][key]])
        return percent, say(percent), remark.format(**record["metrics"])
    return judge


def _about_a_tenth(percent: Difference) -> str:
    """2000 of 20000 anchors, within a factor of two."""
    if percent.high < 5 or percent.low > 20:
        return "contradicted"
    if percent.low > 5 and percent.high < 20:
        return "holds"
    return "unresolved"


def _loose(percent: Difference) -> str:
    """A correlation of .8 would explain two thirds of the ranks."""
    if percent.high < 80:
        return "holds"
    if percent.low > 80:
        return "contradicted"
    return "unresolved"


CURVES = {
    "faster-nms-2000": _probed(
        "share", _about_a_tenth,
        "Measured: the share of all anchors that is left, in %; {number:.0f} an image of the stored "
        "detector. The paper's 2000 are a tenth; a factor of two is allowed. Ours overlap less: 24 px "
        "anchors 8 px apart, where the paper has 128 px ones 16 px apart."),
    "faster-recall-loose-proxy": _probed(
        "correlation", _loose,
        "Measured, times 100: rank correlation of average recall and mAP over thirteen lists of proposals, "
        "given to the stored detector; well below 1 means below 0.8."),
    "faster-recall-graceful": _graceful,
    "faster-learned-sizes": _of_row(
        "own_margin", 1,
        "Measured, times 100: how much nearer, in log size, the mean proposal is to its own anchor than "
        "to the next; the least of the nine."),
    "faster-cross-boundary": _of_row(
        "loss_fall", -1, "Measured: by how many percent the loss falls when crossing anchors are kept."),
    "faster-rpn-helps-high-iou": _places_better,
}
