"""Verdicts on Faster R-CNN's claims that no comparison of rows answers, from what the runs recorded."""
import math
from statistics import fmean

import numpy as np
import torch

from paperlib.claims.by_seed import difference_by_seed
from paperlib.claims.comparisons import Comparison, Outcome, above
from paperlib.intervals import Difference
from paperlib.parts.anchors import base_anchors
from paperlib.scoring.proposal_recall import COUNTS, IOUS, own_margins
from paperlib.studies import world
from paperlib.studies.proposals import TABLE
from paperlib.systems.presets.faster_rcnn import rpn_small
from paperlib.tables.rules import before_rules

FEW, MANY = min(COUNTS), max(COUNTS)  # proposals an image
LOOSE = 0.8  # a rank correlation that would explain two thirds of the ranks
DRAWS = 10_000  # of the bootstrap


def _lost_recall(row: str, iou: float, trained) -> dict[int, float]:
    """{seed: percent of the recall with the most proposals that is lost with the fewest}."""
    with_many = trained.points("faster_rcnn/2", row, f"recall_{iou:g}_{MANY}")
    with_few = trained.points("faster_rcnn/2", row, f"recall_{iou:g}_{FEW}")
    lost = {}
    for seed in with_many.keys() & with_few.keys():
        if with_many[seed]:
            lost[seed] = 100 * (1 - with_few[seed] / with_many[seed])
    return lost


def _graceful(claim: dict, trained) -> Outcome:
    """Share of the recall that fewer proposals cost, selective search's minus RPN's, at each IoU (Fig. 4)."""
    parts = []
    for iou in IOUS:
        searched = _lost_recall(claim["judge"]["row"], iou, trained)
        learned = _lost_recall("RPN+ZF unshared / 300", iou, trained)
        words = (f"share of recall lost from {MANY} to {FEW} proposals of 128 px images at IoU {iou:g}, "
                 "selective search's minus RPN's, in percent")
        parts.append(above(difference_by_seed(searched, learned), words))
    return Outcome(parts)


def _nearest_to_their_own(claim: dict, trained) -> Outcome:
    """How much nearer each mean proposal is to its own anchor, all but one of nine (Table 1)."""
    cfg = rpn_small().rpn.anchors
    anchors, shapes = base_anchors(cfg, cfg.levels[0]), range(cfg.shapes_per_position)
    place = claim["judge"]["table"], claim["judge"]["row"]
    columns = [trained.points(*place, f"width_{shape}") for shape in shapes]
    columns += [trained.points(*place, f"height_{shape}") for shape in shapes]
    second = {}
    for seed in set.intersection(*map(set, columns)):
        sides = torch.tensor([column[seed] / 100 for column in columns]).view(2, -1)  # widths, heights
        second[seed] = 100 * float(own_margins(sides.T, anchors).sort().values[1])
    words = ("times 100, how much nearer, in log size, the mean proposal is to its own anchor than to the "
             "next; the second least of the nine")
    return Outcome([above(second, words)])


def _rank_correlations(draws: np.ndarray, recall: np.ndarray, mAP: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each draw (D, n) of lists; of draws that hold one list alone, none."""
    from scipy import stats  # here: it takes a second to import

    ranks = []
    for values in (recall, mAP):
        of_draws = stats.rankdata(values[draws], axis=1)
        ranks.append(of_draws - of_draws.mean(1, keepdims=True))
    products = (ranks[0] * ranks[1]).sum(1)
    norms = np.sqrt((ranks[0] ** 2).sum(1) * (ranks[1] ** 2).sum(1))
    return products[norms > 0] / norms[norms > 0]


def _loose_proxy(claim: dict, _) -> Outcome | None:
    """Rank correlation of average recall and mAP over lists of proposals, with a bootstrap over the lists."""
    record = world.measured(TABLE).get(claim["id"])
    if record is None:
        return None
    if record["stale"]:
        return Outcome(stale=True)
    recall, mAP = [], []
    for key, values in record["values"].items():
        if key.startswith("AR "):
            recall.append(fmean(values))
            mAP.append(fmean(record["values"][f"mAP {key.removeprefix('AR ')}"]))
    n, lists = len(recall), (np.array(recall), np.array(mAP))
    draws = np.random.default_rng(0).integers(n, size=(DRAWS, n))
    drawn, (whole,) = _rank_correlations(draws, *lists), _rank_correlations(np.arange(n)[None], *lists)
    p_for = min(1.0, 2 * float((drawn >= LOOSE).mean()))
    p_against = min(1.0, 2 * float((drawn <= LOOSE).mean()))
    low, high = np.quantile(drawn, [0.025, 0.975])
    words = (f"times 100, rank correlation of average recall and mAP over {n} lists of proposals, "
             f"given to the stored detector, below {100 * LOOSE:g}")
    part = Comparison(words, Difference(100 * float(whole), -math.inf, math.inf, n), -math.inf, 100 * LOOSE,
                      exact=(p_for, p_against))
    return Outcome([part], f"Between {low:.2f} and {high:.2f} in 95% of draws of the lists.",
                   before_rules=before_rules(record))


CURVES = {
    "faster-recall-loose-proxy": _loose_proxy,
    "faster-recall-graceful": _graceful,
    "faster-learned-sizes": _nearest_to_their_own,
}
