"""What the README says of notebooks and claims."""
import re
from collections import Counter
from pathlib import Path

from paperlib.course import twins

README_LIST = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.DOTALL)
README_CLAIMS = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)


def filled_readme(text: str, folder: Path = twins.NOTEBOOKS) -> str:
    """README text with its marked sections made anew: notebooks, counts of claims, numbers on speed."""
    from paperlib.course import bench_section  # imported here: it brings torch, which the others need not

    notebooks, claims = _notebooks(folder), _claims()
    text = README_LIST.sub(lambda mark: mark[1] + notebooks + mark[2], text)
    text = README_CLAIMS.sub(lambda mark: mark[1] + claims + mark[2], text)
    return bench_section.filled(text)


def _notebooks(folder: Path) -> str:
    """The table of the notebooks: name, title, minutes."""
    head = ["notebook", "about", *twins.KINDS.values()]
    lines = []
    for name in twins.names(folder=folder):
        minutes = [twins.minutes(name, folder, kind) for kind in twins.KINDS]
        lines.append([f"[{name}](notebooks/{name}.ipynb)", twins.title(name, folder), *minutes])
    return _markdown([head]) + f"|{'---|' * len(head)}\n" + _markdown(lines)


def _claims() -> str:
    """How many claims of each paper have which verdict: computed, timed and trained ones apart."""
    from paperlib.claims.tally import KINDS, counts
    from paperlib.claims.verdicts import judged

    lines, tables = judged(), []
    for kind, name in KINDS.items():
        some = [line for line in lines if line.kind == kind]
        if kind == "external":
            sentence = f"Besides, {len(some)} claims are external: only others' systems or data could tell."
            tables.append(sentence + "\n")
            continue
        tallies = counts(some)
        tallies["all"] = _summed(tallies)
        if kind == "trend":
            tallies["all, after Benjamini and Hochberg"] = _summed(counts(some, after=True))
        tables.append(_tally_table(f"{len(some)} {name} claims of", tallies))
    return "\n".join(tables)


def _summed(tallies: dict[str, dict[str, int]]) -> Counter:
    return sum(map(Counter, tallies.values()), Counter())


def _tally_table(head: str, tallies: dict[str, dict[str, int]]) -> str:
    """A table of {name: {verdict: number}}, with a column for each verdict that was given."""
    from paperlib.claims.tally import VERDICTS
    from paperlib.papers.names import NAMES

    columns = [verdict for verdict in VERDICTS if tallies["all"][verdict]]
    lines = [[head, *columns], ["---"] + ["--:"] * len(columns)]
    for name, tally in tallies.items():
        lines.append([NAMES.get(name, name), *[str(tally[verdict]) for verdict in columns]])
    return _markdown(lines)


def _markdown(lines: list[list[str]]) -> str:
    """Lines of cells as lines of a Markdown table."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
