"""The exercises of a notebook alone, as assignments of nbgrader and Otter; they run without the notebook."""
import ast
import re
import textwrap

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from paperlib.course import exercise_cells, twins
from paperlib.course.exercise_cells import Cells
from paperlib.teach import course_files

NBGRADER = {"schema_version": 3, "task": False}
OTTER = """\
# ASSIGNMENT CONFIG
name: {name}
check_all_cell: false
export_cell: true
tests:
  ok_format: false"""


def grader(name: str, notebook: NotebookNode) -> NotebookNode | None:
    """The exercises alone, as an assignment of nbgrader: solutions and checks are marked as hidden.

    It runs without the notebook. None where the notebook has no exercises.
    """
    listed = exercise_cells.exercises(notebook)
    if not listed:
        return None
    cells = [_head(notebook, listed)]
    for number, one in enumerate(listed, 1):
        notes = course_files.exercise(one.name)
        identity = re.sub(r"\W+", "-", one.name.lower())
        cells.append(_statement(number, one))
        cells.append(_marked(exercise_cells.standalone(notebook, one), f"{identity}-setup", locked=True))
        cells.append(_marked(_with_marks(one.solution, "### "), identity, solution=True))
        hidden = f"### BEGIN HIDDEN TESTS\n{_test(one)}\n### END HIDDEN TESTS"
        cells.append(_marked(hidden, f"{identity}-test", locked=True, grade=True, points=notes.points))
    return new_notebook(cells=cells, metadata=twins.METADATA)


def _marked(code: str, identity: str, locked: bool = False, grade: bool = False, solution: bool = False,
            points: int | None = None) -> NotebookNode:
    """A code cell with nbgrader's metadata."""
    marks = {**NBGRADER, "grade_id": identity, "locked": locked, "grade": grade, "solution": solution}
    if points is not None:
        marks["points"] = points
    return new_code_cell(code, id=identity[:64], metadata={"nbgrader": marks})


def _with_marks(solution: str, sign: str) -> str:
    """A solution whose last function's body the grading system cuts out; `sign` is its kind of comment."""
    node = ast.parse(solution).body[-1]
    lines = solution.strip("\n").splitlines()
    first = node.body[0].lineno - 1
    indent = " " * node.body[0].col_offset
    body = textwrap.dedent("\n".join(lines[first:]))
    inside = textwrap.indent(f"{sign}BEGIN SOLUTION\n{body}\n{sign}END SOLUTION", indent)
    return "\n".join([*lines[:first], inside])


def _head(notebook: NotebookNode, listed: list[Cells]) -> NotebookNode:
    """The title of an assignment, with its points."""
    title = re.match(r"# (.+)", notebook.cells[0].source)[1]
    points = sum(course_files.exercise(cells.name).points for cells in listed)
    return new_markdown_cell(f"# {title}: assignment\n\n{points} points. Run the cells in their order.")


def _statement(number: int, cells: Cells) -> NotebookNode:
    """What is asked, with its points."""
    points = course_files.exercise(cells.name).points
    return new_markdown_cell(f"## {number}. {cells.name} ({points} points)\n\n{cells.statement}")


def _test(cells: Cells) -> str:
    """The check of an exercise as a test that fails."""
    return f'{cells.check}\nfrom paperlib.teach.exercises import results\nassert results["{cells.name}"]'


def otter(name: str, notebook: NotebookNode) -> NotebookNode | None:
    """The source of an assignment for `otter assign`, with hidden tests; None without exercises."""
    listed = exercise_cells.exercises(notebook)
    if not listed:
        return None
    cells = [new_raw_cell(OTTER.format(name=name)), _head(notebook, listed)]
    for number, one in enumerate(listed, 1):
        notes = course_files.exercise(one.name)
        identity = re.sub(r"\W+", "_", one.name.lower())
        setup = exercise_cells.standalone(notebook, one)
        begin = f"# BEGIN QUESTION\nname: {identity}\npoints: {notes.points}"
        cells += [new_code_cell(setup), new_raw_cell(begin), _statement(number, one),
                  new_raw_cell("# BEGIN SOLUTION"), new_code_cell(_with_marks(one.solution, "# ")),
                  new_raw_cell("# END SOLUTION"),
                  new_raw_cell("# BEGIN TESTS"), new_code_cell(_otter_test(setup, identity, one)),
                  new_raw_cell("# END TESTS"), new_raw_cell("# END QUESTION")]
    return new_notebook(cells=cells, metadata=twins.METADATA)


def _otter_test(setup: str, identity: str, cells: Cells) -> str:
    """A hidden test as Otter wants it: a function whose argument is the learner's, with all that it needs."""
    answer = ast.parse(cells.stub).body[-1].name
    body = textwrap.indent(f"{setup}\n{_test(cells)}", "    ")
    return f"# HIDDEN\ndef test_{identity}({answer}):\n{body}"
