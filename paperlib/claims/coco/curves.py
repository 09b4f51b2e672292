"""Three claims of the COCO paper on figures, judged by the margins of `studies.coco_margins`."""

from paperlib.intervals import Difference, mean_interval, verdict
from paperlib.studies import world
from paperlib.studies.coco_margins import PROBES


def _judge(claim: dict, _) -> tuple[Difference | None, str, str] | None:
    """A claim whose margins `paperlib bench world` has recorded: difference, verdict, remark."""
    record = world.measured().get(claim["id"])
    if record is None:
        return None
    if record["stale"]:
        return None, "stale", ""
    margin = mean_interval([100 * value for value in record["values"]["margin"]])
    return margin, verdict(margin, 1), f"Measured, in points: {PROBES[claim['id']].__doc__}"


CURVES = dict.fromkeys(PROBES, _judge)
