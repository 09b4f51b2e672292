"""The index of the site's search: the text of each section of each page, as a script that needs no server."""
import json
from pathlib import Path

from bs4 import BeautifulSoup, Tag

INDEX = "search_index.js"
HEADINGS = ("h1", "h2", "h3", "dt")
LEFT_OUT = "pre, code, math, table, img, script, style, nav, .jp-OutputArea, .jp-InputArea-editor"


def sections(page: str, url: str) -> list[dict[str, str]]:
    """The sections of a page: its title, a heading, where it is, and the words below it."""
    soup = BeautifulSoup(page, "html.parser")
    main = soup.find("main")
    for part in main.select(LEFT_OUT):
        part.decompose()
    first = main.find("h1")
    title = _words(first) if first else _words(soup.title)
    listed = [{"page": title, "heading": title, "url": url, "text": ""}]
    for part in main.find_all((*HEADINGS, "p", "li", "dd")):
        if part.name in HEADINGS:
            anchor = part.get("id") or part.parent.get("id")
            address = f"{url}#{anchor}" if anchor else url
            listed.append({"page": title, "heading": _words(part), "url": address, "text": ""})
        elif not part.find_parent(("p", "li", "dd")):
            listed[-1]["text"] += f"{_words(part)} "
    return [section for section in listed if section["text"]]


def _words(part: Tag) -> str:
    return " ".join(part.get_text(" ").replace("¶", "").split())


def write(out: Path) -> Path:
    """Write the index of all pages in `out`; its path."""
    every = []
    for path in sorted(out.glob("*.html")):
        if not path.stem.endswith("_slides") and path.stem not in ("search", "scorecard", "index"):
            every += sections(path.read_text(encoding="utf-8"), path.name)
    lines = ",\n".join(json.dumps(section, ensure_ascii=False) for section in every)
    path = out / INDEX
    path.write_text(f"window.paperlibSearch = [\n{lines}\n];\n", encoding="utf-8", newline="\n")
    return path
