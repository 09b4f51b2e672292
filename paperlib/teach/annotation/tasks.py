"""COCO's annotation interfaces (App. A) to try by hand, with a score: core ipywidgets only, all by keyboard too.

Each function returns a `Task`, which a notebook shows as the last expression of a cell. What is clicked is an invisible
button over the picture, so nothing but ipywidgets is needed.
"""
import html
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation import simulated_workers
from paperlib.studies.annotation.outlines import filled_rings, mask_iou
from paperlib.teach.annotation import pictures as sheets
from paperlib.teach.annotation import scores

SIZE = 384          # px, how large the pictures are shown
MARKED = "rgba(213, 94, 0, 0.7)"


@dataclass(frozen=True)
class Task:
    """An interface: the widget to look at, its parts by name, and `state`, what has been done so far."""
    view: widgets.Widget
    parts: dict
    state: dict

    def _repr_mimebundle_(self, **kwargs):
        return self.view._repr_mimebundle_(**kwargs)


def label_categories(dataset: DetectionSet, i: int) -> Task:
    """Name the categories of image i, one super-category at a time; the score comes after the last."""
    found, names = simulated_workers.presence(dataset.subset([i])), simulated_workers.groups(dataset)
    truth = {dataset.classes[k] for k in np.flatnonzero(found.there[0])}
    state = {"group": 0, "named": set()}
    title, icons, row, said = widgets.HTML(), widgets.HTML(), widgets.HBox(layout=_wrap()), widgets.HTML()
    onward = widgets.Button(description="Next group", button_style="primary")

    def show() -> None:
        group = names[state["group"]]
        inside = [dataset.classes[k] for k in np.flatnonzero(found.group == state["group"])]
        title.value = f"<b>Group {state['group'] + 1} of {len(names)}: {group}.</b> Press what you see; then go on."
        icons.value = '<div style="display:flex;gap:4px;flex-wrap:wrap">' + "".join(
            sheets.as_html(sheets.icon(name, 56), f"icon: {name}", 56) for name in inside) + "</div>"
        row.children = [widgets.ToggleButton(description=name, layout=widgets.Layout(width="auto")) for name in inside]

    def go_on(_=None) -> None:
        state["named"] |= {button.description for button in row.children if button.value}
        state["group"] += 1
        if state["group"] < len(names):
            return show()
        row.children, icons.value, onward.disabled = (), "", True
        title.value = "<b>Done.</b>"
        said.value = scores.labelling_score(state["named"], truth, found)
        return None

    onward.on_click(go_on)
    show()
    image = widgets.HTML(sheets.as_html(sheets.picture(dataset, i), "the image to label", SIZE))
    side = widgets.VBox([title, icons, row, onward, said], layout=widgets.Layout(width="420px", margin="0 0 0 12px"))
    return Task(widgets.HBox([image, side]), {"row": row, "next": onward, "score": said}, state)


def spot_objects(dataset: DetectionSet, i: int, label: int, cells: int = 16) -> Task:
    """Put a cross on every object of one category in image i; the first is given, as in the paper."""
    truth = scores.cell_truth(dataset, i, label, cells)
    name, factor = dataset.classes[label - 1], max(1, round(SIZE / max(dataset.images[i]["width"], 1)))
    if not len(truth):
        raise ValueError(f"image {i} of {dataset.name} has no object of {name!r} to spot")
    state = {"crosses": [int(np.flatnonzero(truth[0])[0])]}
    said, done, lens = widgets.HTML(), widgets.Button(description="Done", button_style="primary"), widgets.HTML()
    plain = sheets.spotting_picture(dataset, i, label, factor)

    def click(cell: int, button: widgets.Button) -> None:
        state["crosses"] = [c for c in state["crosses"] if c != cell] if cell in state["crosses"] \
            else [*state["crosses"], cell]
        _mark(button, "✕" if cell in state["crosses"] else "")
        said.value = f"{len(state['crosses'])} crosses"
        lens.value = sheets.as_html(sheets.lens(plain, cells, cell), "the place of the last click, enlarged", 160)

    view, image, buttons = _clickable(plain, cells, click, f"image with objects to spot: {name}")
    for cell in state["crosses"]:
        _mark(buttons[cell], "✕")

    def finish(_=None) -> None:
        hit, doubled, wrong = scores.spotting_score(truth, state["crosses"])
        shown = sheets.spotting_picture(dataset, i, label, factor, reveal=True)
        image.value = sheets.as_html(shown, f"the objects outlined: {name}", SIZE)
        said.value = f"You found <b>{hit} of {len(truth)}</b>; {doubled} twice, {wrong} crosses on something else."

    done.on_click(finish)
    title = widgets.HTML(f"<b>Click every object of the category: {name}.</b> One is marked; a second click unmarks.")
    return Task(widgets.VBox([title, widgets.HBox([view, lens]), widgets.HBox([done, said])]),
                {"buttons": buttons, "done": done, "score": said, "image": image}, state)


def draw_outline(dataset: DetectionSet, i: int, k: int, bar: float = 0.8) -> Task:
    """Draw object k of image i as a polygon, by sliders or by typing its corners; the IoU with the truth is live."""
    target = dataset.target(i, masks=True)
    mask, rgb = target["masks"][k].numpy(), sheets.picture(dataset, i)
    square, state = sheets.close_up(mask), {"points": [], "iou": 0.0}
    across, down = (widgets.FloatSlider(min=low, max=low + square[2], step=0.5, value=low + square[2] / 2,
                                        description=f"{axis}, px") for low, axis in zip(square, "xy"))
    add, undo = widgets.Button(description="Add corner", button_style="primary"), widgets.Button(description="Undo")
    typed = widgets.Textarea(description="corners", placeholder="x,y x,y x,y ...", continuous_update=False)
    image, said = widgets.HTML(), widgets.HTML()

    def redraw(_=None) -> None:
        points = state["points"]
        shown = sheets.outline_picture(rgb, square, points, SIZE, (across.value, down.value))
        image.value = sheets.as_html(shown, f"close-up with {len(points)} corners", SIZE)
        state["iou"] = mask_iou(mask, filled_rings([np.array(points)], *mask.shape)) if len(points) > 2 else 0.0
        passed = "you would pass the training task" if state["iou"] >= bar else f"the training task asks for {bar:g}"
        said.value = f"<b>IoU {state['iou']:.2f}</b> with {len(points)} corners; {passed}."

    def read(change) -> None:
        try:
            state["points"] = scores.parse_corners(change["new"])
            redraw()
        except ValueError as error:
            said.value = f"<b>{html.escape(str(error))}</b>"

    def corners(points: list) -> None:                           # what `read` observes redraws
        typed.value = " ".join(f"{px:g},{py:g}" for px, py in points)

    add.on_click(lambda _: corners([*state["points"], (across.value, down.value)]))
    undo.on_click(lambda _: corners(state["points"][:-1]))
    typed.observe(read, names="value")
    for slider in (across, down):
        slider.observe(redraw, names="value")
    redraw()
    name = dataset.classes[int(target["labels"][k]) - 1]
    title = widgets.HTML(f"<b>Outline this object: {name}.</b> Move the cross, add corners in order around it.")
    right = widgets.VBox([across, down, widgets.HBox([add, undo]), typed, said])
    return Task(widgets.VBox([title, widgets.HBox([image, right])]),
                {"x": across, "y": down, "add": add, "undo": undo, "typed": typed, "score": said}, state)


def verify_segments(dataset: DetectionSet, seed: int = 0, needed: int = 3) -> Task:
    """Find the bad segments among 64; whoever finds fewer than `needed` of the 4 known ones must begin again."""
    sheet = sheets.verification_sheet(dataset, seed)
    state = {"marked": set()}
    said, submit = widgets.HTML(), widgets.Button(description="Submit", button_style="primary")

    def click(n: int, button: widgets.Button) -> None:
        state["marked"] ^= {n}
        _mark(button, "✕" if n in state["marked"] else "")

    view, _, buttons = _clickable(sheet.picture, sheet.rows, click, "64 segments to judge", 512)

    def finish(_=None) -> None:
        right, known = len(state["marked"] & set(sheet.bad)), len(sheet.bad)
        verdict = "you may judge segments" if right >= needed else "begin again"
        for n in sheet.bad:
            _mark(buttons[n], "✕ bad" if n in state["marked"] else "bad")
        said.value = (f"You found <b>{right} of {known}</b> known bad segments and marked "
                      f"{len(state['marked']) - right} others: {verdict}.")

    submit.on_click(finish)
    title = widgets.HTML("<b>Click every segment whose outline does not fit the object.</b>")
    return Task(widgets.VBox([title, view, widgets.HBox([submit, said])]),
                {"buttons": buttons, "submit": submit, "score": said, "sheet": sheet}, state)


def _clickable(rgb: np.ndarray, cells: int, click: Callable[[int, widgets.Button], None], alt: str,
               size: int = SIZE) -> tuple[widgets.Box, widgets.HTML, list[widgets.Button]]:
    """A picture under cells x cells transparent buttons; `click(n, button)` is told which, counted row by row."""
    high = round(size * rgb.shape[0] / rgb.shape[1])
    image = widgets.HTML(sheets.as_html(rgb, alt, size), layout=widgets.Layout(margin="0", width=f"{size}px"))
    cell = widgets.Layout(width=f"{size / cells}px", height=f"{high / cells}px", margin="0", padding="0",
                          border="1px solid rgba(255,255,255,0.25)")
    look = {"button_color": "transparent", "text_color": "white", "font_weight": "bold", "font_size": "15px"}
    buttons = [widgets.Button(layout=cell, style=look, tooltip=f"row {n // cells + 1}, column {n % cells + 1}")
               for n in range(cells * cells)]
    for n, button in enumerate(buttons):
        button.on_click(lambda b, n=n: click(n, b))
    over = widgets.GridBox(buttons, layout=widgets.Layout(
        width=f"{size}px", height=f"{high}px", margin=f"-{high}px 0 0 0", grid_gap="0",
        grid_template_columns=f"repeat({cells}, {size / cells}px)"))
    return widgets.VBox([image, over], layout=widgets.Layout(overflow="hidden", width=f"{size + 4}px")), image, buttons


def _mark(button: widgets.Button, text: str) -> None:
    button.description, button.style.button_color = text, MARKED if text else "transparent"


def _wrap() -> widgets.Layout:
    return widgets.Layout(flex_flow="row wrap")
