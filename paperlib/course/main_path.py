"""The main path through a long notebook, and the parts tagged `further`, which are folded.

A part begins with the heading of a Markdown cell that has the tag, and ends before the next heading as high.
"""
import re

from bs4 import BeautifulSoup, Tag
from nbformat import NotebookNode

FURTHER = "further"
HEADING = re.compile(r"(#+) ")
OWN_WORK = ("Exercise", "Exercises", "Questions", "In three lines")  # sections that are no reading


def level(cell: NotebookNode) -> int | None:
    """The level of the heading that a cell begins with, 1 to 6; None without one."""
    match = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    if not match:
        return None
    return len(match[1])


def further(notebook: NotebookNode) -> list[bool]:
    """For each cell, whether it belongs to a part that is folded."""
    marks, end = [], None  # a heading of this level or higher ends the part
    for cell in notebook.cells:
        height = level(cell)
        if height is not None and (end is None or height <= end):
            tagged = FURTHER in cell.metadata.get("tags", [])
            end = height if tagged else None
        marks.append(end is not None)
    return marks


def main_cells(notebook: NotebookNode) -> int:
    """How many cells the main path has: neither folded, nor in the sections of exercises and questions."""
    count, own_work = 0, False
    for cell, folded in zip(notebook.cells, further(notebook)):
        if level(cell) == 2:
            own_work = cell.source.splitlines()[0].lstrip("# ") in OWN_WORK
        count += not folded and not own_work
    return count


def folded(page: str) -> str:
    """A notebook's page with each part tagged `further` in a <details>, its heading as the summary."""
    soup = BeautifulSoup(page, "html.parser")
    for tagged in soup.select(f".celltag_{FURTHER}"):
        cell = tagged.find_parent(class_="jp-Cell") or tagged  # a Markdown cell's tag is on an inner part
        heading = cell.find(re.compile(r"h[1-6]"))
        part, summary = soup.new_tag("details", attrs={"class": FURTHER}), soup.new_tag("summary")
        following = _until(cell, int(heading.name[1]))
        cell.insert_before(part)
        summary.append(soup.new_string("Further: "))
        summary.append(soup.new_string(heading.get_text().strip("¶")))
        part.append(summary)
        part.extend([cell, *following])
    return str(soup)


def _until(cell: Tag, height: int) -> list[Tag]:
    """The cells after this one, up to the next with a heading as high as `height`."""
    cells = []
    for sibling in cell.find_next_siblings():
        if sibling.find([f"h{number}" for number in range(1, height + 1)]):
            break
        cells.append(sibling)
    return cells
