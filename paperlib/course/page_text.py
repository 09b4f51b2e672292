"""Notebooks and Markdown as HTML: formulas become MathML, which browsers draw without script or network."""
import re
import shutil
from base64 import b64decode
from importlib.util import find_spec
from pathlib import Path

from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from paperlib.teach.png import Picture

PAGES = Path(__file__).with_name("pages")
FONT = "math.ttf"


class Renderer(IPythonRenderer):
    """nbconvert's renderer of Markdown, with formulas as MathML."""

    def heading(self, text: str, level: int, **attrs) -> str:
        """A heading that can be linked to."""
        return f'<h{level} id="{heading_id(plain(text))}">{text}</h{level}>\n'

    def inline_math(self, body: str) -> str:
        """`$...$` within a line."""
        return convert(body)

    def block_math(self, body: str) -> str:
        """`$$...$$` on lines of its own."""
        return convert(body, display="block")

    def latex_environment(self, name: str, body: str) -> str:
        r"""`\begin{name}...\end{name}`."""
        return convert(f"\\begin{{{name}}}{body}\\end{{{name}}}", display="block")


def inline_formula(tex: str) -> str:
    """A formula in TeX as MathML."""
    return convert(tex)


def plain(words: str) -> str:
    """The words of a heading without marks of Markdown, formulas or elements of HTML."""
    return re.sub(r"<[^>]*>|[*`$\\{}]", "", words).strip()


def heading_id(words: str) -> str:
    """The id of a heading, from its plain words."""
    return re.sub(r"[^\w]+", "-", words.lower()).strip("-")


def to_html(markdown: str) -> str:
    """A Markdown text as HTML."""
    return MarkdownWithMath(renderer=Renderer(escape=False)).render(markdown)


class PageExporter(HTMLExporter):
    """nbconvert's pages, on a template of the course that fetches nothing from elsewhere."""

    def __init__(self, template: str = "notebook.html.j2"):
        super().__init__(template_name="lab", template_file=template, extra_template_paths=[str(PAGES)],
                         language_code="en")

    @pass_context
    def markdown2html(self, context, source: str) -> str:
        """The filter that the template applies to Markdown cells and outputs."""
        return to_html(source)

    def from_notebook_node(self, nb, resources=None, **kw):
        """The page of a notebook and nbconvert's resources; header cells without words become plain cells."""
        page, resources = super().from_notebook_node(nb, resources, **kw)
        return with_plain_corners(re.sub(r'href="([\w./-]+)\.ipynb', r'href="\1.html', page)), resources


def with_plain_corners(page: str) -> str:
    """A page whose tables have no empty header cells, and whose code can be reached by keyboard."""
    soup = BeautifulSoup(page, "html.parser")
    for header in soup.find_all("th"):
        if not header.get_text(strip=True):
            header.name = "td"
            header.attrs.pop("scope", None)
    for code in soup.find_all("pre"):
        code["tabindex"] = "0"  # so that wide code can be scrolled by keys
    return str(soup)


def copy_font(out: Path) -> bool:
    """Put the mathematical font STIX Two beside the pages; false where the package that holds it is missing.

    Without it, browsers take a mathematical font of the reader's machine.
    """
    package = find_spec("ziamath")
    if package is None:
        return False
    source = Path(package.origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"
    shutil.copyfile(source, out / FONT)
    return True


def render(template: str, **facts) -> str:
    """One of our pages from its template."""
    pages = Environment(loader=FileSystemLoader(PAGES), undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True)
    return pages.get_template(template).render(**facts)


def with_alt(notebook):
    """PNG outputs as <img> elements: nbconvert's template leaves their alt text out."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                output.data["text/html"] = Picture(b64decode(output.data.pop("image/png")), alt).html()
    return notebook
