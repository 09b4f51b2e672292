"""The HTML site of the executed notebooks."""
import html
import re
from base64 import b64decode
from pathlib import Path

from paperlib.course import twins
from paperlib.teach.png import Picture

INDEX = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>paperlib</title>
<style>body {{ font: 1.1rem/1.6 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }}</style>
<h1>paperlib</h1>
<ul>
{items}
</ul>
</html>
"""


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
    (out / "index.html").write_text(INDEX.format(items="\n".join(items)), encoding="utf-8")
    return out / "index.html"


def _with_alt(notebook):
    """PNG outputs as <img> elements: nbconvert's template leaves their alt text out."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                output.data["text/html"] = Picture(b64decode(output.data.pop("image/png")), alt).html()
    return notebook
