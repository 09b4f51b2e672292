"""Copies of a notebook for students and for whoever teaches, made from the stored one."""
import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from paperlib.course import exercise_cells, twins
from paperlib.teach import course_files
from paperlib.teach.course_files import CourseFile, Exercise, Moment

FOLDED = re.compile(r"\n*<details>.*?</details>\n*", re.DOTALL)


def student(name: str, notebook: NotebookNode) -> NotebookNode:
    """A copy without solutions and outputs: what a class begins with."""
    cells = []
    for old in notebook.cells:
        if old.cell_type == "code":
            cells.append(new_code_cell(old.source, metadata=old.metadata))
            continue
        text = FOLDED.sub("\n\n", old.source).strip()
        if text:
            cells.append(new_markdown_cell(text, metadata=old.metadata))
    return twins.clean(new_notebook(cells=cells))


def instructor(name: str, notebook: NotebookNode) -> NotebookNode:
    """A copy with outputs, solutions, common wrong answers, and what to ask and say at each section."""
    notes = course_files.read(name)
    after = {}  # {cell with the solution of an exercise: its wrong answers}
    for cells in exercise_cells.exercises(notebook):
        after[_end_of(notebook, cells.place)] = _wrong_answers(course_files.exercise(cells.name))
    copied = []
    for i, cell in enumerate(notebook.cells):
        if i == 1:
            copied.append(new_markdown_cell(_overview(notes)))
        if i in after:
            solution, mark, rest = cell.source.partition("</details>")
            texts = [f"{solution}{mark}", after[i], rest.strip()]
            copied += [new_markdown_cell(text) for text in texts if text]
        else:
            copied.append(cell)
        for moment in notes.teaching.moments:
            if cell.cell_type == "markdown" and f"## {moment.at}\n" in f"{cell.source}\n":
                copied.append(new_markdown_cell(_in_class(moment)))
    return twins.clean(new_notebook(cells=copied))


def _end_of(notebook: NotebookNode, place: int) -> int:
    """The cell with the solution of the exercise at `place`. Errors: ValueError where it has none."""
    for i, cell in enumerate(notebook.cells[place + 1:], place + 1):
        if twins.SOLUTION.search(cell.source):
            return i
        if "exercise" in twins.tags(cell):
            break
    raise ValueError(f"cell {place}: an exercise without a solution; expected <details> with a python block")


def _overview(notes: CourseFile) -> str:
    """What to know before class."""
    teaching = notes.teaching
    minutes = sum(moment.minutes for moment in teaching.moments)
    return (f"> **For whoever teaches.** {minutes} minutes in class, about {teaching.home_minutes} at home.\n"
            ">\n"
            f"> **Reading.** {' '.join(teaching.reading.split())}\n>\n"
            f"> **What goes wrong.** {' '.join(teaching.goes_wrong.split())}")


def _in_class(moment: Moment) -> str:
    """What to ask and say at a section."""
    lines = [f"> **In class, {moment.minutes} minutes.** {moment.say}"]
    if moment.predict:
        lines.append(f"> **Ask before you show it.** {moment.predict}")
    return "\n>\n".join(lines)


def _wrong_answers(notes: Exercise) -> str:
    """The wrong answers that learners give, as Markdown."""
    blocks = []
    for wrong in notes.wrong:
        blocks.append(f"> {wrong.why}\n\n```python\n{wrong.code.strip()}\n```")
    return "> **Common wrong answers**\n\n" + "\n\n".join(blocks)
