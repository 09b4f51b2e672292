"""What a stored notebook must be: like its twin, executed, quiet, portable, readable without sight."""
import ast
import re
import symtable
from base64 import b64decode
from pathlib import Path

from nbformat import NotebookNode

from paperlib.course import twins
from paperlib.teach.png import cut_off

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
              *_live(notebook), *_banner(notebook, twins.minutes(name, folder))]
    count = 0
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        count += 1
        for fault in [*_code(cell, count), *_outputs(cell)]:
            faults.append(f"cell {i}: {fault}")
        if "exercise" in twins.tags(cell) and not twins.solution_of(notebook, i).strip():
            faults.append(f"cell {i}: an exercise without a solution; "
                          "expected <details> with a python block after")
    return [f"{path.name}, {fault}" for fault in faults]


def _file(path: Path, notebook: NotebookNode) -> list[str]:
    faults = []
    if (size := path.stat().st_size) > LARGEST_FILE:
        faults.append(f"file: {size:,} bytes; expected at most {LARGEST_FILE:,}")
    if notebook.metadata != twins.METADATA:
        faults.append(f"file: metadata {sorted(notebook.metadata)} differ from the fixed ones; run `store`")
    return faults


def _twin(notebook: NotebookNode, twin: NotebookNode) -> list[str]:
    for i, (stored, source) in enumerate(zip(notebook.cells, twin.cells)):
        same_text = (stored.cell_type, stored.source) == (source.cell_type, source.source)
        if not same_text or twins.tags(stored) != twins.tags(source):
            return [f"cell {i}: differs from the text twin; run `sync` (text to ipynb)"]
    if len(notebook.cells) != len(twin.cells):
        return [f"file: {len(notebook.cells)} cells, but the text twin has {len(twin.cells)}"]
    return []


def _frame(notebook: NotebookNode) -> list[str]:
    faults = []
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        faults.append("cell 0: expected a markdown title, '# ...'")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or "parameters" not in twins.tags(code[0]):
        return [*faults, "file: the first code cell is not tagged `parameters`"]
    defined = _assigned(code[0].source)
    if missing := [name for name in PARAMETERS if name not in defined]:
        faults.append(f"file: the parameters cell does not set {', '.join(missing)}")
    if "PAPERLIB_BUDGET" not in code[0].source:
        source = 'os.environ.get("PAPERLIB_BUDGET", "mini")'
        faults.append(f"file: BUDGET must come from {source}, for quick tests")
    if not any("google.colab" in cell.source for cell in code):
        faults.append("file: no cell prepares Colab; "
                      "copy paperlib.course.skeleton.COLAB after the parameters")
    return faults


def _assigned(code: str) -> set[str]:
    """The names that a cell assigns to; none where it is not Python."""
    names = set()
    try:
        lines = ast.parse(code).body
    except SyntaxError:
        return names
    for line in lines:
        if isinstance(line, ast.Assign):
            names |= {target.id for target in line.targets if isinstance(target, ast.Name)}
    return names


def _live(notebook: NotebookNode) -> list[str]:
    """Live widgets without a figure in the same code cell or the next one, or that later cells break."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    faults = changed_later(sources)
    for i, source in enumerate(sources):
        if re.search(r"\b(explore|drag)\(", source) and "show(" not in "\n".join(sources[i:i + 2]):
            faults.append(f"code cell {i + 1}: a live widget without a static figure beside it; "
                          "show widgets.frames(...)")
    return faults


def _banner(notebook: NotebookNode, expected: str) -> list[str]:
    match = twins.BANNER.search(notebook.cells[0].source) if notebook.cells else None
    if match is None:
        return ["cell 0: no measured time; "
                "write <!-- minutes --><!-- /minutes --> in the title cell and run `sync`"]
    written = match[0].removeprefix(match[1]).removesuffix(match[2])
    if written != expected:
        return [f"cell 0: says {written!r}, but measured was {expected!r}; run `sync`"]
    return []


def _code(cell: NotebookNode, count: int) -> list[str]:
    faults = []
    if (lines := len(cell.source.splitlines())) > LONGEST_CELL:
        faults.append(f"{lines} lines of code; expected at most {LONGEST_CELL}")
    if cell.execution_count != count:
        faults.append(f"execution count {cell.execution_count}, expected {count}: "
                      "run `store` to execute from the top")
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
            faults.append("stores a widget's view, which is blank without a kernel; "
                          "show a static figure beside it")
        if match := ABSOLUTE.search(text) or ADDRESS.search(text):
            faults.append(f"output holds {match[0]!r}, which is true on one machine only")
        for kind in data:
            alt = output.metadata.get(kind, {}).get("alt", "")
            if kind.startswith("image/") and not alt.strip():
                faults.append("a picture without alt text; use paperlib.teach.draw.show(fig, alt=...)")
        if "image/png" in data and (edges := cut_off(b64decode(data["image/png"]))):
            faults.append(f"a picture that is cut off at the {' and the '.join(edges)}")
    return faults


def _text(output: NotebookNode) -> str:
    """All text of an output."""
    texts = [output.get("text", ""), *output.get("traceback", [])]
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            texts.append(content)
    return "\n".join(texts)


def changed_later(sources: list[str]) -> list[str]:
    """One sentence for each name, read by a function given to `explore`, that a later cell gives a new value.

    `sources`: the code cells in order. The function is called again whenever a control moves, when all cells
    have run: it may fail then, or draw another thing. A function without a name is not looked into.
    """
    tables, functions, faults = [_table(source) for source in sources], {}, []
    for i, source in enumerate(sources):
        if tables[i] is None:
            continue
        functions |= {table.get_name(): table for table in tables[i].get_children()}
        for function in _explored(source):
            reads = _reads(function, functions)
            for j in range(i + 1, len(sources)):
                for name in sorted(reads & _given(tables[j])):
                    faults.append(f"code cell {i + 1}: `{function}` is drawn live and reads `{name}`, which "
                                  f"code cell {j + 1} changes; give one of the two another name")
    return faults


def _table(source: str) -> symtable.SymbolTable | None:
    """The names of a cell by scope; None where it is not Python."""
    try:
        return symtable.symtable(source, "cell", "exec")
    except SyntaxError:
        return None


def _explored(source: str) -> list[str]:
    """Names of the functions that a cell gives to `explore`."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "explore":
            names += [first.id for first in node.args[:1] if isinstance(first, ast.Name)]
    return names


def _reads(function: str, functions: dict[str, symtable.SymbolTable]) -> set[str]:
    """The notebook's names that a function needs, its own and those of the functions that it calls."""
    found, left = set(), [function]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _globals(functions[name]) if name in functions else []
    return found


def _globals(table: symtable.SymbolTable) -> list[str]:
    names = [symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()]
    for inner in table.get_children():
        names += _globals(inner)
    return names


def _given(table: symtable.SymbolTable | None) -> set[str]:
    """Names that a cell gives a value, loops' variables and functions included; imports do not count."""
    if table is None:
        return set()
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
