"""A deck from a stored notebook: a slide a section, with its equations and lists; a slide a picture or table.

Of sections that data/course gives minutes in class, MOST pictures and tables are shown, of the others one.
A cell tagged `slide` is always shown, one tagged `no-slide` never. What is prose becomes speaker notes.
"""
import html
import re
from dataclasses import dataclass, field

from nbformat import NotebookNode

from paperlib.course import page_text, twins
from paperlib.course.page_text import with_alt
from paperlib.teach import course_files
from paperlib.teach.course_files import CourseFile
from paperlib.teach.questions import fold, words

LEFT_OUT = ("Exercises", "Exercise", "Questions", "Where to go", "11. Exercises")
LONGEST_TABLE = 12  # rows
MOST = 5  # pictures and tables of one section
SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z*`$])")
ASKED = re.compile(r"^\? (.*?)\n  Answer: (.*)", re.DOTALL)


@dataclass
class Slide:
    """One slide: its title (Markdown), what is shown and notes for whoever speaks (HTML)."""

    title_words: str
    body: str
    notes: list[str] = field(default_factory=list)
    room: bool = False  # for a picture below a few sentences

    @property
    def title(self) -> str:
        """The title as HTML."""
        return page_text.to_html(self.title_words).strip().removeprefix("<p>").removesuffix("</p>")


def deck(name: str, notebook: NotebookNode) -> list[Slide]:
    """The slides of a notebook, its questions last."""
    notes = course_files.read(name)
    in_class = {moment.at for moment in notes.teaching.moments}
    notebook = with_alt(twins.clean(notebook))
    slides, section, room = [_title(notebook)], "", 0
    for cell in notebook.cells[1:]:
        tags = twins.tags(cell)
        if "no-slide" in tags:
            continue
        if cell.cell_type == "markdown":
            for heading, text in _parts(cell.source):
                if heading:
                    section, room = heading, MOST if heading in in_class else 1
                if section and section not in LEFT_OUT:
                    slides += _of_text(section, bool(heading), text, notes)
        elif section not in LEFT_OUT:
            for body in _of_outputs(cell):
                if room or "slide" in tags:
                    _add(slides, section, body)
                    room = max(room - 1, 0)
    kept = [slide for slide in slides if slide.title_words in in_class or not slide.room]
    return kept + _questions(notes)


def _add(slides: list[Slide], section: str, body: str) -> None:
    """Show a picture or table: on the section's own slide where that has room, else on one of its own."""
    last = slides[-1]
    if last.title_words == section and last.room:
        last.body, last.room = last.body + body, False
    else:
        slides.append(Slide(section, body))


def _title(notebook: NotebookNode) -> Slide:
    """The title cell, without its minutes."""
    heading, _, rest = notebook.cells[0].source.partition("\n")
    rest = re.sub(r"!\[[^\]]*\]\([^)]*\)|<!-- minutes -->.*?<!-- /minutes -->", "", rest, flags=re.DOTALL)
    paragraphs = [part.strip() for part in rest.split("\n\n") if part.strip()]
    return Slide(heading.lstrip("# "), page_text.to_html(paragraphs[0]),
                 [page_text.to_html(part) for part in paragraphs[1:]])


def _parts(source: str) -> list[tuple[str, str]]:
    """(heading of a section or "", text below it) of a Markdown cell, folded texts left out."""
    source = re.sub(r"<details>.*?</details>", "", source, flags=re.DOTALL)
    pieces = re.split(r"^## (.+)$", source, flags=re.MULTILINE)
    return [("", pieces[0]), *zip(pieces[1::2], pieces[2::2])]


def _of_text(section: str, begins: bool, text: str, notes: CourseFile) -> list[Slide]:
    """The slide of a text: its first sentence, equations, lists and tables; all of it goes to the notes.

    A text that goes on in a section, without any of these, adds no slide.
    """
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]
    shown = [block for block in blocks if re.match(r"\$\$|[-*] |\d+\. |\||###? |```|\\begin", block)]
    if not begins and not any(block.startswith(("$$", "|")) for block in shown):
        return []
    room = begins and not shown
    if begins and blocks and blocks[0] not in shown:
        shown.insert(0, " ".join(SENTENCE.split(blocks[0])[:2 if room else 1]))
    shown = [_first_sentences(block) if block[:2] in ("- ", "* ") else block for block in shown]
    spoken = [page_text.to_html(block) for block in blocks]
    for moment in notes.teaching.moments:
        if moment.at == section and begins:
            spoken.insert(0, f"<p><b>{moment.minutes} minutes.</b> {words(moment.say)}</p>")
            if moment.predict:
                spoken.insert(1, f"<p><b>Ask first:</b> {words(moment.predict)}</p>")
    return [Slide(section, page_text.to_html("\n\n".join(shown)), spoken, room)]


def _first_sentences(items: str) -> str:
    """A list whose items are cut to their first sentence."""
    cut = []
    for item in re.split(r"\n(?=[-*] )", items):
        cut.append(SENTENCE.split(" ".join(item.split()))[0])
    return "\n".join(cut)


def _of_outputs(cell: NotebookNode) -> list[str]:
    """The pictures, short tables and answered predictions among the outputs of a cell, as HTML."""
    listed = []
    for output in cell.get("outputs", []):
        page, text = output.get("data", {}).get("text/html", ""), output.get("text", "")
        if page.startswith("<img"):
            listed.append(page)
        elif "<table" in page and page.count("<tr") <= LONGEST_TABLE:
            listed.append(f'<div class="table">{page_text.with_plain_corners(page)}</div>')
        elif asked := ASKED.match(text):
            question, answer = (" ".join(part.split()) for part in asked.groups())
            opened = fold("The answer", f"<p>{html.escape(answer)}</p>")
            listed.append(f'<p class="ask">{html.escape(question)}</p>{opened}')
    return listed


def _questions(notes: CourseFile) -> list[Slide]:
    """A slide for each question; its answer is folded, and in the notes."""
    slides = []
    for number, question in enumerate(notes.question, 1):
        if question.value is not None:
            choices, right = "", f"{question.value:g}. {question.because}"
        else:
            items = [f"<li>{words(answer.say)}</li>" for answer in question.choices]
            choices = f"<ol class='choices'>{''.join(items)}</ol>"
            (best,) = [answer for answer in question.answers if answer.right]
            right = f"{best.say}: {best.because}"
        body = f'<p class="ask">{words(question.ask)}</p>{choices}'
        folded = fold("The answer", f"<p>{words(right)}</p>")
        slides.append(Slide(f"Question {number}", body + folded, [f"<p>{words(right)}</p>"]))
    return slides
