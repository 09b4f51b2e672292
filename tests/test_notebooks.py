"""The notebooks: each stored one is sound; and the tools that make, run, lint and publish them."""
import base64
import html
import io
import json
import re
import sys
from types import SimpleNamespace

import nbformat
import pytest
from PIL import Image, ImageDraw

from paperlib.__main__ import main
from paperlib.course import page_text, readme_sections, run, twins
from paperlib.course.lint import changed_later, lint
from paperlib.course.site import site_pages
from paperlib.course.skeleton import skeleton

GOOD = skeleton("A tiny notebook") + """
# %%
print(BUDGET, SEED)
"""


SEARCH = r'<script src="search(_index)?\.js" defer(="")?></script>'


@pytest.fixture
def folder(tmp_path):
    """A folder with one good notebook, its cells marked as executed without outputs."""
    (tmp_path / "text").mkdir()
    twins.twin_path("01_tiny", tmp_path).write_text(GOOD)
    twins.sync("01_tiny", tmp_path)
    edit(tmp_path, lambda nb: [cell.update(execution_count=i) for i, cell in enumerate(code(nb), 1)])
    return tmp_path


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def edit(folder, change):
    path = folder / "01_tiny.ipynb"
    notebook = twins.read(path)
    change(notebook)
    twins.write(notebook, path)


@pytest.mark.parametrize("name", twins.names())
def test_stored_notebook_is_sound(name):
    assert lint(name) == []


def test_a_good_notebook_has_no_fault(folder):
    assert lint("01_tiny", folder) == []


def put(kind, **content):
    """A change that gives the second code cell an output."""
    return lambda nb: code(nb)[1].outputs.append(nbformat.v4.new_output(kind, **content))


def picture(line):
    """A small white picture with a dark line over it, from `line[:2]` to `line[2:]`, as a notebook stores it."""
    white, file = Image.new("L", (9, 9), 255), io.BytesIO()
    ImageDraw.Draw(white).line(line, 0)
    white.save(file, "png")
    return {"image/png": base64.b64encode(file.getvalue()).decode()}


WHOLE, OVER = picture((4, 1, 4, 7)), picture((4, 4, 4, 8))

BAD = {
    "stderr": (put("stream", name="stderr", text="Warning: x"), "writes to stderr: 'Warning: x'"),
    "error": (put("error", ename="ValueError", evalue="no", traceback=[]), "stopped with ValueError: no"),
    "unix path": (put("stream", name="stdout", text="saved to /home/me/x.png"), "'/home/me/x.png'"),
    "mac path": (put("display_data", data={"text/html": "<b>/Users/me/x</b>"}), "'/Users/me/x'"),
    "windows path": (put("stream", name="stdout", text=r"in C:\Users\me"), r"'C:\\Users\\me'"),
    "address": (put("display_data", data={"text/plain": "<Axes at 0x7f00aa11bb22>"}), "'at 0x7f00aa11bb22'"),
    "no alt": (put("display_data", data=WHOLE), "picture without alt text"),
    "blank alt": (put("display_data", data=WHOLE, metadata={"image/png": {"alt": " "}}), "picture without alt text"),
    "cut off": (put("display_data", data=OVER, metadata={"image/png": {"alt": "A"}}), "cut off at the bottom"),
    "widget view": (put("display_data", data={twins.WIDGET_VIEW: {"model_id": "a"}}), "stores a widget's view"),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "metadata ['kernelspec', 'language_info', 'widgets']"),
    "kernel name": (lambda nb: nb.metadata.kernelspec.update(display_name="mine"), "differ from the fixed ones"),
    "not executed": (lambda nb: code(nb)[1].update(execution_count=None), "execution count None, expected 2"),
    "out of order": (lambda nb: code(nb)[1].update(execution_count=9), "execution count 9, expected 2"),
    "edited": (lambda nb: code(nb)[1].update(source="1"), "differs from the text twin"),
    "tag lost": (lambda nb: code(nb)[0].metadata.clear(), "differs from the text twin"),
    "cell lost": (lambda nb: nb.cells.pop(), "11 cells, but the text twin has 12"),
    "large": (put("stream", name="stdout", text="x" * 1_000_001), "expected at most 1,000,000"),
}


@pytest.mark.parametrize("case", BAD)
def test_lint_finds_what_is_wrong_with_a_stored_notebook(case, folder):
    change, says = BAD[case]
    edit(folder, change)
    faults = lint("01_tiny", folder)
    assert any(says in fault for fault in faults), faults
    assert all(fault.startswith("01_tiny.ipynb, ") for fault in faults)


@pytest.mark.parametrize("old, new, says", [
    ("# # A tiny", "# A tiny", "expected a markdown title"),
    ('tags=["parameters"]', "", "not tagged `parameters`"),
    ("RERUN = False", "", "does not set RERUN"),
    ('os.environ.get("PAPERLIB_BUDGET", "mini")', '"mini"', "BUDGET must come from"),
    ("# <!-- minutes --><!-- /minutes -->", "#", "no measured time"),
    ('"google.colab"', '"elsewhere"', "no cell prepares Colab"),
    ("draw.show(widgets.frames", "print(widgets.frames", "a live widget without a static figure"),
    ("<details>", "<div>", "an exercise without a solution"),
    ("print(BUDGET, SEED)", "def f(ax): return SEED\nexplore(f, '')\n\n# %%\nSEED = 1",
     "`f` is drawn live and reads `SEED`"),
    ("print(BUDGET, SEED)", "1\n" * 30, "lines of code; expected at most 25"),
])
def test_lint_finds_what_is_wrong_with_a_source(old, new, says, folder):
    twins.twin_path("01_tiny", folder).write_text(GOOD.replace(old, new))
    twins.sync("01_tiny", folder)
    assert any(says in fault for fault in lint("01_tiny", folder))


LIVE = ["side = 3\ndef half(x):\n    return x / side\ndef slide(ax, x):\n    ax.plot([half(x) for _ in range(2)])",
        "explore(slide, 'words', x=(0, 1))"]


@pytest.mark.parametrize("later, changed", [
    ("for side in 'ab':\n    print(side)", "side"),
    ("side, other = 1, 2", "side"),
    ("def half(x):\n    return 0", "half"),
    ("with open('x') as side:\n    pass", "side"),
    ("def f(side):\n    return side", None),                              # names of its own
    ("print([side for side in 'ab'])", None),
    ("x = 3", None),
    ("%matplotlib inline\nside = 1", None),                               # not Python: not looked into
])
def test_a_live_picture_keeps_the_names_that_it_reads(later, changed):
    faults = changed_later([*LIVE, later])
    assert len(faults) == (changed is not None)
    for fault in faults:
        assert fault.startswith(f"code cell 2: `slide` is drawn live and reads `{changed}`, which code cell 3 changes")
    assert changed_later([later, *LIVE]) == changed_later(["explore(lambda ax: 1, 'words')", later]) == []


def test_lint_reports_a_missing_and_an_unreadable_file(folder):
    (folder / "01_tiny.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"01_tiny\.ipynb is not a notebook"):
        lint("01_tiny", folder)
    (folder / "01_tiny.ipynb").unlink()
    assert "missing" in lint("01_tiny", folder)[0]
    with pytest.raises(ValueError, match=r"01_tiny\.ipynb is missing; `paperlib notebooks sync 01_tiny`"):
        twins.read(folder / "01_tiny.ipynb")


@pytest.mark.parametrize("command", ["sync", "lint"])
def test_a_folder_without_a_notebook_is_told(command, tmp_path, capsys):
    assert main(["notebooks", command, "--folder", str(tmp_path)]) == 2
    assert f"{tmp_path}: no notebook is there" in capsys.readouterr().err


def test_urls_fractions_and_markup_are_not_paths(folder):
    text = "https://arxiv.org/abs/1708.02002 AP/AR 3 / 4 </b></div> ../data/x ~/x img/s notebooks/x.ipynb"
    edit(folder, put("stream", name="stdout", text=text))
    assert lint("01_tiny", folder) == []


def test_sync_keeps_outputs_of_unchanged_cells_only(folder):
    edit(folder, lambda nb: [c.outputs.append(nbformat.v4.new_output("stream", text="old")) for c in code(nb)])
    twin = twins.twin_path("01_tiny", folder)
    assert not twins.sync("01_tiny", folder)
    twin.write_text(twin.read_text().replace("print(BUDGET, SEED)", "print(SEED)").replace("A tiny", "The tiny"))
    assert twins.sync("01_tiny", folder)
    assert [len(c.outputs) for c in code(twins.read(folder / "01_tiny.ipynb"))] == [1] * 9 + [0]
    assert twins.title("01_tiny", folder) == "The tiny notebook"


def test_banner_follows_the_measured_minutes(folder):
    record = {"seconds": 80, "machine": "2 CPU cores"}
    twins.minutes_file(folder).write_text(json.dumps({"01_tiny": {"cpu": record}}))
    times = "CPU: 1.5 min on 2 CPU cores; older CPU: not measured yet; GPU: not measured yet"
    expected = f"but measured was 'reading: about 5 min; {times}'"
    assert expected in lint("01_tiny", folder)[0]
    twins.sync("01_tiny", folder)
    assert lint("01_tiny", folder) == []


def test_names_take_numbers_and_refuse_what_does_not_exist(folder, capsys):
    assert twins.names(["01"], folder) == twins.names(["01_tiny"], folder) == twins.names(folder=folder) == ["01_tiny"]
    assert main(["notebooks", "sync", "99", "--folder", str(folder)]) == 2
    assert capsys.readouterr().err == "paperlib: no notebook '99'; there are ['01_tiny']\n"


def test_store_executes_strips_records_and_passes_lint(folder, capsys):
    assert main(["notebooks", "store", "--folder", str(folder), "--out", str(folder / "out")]) == 0, capsys.readouterr()
    stored = twins.read(folder / "01_tiny.ipynb")
    outputs = [o for c in code(stored) for o in c.outputs]
    pictures = [o.metadata for o in outputs if "image/png" in o.get("data", {})]
    assert pictures == [{"image/png": {"alt": "Three lines; the steepest has slope 2."}}]
    assert "mini 0\n" in [o.get("text") for o in outputs]
    assert "papermill" not in (folder / "01_tiny.ipynb").read_text()
    ((kind, record),) = twins.measured(folder)["01_tiny"].items()
    assert kind in twins.KINDS and record["chip"]
    assert record["seconds"] > 0 and record["budget"] == "mini"
    assert re.search(rf"{twins.KINDS[kind]}: \d", stored.cells[0].source)


def test_new_begins_a_notebook_whose_setup_works_on_colab(folder, capsys):
    assert main(["notebooks", "new", "15_my_paper", "--folder", str(folder)]) == 0
    cells = code(twins.read(folder / "15_my_paper.ipynb"))
    assert "    !git clone -q" in cells[1].source and "    %pip install -q" in cells[1].source
    assert twins.title("15_my_paper", folder) == "My paper"
    for wrong, says in (("15_my_paper", "15_my_paper.py exists"), ("my_paper", "expected a new name with a number")):
        assert main(["notebooks", "new", wrong, "--folder", str(folder)]) == 2
        said = capsys.readouterr().err
        assert f"paperlib: cannot begin {wrong!r}: " in said and says in said


def test_run_shows_the_failing_cell_and_exits_with_1(folder, capsys):
    twin = twins.twin_path("01_tiny", folder)
    twin.write_text(twin.read_text().replace("print(BUDGET, SEED)", "print(BUDGET, 1 / SEED)"))
    twins.sync("01_tiny", folder)
    out = folder / "out"
    assert main(["notebooks", "run", "--budget", "smoke", "--folder", str(folder), "--out", str(out)]) == 1
    printed = capsys.readouterr().out
    assert "01_tiny failed" in printed and "ZeroDivisionError" in printed and "print(BUDGET, 1 / SEED)" in printed
    assert main(["notebooks", "run", "--set", "SEED=2", "--folder", str(folder), "--out", str(out)]) == 0
    last = code(twins.read(out / "01_tiny.ipynb"))[-1].outputs       # a busy machine may store one line in pieces
    assert "mini 0.5" in "".join(output.get("text", "") for output in last)


@pytest.mark.parametrize("words, says", [
    (["--budget", "smok"], "unknown budget 'smok'"), (["--set", "BUDGET=smok"], "unknown budget 'smok'"),
    (["--set", "SEEED=5"], "--set SEEED: 01_tiny has no such parameter; it has BUDGET, SEED, "),
    (["--set", "SEEED=5"], "; did you mean 'SEED'?")])
def test_run_refuses_unknown_budgets_and_parameters(words, says, folder, capsys):
    assert main(["notebooks", "run", "01", *words, "--folder", str(folder), "--out", str(folder / "out")]) == 2
    assert says in capsys.readouterr().err and not (folder / "out").exists()


def test_check_runs_nbval_and_the_solutions(folder, capsys):
    command = ["notebooks", "check", "--budget", "smoke", "--folder", str(folder), "--out", str(folder / "out")]
    assert main(command) == 0, capsys.readouterr()
    assert "01_tiny (solved)" in capsys.readouterr().out
    twin = twins.twin_path("01_tiny", folder)
    twin.write_text(twin.read_text().replace("return x + x", "return x * x"))
    twins.sync("01_tiny", folder)
    assert main(command) == 1
    assert "{'double': False}" in capsys.readouterr().out


@pytest.fixture
def bar(monkeypatch):
    """Verdicts for the front page, instead of judging every claim."""
    claims = [SimpleNamespace(paper="fpn", verdict="holds", id=f"c{i}", say="A < B", place="Sec. 3") for i in range(3)]
    monkeypatch.setattr(site_pages, "judged_claims", lambda: claims)


def test_site_has_a_front_page_alt_text_and_no_widget(folder, bar):
    picture = nbformat.v4.new_output("display_data", data={"image/png": "iVBO"},
                                     metadata={"image/png": {"alt": 'A "line"'}})
    edit(folder, lambda nb: code(nb)[1].outputs.append(picture))
    front = site_pages.site(["01_tiny"], folder, folder / "none", folder / "site").read_text(encoding="utf-8")
    assert '<a href="01_tiny.html">A tiny notebook</a>' in front and "<b>3</b>" in front
    page = (folder / "site" / "01_tiny.html").read_text(encoding="utf-8")
    assert 'alt="A &quot;line&quot;"' in page or "alt='A \"line\"'" in page
    for text in (front, page):
        assert '<html lang="en"' in text and text.count('<main id="content">') == 1


def test_a_page_says_where_else_its_notebook_opens(folder, bar, monkeypatch):
    monkeypatch.setenv("PAPERLIB_REPOSITORY", "https://github.com/somebody/course")
    site_pages.site(["01_tiny"], folder, folder / "none", folder / "site")
    page = (folder / "site" / "01_tiny.html").read_text(encoding="utf-8")
    assert "colab.research.google.com/github/somebody/course/blob/main/notebooks/01_tiny.ipynb" in page
    assert "kaggle.com/kernels/welcome?src=https://github.com/somebody/course/blob/main/notebooks/01_tiny.ipynb" in page
    assert 'sys.path.insert(0, "..")</pre>' in html.unescape(page)


def test_site_needs_no_network_and_no_script_but_for_search(folder, bar):
    edit(folder, lambda nb: nb.cells[0].update(source=nb.cells[0].source + "\n\n$$\\sum_i x_i^2$$ and $a < b$"))
    site_pages.site(["01_tiny"], folder, folder / "none", folder / "site")
    for page in (folder / "site").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.search(r"<(?:script|link|img)[^>]*(?:src|href)=.?https?:", text)
        scripts = re.findall(r"<script.*?</script>", text, re.DOTALL)
        asked = [script for script in scripts if not re.fullmatch(SEARCH, script)]
        if page.name == "first_lecture.html":  # is a script, all of it in the file
            assert not fetched and len(scripts) == 1 and "import " not in scripts[0]
            continue
        assert not fetched and asked == [] and (not scripts or page.name in ("search.html", "glossary.html")), page.name
    page = (folder / "site" / "01_tiny.html").read_text(encoding="utf-8")
    assert page.count("<math") == 2 and "$" not in page.partition("<main")[2].partition("<pre>")[0]


def test_every_link_of_the_site_leads_somewhere(folder, bar):
    out = folder / "site"
    site_pages.site(["01_tiny"], folder, folder / "none", out)
    made_elsewhere = {"scorecard.html", *(f"{name}.html" for name in twins.names())}  # by the command, for all
    for page in out.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        ids = set(re.findall(r'\bid="([^"]+)"', text))
        for link in re.findall(r'(?:href|src)="(?!https?:|data:|mailto:)([^"]+)"', text):
            file, _, anchor = link.partition("#")
            target = out / file if file else page
            assert target.exists() or file in made_elsewhere, f"{page.name} links to {link}"
            if anchor and not file:
                assert anchor in ids, f"{page.name} links to {link}"


def test_header_cells_without_words_become_plain_cells():
    page = page_text.with_plain_corners("<table><tr><th scope='col'> </th><th>AP</th></tr></table>")
    assert page == "<table><tr><td> </td><th>AP</th></tr></table>"


def test_copies_to_work_in_are_never_written_over(folder, capsys):
    out = folder / "work"
    (folder / "scene.png").write_bytes(b"png")
    assert main(["notebooks", "lab", "--folder", str(folder), "--out", str(out)]) == 0
    assert (out / "01_tiny.ipynb").read_bytes() == (folder / "01_tiny.ipynb").read_bytes()
    assert (out / "scene.png").exists()
    (out / "01_tiny.ipynb").write_text("my work")
    assert main(["notebooks", "lab", "--folder", str(folder), "--out", str(out)]) == 0
    assert (out / "01_tiny.ipynb").read_text() == "my work"
    assert "0 copied, 1 kept as you left them" in capsys.readouterr().out


def test_a_picture_is_stored_once_and_scripts_are_not(folder):
    live = {"image/png": "iVBO", "text/html": "<img>", "text/plain": "Figure"}
    edit(folder, put("display_data", data=live, metadata={"image/png": {"alt": "A line"}}))
    edit(folder, put("display_data", data={"application/javascript": "1"}))
    kept = code(twins.clean(twins.read(folder / "01_tiny.ipynb")))[1].outputs
    assert [sorted(output.data) for output in kept] == [["image/png", "text/plain"]]


def test_readme_list_is_made_from_titles_and_minutes(folder):
    text = readme_sections.filled_readme("a\n<!-- notebooks -->\nold\n<!-- /notebooks -->\nb\n", folder)
    assert "\nold\n" not in text and text.startswith("a\n") and text.endswith("\nb\n")
    assert f"| [01_tiny](notebooks/01_tiny.ipynb) | A tiny notebook |{3 * ' not measured yet |'}" in text


def test_processes_run_at_once_longest_first(capsys):
    program = "import time; time.sleep(1); print('x')"
    commands = {name: [sys.executable, "-c", program] for name in ("a", "b")} | {"c": [sys.executable, "-c", "1/0"]}
    known = {"c": {"cpu": {"seconds": 9}}}
    outcomes = run.run_all(commands, jobs=2, budget="smoke", known=known)
    assert list(outcomes) == ["a", "b", "c"] and [o.code for o in outcomes.values()] == [0, 0, 1]
    assert re.findall(r"\] (\w):", capsys.readouterr().out)[0] == "c"
