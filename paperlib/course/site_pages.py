"""The HTML site of the executed notebooks."""
import html
import re
from base64 import b64decode
from pathlib import Path

from paperlib.course import twins
from paperlib.paths import DATA
from paperlib.teach.png import Picture

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 1.1rem/1.6 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ overflow-x: auto }}</style>
{body}
</html>
"""
TEXTS = {  # of data/claims
    "PROTOCOL": "How to read and how to attack these verdicts",
    "RULES": "How a claim is judged: the rules",
    "readings/changed_verdicts": "Second reading: which verdicts changed, and why",
    "readings/rcnn_family": "Second reading: R-CNN, Fast R-CNN, Faster R-CNN",
    "readings/fpn_focal_coco_sharpmask": "Second reading: focal loss, FPN, COCO, SharpMask",
}


def site(names: list[str], folder: Path, executed: Path, out: Path) -> Path:
    """Render notebooks, executed ones where there are, to HTML; the path of the index page."""
    from nbconvert import HTMLExporter  # imported here: slow, and only this command needs it
    exporter, items = HTMLExporter(language_code="en"), []
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        path, title = executed / f"{name}.ipynb", twins.title(name, folder)
        if not path.exists():
            path = folder / f"{name}.ipynb"
        notebook = twins.clean(twins.read(path))
        page, _ = exporter.from_notebook_node(_with_alt(notebook), {"metadata": {"name": title}})
        page = re.sub(r'href="([\w./-]+)\.ipynb', r'href="\1.html', page)
        (out / f"{name}.html").write_text(page, encoding="utf-8")
        title, minutes = html.escape(title), html.escape(twins.minutes(name, folder))
        items.append(f'<li><a href="{name}.html">{title}</a> ({minutes})</li>')
    items += _texts(out)
    body = "<h1>paperlib</h1>\n<ul>\n" + "\n".join(items) + "\n</ul>"
    (out / "index.html").write_text(PAGE.format(title="paperlib", body=body), encoding="utf-8")
    return out / "index.html"


def _texts(out: Path) -> list[str]:
    """Render the texts on judging, data/claims/*.md; their lines of the index."""
    from nbconvert.filters import markdown2html

    items = []
    for name, title in TEXTS.items():
        text = (DATA / "claims" / f"{name}.md").read_text(encoding="utf-8")
        text = text.replace("](readings)", "](rcnn_family.md)")
        body = re.sub(r'href="([\w./-]+)\.md"', r'href="\1.html"', markdown2html(text))
        page = f"{name.rpartition('/')[2]}.html"
        (out / page).write_text(PAGE.format(title=html.escape(title), body=body), encoding="utf-8")
        items.append(f'<li><a href="{page}">{html.escape(title)}</a></li>')
    return items


def _with_alt(notebook):
    """PNG outputs as <img> elements: nbconvert's template leaves their alt text out."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                output.data["text/html"] = Picture(b64decode(output.data.pop("image/png")), alt).html()
    return notebook
