"""Notebook files: the text twin is the source; the ipynb is made from it and keeps what a reader needs."""
import copy
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from paperlib.course import main_path
from paperlib.paths import REPOSITORY, written_whole

NOTEBOOKS = REPOSITORY / "notebooks"
MINUTES = REPOSITORY / "data" / "results" / "notebook_minutes.json"
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}
WORDS_A_MINUTE = 150  # of a text with formulas and tables
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LIVE_ONLY = {WIDGET_VIEW, "application/javascript"}  # outputs that say nothing without a kernel
KINDS = {"cpu": "CPU", "old": "older CPU", "gpu": "GPU"}  # old: without bfloat16 units (device.has_bf16)
BANNER = re.compile(r"(<!-- minutes -->).*?(<!-- /minutes -->)")
SOLUTION = re.compile(r"<details>.*?```python\n(.*?)```.*?</details>", re.DOTALL)


def names(wanted: list[str] | None = None, folder: Path = NOTEBOOKS) -> list[str]:
    """The notebooks' names, in order; `wanted` are whole names, files or numbers ("10"); default: all.

    Errors: ValueError naming what does not exist, and for a folder without a notebook.
    """
    every = sorted(path.stem for path in (folder / "text").glob("*.py"))
    if not every:
        raise ValueError(f"{folder}: no notebook is there; expected their text twins, text/*.py")
    if not wanted:
        return every
    chosen = set()
    for word in wanted:
        matching = [name for name in every if word in (name, name.split("_")[0]) or Path(word).stem == name]
        if not matching:
            raise ValueError(f"no notebook {word!r}; there are {every}")
        chosen.update(matching)
    return sorted(chosen)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def twin_path(name: str, folder: Path = NOTEBOOKS) -> Path:
    """Where the source of a notebook is."""
    return folder / "text" / f"{name}.py"


def read_twin(name: str, folder: Path = NOTEBOOKS) -> NotebookNode:
    """The notebook that the text twin describes, without outputs."""
    return clean(jupytext.read(twin_path(name, folder), fmt="py:percent"))


def read(path: Path) -> NotebookNode:
    """An ipynb. Errors: ValueError naming the file when it is missing or not a notebook."""
    if not path.exists():
        raise ValueError(f"{path.name} is missing; `paperlib notebooks sync {path.stem}` makes it "
                         "from its twin")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises several kinds for one cause
        raise ValueError(f"{path.name} is not a notebook that can be read: {str(error)[:200]}") from None


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write an ipynb if its text differs from the file's; true if it was written."""
    text = nbformat.writes(notebook, version=4) + "\n"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    with written_whole(path) as part:  # an interrupt loses no outputs
        part.write_text(text, encoding="utf-8", newline="\n")
    return True


def clean(notebook: NotebookNode) -> NotebookNode:
    """A copy with fixed metadata and cell ids, without widget views, timings, paths and injected cells."""
    kept, times = [], defaultdict(int)  # how often each source has come
    for old in notebook.cells:
        if "injected-parameters" in tags(old):
            continue
        cell = copy.deepcopy(old)
        cell.metadata = NotebookNode()
        for key, value in old.metadata.items():
            if key in ("tags", "slideshow") and value:
                cell.metadata[key] = value
        if main_path.FURTHER in tags(old):
            cell.metadata["heading_collapsed"] = True  # JupyterLab folds what is under it
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:10]
        times[digest] += 1
        cell.id = f"{digest}-{times[digest]}"
        if cell.cell_type == "code":
            cell.outputs = _storable(cell.get("outputs", []))
        kept.append(cell)
    return nbformat.v4.new_notebook(cells=kept, metadata=METADATA)


def _storable(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without what only works live; a picture once, as an image with its alt text."""
    stored = []
    for output in outputs:
        data = output.get("data", {})
        if LIVE_ONLY.intersection(data):
            continue
        if "image/png" in data:
            data.pop("text/html", None)
        stored.append(output)
    return stored


def sync(name: str, folder: Path = NOTEBOOKS) -> bool:
    """Fill the twin's banner and make the ipynb, with the outputs of unchanged cells; true if changed."""
    twin = twin_path(name, folder)
    text = twin.read_text(encoding="utf-8")
    filled = BANNER.sub(lambda mark: mark[1] + minutes(name, folder) + mark[2], text)
    if filled != text:
        twin.write_text(filled, encoding="utf-8", newline="\n")
    notebook, target = read_twin(name, folder), folder / f"{name}.ipynb"
    before = defaultdict(list)
    for cell in read(target).cells if target.exists() else []:
        before[cell.cell_type, cell.source].append(cell)
    for cell in notebook.cells:
        old = before[cell.cell_type, cell.source]
        if cell.cell_type == "code" and old:
            cell.outputs, cell.execution_count = old[0].outputs, old.pop(0).execution_count
    return write(notebook, target)


def minutes_file(folder: Path = NOTEBOOKS) -> Path:
    """Where the measured minutes of a folder's notebooks are."""
    return MINUTES if folder == NOTEBOOKS else folder / MINUTES.name


def measured(folder: Path = NOTEBOOKS) -> dict:
    """What each notebook took when its outputs were stored: {name: {one of KINDS: record}}."""
    file = minutes_file(folder)
    if not file.exists():
        return {}
    return json.loads(file.read_text(encoding="utf-8"))


def reading_minutes(name: str, folder: Path = NOTEBOOKS, further: bool = False) -> int:
    """About how long the text of a notebook's main path, or with `further` of all of it, takes to read.

    Without its code, to five minutes.
    """
    count, notebook = 0, read_twin(name, folder)
    for cell, folded in zip(notebook.cells, main_path.further(notebook)):
        if cell.cell_type == "markdown" and (further or not folded):
            count += len(re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL).split())
    return max(5, 5 * round(count / WORDS_A_MINUTE / 5))


def minutes(name: str, folder: Path = NOTEBOOKS, kind: str | None = None) -> str:
    """The measured time in words, of one of KINDS to half a minute; or of all, with the time of reading."""
    if kind is None:
        path, whole = reading_minutes(name, folder), reading_minutes(name, folder, further=True)
        times = [f"reading: about {path} min"]
        if whole > path:
            times = [f"reading: main path about {path} min, all {whole} min"]
        times += [f"{label}: {minutes(name, folder, kind)}" for kind, label in KINDS.items()]
        return "; ".join(times)
    record = measured(folder).get(name, {}).get(kind)
    if record is None:
        return "not measured yet"
    halves = max(1, round(record["seconds"] / 30))
    return f"{halves / 2:g} min on {record['machine']}"


def title(name: str, folder: Path = NOTEBOOKS) -> str:
    """The text of the first heading. Errors: ValueError when the first cell has none."""
    first = read_twin(name, folder).cells[0]
    heading = re.match(r"# (.+)", first.source)
    if first.cell_type != "markdown" or not heading:
        raise ValueError(f"{name}: the first cell is {first.source[:40]!r}; "
                         "expected a markdown title, '# ...'")
    return heading[1].strip()


def solved(notebook: NotebookNode) -> NotebookNode | None:
    """A copy with each exercise followed by its folded solution, which ends by asserting every check.

    None when the notebook has no exercise.
    """
    cells = []
    for i, cell in enumerate(notebook.cells):
        cells.append(cell)
        if "exercise" in tags(cell):
            cells.append(nbformat.v4.new_code_cell(solution_of(notebook, i)))
    if len(cells) == len(notebook.cells):
        return None
    cells.append(nbformat.v4.new_code_cell(
        "from paperlib.teach.exercises import results\nassert results and all(results.values()), results"))
    return nbformat.v4.new_notebook(cells=copy.deepcopy(cells), metadata=METADATA)


def solution_of(notebook: NotebookNode, exercise: int) -> str:
    """The code of the first folded solution between an exercise cell and the next; "" without one."""
    for cell in notebook.cells[exercise + 1:]:
        if "exercise" in tags(cell):
            break
        if cell.cell_type == "markdown" and (match := SOLUTION.search(cell.source)):
            return match[1]
    return ""
