"""The terms of the field, with symbol, name in the code, paper and notebook: data/course/glossary.toml."""
import importlib
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Sequence

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
    pattern = _any_of(left)
    for paragraph in soup.select(".jp-RenderedMarkdown p, .jp-RenderedMarkdown li"):
        for text in list(paragraph.find_all(string=True)):
            if any(parent.name in KEPT for parent in text.parents):
                continue
            match = pattern.search(text)
            while match:
                text = _link(soup, text, match, left[match[0].lower()])
                for word in left[match[0].lower()].words:
                    left.pop(word.lower(), None)
                pattern = _any_of(left)
                match = pattern.search(text)
    return str(soup)


def _any_of(words: Iterable[str]) -> re.Pattern:
    """What matches any of the words, the longest first, as a whole word."""
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({longest_first or '(?!)'})(?![\w-])", re.IGNORECASE)


def _link(soup: BeautifulSoup, text: NavigableString, match: re.Match, term: Term) -> NavigableString:
    """Put a link to `term` in the place of a match; the text after it."""
    link = soup.new_tag("a", href=f"{PAGE}#{term.anchor}", attrs={"class": "term"}, title=term.says)
    link.string = match[0]
    rest = NavigableString(text[match.end():])
    text.replace_with(NavigableString(text[:match.start()]), link, rest)
    return rest
