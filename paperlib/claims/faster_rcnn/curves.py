"""Verdicts on Faster R-CNN's claims that no single column of a table answers, from what the runs recorded."""
from collections.abc import Callable, Sequence

from paperlib.claims.by_seed import difference_by_seed, mean_by_seed
from paperlib.claims.comparisons import Comparison, Outcome, above, below, within
from paperlib.scoring.proposal_recall import COUNTS, IOUS
from paperlib.studies import world
from paperlib.studies.proposals import TABLE
from paperlib.tables.rules import before_rules

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
    words = (f"fall of recall from {MANY} to {FEW} proposals of 128 px images, selective search's minus "
             "RPN's, mean over IoU .5 to .9")
    return Outcome([above(difference_by_seed(searched, learned), words)])


def _of_row(metric: str, claimed: Callable, words: str) -> Callable:
    """A claim that one measured number of the row that its judge names lies `above` or `below` 0."""
    def judge(claim: dict, trained) -> Outcome:
        values = trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)
        return Outcome([claimed(values, words)])
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
    gain = difference_by_seed(_relative_gain("AP", trained), _relative_gain("AP50", trained))
    return Outcome([above(gain, "relative gain in AP minus that in AP50, percent")])


def _probed(key: str, claimed: Callable, words: str, remark: str = "") -> Callable:
    """A claim that `paperlib bench world` measured on parts of the test images, compared by `claimed`."""
    def judge(claim: dict, _) -> Outcome | None:
        record = world.measured(TABLE).get(claim["id"])
        if record is None:
            return None
        if record["stale"]:
            return Outcome(stale=True)
        percent = [100 * value for value in record["values"][key]]
        return Outcome([claimed(percent, words)], remark.format(**record["metrics"]),
                       before_rules=before_rules(record))
    return judge


def _about_a_tenth(percent: Sequence[float], words: str) -> Comparison:
    """2000 of 20000 anchors, within a factor of two."""
    return within(percent, 5, 20, words)


def _loose(percent: Sequence[float], words: str) -> Comparison:
    """A correlation of .8 would explain two thirds of the ranks."""
    return below(percent, words, 80)


CURVES = {
    "faster-nms-2000": _probed(
        "share", _about_a_tenth, "the share of all anchors that is left, in %, between 5 and 20",
        "It is {number:.0f} an image of the stored detector. The paper's 2000 are a tenth; a factor of two "
        "is allowed. Ours overlap less: 24 px anchors 8 px apart, where the paper has 128 px ones 16 px apart."),
    "faster-recall-loose-proxy": _probed(
        "correlation", _loose, "times 100, rank correlation of average recall and mAP over thirteen lists of "
        "proposals, given to the stored detector, below 80"),
    "faster-recall-graceful": _graceful,
    "faster-learned-sizes": _of_row(
        "own_margin", above, "times 100, how much nearer, in log size, the mean proposal is to its own "
        "anchor than to the next; the least of the nine"),
    "faster-cross-boundary": _of_row(
        "loss_fall", below, "by how many percent the loss falls when crossing anchors are kept"),
    "faster-rpn-helps-high-iou": _places_better,
}
