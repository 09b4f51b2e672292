"""Claims of R-CNN that no comparison of rows answers: proposals, mistakes and weak objects of runs, units.

Counts of proposals and units are of `paperlib bench world`; n counts images or units. Mistakes are of the
records of Table 2.
"""
from collections.abc import Callable, Sequence

import numpy as np

from paperlib.claims.by_seed import difference_by_seed, mean_by_seed
from paperlib.claims.comparisons import Comparison, Outcome, above, below, within
from paperlib.studies import pool5_units, world
from paperlib.studies.proposals import TABLE
from paperlib.tables.rules import before_rules

RARE = 5.0  # percent; "extremely rare" is no more
FACTOR = 2  # between the paper's number of positives an object and ours
OTHERS = ("Sim", "Oth", "BG")  # kinds of false positives beside a bad box
GROUPS = {"size": ("extra small", "small", "medium", "large", "extra large"),
          "aspect": ("extra small", "small", "medium", "large", "extra large"),
          "occluded": ("0", "1"), "truncated": ("0", "1")}
LEAST_SHARE = 0.015  # rule 3, where the paper prints no size
PLAIN, TUNED, MOVED = "R-CNN fc6", "R-CNN FT fc7", "R-CNN FT fc7 BB"  # of Table 2, as in Fig. 6


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> list[float]:
    """Numbers, one an image, whose mean is the quotient of the sums; it varies as they do, to first order."""
    part, whole = np.array(parts, float), np.array(wholes, float)
    quotient = part.sum() / whole.sum()
    return (quotient + (part - quotient * whole) / whole.mean()).tolist()


def _rare(record: dict, claim: dict) -> Comparison:
    counted = record["values"]
    percent = [100 * share for share in ratio(counted["positives"], counted["proposals"])]
    return below(percent, f"positives among the proposals, in percent, below {RARE:g}", RARE)


def _as_many(record: dict, claim: dict) -> Comparison:
    counted, low, high = record["values"], claim["published"] / FACTOR, claim["published"] * FACTOR
    words = f"positives for each object, between {low:g} and {high:g}"
    return within(ratio(counted["positives"], counted["objects"]), low, high, words)


def _purer(record: dict, claim: dict) -> Comparison:
    differences = [100 * difference for difference in record["values"]["purer"]]
    words = "share of the commonest class among a unit's top regions, trained minus random weights"
    return above(differences, words)


def _kept(table: str, row: str, compare: Callable, remark: str) -> Callable:
    """A judge of what `paperlib bench world` keeps; the remark may name the record's means."""
    def judge(claim: dict, _) -> Outcome | None:
        record = world.measured(table).get(row)
        if record is None:
            return None
        if record["stale"]:
            return Outcome(stale=True)
        return Outcome([compare(record, claim)], remark.format_map(record["metrics"]),
                       before_rules=before_rules(record))
    return judge


def bad_boxes(claim: dict, trained) -> Outcome | None:
    """Whether bad boxes lead among false positives, and are fewer once boxes are moved (Fig. 5)."""
    table = claim["judge"]["table"]
    located, moved = (trained.points(table, row, "FP Loc") for row in (TUNED, MOVED))
    if not located:
        return None
    parts = []
    for kind in OTHERS:
        lead = difference_by_seed(located, trained.points(table, TUNED, f"FP {kind}"))
        words = f"share of bad boxes minus that of {kind}, in percent of the false positives"
        parts.append(above(lead, words))
    repaired = difference_by_seed(located, moved)
    parts.append(above(repaired, "share of bad boxes without box regression minus that with it, in percent"))
    return Outcome(parts)


def group_extremes(trained, table: str, row: str) -> tuple[dict[int, float], dict[int, float]]:
    """The normalised AP of a row's best and worst groups of objects by seed, means over characteristics."""
    best, worst = [], []
    for name, groups in GROUPS.items():
        columns = [trained.points(table, row, f"nAP {name} {group}") for group in groups]
        best.append(_chosen(max, columns))
        worst.append(_chosen(min, columns))
    return mean_by_seed(best), mean_by_seed(worst)


def _chosen(choose: Callable, columns: list[dict[int, float]]) -> dict[int, float]:
    """The greatest or least of several columns, for each seed that all of them have."""
    seeds = set.intersection(*map(set, columns))
    chosen = {}
    for seed in seeds:
        chosen[seed] = choose(column[seed] for column in columns)
    return chosen


def robust(claim: dict, trained) -> Outcome | None:
    """Whether fine-tuning lifts best and worst groups of objects, and their distance stays (Fig. 6)."""
    table = claim["judge"]["table"]
    (best, worst), (plain_best, plain_worst) = (group_extremes(trained, table, row) for row in (TUNED, PLAIN))
    if not best or not plain_best:
        return None
    gap, plain_gap = difference_by_seed(best, worst), difference_by_seed(plain_best, plain_worst)
    margin = LEAST_SHARE * sum(plain_gap.values()) / len(plain_gap)
    words = ("normalised AP of the {} groups, mean over size, aspect, occlusion, truncation: "
             "fine-tuned minus not")
    stays = above(difference_by_seed(gap, plain_gap),
                  "distance of best and worst groups, fine-tuned minus not", -margin)
    return Outcome([above(difference_by_seed(best, plain_best), words.format("best")),
                    above(difference_by_seed(worst, plain_worst), words.format("worst")), stays])


OF = "Of {proposals:.0f} proposals an image."
CURVES = {"rcnn-biased-sampling": _kept(TABLE, "rcnn-positives", _rare, OF),
          "rcnn-jittered-positives": _kept(TABLE, "rcnn-positives", _as_many, OF),
          "rcnn-unit-concepts": _kept(pool5_units.TABLE, "rcnn-unit-concepts", _purer,
                                      "The k-th unit of one network against the k-th of the other."),
          "rcnn-loc-errors": bad_boxes, "rcnn-ft-robust": robust}
