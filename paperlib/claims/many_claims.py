"""What many tests at once do to verdicts: Benjamini's and Hochberg's q (RULES.md, rule 11)."""
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paperlib.claims.joining import ALPHA
from paperlib.claims.tally import Verdict


def q_values(p: Sequence[float]) -> list[float]:
    """The least share of false discoveries at which each of the tests counts as one.

    Source: Benjamini, Hochberg 1995. The i-th least p of m times m / i, no larger than that of any larger p.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1).tolist()


def with_q(lines: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with q, over the trained claims that have a p, and with what stands after it."""
    tested = [line for line in lines if line.kind == "trend" and line.p is not None]
    q = dict(zip([line.id for line in tested], q_values([line.p for line in tested])))
    return [_after(line, q.get(line.id)) for line in lines]


def _after(line: Verdict, q: float | None) -> Verdict:
    if q is not None and q > ALPHA and line.verdict not in ("stale", "not run"):
        return replace(line, q=q, after="unresolved")
    return replace(line, q=q, after=line.verdict)
