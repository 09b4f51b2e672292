"""The verdicts, and how often each was given."""
from collections import Counter
from collections.abc import Iterable

VERDICTS = ("follows", "follows under a reading", "conforms", "does not follow", "holds", "holds, smaller",
            "holds, larger", "contradicted", "unresolved", "stale", "not run", "external")


def counts(lines: Iterable[dict]) -> dict[str, dict[str, int]]:
    """{paper: {verdict: number}} of judged claims, every verdict present, papers in their order."""
    tallies: dict[str, Counter] = {}
    for line in lines:
        tallies.setdefault(line["paper"], Counter())[line["verdict"]] += 1
    return {paper: {verdict: tally[verdict] for verdict in VERDICTS} for paper, tally in tallies.items()}
