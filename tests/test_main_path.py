"""Long notebooks have a main path; parts tagged `further` are folded on pages and in JupyterLab."""
import re

import nbformat
import pytest

from paperlib.course import main_path, twins

LONG = [name for name in twins.names() if len(twins.read_twin(name).cells) > 105]


@pytest.mark.parametrize("name", LONG)
def test_the_main_path_of_a_long_notebook_is_short(name):
    assert 40 <= main_path.main_cells(twins.read_twin(name)) <= 65


@pytest.mark.parametrize("name", twins.names())
def test_a_folded_part_begins_with_a_heading_and_ends_at_one(name):
    notebook = twins.read_twin(name)
    for cell, folded in zip(notebook.cells, main_path.further(notebook)):
        if main_path.FURTHER in twins.tags(cell):
            assert main_path.level(cell) in (2, 3) and cell.metadata["heading_collapsed"]
        inside = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL).splitlines()[1:]
        if folded and cell.cell_type == "markdown":
            assert [line for line in inside if re.match(r"#{1,3} ", line)] == []
    titles = re.findall(r"^## (.+)$", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    assert len(set(titles)) == len(titles)


def test_cells_are_counted_and_folded():
    made, cells = nbformat.v4.new_markdown_cell, []
    for text, tagged in (("# T", False), ("## A", False), ("### B", True), ("words", False), ("### C", False),
                         ("## D", True), ("### E", False), ("## Exercises", False), ("do it", False)):
        cells.append(made(text, metadata={"tags": ["further"]} if tagged else {}))
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert main_path.further(notebook) == [False, False, True, True, False, True, True, False, False]
    assert main_path.main_cells(notebook) == 3


def test_a_page_folds_a_part_under_its_heading():
    page = ('<main><div class="jp-Cell"><h2 id="a">A</h2></div>'
            '<div class="jp-Cell"><div class="celltag_further"><h3 id="b">B¶</h3></div></div>'
            '<div class="jp-Cell">in</div><div class="jp-Cell"><h3>C</h3></div></main>')
    assert main_path.folded(page) == (
        '<main><div class="jp-Cell"><h2 id="a">A</h2></div><details class="further"><summary>Further: B</summary>'
        '<div class="jp-Cell"><div class="celltag_further"><h3 id="b">B¶</h3></div></div>'
        '<div class="jp-Cell">in</div></details>'
        '<div class="jp-Cell"><h3>C</h3></div></main>')
