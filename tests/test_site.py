"""The site's glossary, pages of papers and search."""
import json
import subprocess
import sys
import tomllib

import nbformat
import pytest
import yaml

from paperlib.course import page_text, skeleton, twins
from paperlib.course.site import elsewhere, glossary, papers, search, site_pages
from paperlib.papers.printed import published

TERMS = glossary.terms()


@pytest.mark.parametrize("term", TERMS, ids=[term.anchor for term in TERMS])
def test_a_term_is_in_the_code_and_in_its_notebook(term):
    assert [name for name in term.variables if name not in glossary.identifiers(term)] == []
    headings, texts = [], []
    for cell in twins.read_twin(term.notebook).cells:
        if cell.cell_type == "markdown":
            headings += [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            texts.append(cell.source.lower())
    assert term.section in headings
    said = "\n".join(texts)
    assert any(word.lower() in said for word in term.words), "the notebook that derives it does not say it"
    assert len(term.says.split()) <= 45


@pytest.mark.parametrize("change, own", [
    (lambda notebook: None, True),
    (lambda notebook: notebook.metadata.update(papermill={"parameters": {"BUDGET": "smoke"}}), False),
    (lambda notebook: notebook.metadata.update(papermill={"exception": True}), False),
    (lambda notebook: notebook.cells[2].update(source="before the last change"), False)])
def test_a_notebook_of_ones_own_is_shown_if_it_is_todays_and_whole(change, own, tmp_path):
    notebook = twins.read(twins.NOTEBOOKS / "02_scoring.ipynb")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[-1].outputs = [nbformat.v4.new_output("stream", text="run at home")]
    change(notebook)
    twins.write(notebook, tmp_path / "02_scoring.ipynb")
    shown = site_pages._to_render("02_scoring", twins.NOTEBOOKS, tmp_path)
    assert ("run at home" in str(shown)) is own


def test_terms_are_many_and_differ():
    words = [word.lower() for term in TERMS for word in term.words]
    assert len(TERMS) >= 50
    assert len({term.anchor for term in TERMS}) == len(TERMS) and len(set(words)) == len(words)


@pytest.mark.parametrize("edit, says", [('paper = "fpn"', "rcnm"), ('symbol = "K"', "symbol")])
def test_a_fault_in_the_glossary_is_named(edit, says, tmp_path, monkeypatch):
    text = glossary.FILE.read_text(encoding="utf-8")
    path = tmp_path / "glossary.toml"
    path.write_text(text.replace(edit, {"rcnm": 'paper = "rcnm"', "symbol": ""}[says], 1), encoding="utf-8")
    monkeypatch.setattr(glossary, "FILE", path)
    with pytest.raises(ValueError, match=rf"glossary\.toml: .*{says}"):
        glossary.terms()


def test_the_first_mention_of_a_term_is_a_link():
    page = ('<div class="jp-RenderedMarkdown"><h2>IoU</h2><p>The <code>IoU</code> of IoU and iou: a pyramidal NMS.</p>'
            "<p>NMS again</p></div><p>IoU</p>")
    linked = glossary.linked(page)
    assert linked.count("<a ") == 2
    assert ' of <a class="term" href="glossary.html#intersection-over-union"' in linked and ">IoU</a> and iou" in linked
    assert ">NMS</a>." in linked and "<p>NMS again</p>" in linked and "pyramidal" in linked


def test_every_paper_has_notebooks_tables_and_an_anchor_in_since_2017():
    body = page_text.to_html((glossary.DATA / "course" / "since_2017.md").read_text(encoding="utf-8"))
    assert set(papers.NOTEBOOKS) == set(papers.PAPERS)
    for key, names in papers.NOTEBOOKS.items():
        assert set(names) <= set(twins.names())
        assert f'<h2 id="{page_text.heading_id(papers.NAMES[key])}"' in body


def test_the_index_has_the_words_of_sections_with_their_address(tmp_path):
    page = ('<html><title>t</title><main><h1 id="top">Title</h1><p>One <b>two</b></p><h2 id="a">A¶</h2><ul><li><p>three'
            "</p></li></ul><pre>code</pre><h2>no words</h2></main></html>")
    listed = search.sections(page, "x.html")
    assert [(one["heading"], one["url"], one["text"].strip()) for one in listed] == [
        ("Title", "x.html#top", "One two"), ("A", "x.html#a", "three")]
    (tmp_path / "x.html").write_text(page)
    written = search.write(tmp_path).read_text(encoding="utf-8")
    assert json.loads(written.partition("= ")[2].rstrip(";\n")) == listed


@pytest.mark.parametrize("address, place", [
    ("https://github.com/somebody/paperlib", "somebody/paperlib"), ("git@github.com:a-b/c.d.git", "a-b/c.d"),
    ("https://example.org/somebody/paperlib", None)])
def test_colab_is_offered_where_the_repository_is_on_github(address, place, monkeypatch):
    monkeypatch.setenv("PAPERLIB_REPOSITORY", address)
    assert elsewhere.repository() == place
    offered = elsewhere.colab("02_scoring", elsewhere.repository())
    expected = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/02_scoring.ipynb"
    assert offered == (expected if place else None)
    on_kaggle = elsewhere.kaggle("02_scoring", elsewhere.repository())
    if place is None:
        assert on_kaggle is None
        return
    address, lines = on_kaggle
    assert address.endswith(f"welcome?src=https://github.com/{place}/blob/main/notebooks/02_scoring.ipynb")
    assert f"git clone -q --depth 1 https://github.com/{place} course" in lines
    needed = set(skeleton.COLAB.partition("pip install -q ")[2].splitlines()[0].split())
    assert needed == {"pycocotools", "safetensors"} and needed < set(lines.split())


def test_the_citation_and_the_dev_container_fit_the_package():
    root = page_text.PAGES.parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    titles = [one["title"].lower() for one in citation["references"]]
    assert [body["title"] for body in published().values() if body["title"].lower() not in titles] == []
    container = json.loads((root / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make setup"
    assert ">=3.11" in project["requires-python"] and container["image"].endswith(("3.11", "3.12", "3.13"))


def test_the_commands_of_notebooks_start_without_torch():
    code = "import sys, paperlib.course.commands; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0
