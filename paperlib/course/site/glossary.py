"""The terms of the field, with symbol, name in the code, paper and notebook: data/course/glossary.toml."""
import importlib
import inspect
import io
import re
import tokenize
from collections.abc import Sequence

import msgspec
from bs4 import BeautifulSoup, NavigableString

from paperlib.course.page_text import heading_id, inline_formula, plain, render
from paperlib.papers.names import NAMES, PAPERS
from paperlib.paths import DATA

FILE = DATA / "course" / "glossary.toml"
PAGE = "glossary.html"
# where no term becomes a link
KEPT = ("a", "code", "pre", "math", "summary", "h1", "h2", "h3", "h4", "table")


class Term(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One term. `symbol` is TeX, `code` is "module:name", `variables` are names in the source of that.

    `place` is a section of `paper`, or says why there is none. `words` are how texts say it.
    """

    name: str
    symbol: str
    says: str
    code: str
    variables: tuple[str, ...]
    place: str
    notebook: str
    section: str
    words: tuple[str, ...]
    paper: str = ""

    def __post_init__(self):
        if self.paper and self.paper not in PAPERS:
            raise ValueError(f"term {self.name!r}: paper {self.paper!r}; expected one of {', '.join(PAPERS)}")

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return heading_id(self.name)

    @property
    def source(self) -> str:
        """The printed source, such as "Focal loss, RetinaNet: Sec. 3.2"."""
        if not self.paper:
            return self.place
        return f"{NAMES[self.paper]}: {self.place}"


class Glossary(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All terms."""

    term: tuple[Term, ...]


def terms() -> list[Term]:
    """All terms by name. Errors: ValueError naming the file and what is wrong in it."""
    try:
        read = msgspec.toml.decode(FILE.read_bytes(), type=Glossary).term
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{FILE.name}: {error}") from None
    return sorted(read, key=lambda term: term.name.lower())


def identifiers(term: Term) -> set[str]:
    """All names in the source of a term's code.

    Errors: ImportError or AttributeError where it does not exist.
    """
    module, _, name = term.code.partition(":")
    source = inspect.getsource(getattr(importlib.import_module(module), name))
    names = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            names.add(token.string)
    return names


def page(notebooks: Sequence[str]) -> str:
    """The glossary as HTML; a term links to its section where `notebooks` has its notebook."""
    entries = []
    for term in terms():
        link = ""
        if term.notebook in notebooks:
            link = f"{term.notebook}.html#{heading_id(plain(term.section))}"
        entries.append({"term": term, "symbol": inline_formula(term.symbol), "link": link})
    return render("glossary.html.j2", entries=entries)


def linked(page: str) -> str:
    """A notebook's page whose text links each term, where it comes first, to the glossary."""
    soup = BeautifulSoup(page, "html.parser")
    left = {}  # {word: term}
    for term in terms():
        for word in term.words:
            left[word.lower()] = term
    for paragraph in soup.select(".jp-RenderedMarkdown p, .jp-RenderedMarkdown li"):
        for text in list(paragraph.find_all(string=True)):
            if not any(parent.name in KEPT for parent in text.parents):
                _link_words(soup, text, left)
    return str(soup)


def _link_words(soup: BeautifulSoup, text: NavigableString, left: dict[str, Term]) -> None:
    """Put links into one run of text; terms that it links leave `left`."""
    while left:
        longest_first = "|".join(re.escape(word) for word in sorted(left, key=len, reverse=True))
        match = re.search(rf"(?<![\w-])({longest_first})(?![\w-])", text, re.IGNORECASE)
        if not match:
            return
        term = left[match[0].lower()]
        for word in term.words:
            left.pop(word.lower(), None)
        link = soup.new_tag("a", href=f"{PAGE}#{term.anchor}", attrs={"class": "term"}, title=term.says)
        link.string = match[0]
        rest = NavigableString(text[match.end():])
        before = NavigableString(text[:match.start()])
        text.replace_with(before, link, rest)
        text = rest
