"""Hints and questions as pages that open by a click or a key: no kernel, no script and no extension."""
import html
import re

from paperlib.teach import course_files
from paperlib.teach.course_files import Question


class Folded:
    """HTML with parts to open, and a line of text where HTML cannot be shown."""

    def __init__(self, page: str, words: str):
        self.page, self.words = page, words

    def __repr__(self):
        return self.words

    def _repr_html_(self) -> str:
        return self.page


def words(text: str) -> str:
    """Plain text as HTML: `code` and *stress* are marked."""
    text = html.escape(" ".join(text.split()), quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*", r"<em>\1</em>", text)


def fold(summary: str, inside: str) -> str:
    """Text that is shown when its summary is opened, both HTML."""
    return f"<details><summary>{summary}</summary>{inside}</details>"


def hints(name: str) -> Folded:
    """The two hints of an exercise, each folded.

    Errors: ValueError where the course has no exercise of that name.
    """
    notes = course_files.exercise(name)
    if notes is None:
        raise ValueError(f"no hints for {name!r}: the name is the first argument of the exercise's check")
    page = fold(f"Hint for {words(name)}", f"<p>{words(notes.hints[0])}</p>"
                + fold("A second hint", f"<p>{words(notes.hints[1])}</p>"))
    return Folded(page, f"Two hints for {name}, folded.")


def quiz(notebook: str) -> Folded:
    """The questions of a notebook: open an answer to see whether it is right, and why.

    Errors: ValueError where there are no questions for that notebook.
    """
    questions = course_files.read(notebook).question
    items = []
    for question in questions:
        items.append(f"<li><p><b>{words(question.ask)}</b></p>{_answers(question)}</li>")
    page = f"<ol>{''.join(items)}</ol>"
    return Folded(page, f"{len(items)} questions on notebook {notebook}.")


def _answers(question: Question) -> str:
    """The answers of a question, each opening on its reason; a number is one answer to open."""
    if question.value is not None:
        return fold("The answer", f"<p>{question.value:g}. {words(question.because)}</p>")
    items = []
    for answer in question.choices:
        verdict = "✓ Right." if answer.right else "✗ Not so."
        items.append(f"<li>{fold(words(answer.say), f'<p>{verdict} {words(answer.because)}</p>')}</li>")
    return f"<ul>{''.join(items)}</ul>"
