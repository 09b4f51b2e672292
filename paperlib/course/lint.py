"""What a stored notebook must satisfy: agrees with its twin, executed, quiet, portable, readable without sight."""
import ast
import re
from pathlib import Path

from nbformat import NotebookNode

from paperlib.course import twins

PARAMETERS = ("BUDGET", "SEED", "DEVICE", "DATA", "RERUN")
LONGEST_CELL = 25  # lines of code
LARGEST_FILE = 1_000_000  # bytes
ABSOLUTE = re.compile(r"(?<![\w./:<~-])/(?:[A-Za-z][\w.+-]*/)+[\w.+-]+|(?<!\w)[A-Za-z]:\\\w[\w\\.-]*")
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def lint(name: str, folder: Path = twins.NOTEBOOKS) -> list[str]:
    """Every fault of a stored notebook, each as one sentence with the file and the cell."""
    path = folder / f"{name}.ipynb"
    if not path.exists():
        return [f"{path.name}: missing; make it from its twin with `paperlib notebooks sync {name}`"]
    notebook = twins.read(path)
    faults = [*_file(path, notebook), *_twin(notebook, twins.read_twin(name, folder)), *_frame(notebook),
              *_static(notebook), *_banner(notebook, twins.minutes(name, folder))]
    count = 0
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            count += 1
            faults += [f"cell {i}: {fault}" for fault in [*_code(cell, count), *_outputs(cell)]]
            if "exercise" in cell.metadata.get("tags", []) and not twins.solution_of(notebook, i).strip():
                faults.append(f"cell {i}: an exercise without a solution; expected <details> with a python block after")
    return [f"{path.name}, {fault}" for fault in faults]


def _file(path: Path, notebook: NotebookNode) -> list[str]:
    faults = []
    if (size := path.stat().st_size) > LARGEST_FILE:
        faults.append(f"file: {size:,} bytes; expected at most {LARGEST_FILE:,}")
    if notebook.metadata != twins.METADATA:
        faults.append(f"file: metadata {sorted(notebook.metadata)} differ from the fixed ones; run `store`")
    return faults


def _twin(notebook: NotebookNode, twin: NotebookNode) -> list[str]:
    def parts(nb):
        return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in nb.cells]
    ours, theirs = parts(notebook), parts(twin)
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return [f"cell {i}: differs from the text twin; run `sync` (text to ipynb)"]
    return [] if len(ours) == len(theirs) else [f"file: {len(ours)} cells, but the text twin has {len(theirs)}"]


def _frame(notebook: NotebookNode) -> list[str]:
    faults = []
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        faults.append("cell 0: expected a markdown title, '# ...'")
    code = next((c for c in notebook.cells if c.cell_type == "code"), None)
    if code is None or "parameters" not in code.metadata.get("tags", []):
        return [*faults, "file: the first code cell is not tagged `parameters`"]
    try:
        defined = {t.id for n in ast.parse(code.source).body if isinstance(n, ast.Assign)
                   for t in n.targets if isinstance(t, ast.Name)}
    except SyntaxError:
        defined = set()
    if missing := [p for p in PARAMETERS if p not in defined]:
        faults.append(f"file: the parameters cell does not set {', '.join(missing)}")
    if "PAPERLIB_BUDGET" not in code.source:
        faults.append('file: BUDGET must come from os.environ.get("PAPERLIB_BUDGET", "mini"), for quick tests')
    if not any("google.colab" in c.source for c in notebook.cells if c.cell_type == "code"):
        faults.append("file: no cell prepares Colab; copy paperlib.course.skeleton.COLAB after the parameters")
    return faults


def _static(notebook: NotebookNode) -> list[str]:
    """Live widgets without a figure in the same code cell or the next one."""
    sources = [c.source for c in notebook.cells if c.cell_type == "code"]
    return [f"code cell {i + 1}: a live widget without a static figure beside it; show widgets.frames(...)"
            for i, source in enumerate(sources)
            if re.search(r"\bexplore\(", source) and not any("show(" in s for s in sources[i:i + 2])]


def _banner(notebook: NotebookNode, expected: str) -> list[str]:
    match = twins.BANNER.search(notebook.cells[0].source) if notebook.cells else None
    if match is None:
        return ["cell 0: no measured time; write <!-- minutes --><!-- /minutes --> in the title cell and run `sync`"]
    found = match[0].removeprefix(match[1]).removesuffix(match[2])
    return [] if found == expected else [f"cell 0: says {found!r}, but measured was {expected!r}; run `sync`"]


def _code(cell: NotebookNode, count: int) -> list[str]:
    faults = []
    if (lines := len(cell.source.splitlines())) > LONGEST_CELL:
        faults.append(f"{lines} lines of code; expected at most {LONGEST_CELL}")
    if cell.execution_count != count:
        faults.append(f"execution count {cell.execution_count}, expected {count}: run `store` to execute from the top")
    return faults


def _outputs(cell: NotebookNode) -> list[str]:
    faults = []
    for output in cell.outputs:
        data, text = output.get("data", {}), _text(output)
        if output.output_type == "error":
            faults.append(f"stopped with {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            faults.append(f"writes to stderr: {text.strip()[:100]!r}")
        if twins.WIDGET_VIEW in data:
            faults.append("stores a widget's view, which is blank without a kernel; show a static figure beside it")
        if match := ABSOLUTE.search(text) or ADDRESS.search(text):
            faults.append(f"output holds {match[0]!r}, which is true on one machine only")
        for kind in (k for k in data if k.startswith("image/")):
            if not output.metadata.get(kind, {}).get("alt", "").strip():
                faults.append("a picture without alt text; use paperlib.teach.draw.show(fig, alt=...)")
    return faults


def _text(output: NotebookNode) -> str:
    kinds = [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
    return "\n".join([output.get("text", ""), *output.get("traceback", []), *kinds])
