"""The notebooks' helpers: pictures with alt text, tables, source listings, checks and widgets."""
import base64
import io
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from paperlib.teach import draw, exercises, png, result_tables, widgets


@pytest.fixture
def shown(monkeypatch):
    """What a cell would display, in order."""
    items = []
    for module in (draw, widgets):
        monkeypatch.setattr(module, "display", items.append)
    return items


@pytest.fixture(autouse=True)
def clean():
    exercises.results.clear()
    yield
    plt.close("all")


def test_show_gives_a_png_with_alt_text_and_closes_the_figure(shown):
    fig, ax = plt.subplots()
    ax.plot([0, 1])
    draw.show(fig, "A line that\n   \"rises\".")
    data, metadata = shown[0]._repr_mimebundle_()
    assert metadata == {"image/png": {"alt": 'A line that "rises".'}}
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size[0] > 300
    assert data["text/html"] == shown[0].html()  # what JupyterLab shows: its images have no alt text
    assert repr(shown[0]) == 'Figure: A line that "rises".' and not plt.get_fignums()
    assert shown[0].html().startswith('<img alt="A line that &quot;rises&quot;." src="data:image/png;base64,iVBO')


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_show_refuses_a_figure_without_alt_text(alt, shown):
    with pytest.raises(ValueError, match="alt"):
        draw.show(plt.figure(), alt)
    assert not shown


def test_heavy_pictures_are_reduced_and_light_ones_kept(shown):
    noise = np.random.default_rng(0).random((200, 200, 3))
    fig = draw.grid([noise] * 2)
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=draw.DPI)
    draw.show(fig, "Noise, twice.")
    small = base64.b64decode(shown[0].base64)
    assert raw.tell() > png.HEAVY and len(small) < raw.tell() / 2 and Image.open(io.BytesIO(small)).mode == "P"


def test_a_reduced_picture_keeps_the_colours_of_its_boxes():
    warm = np.random.default_rng(0).integers(0, 255, (300, 300, 3)) * (0.9, 0.6, 0.2)
    warm[:10] = 255
    warm[100:103, 100:103] = red = list(bytes.fromhex(draw.PALETTE["vermillion"][1:]))
    raw = io.BytesIO()
    Image.fromarray(warm.astype(np.uint8)).save(raw, format="png")
    small = Image.open(io.BytesIO(png.reduced(raw.getvalue()))).convert("RGB")
    assert small.getpixel((101, 101)) == tuple(red) and small.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("image", [
    torch.zeros(3, 4, 5, dtype=torch.uint8), np.zeros((4, 5, 3), np.uint8), torch.zeros(1, 4, 5), np.zeros((4, 5)),
    torch.zeros(3, 4, 5, requires_grad=True)])
def test_as_rgb_takes_every_usual_layout(image):
    assert draw.as_rgb(image).shape[:2] == (4, 5)


def test_as_rgb_says_what_shape_it_got():
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 5\)"):
        draw.as_rgb(np.zeros((2, 3, 4, 5)))


def test_boxes_sit_on_pixel_edges_and_carry_name_and_score():
    _, ax = plt.subplots()
    draw.boxes_on(ax, torch.zeros(3, 8, 8), torch.tensor([[0.0, 0, 4, 2]]), torch.tensor([2]), torch.tensor([0.5]),
                  ["cat", "dog"])
    (patch,), (text,) = ax.patches, ax.texts
    assert patch.get_xy() == (-0.5, -0.5) and (patch.get_width(), patch.get_height()) == (4, 2)
    assert text.get_text() == "dog 0.50"


def test_no_boxes_and_no_masks_draw_only_the_image():
    _, ax = plt.subplots()
    draw.boxes_on(ax, np.zeros((8, 8)), torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    draw.masks_on(ax, None, torch.zeros(0, 8, 8, dtype=torch.bool))
    assert len(ax.images) == 1 and not ax.patches


def test_masks_tint_their_pixels_only():
    _, ax = plt.subplots()
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 1, 2] = True
    draw.masks_on(ax, np.zeros((4, 4)), mask, labels=[1])
    assert (ax.images[1].get_array()[..., 3] > 0).nonzero() == (np.array([1]), np.array([2]))


def test_grid_holds_every_image_and_hides_the_rest():
    fig = draw.grid([np.zeros((4, 4))] * 5, titles=list("abcde"), columns=3, on=lambda ax, i: ax.plot(i, i))
    assert [len(ax.images) for ax in fig.axes] == [1] * 5 + [0] and fig.axes[4].get_title() == "e"


def test_curve_of_many_seeds_draws_the_mean_and_their_range():
    _, ax = plt.subplots()
    line = draw.curve(ax, [0, 1], torch.tensor([[0.0, 2], [2, 4]]))
    assert line.get_ydata().tolist() == [1, 3]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == 0 and band.max() == 4


def test_palette_has_eight_colours_and_starts_over():
    assert len(set(draw.PALETTE.values())) == 8 and draw.color(8) == draw.color(0) == draw.PALETTE["blue"]


def test_source_shows_the_code_with_its_path_in_the_repository(shown):
    draw.source(result_tables.table)
    text = shown[0].data
    assert "`paperlib/teach/result_tables.py`, `table`" in text and "```python\ndef table(" in text


def test_table_formats_by_content_and_marks_headers():
    frame = pd.DataFrame({("paper", "AP"): [31.1, 34.0], ("ours", "AP"): [26.04, None], ("", "delta"): [0.0, 2.9],
                          ("", "interval"): [None, (0.4, 5.2)], ("", "verdict"): ["unresolved", "holds"]},
                         index=pd.Index(["gamma 0", "gamma 2"], name="row"))
    html = draw.table(frame, "Table 1b")._repr_html_()
    for part in ("<caption>Table 1b</caption>", "26.0", "+2.9", "[+0.4, +5.2]", "✓ holds", "–", 'scope="col"',
                 '<th scope="row"'):
        assert part in html, part
    assert html == draw.table(frame, "Table 1b")._repr_html_()
    assert "0x" not in repr(draw.table(frame, "Table 1b"))
    with pytest.raises(ValueError, match="caption"):
        draw.table(frame, " ")


def test_smooth_is_the_running_mean_and_short_lists_have_one():
    assert draw.smooth([1, 3, 5, 7], 2).tolist() == [2, 4, 6] and draw.smooth([1, 3], 5).tolist() == [2]


def test_labels_stay_in_the_picture():
    _, ax = plt.subplots()
    draw.boxes_on(ax, np.zeros((100, 100)), [[10, 0, 30, 20], [80, 50, 100, 70]], [1, 1], classes=["cat"])
    high, late = ax.texts
    assert high.get_va() == "top" and high.get_position()[1] > 0
    assert late.get_ha() == "right" and late.get_position()[0] < 100


def test_a_table_of_results_leaves_out_what_says_nothing():
    columns = [("paper", "AP"), ("ours", "AP"), ("cost", "seeds"), ("cost", "diverged"), ("cost", "stale")]
    rows = pd.DataFrame([[30.0, None, 0, 0, 2], [31.0, None, 0, 0, 0]], columns=pd.MultiIndex.from_tuples(columns))
    html = draw.table(rows, "Nothing run")._repr_html_()
    assert "stale" in html and "ours" not in html and "diverged" not in html and "seeds" not in html
    rows["cost", "seeds"], rows["", "words"] = 3, "a name of more than thirty letters"
    html = draw.table(rows, "Run")._repr_html_()
    assert "ours" in html and "diverged" not in html and "white-space: normal" in html
    assert "-0.0" not in draw.table(pd.DataFrame({"delta": [-0.01]}), "Zero")._repr_html_()
    names = pd.Index([("clip", "AP"), ("clip", "APs")], tupleize_cols=False)
    pairs = pd.DataFrame({"delta": [1.0, 2.0]}, index=names)
    html = draw.table(pairs, "Pairs")._repr_html_()
    assert html.count(">clip<") == 1 and ">APs<" in html


def area_spec(box):
    return (box[2] - box[0]) * (box[3] - box[1])


CASES = [([0, 0, 2, 3],), ([1, 1, 1, 5],)]


def test_check_passes_an_equal_function(capsys):
    exercises.check("area", lambda b: torch.tensor(area_spec(b)), area_spec, CASES)
    assert exercises.results == {"area": True} and "✓ area: equal to the spec on 2 cases" in capsys.readouterr().out


def test_check_shows_the_first_case_that_differs(capsys):
    exercises.check("area", lambda b: b[2] * b[3], area_spec, CASES)
    out = capsys.readouterr().out
    assert "case 2 of 2 differs" in out and "[1, 1, 1, 5]" in out and "yours:    5" in out and "expected: 0" in out
    assert exercises.results == {"area": False}


def test_check_shows_an_error_and_where_it_came_from(capsys):
    def mine(box):
        return torch.ones(2) @ torch.ones(3)
    exercises.check("area", mine, area_spec, CASES)
    out = capsys.readouterr().out
    assert "RuntimeError" in out and "in mine, line" in out


def test_check_calls_an_empty_stub_not_started(capsys):
    exercises.check("area", lambda b: ..., area_spec, CASES)
    assert "nothing returned yet" in capsys.readouterr().out


@pytest.mark.parametrize("got, expected, says", [
    (torch.zeros(2), torch.zeros(3), "shape (3,)"), (1.0, torch.zeros(1), "expected a tensor"),
    (np.array([1.0, 2]), np.array([1.0, 3]), "first at [1]"), ([1, 2], [1, 2, 3], "3 items, got 2"),
    ({"a": 1}, {"a": 2}, "['a']"), ({"b": 1}, {"a": 1}, "keys ['a']"), ("x", 1, "expected a number"),
    (torch.zeros(2), True, "not the same"), (float("nan"), 1.0, "not the same"),
    ("3", 3, "expected a number, got str"), (10**400, 1.0, "not the same"),
    (torch.tensor(3.0), [1, 2], "expected 2 items, got Tensor"), ([[1], [1, 2]], True, "not the same"),
    (np.array(["a", "b"]), np.zeros(2), "an array of numbers, got one of <U1"),
    (torch.ones(2).to_sparse(), torch.ones(2), "cannot be compared")])
def test_differences_are_told_in_words(got, expected, says, capsys):
    exercises.check("it", lambda: got, lambda: expected, [()])
    assert says in capsys.readouterr().out and not exercises.results["it"]


class Stubborn:
    """What a learner may return by mistake: neither compares nor prints."""

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    def __repr__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("expected", [1.0, True, None, "word", [1, 2], {"a": 1}, torch.ones(2)])
@pytest.mark.parametrize("got", [Stubborn, lambda: torch.ones(2, device="meta"), lambda: [[1], [1, 2]], lambda: int])
def test_no_answer_of_whatever_kind_stops_a_notebook(got, expected, capsys):
    exercises.check("it", got, lambda: expected, [()])
    assert "differs" in capsys.readouterr().out and not exercises.results["it"]


def test_half_precision_is_compared_as_numbers():
    exercises.check("it", lambda: torch.ones(2, dtype=torch.bfloat16), lambda: torch.ones(2), [()])
    assert exercises.results["it"]


def test_a_function_of_other_arguments_is_not_blamed_on_our_code(capsys):
    exercises.check("it", lambda a: a, lambda a, b: a, [(1, 2)])
    out = capsys.readouterr().out
    assert "takes 1 positional argument but 2 were given" in out and "_call" not in out
    assert "the check calls it with the arguments below" in out and "  b = 2" in out


@pytest.mark.parametrize("value", [torch.eye(2), float("nan"), "text", True, {"a": [1, (2.0, None)]}])
def test_equal_values_of_every_kind_pass(value):
    exercises.check("it", lambda: value, lambda: value, [()])
    assert exercises.results["it"]


def test_each_function_gets_its_own_copy_of_a_case():
    def greedy(items):
        items.append(0)
        return len(items)
    case = ([1],)
    exercises.check("it", greedy, greedy, [case, {"items": [1]}])
    assert case == ([1],) and exercises.results["it"]


def test_an_exercise_that_passed_does_not_count_while_its_check_fails_itself():
    exercises.check("half", lambda x: x / 2, lambda x: x / 2, [4])
    assert exercises.results == {"half": True}
    with pytest.raises(ValueError, match="at least one case"):
        exercises.check("half", lambda x: x / 2, lambda x: x / 2, [])
    assert exercises.results == {"half": False}


def test_score_counts_what_passes(capsys):
    exercises.results.update(one=True, two=False)
    exercises.score()
    assert "1 of 2 exercises pass; left: two" in capsys.readouterr().out


@pytest.mark.parametrize("guess, says", [(100, "right"), (104, "within 10%"), (300, "too large, by a factor of 3"),
                                         (10, "too small, by a factor of 10"), ("many", "not so")])
def test_reveal_grades_the_guess(guess, says, capsys):
    exercises.predict("How many anchors?", "anchors", guess)
    exercises.reveal("anchors", 100, "One per cell.")
    out = capsys.readouterr().out
    assert says in out and "One per cell." in out and "Answer: 100" in out


def test_reveal_without_a_guess_or_a_question(capsys):
    exercises.predict("How many?", "key")
    exercises.reveal("key", 3)
    assert "Your guess:" not in capsys.readouterr().out
    with pytest.raises(KeyError, match="no prediction 'other'"):
        exercises.reveal("other", 3)


def line(ax, slope=1.0, dashed=False):
    ax.plot([0, slope], ls="--" if dashed else "-")


def test_explore_redraws_when_a_control_moves(shown):
    widgets.explore(line, "A line", slope=(0.0, 5.0, 0.5, 2.0), dashed=False, slow=True)
    slider, tick, view = shown[-1].children
    assert "aria-label" in shown[-2].data  # the script that gives sliders their names
    assert slider.value == 2.0 and slider.step == 0.5 and not slider.continuous_update
    pictures = [view.value]
    slider.value = 3.0
    pictures.append(view.value)
    tick.value = True
    pictures.append(view.value)
    assert [re.match('<img alt="(.*?)"', picture)[1] for picture in pictures] == [
        f"A line (slope {slope}, dashed {dashed})" for slope, dashed in ((2, False), (3, False), (3, True))]
    assert len(set(pictures)) == 3 and not plt.get_fignums()


def test_explore_lets_an_error_in_the_drawing_stop_the_cell(shown):
    with pytest.raises(ZeroDivisionError):
        widgets.explore(lambda ax, k: 1 / k, "Nothing", k=(0, 3))


def test_explore_says_what_goes_wrong_when_a_control_moves(shown):
    widgets.explore(lambda ax, k: ax.plot([1 / (3 - k)]), "A quotient", k=(0, 3, 1, 2))
    slider, view = shown[-1].children
    slider.value = 3
    assert view.value == "<b>No picture: ZeroDivisionError: division by zero</b>" and not plt.get_fignums()
    slider.value = 1
    assert 'alt="A quotient (k 1)"' in view.value


@pytest.mark.parametrize("control, kind", [((0, 5), "IntSlider"), ((0.0, 1), "FloatSlider"), (["a", "b"], "Dropdown"),
                                           ({"x": 1}, "Dropdown"), (ipywidgets.IntText(3), "IntText")])
def test_each_kind_of_control(control, kind, shown):
    widgets.explore(lambda ax, it: None, "Nothing", it=control)
    assert type(shown[-1].children[0]).__name__ == kind


def test_a_control_of_no_known_kind_is_named():
    with pytest.raises(ValueError, match="'it' is 'word'"):
        widgets.explore(line, "A line", it="word")


def test_frames_draw_the_same_states_side_by_side():
    fig = widgets.frames(line, [{"slope": 1.0}, {"slope": 2.0, "dashed": True}], columns=2)
    assert [ax.get_title() for ax in fig.axes] == ["slope 1", "slope 2, dashed True"]
    with pytest.raises(ValueError, match="no states"):
        widgets.frames(line, [])


def test_titles_of_pictures_stay_inside_the_figure_and_long_ones_take_two_lines():
    def square(ax, left=0, right=0):
        draw.boxes_on(ax, torch.zeros(3, 8, 8, dtype=torch.uint8), [])

    fig = widgets.frames(square, [{"left": n} for n in range(4)], columns=4, size=(2.6, 2.8))
    fig.canvas.draw()
    assert fig.axes[0].title.get_window_extent().y1 < fig.bbox.y1 - 2
    fig = widgets.frames(square, [{"left": 100000, "right": 100000}], size=(1.6, 1.9))
    assert fig.axes[0].get_title() == "left 100000\nright 100000"
