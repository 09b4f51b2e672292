"""Two claims of the COCO paper on figures, judged by the margins of `studies.coco_margins`."""

from paperlib.claims.comparisons import Outcome, above
from paperlib.studies import world
from paperlib.studies.coco_margins import PROBES
from paperlib.tables.rules import before_rules


def _judge(claim: dict, _) -> Outcome | None:
    """A claim whose margins `paperlib bench world` has recorded."""
    record = world.measured().get(claim["id"])
    if record is None:
        return None
    if record["stale"]:
        return Outcome(stale=True)
    words = PROBES[claim["id"]].__doc__.rstrip(".")
    margins = [100 * value for value in record["values"]["margin"]]
    return Outcome([above(margins, f"in points: {words[0].lower()}{words[1:]}")],
                   before_rules=before_rules(record))


CURVES = {"coco-shape-mask-poor": _judge, "coco-box-crude": _judge}
