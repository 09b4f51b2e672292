"""Claims of R-CNN on proposals, from what `paperlib bench world` counted; n counts images."""
from collections.abc import Callable, Sequence

import numpy as np

from paperlib.claims.comparisons import Comparison, Outcome, below, within
from paperlib.studies import world
from paperlib.studies.proposals import TABLE
from paperlib.tables.rules import before_rules

RARE = 5.0  # percent; "extremely rare" is no more
FACTOR = 2  # between the paper's number of positives an object and ours


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> list[float]:
    """Numbers, one an image, whose mean is the quotient of the sums; it varies as they do, to first order."""
    part, whole = np.array(parts, float), np.array(wholes, float)
    quotient = part.sum() / whole.sum()
    return (quotient + (part - quotient * whole) / whole.mean()).tolist()


def _rare(counted: dict, claim: dict) -> Comparison:
    percent = [100 * share for share in ratio(counted["positives"], counted["proposals"])]
    return below(percent, f"positives among the proposals, in percent, below {RARE:g}", RARE)


def _as_many(counted: dict, claim: dict) -> Comparison:
    low, high = claim["published"] / FACTOR, claim["published"] * FACTOR
    words = f"positives for each object, between {low:g} and {high:g}"
    return within(ratio(counted["positives"], counted["objects"]), low, high, words)


def _counted(compare: Callable) -> Callable:
    """A judge of what was counted on each image."""
    def judge(claim: dict, _) -> Outcome | None:
        record = world.measured(TABLE).get("rcnn-positives")
        if record is None:
            return None
        if record["stale"]:
            return Outcome(stale=True)
        each = record["metrics"]["proposals"]
        return Outcome([compare(record["values"], claim)], f"Of {each:.0f} proposals an image.",
                       before_rules=before_rules(record))
    return judge


CURVES = {"rcnn-biased-sampling": _counted(_rare), "rcnn-jittered-positives": _counted(_as_many)}
