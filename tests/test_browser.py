"""The notebooks in a real JupyterLab, the site and the decks in a real browser: `make test-browser`.

Needs the packages of the group `browser` in pyproject.toml, which are not in the lock, and a Chromium: Debian's,
or the one that `playwright install chromium` fetches.
"""
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from paperlib.course import export_files, page_text, twins
from paperlib.course.site import lecture, site_pages
from paperlib.teach import course_files
from paperlib.teach.boxes import regions, scoring
from paperlib.teach.labeller.labelling import Labelling
from paperlib.teach.labeller.widget import Labeller

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not os.environ.get("PAPERLIB_BROWSER"), reason="make test-browser runs these")]
START, RUN, REDRAW = 120, 900, 30  # seconds until JupyterLab answers, a notebook has run, a picture has changed
NOTEBOOKS = os.environ.get("PAPERLIB_BROWSER_NOTEBOOKS", "").split() or twins.names()


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    yield browser
    browser.close()
    playwright.stop()


@pytest.fixture
def page(chromium):
    """A page of a desktop's size that remembers the errors of its console."""
    opened = chromium.new_page(viewport={"width": 1280, "height": 800})
    opened.errors = []
    opened.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    yield opened
    opened.close()


def real_errors(page) -> list[str]:
    return [text for text in page.errors if "favicon" not in text]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the site of two notebooks, which have a place on GitHub, with verdicts not judged now."""
    out = tmp_path_factory.mktemp("site")
    claims = [SimpleNamespace(paper="fpn", verdict="holds", id="c", say="A pyramid helps", place="Sec. 3")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_pages, "judged_claims", lambda: claims)
        patch.setenv("PAPERLIB_REPOSITORY", "https://github.com/somebody/course")
        site_pages.site(["00_start_here", "02_scoring"], twins.NOTEBOOKS, out / "none", out)
    server = ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=str(out)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that does not report requests."""

    def log_message(self, *args):
        pass


PAGES = ["index.html", "00_start_here.html", "02_scoring.html", "guide.html", "self_learners.html", "RULES.html",
         "02_scoring_slides.html", "glossary.html", "search.html", "papers.html", "paper_fpn.html", "since_2017.html",
         "first_lecture.html"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_that_axe_knows_of(name, site, page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.goto(f"{site}/{name}")
    violations = axe.run(page).response["violations"]
    listed = [(rule["id"], len(rule["nodes"]), rule["nodes"][0]["html"][:200]) for rule in violations]
    assert listed == []
    assert real_errors(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(name, site, page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_lines_for_kaggle_are_folded_and_fit_a_phone(site, page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}/02_scoring.html")
    lines = page.locator(".elsewhere pre")
    assert not lines.is_visible()
    page.get_by_text("On Kaggle").click()
    assert lines.is_visible() and "git clone" in lines.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [rule["id"] for rule in axe.run(page).response["violations"]] == []


def test_the_glossary_shows_terms_with_a_word(site, page):
    page.goto(f"{site}/glossary.html")
    rows = page.locator(".glossary > div:visible")
    every = rows.count()
    page.get_by_label("Show terms with").fill("gamma")
    assert 1 <= rows.count() < every / 4 and page.locator("#focusing-parameter").is_visible()
    assert page.get_by_role("status").inner_text() == f"{rows.count()} of {every}"


def test_the_search_leads_to_a_section(site, page):
    page.goto(f"{site}/search.html?q=crowd")
    page.locator("#hits a").first.wait_for()
    page.get_by_role("searchbox").fill("union intersection")
    first = page.locator("#hits a").first
    assert "intersection over union" in first.inner_text().lower()
    first.click()
    assert "#" in page.url and page.locator("#" + page.url.partition("#")[2]).count() == 1


def test_the_first_lecture_moves_without_a_network(page, tmp_path):
    path = tmp_path / lecture.PAGE
    path.write_text(lecture.page(), encoding="utf-8")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    said = {name: page.locator(f"#{name}-said").inner_text() for name in ("iou", "match", "nms", "loss", "roi")}
    assert said["iou"].startswith("IoU 0.39") and said["match"].startswith("Hits at IoU 0.50: A, C, E. AP: 0.756")
    assert said["nms"].startswith("A, D, F stay") or "stay" in said["nms"]
    for board in ("iou", "match", "nms", "roi"):
        page.locator(f"#{board} [tabindex]").first.focus()
        for _ in range(3):
            page.keyboard.press("Alt+ArrowRight")
        assert page.locator(f"#{board}-said").inner_text() != said[board], board
    page.get_by_label("gamma").focus()
    page.keyboard.press("ArrowRight")
    assert "gamma 2.5" in page.locator("#loss-said").inner_text()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and real_errors(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", ["02_scoring.html", "02_scoring_slides.html", "guide.html"])
def test_code_has_letters_of_one_width(name, site, page):
    page.goto(f"{site}/{name}")
    asked = "[...document.querySelectorAll('pre, pre *, code')].map(part => getComputedStyle(part).fontFamily)"
    families = page.evaluate(asked)
    assert all(family.endswith("monospace") for family in families) and (families or "slides" in name)


def test_formulas_are_drawn(site, page):
    page.goto(f"{site}/02_scoring.html")
    sizes = page.evaluate("[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)")
    assert len(sizes) > 10 and min(sizes) > 5
    assert page.evaluate("document.fonts.check('16px \"STIX Two Math\"')")


def test_a_deck_is_turned_by_keys_and_shows_notes(site, page):
    page.goto(f"{site}/02_scoring_slides.html")
    shown = page.locator("section.now h2, section.now h1")
    first = shown.inner_text()
    page.keyboard.press("ArrowRight")
    assert shown.inner_text() != first and page.url.endswith("#2")
    assert page.locator("section.now .notes").is_hidden()
    page.keyboard.press("n")
    assert page.locator("section.now .notes").is_visible()
    page.keyboard.press("Home")
    assert shown.inner_text() == first


@pytest.mark.parametrize("name", course_files.names())
def test_a_deck_needs_no_network_and_fits_its_screen(name, page, tmp_path):
    (path,) = export_files.decks([name], twins.NOTEBOOKS, tmp_path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    for _ in range(page.locator("section").count()):
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, page.url
        page.keyboard.press("ArrowRight")


MODEL = """async ([esm, state]) => {
  const heard = {};
  window.model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    on: (name, act) => { (heard[name] ??= []).push(act); },
    send: (message) => window.asked(message),
    save_changes: async () => {
      for (const [name, value] of Object.entries(await window.moved(state))) {
        const other = JSON.stringify(state[name]) !== JSON.stringify(value);
        state[name] = value;
        if (other) (heard[`change:${name}`] ?? []).forEach((act) => act());
      }
    },
  };
  const module = await import("data:text/javascript;base64," + esm);
  module.default.render({ model: window.model, el: document.getElementById("here") });
}"""


PLAIN = (str, int, float, list)  # values of traits that are the widget's own; not its layout


def on_a_page(page, widget, names: list[str]) -> None:
    """Show a widget without Jupyter: its script in a page, its traits answered by Python; the page sets `names`."""
    def traits() -> dict:
        return {name: getattr(widget, name) for name in widget.keys
                if name[0] != "_" and isinstance(getattr(widget, name), PLAIN)}

    def moved(state: dict) -> dict:
        for name in names:
            setattr(widget, name, state[name])
        return {name: value for name, value in traits().items() if name not in names}

    page.set_content("<html lang=en><meta name=viewport content='width=device-width'><title>a widget</title>"
                     f"<style>{widget._css}</style><main><h1>A widget</h1><div id=here></div></main></html>")
    page.expose_function("moved", moved)
    page.expose_function("asked", lambda message: None)
    page.evaluate(MODEL, [base64.b64encode(str(widget._esm).encode()).decode(), traits()])


def middle(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
def board(page):
    shown = scoring.iou_board()
    on_a_page(page, shown, ["boxes", "moves"])
    return shown


def test_a_box_that_is_dragged_changes_its_overlap(board, page):
    box, said = page.locator("[data-box='1']"), page.get_by_role("status")
    assert said.inner_text() == board.said
    before, scale = board.said, box.bounding_box()["width"] / 40  # of the screen for one px
    x, y = middle(box)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 12 * scale, y - 8 * scale, steps=5)
    changed = "(text) => document.querySelector('.said').textContent !== text"
    page.wait_for_function(changed, arg=before)  # on the way already
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('.said').textContent.match(/^IoU (1.00|0.9[89])/)")
    assert np.allclose(board.boxes[1], board.boxes[0], atol=0.5)
    page.get_by_role("button", name="Back to the start").click()
    page.wait_for_function("(text) => document.querySelector('.said').textContent === text", arg=before)
    assert board.boxes == board.start


def test_a_box_is_resized_by_its_corner_and_moved_by_keys(board, page):
    box = page.locator("[data-box='1']")
    box.focus()
    for key in ("ArrowLeft", "Alt+ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_function("() => window.model.get('boxes')[1].join() === '31,18,41,40'")
    assert "41 by 40 at 31, 18" in box.get_attribute("aria-label")
    assert page.evaluate("document.activeElement.dataset.box") == "1"
    scale = box.bounding_box()["width"] / 41
    x, y = middle(page.locator("[data-corner='11']"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 9 * scale, y, steps=3)
    page.mouse.up()
    page.wait_for_function("() => Math.abs(window.model.get('boxes')[1][2] - 50) < 0.5")
    page.locator("[data-box='0']").dispatch_event("pointerdown")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("window.model.get('boxes')[0].join()") == "20,20,40,40", "the object is fixed"


def test_what_follows_a_box_moves_with_it_and_stays_out_of_reach(page):
    image = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(0))
    shown = regions.RoIScene(image, torch.tensor([8.0, 8, 33, 25])).board()
    on_a_page(page, shown, ["boxes", "moves"])
    read = page.locator("[data-box='1']")
    assert page.locator("rect.follow").count() == 1 + 9 and page.locator("rect.follow[tabindex]").count() == 0
    assert page.locator("rect.follow[aria-hidden=true]").count() == 9    # the cells are many; their words say enough
    before = read.get_attribute("x")
    page.locator("[data-box='0']").focus()
    page.keyboard.press("Alt+ArrowRight")
    page.wait_for_function("(x) => document.querySelector('[data-box=\"1\"]').getAttribute('x') !== x", arg=before)
    assert shown.boxes == [[18.0, 8.0, 25.0, 17.0]] and "what is read" in read.get_attribute("aria-label")


def test_a_picture_beside_a_board_has_words_and_follows(page):
    image = torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(0))
    shown = regions.CropScene(image, torch.tensor([8.0, 8, 33, 25]), torch.zeros(3)).board()
    on_a_page(page, shown, ["boxes", "moves"])
    view = page.locator(".beside img")
    assert view.get_attribute("alt") == shown.caption and view.bounding_box()["width"] > 200
    before = view.get_attribute("src")
    page.locator("[data-box='0']").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function("(src) => document.querySelector('.beside img').src !== src", arg=before)
    assert view.get_attribute("src") == shown.beside


@pytest.fixture
def phone(chromium):
    """A page of a phone's size that is touched."""
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield context.new_page()
    context.close()


def finger(page, x: float, y: float, along: tuple[int, ...]) -> None:
    """Touch a place, move right by so many px in turn, and let go."""
    client = page.context.new_cdp_session(page)
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in along:
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + step, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_moves_a_box_on_a_phone(phone):
    shown = scoring.matching_board()
    on_a_page(phone, shown, ["boxes", "moves"])
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    a = phone.locator("[data-box='3']")
    finger(phone, a.bounding_box()["x"] + 4, middle(a)[1], (40, 80, 160))  # D lies over its middle
    phone.wait_for_function("() => document.querySelector('.said').textContent.startsWith('Hits: C, D, E')")


REGIONS = (regions.RoIScene(torch.full((3, 64, 80), 0.7), torch.tensor([8.0, 8, 33, 25])),
           regions.CropScene(torch.full((3, 64, 80), 0.7), torch.tensor([8.0, 8, 33, 25]), torch.zeros(3)))


@pytest.mark.parametrize("scene", REGIONS)
def test_a_finger_moves_a_region_on_a_phone(phone, scene):
    shown = scene.board()
    on_a_page(phone, shown, ["boxes", "moves"])
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    box = phone.locator("[data-box='0']")
    scale = box.bounding_box()["width"] / 25
    finger(phone, *middle(box), (10 * scale, 20 * scale))
    phone.wait_for_function("() => Math.abs(window.model.get('boxes')[0][0] - 28) < 0.5")
    assert np.allclose(shown.boxes, [[28, 8, 25, 17]], atol=0.5)


@pytest.mark.parametrize("scene", REGIONS)
def test_boards_of_regions_have_no_barrier_that_axe_knows_of(page, scene):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    on_a_page(page, scene.board(), ["boxes", "moves"])
    assert [rule["id"] for rule in axe.run(page).response["violations"]] == []


def test_boards_and_labeller_have_no_barrier_that_axe_knows_of(page, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(tmp_path / "p.png")
    labelling = Labelling(tmp_path, ["cat", "dog"])
    labelling.change(0, [[10, 10, 30, 20, 2]])
    labelling.change(0, [[10, 10, 30, 20, 1]])
    on_a_page(page, Labeller(labelling), ["boxes"])
    violations = axe.run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in violations] == []


def test_the_labeller_draws_names_moves_and_removes(page, tmp_path):
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(tmp_path / "p.png")
    labelling = Labelling(tmp_path, ["cat", "dog"])
    on_a_page(page, Labeller(labelling), ["boxes"])
    frame = page.locator("svg image").bounding_box()
    scale = frame["width"] / 80
    page.mouse.move(frame["x"] + 10 * scale, frame["y"] + 10 * scale)
    page.mouse.down()
    page.mouse.move(frame["x"] + 40 * scale, frame["y"] + 30 * scale, steps=4)
    page.mouse.up()
    page.wait_for_function("() => window.model.get('boxes').length === 1")
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => window.model.get('boxes')[0][4] === 2")
    assert np.allclose(labelling.boxes(0), [[11, 10, 30, 20, 2]], atol=0.5)
    page.keyboard.press("b")
    page.wait_for_function("() => window.model.get('boxes').length === 2")
    page.keyboard.press("Delete")
    page.wait_for_function("() => window.model.get('boxes').length === 1")
    assert len(labelling.boxes(0)) == 1


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab on copies of the notebooks, at the smoke budget."""
    folder = tmp_path_factory.mktemp("lab")
    export_files.working_copies(NOTEBOOKS, twins.NOTEBOOKS, folder)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
               "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    settings = tmp_path_factory.mktemp("settings")
    tracker = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # all cells on the page, also those out of sight
    environment = os.environ | {"PAPERLIB_BUDGET": "smoke", "PAPERLIB_PROGRESS": "0",
                                "JUPYTERLAB_SETTINGS_DIR": str(settings)}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://localhost:{port}"
    _wait(address)
    yield address
    server.terminate()
    server.wait(30)


def _wait(address: str) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=5)
            return
        except OSError:
            time.sleep(1)
    raise TimeoutError(f"JupyterLab did not answer within {START} s")


LEFT = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
    .filter(prompt => /\\[\\*\\]/.test(prompt.textContent)).length"""
WITHOUT_ALT = """() => [...document.querySelectorAll('.jp-OutputArea-output img[src]')]
    .filter(image => !image.alt.trim()).length"""
# what the kernel answers to a moved box: words, and a picture where there is one beside it
ANSWER = "board => board.querySelector('.said').innerText + board.querySelector('.beside img').src"
NAMELESS = "() => document.querySelectorAll('.noUi-handle:not([aria-label])').length"


@pytest.fixture
def kernels(page):
    """Kernels end with their test: those of all notebooks together do not fit into a laptop's memory."""
    yield
    page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_in_jupyterlab(name, lab, page):
    """Every cell runs, pictures have words, sliders have names, and a slider moved by a key changes its picture."""
    page.goto(f"{lab}/lab/tree/{name}.ipynb?reset", timeout=START * 1000)
    page.wait_for_function("() => window.jupyterapp && document.querySelector('.jp-NotebookPanel .jp-Cell')",
                           timeout=START * 1000)
    run = """async () => {
      const app = window.jupyterapp, panel = app.shell.currentWidget;
      await panel.sessionContext.ready;
      await app.commands.execute('notebook:expand-all-headings');
      await app.commands.execute('notebook:run-all-cells');
    }"""
    page.set_default_timeout(RUN * 1000)
    page.evaluate(run)
    page.wait_for_function(f"({LEFT})() === 0")
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    page.wait_for_function(f"({WITHOUT_ALT})() === 0", timeout=REDRAW * 1000)  # words come after the picture
    page.wait_for_function(f"({NAMELESS})() === 0", timeout=REDRAW * 1000)
    for widget in page.locator(".widget-vbox:has(.noUi-handle):has(img)").all():
        handle, picture = widget.locator(".noUi-handle").first, widget.locator("img").first
        before = picture.get_attribute("alt")
        moved = False
        for key in ("ArrowRight", "ArrowLeft"):  # one of them moves it, wherever it stands
            handle.focus()
            page.keyboard.press(key)
            end = time.monotonic() + REDRAW
            while not moved and time.monotonic() < end:
                page.wait_for_timeout(200)
                moved = picture.get_attribute("alt") != before
        assert moved, before
    for shown in page.locator(".boxes.board").all():
        before = shown.evaluate(ANSWER)
        shown.locator("[tabindex]").first.focus()
        page.keyboard.press("Alt+ArrowRight")
        end = time.monotonic() + REDRAW
        while shown.evaluate(ANSWER) == before and time.monotonic() < end:
            page.wait_for_timeout(200)
        assert shown.evaluate(ANSWER) != before
    assert real_errors(page) == []


OPEN = """async ([path, content]) => {
  const app = window.jupyterapp;
  await app.restored;  // its plugins have given their commands
  await app.serviceManager.contents.save(path, { type: "notebook", format: "json", content });
  const panel = await app.commands.execute("docmanager:open", { path });
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute("notebook:run-all-cells");
}"""


def own_pictures(folder: Path) -> dict:
    """A notebook of two cells: the labeller of two pictures in `folder`, and a detector to try on them."""
    for name in ("a.png", "b.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)).save(folder / name)
    cells = [new_code_cell(f"from paperlib.teach.labeller.widget import label\nlabel({str(folder)!r}, ['cat', 'dog'])"),
             new_code_cell("from paperlib.paths import weights_folder\n"
                           "from paperlib.teach.detections import try_detector\n"
                           f"try_detector(weights_folder() / 'retinanet.safetensors', [{str(folder / 'a.png')!r}])")]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.loads(nbformat.writes(new_notebook(cells=cells, metadata={"kernelspec": kernel})))


def until(page, is_so, said: str) -> None:
    """Wait for what the kernel does. Errors: AssertionError with what was waited for."""
    end = time.monotonic() + REDRAW
    while not is_so():
        assert time.monotonic() < end, said
        page.wait_for_timeout(100)


def drag(page, picture, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Drag the mouse between two points of the picture of 128 x 96 px."""
    frame = picture.bounding_box()
    scale = frame["width"] / 128
    page.mouse.move(frame["x"] + start[0] * scale, frame["y"] + start[1] * scale)
    page.mouse.down()
    page.mouse.move(frame["x"] + end[0] * scale, frame["y"] + end[1] * scale, steps=5)
    page.mouse.up()


@pytest.mark.usefixtures("kernels")
def test_labeller_and_detector_work_in_jupyterlab(lab, page, tmp_path):
    """Boxes by mouse, a class by key, undo and accept: the COCO file follows; the detector's slider redraws."""
    page.goto(f"{lab}/lab?reset", timeout=START * 1000)
    page.wait_for_function("() => window.jupyterapp", timeout=START * 1000)
    page.set_default_timeout(START * 1000)
    page.evaluate(OPEN, ["own.ipynb", own_pictures(tmp_path)])
    picture = page.locator(".labeller svg image")
    picture.wait_for()
    page.wait_for_function(f"({LEFT})() === 0")

    def stored() -> list:
        file = tmp_path / "instances.json"
        found = json.loads(file.read_text())["annotations"] if file.is_file() else []
        return [(record["category_id"], *record["bbox"]) for record in found]

    picture.scroll_into_view_if_needed()
    drag(page, picture, (20, 10), (60, 40))
    until(page, lambda: len(stored()) == 1, "a box in the file")
    assert np.allclose(stored(), [[1, 20, 10, 40, 30]], atol=1)
    page.keyboard.press("2")
    until(page, lambda: stored()[0][0] == 2, "the second class")
    drag(page, picture, (70, 50), (120, 90))
    until(page, lambda: len(stored()) == 2, "a second box")
    page.keyboard.press("Control+z")
    until(page, lambda: len(stored()) == 1, "undo takes the second box back")
    assert np.allclose(stored(), [[2, 20, 10, 40, 30]], atol=1)
    page.get_by_role("button", name="Accept, next").click()
    page.locator(".labeller strong", has_text="b.png, picture 2 of 2").wait_for()

    page.wait_for_function(f"({NAMELESS})() === 0")
    handle = page.locator(".noUi-handle").first
    drawn = page.locator(".widget-vbox img").first
    before = drawn.get_attribute("alt")
    handle.focus()
    for _ in range(10):
        page.keyboard.press("PageDown")
    until(page, lambda: drawn.get_attribute("alt") != before, "a threshold, another picture")
    assert real_errors(page) == []


def test_the_font_of_the_formulas_is_shipped(tmp_path):
    assert page_text.copy_font(tmp_path) and (tmp_path / page_text.FONT).stat().st_size > 500_000
    assert Path(page_text.PAGES / "site.css").read_text(encoding="utf-8").count(page_text.FONT) == 1
