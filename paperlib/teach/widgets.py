"""Live pictures from core ipywidgets, and the same pictures side by side for readers without a kernel.

Both take one function `draw_fn(ax, **state)` that draws a state on given axes, so what is live and what is printed
cannot differ.
"""
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from paperlib.teach import draw


def explore(draw_fn: Callable, alt: str, slow: bool = False, size: tuple[float, float] = (7, 3.6), **controls) -> None:
    """Display one control per argument of `draw_fn(ax, ...)` above one figure that follows them.

    A control is (low, high[, step[, start]]) for a slider, a list or dict for a choice, a bool for a check box, or any
    ipywidget. All work by keyboard: Tab moves between them, arrow keys change them. `slow` redraws when
    a slider is let go, not while it moves. `alt` says what the figure shows; the state is appended to it.
    """
    width = f"{0.6 * max(map(len, controls), default=0) + 1:.1f}em"  # one for all, so that the sliders stand in line
    made = {name: _control(name, given, slow, width) for name, given in controls.items()}
    view = widgets.HTML()

    def redraw(_=None) -> None:
        state = {name: control.value for name, control in made.items()}
        fig, ax = plt.subplots(figsize=size, layout="constrained")
        draw_fn(ax, **state)
        view.value = draw.render(fig, f"{alt} ({_say(state)})").html()

    redraw()  # in the cell itself, so that an error in draw_fn stops the cell
    for control in made.values():
        control.observe(redraw, names="value")
    display(widgets.VBox([*made.values(), view]))


def frames(draw_fn: Callable, states: Sequence[Mapping], columns: int = 3, size: tuple[float, float] = (2.6, 2.2),
           share: bool | str = False) -> Figure:
    """The static twin of `explore`: one small panel for each state, its title naming the state; pass it to `show`.

    `share`: one pair of axes for all panels, or ("row") one scale of the vertical axis for each row of them.
    """
    if not states:
        raise ValueError("frames() got no states; expected at least one dict of arguments for the drawing function")
    columns = min(columns, len(states))
    rows = -(-len(states) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False,
                             sharex=bool(share), sharey=share, layout="constrained")
    for ax, state in zip(axes.flat, states):
        draw_fn(ax, **state)
        ax.set_title(_say(state), fontsize=9)
    for ax in axes.flat[len(states):]:
        ax.set_visible(False)
    return fig


def _control(name: str, given, slow: bool, width: str) -> widgets.Widget:
    label = {"description": name.replace("_", " "), "style": {"description_width": width}}
    if isinstance(given, widgets.Widget):
        return given
    if isinstance(given, bool):
        return widgets.Checkbox(value=given, **label)
    if isinstance(given, (list, Mapping)):
        return widgets.Dropdown(options=given, **label)
    if isinstance(given, tuple) and 2 <= len(given) <= 4 and all(isinstance(v, (int, float)) for v in given):
        whole = all(isinstance(v, int) for v in given)
        usual = (None, None, 1 if whole else (given[1] - given[0]) / 50, given[0])
        low, high, step, start = (*given, *usual[len(given):])
        kind = widgets.IntSlider if whole else widgets.FloatSlider
        return kind(value=start, min=low, max=high, step=step, continuous_update=not slow, **label)
    raise ValueError(f"{name!r} is {given!r}; expected (low, high[, step[, start]]), list, dict, bool or widget")


def _say(state: Mapping) -> str:
    return ", ".join(f"{k.replace('_', ' ')} {v:g}" if isinstance(v, float) else f"{k.replace('_', ' ')} {v}"
                     for k, v in state.items())
