"""What is made from the notebooks: the README's list and the HTML site."""
import html
import re
from base64 import b64decode
from pathlib import Path

from paperlib.teach import twins
from paperlib.teach.draw import Picture, boxes_on, render

README_LIST = re.compile(r"(<!-- notebooks -->\n).*?(<!-- /notebooks -->)", re.DOTALL)
README_CLAIMS = re.compile(r"(<!-- claims -->\n).*?(<!-- /claims -->)", re.DOTALL)
INDEX = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>paperlib</title>
<style>body {{ font: 1.1rem/1.6 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }}</style>
<h1>paperlib</h1>
<ul>
{items}
</ul>
</html>
"""


def filled_readme(text: str, folder: Path = twins.NOTEBOOKS) -> str:
    """README text with what stands between its markers made anew: notebooks, counts of claims, numbers on speed."""
    from paperlib.teach import speed  # imported here: it brings torch, and the other commands stay quick

    rows = [f"| [{name}](notebooks/{name}.ipynb) | {twins.title(name, folder)} | "
            + " | ".join(twins.minutes(name, folder, kind) for kind in twins.KINDS) + " |\n"
            for name in twins.names(folder=folder)]
    head = f"| notebook | about | {' | '.join(twins.KINDS.values())} |\n|---|---|{'---|' * len(twins.KINDS)}\n"
    text = README_LIST.sub(lambda mark: mark[1] + head + "".join(rows) + mark[2], text)
    return speed.filled(README_CLAIMS.sub(lambda mark: mark[1] + _claims() + mark[2], text))


def _claims() -> str:
    """The table of how many claims of each paper have which verdict."""
    from paperlib.experiments.claims import VERDICTS, counts, judged
    from paperlib.experiments.scorecard import NAMES

    tallies = counts(judged())
    tallies["all"] = {verdict: sum(tally[verdict] for tally in tallies.values()) for verdict in VERDICTS}
    shown = [verdict for verdict in VERDICTS if tallies["all"][verdict]]
    lines = [["claims of", *shown], ["---"] + ["--:"] * len(shown)]
    lines += [[NAMES.get(name, name), *(str(tally[verdict]) for verdict in shown)] for name, tally in tallies.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def picture(path: Path) -> None:
    """Draw the README's picture: scenes of MiniCOCO with their annotated boxes."""
    import matplotlib.pyplot as plt  # imported here: only this command draws

    from paperlib.data.sets import load
    dataset = load("minicoco", "val")
    fig, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
    crowded = sorted(range(100), key=lambda i: -len(dataset.target(i)["boxes"]))  # the fullest of the first hundred
    for ax, i in zip(axes, crowded):
        target = dataset.target(i)
        boxes_on(ax, dataset.image(i), target["boxes"], target["labels"], classes=dataset.classes)
    path.write_bytes(b64decode(render(fig, "Scenes with annotations").base64))


def site(names: list[str], folder: Path, executed: Path, out: Path) -> Path:
    """Render the executed notebooks (the stored one where there is none) to HTML; the path of the index page."""
    from nbconvert import HTMLExporter  # imported here: slow, and only this command needs it
    exporter, items = HTMLExporter(language_code="en"), []
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        path, title = executed / f"{name}.ipynb", twins.title(name, folder)
        notebook = twins.clean(twins.read(path if path.exists() else folder / f"{name}.ipynb"))
        page, _ = exporter.from_notebook_node(_with_alt(notebook), {"metadata": {"name": title}})
        page = re.sub(r'href="([\w./-]+)\.ipynb', r'href="\1.html', page)
        (out / f"{name}.html").write_text(page, encoding="utf-8")
        items.append(f'<li><a href="{name}.html">{html.escape(title)}</a> '
                     f"({html.escape(twins.minutes(name, folder))})</li>")
    (out / "index.html").write_text(INDEX.format(items="\n".join(items)), encoding="utf-8")
    return out / "index.html"


def _with_alt(notebook):
    """PNG outputs as <img> elements: nbconvert's own template leaves their alt text out."""
    for output in (o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})):
        alt = output.metadata.get("image/png", {}).get("alt", "")
        output.data["text/html"] = Picture(b64decode(output.data.pop("image/png")), alt).html()
    return notebook
