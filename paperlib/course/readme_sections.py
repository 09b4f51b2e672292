"""What is made from the notebooks: the README's list and the HTML site."""
import re
from base64 import b64decode
from pathlib import Path

from paperlib.course import twins
from paperlib.teach.draw import boxes_on
from paperlib.teach.png import render

README_LIST = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.DOTALL)
README_CLAIMS = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)


def filled_readme(text: str, folder: Path = twins.NOTEBOOKS) -> str:
    """README text with what stands between its markers made anew: notebooks, counts of claims, numbers on speed."""
    from paperlib.course import bench_section  # imported here: it brings torch, and the other commands stay quick

    rows = [f"| [{name}](notebooks/{name}.ipynb) | {twins.title(name, folder)} | "
            + " | ".join(twins.minutes(name, folder, kind) for kind in twins.KINDS) + " |\n"
            for name in twins.names(folder=folder)]
    head = f"| notebook | about | {' | '.join(twins.KINDS.values())} |\n|---|---|{'---|' * len(twins.KINDS)}\n"
    text = README_LIST.sub(lambda mark: mark[1] + head + "".join(rows) + mark[2], text)
    return bench_section.filled(README_CLAIMS.sub(lambda mark: mark[1] + _claims() + mark[2], text))


def _claims() -> str:
    """The table of how many claims of each paper have which verdict."""
    from paperlib.claims.verdicts import VERDICTS, counts, judged
    from paperlib.papers.names import NAMES

    tallies = counts(judged())
    tallies["all"] = {verdict: sum(tally[verdict] for tally in tallies.values()) for verdict in VERDICTS}
    shown = [verdict for verdict in VERDICTS if tallies["all"][verdict]]
    lines = [["claims of", *shown], ["---"] + ["--:"] * len(shown)]
    lines += [[NAMES.get(name, name), *(str(tally[verdict]) for verdict in shown)] for name, tally in tallies.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def picture(path: Path) -> None:
    """Draw the README's picture: scenes of MiniCOCO with their annotated boxes."""
    import matplotlib.pyplot as plt  # imported here: only this command draws

    from paperlib.data.named_sets import load
    dataset = load("minicoco", "val")
    fig, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
    crowded = sorted(range(100), key=lambda i: -len(dataset.target(i)["boxes"]))  # the fullest of the first hundred
    for ax, i in zip(axes, crowded):
        target = dataset.target(i)
        boxes_on(ax, dataset.image(i), target["boxes"], target["labels"], classes=dataset.classes)
    path.write_bytes(b64decode(render(fig, "Scenes with annotations").base64))
