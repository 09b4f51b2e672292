"""Live pictures from core ipywidgets, and the same pictures side by side for readers without a kernel.

Both take one function `draw_fn(ax, **state)` that draws a state on axes,
so the live and the printed picture cannot differ.
"""
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import Javascript, display
from matplotlib.figure import Figure

from paperlib.teach.png import render

LETTERS = 14  # of a panel's title go on an inch
SLIDER_NAMES = Path(__file__).with_name("slider_names.js")


def explore(
    draw_fn: Callable, alt: str, slow: bool = False, size: tuple[float, float] = (7, 3.6), **controls
) -> None:
    """Display one control per argument of `draw_fn(ax, ...)` above one figure that follows them.

    A control is (low, high[, step[, start]]) for a slider, a list or dict for a choice, a bool for a check
    box, or any ipywidget. All work by keyboard: Tab moves between them, arrow keys change them. `slow`
    redraws when a slider is let go, not while it moves. `alt` says what the figure shows; the state is
    appended to it.
    """
    longest = max(map(len, controls), default=0)
    width = f"{0.6 * longest + 1:.1f}em"  # one for all, so that the sliders stand in line
    made = {name: _control(name, choices, slow, width) for name, choices in controls.items()}
    view = widgets.HTML()

    def redraw() -> None:
        state = {name: control.value for name, control in made.items()}
        fig, ax = plt.subplots(figsize=size, layout="constrained")
        draw_fn(ax, **state)
        view.value = render(fig, f"{alt} ({_say(state)})").html()

    def follow(_) -> None:
        try:
            redraw()
        except Exception as error:  # Jupyter shows an error of a control's answer nowhere
            plt.close()
            view.value = f"<b>No picture: {type(error).__name__}: {html.escape(str(error))}</b>"

    redraw()  # in the cell itself, so that an error in draw_fn stops the cell
    for control in made.values():
        control.observe(follow, names="value")
    name_sliders()
    display(widgets.VBox([*made.values(), view]))


def name_sliders() -> None:
    """Give the handle of every slider on the page its label's words, for screen readers."""
    display(Javascript(SLIDER_NAMES.read_text(encoding="utf-8")))


def frames(
    draw_fn: Callable,
    states: Sequence[Mapping],
    columns: int = 3,
    size: tuple[float, float] = (2.6, 2.2),
    share: bool | str = False,
) -> Figure:
    """The static twin of `explore`, for `show`: one small panel for each state, with the state as its title.

    `share`: one pair of axes for all panels, or ("row") one scale of the vertical axis for each row of them.
    """
    if not states:
        raise ValueError("frames() got no states; expected at least one dict of arguments of draw_fn")
    columns = min(columns, len(states))
    rows = -(-len(states) // columns)
    # "compressed", as "constrained" lets the titles of pictures, whose shape is fixed, run over the edge
    fig, axes = plt.subplots(rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False,
                             sharex=bool(share), sharey=share, layout="compressed")
    titles = [_say(state) for state in states]
    if max(map(len, titles)) > LETTERS * size[0]:
        titles = [title.replace(", ", "\n") for title in titles]
    for ax, state, title in zip(axes.flat, states, titles):
        draw_fn(ax, **state)
        ax.set_title(title, fontsize=9)
    for ax in axes.flat[len(states):]:
        ax.set_visible(False)
    return fig


def _control(name: str, choices, slow: bool, width: str) -> widgets.Widget:
    """The control of one argument, as `explore` describes it."""
    label = {"description": name.replace("_", " "), "style": {"description_width": width}}
    if isinstance(choices, widgets.Widget):
        return choices
    if isinstance(choices, bool):
        return widgets.Checkbox(value=choices, **label)
    if isinstance(choices, (list, Mapping)):
        return widgets.Dropdown(options=choices, **label)
    if not _is_range(choices, (int, float)):
        raise ValueError(
            f"{name!r} is {choices!r}; expected (low, high[, step[, start]]), list, dict, bool or widget")
    low, high = choices[:2]
    slider, step, start = widgets.FloatSlider, (high - low) / 50, low
    if _is_range(choices, int):
        slider, step = widgets.IntSlider, 1
    if len(choices) > 2:
        step = choices[2]
    if len(choices) > 3:
        start = choices[3]
    return slider(value=start, min=low, max=high, step=step, continuous_update=not slow, **label)


def _is_range(choices, kinds) -> bool:
    """Whether these are (low, high[, step[, start]]) of such numbers."""
    if not isinstance(choices, tuple) or not 2 <= len(choices) <= 4:
        return False
    return all(isinstance(value, kinds) for value in choices)


def _say(state: Mapping) -> str:
    """A state in words: "learning rate 0.1, steps 20"."""
    words = []
    for name, value in state.items():
        form = "g" if isinstance(value, float) else ""
        words.append(f"{name.replace('_', ' ')} {value:{form}}")
    return ", ".join(words)
