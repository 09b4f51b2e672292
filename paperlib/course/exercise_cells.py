"""The exercises of a notebook as cells, and code that lets each be checked without running the notebook."""
import ast
import re
from dataclasses import dataclass

from nbformat import NotebookNode

from paperlib.course import twins
from paperlib.teach import course_files

CHECK = re.compile(r'\bcheck\(\s*"([^"]+)"')


@dataclass(frozen=True)
class Cells:
    """One exercise: its statement (Markdown), stub, code of the check and solution, and where the stub is."""

    name: str
    statement: str
    stub: str
    check: str
    solution: str
    place: int


def exercises(notebook: NotebookNode) -> list[Cells]:
    """The exercises of a notebook, in order. Errors: ValueError where a stub has no check after it."""
    listed = []
    for i, cell in enumerate(notebook.cells):
        if "exercise" not in twins.tags(cell):
            continue
        check = _check_after(notebook, i)
        statement = _last_paragraphs(notebook.cells[i - 1].source)
        listed.append(Cells(CHECK.search(check)[1], statement, cell.source, check,
                            twins.solution_of(notebook, i), i))
    return listed


def _check_after(notebook: NotebookNode, place: int) -> str:
    """The code cell with the check of the exercise at `place`."""
    for cell in notebook.cells[place + 1:]:
        if "exercise" in twins.tags(cell):
            break
        if cell.cell_type == "code" and CHECK.search(cell.source):
            return cell.source
    raise ValueError(f"cell {place}: an exercise without a cell after it that calls check(\"name\", ...)")


def _last_paragraphs(text: str) -> str:
    """A statement: what follows the last folded solution or heading in a Markdown cell."""
    text = text.rpartition("</details>")[2]
    return re.split(r"^#+ .*$", text, flags=re.MULTILINE)[-1].strip()


def prelude(notebook: NotebookNode, code: str) -> str:
    """The imports, functions and constants of a notebook that `code` needs, as code.

    What a notebook computes is not among them: a stand-in for that is the `context` of the exercise.
    """
    statements = _statements(notebook)
    needed, chosen = used_names(code), set()
    grew = True
    while grew:
        grew = False
        for i, (names, text) in enumerate(statements):
            if i not in chosen and names & needed:
                chosen.add(i)
                needed |= used_names(text)
                grew = True
    return "\n".join(statements[i][1] for i in sorted(chosen))


def _statements(notebook: NotebookNode) -> list[tuple[set[str], str]]:
    """(names that it defines, text) of every import, function, class and literal constant of a notebook."""
    listed, checks = [], {cells.check for cells in exercises(notebook)}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "exercise" in twins.tags(cell) or cell.source in checks:
            continue
        try:
            lines = ast.parse(cell.source).body
        except SyntaxError:  # the cell for Colab, with its shell commands
            continue
        for node in lines:
            if names := _defined(node):
                listed.append((names, ast.unparse(node)))
    return listed


def _defined(node: ast.stmt) -> set[str]:
    """The names that a statement defines without computing anything."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign) and _is_literal(node.value):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def used_names(code: str) -> set[str]:
    """Every name that code mentions."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def standalone(notebook: NotebookNode, cells: Cells) -> str:
    """Code before an exercise that lets its check run by itself: what it needs, and the stand-ins."""
    notes = course_files.exercise(cells.name)
    context = notes.context if notes else ""
    code = "\n".join([context, cells.stub, cells.solution, cells.check])
    return f"{prelude(notebook, code)}\n{context}".strip()
