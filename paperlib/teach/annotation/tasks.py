"""COCO's annotation interfaces (App. A) to try by hand, with a score, by mouse or by keyboard.

Each function returns a `Task`, which a notebook shows as the last expression of a cell. A click on the
picture is one on an invisible button over it, so nothing but ipywidgets is needed.
"""
import html
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation import simulated_workers
from paperlib.studies.annotation.outlines import filled_rings, mask_iou
from paperlib.teach.annotation import pictures as sheets
from paperlib.teach.annotation import scores
from paperlib.teach.annotation.click_grid import SIZE, clickable, mark
from paperlib.teach.widgets import name_sliders

HOW_TO_OUTLINE = "Move the cross, add corners in order around it."


@dataclass(frozen=True)
class Task:
    """An interface: the widget to look at, its parts by name, and `state`, what has been done so far."""

    view: widgets.Widget
    parts: dict
    state: dict

    def _repr_mimebundle_(self, **kwargs):
        name_sliders()
        return self.view._repr_mimebundle_(**kwargs)


def label_categories(dataset: DetectionSet, i: int) -> Task:
    """Name the categories of image i, one super-category at a time; the score comes after the last."""
    presence, groups = simulated_workers.presence(dataset.subset([i])), simulated_workers.groups(dataset)
    truth = {dataset.classes[k] for k in np.flatnonzero(presence.there[0])}
    state = {"group": 0, "named": set()}
    title, icons, score = widgets.HTML(), widgets.HTML(), widgets.HTML()
    row = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
    onward = widgets.Button(description="Next group", button_style="primary")

    def show() -> None:
        k = state["group"]
        title.value = f"<b>Group {k + 1} of {len(groups)}: {groups[k]}.</b> Press what you see; then go on."
        pictures, buttons = "", []
        for label in np.flatnonzero(presence.group == k):
            name = dataset.classes[label]
            pictures += sheets.as_html(sheets.icon(name, 56), f"icon: {name}", 56)
            buttons.append(widgets.ToggleButton(description=name, layout=widgets.Layout(width="auto")))
        icons.value = f'<div style="display:flex;gap:4px;flex-wrap:wrap">{pictures}</div>'
        row.children = buttons

    def go_on(_=None) -> None:
        state["named"] |= {button.description for button in row.children if button.value}
        state["group"] += 1
        if state["group"] < len(groups):
            show()
            return
        row.children, icons.value, onward.disabled = (), "", True
        title.value = "<b>Done.</b>"
        score.value = scores.labelling_score(state["named"], truth, presence)

    onward.on_click(go_on)
    show()
    image = widgets.HTML(sheets.as_html(sheets.picture(dataset, i), "the image to label", SIZE))
    beside = widgets.Layout(width="420px", margin="0 0 0 12px")
    side = widgets.VBox([title, icons, row, onward, score], layout=beside)
    return Task(widgets.HBox([image, side]), {"row": row, "next": onward, "score": score}, state)


def spot_objects(dataset: DetectionSet, i: int, label: int, cells: int = 16) -> Task:
    """Put a cross on every object of one category in image i; one is marked already, as in the paper."""
    truth = scores.cell_truth(dataset, i, label, cells)
    name = dataset.classes[label - 1]
    factor = max(1, round(SIZE / max(dataset.images[i]["width"], 1)))  # of enlargement
    if not len(truth):
        raise ValueError(f"image {i} of {dataset.name} has no object of {name!r} to spot")
    state = {"crosses": [int(np.flatnonzero(truth[0])[0])]}
    score, lens = widgets.HTML(), widgets.HTML()
    done = widgets.Button(description="Done", button_style="primary")
    plain = sheets.spotting_picture(dataset, i, label, factor)

    def click(cell: int, button: widgets.Button) -> None:
        crosses = state["crosses"]
        if cell in crosses:
            crosses.remove(cell)
            mark(button, "")
        else:
            crosses.append(cell)
            mark(button, "✕")
        score.value = f"{len(crosses)} crosses"
        enlarged = sheets.lens(plain, cells, cell)
        lens.value = sheets.as_html(enlarged, "the place of the last click, enlarged", 160)

    view, image, buttons = clickable(plain, cells, click, f"image with objects to spot: {name}")
    for cell in state["crosses"]:
        mark(buttons[cell], "✕")

    def finish(_=None) -> None:
        hit, doubled, wrong = scores.spotting_score(truth, state["crosses"])
        revealed = sheets.spotting_picture(dataset, i, label, factor, reveal=True)
        image.value = sheets.as_html(revealed, f"the objects outlined: {name}", SIZE)
        score.value = (f"You found <b>{hit} of {len(truth)}</b>; {doubled} twice, "
                       f"{wrong} crosses on something else.")

    done.on_click(finish)
    title = widgets.HTML(f"<b>Click every object of the category: {name}.</b> "
                         "One is marked; a second click unmarks.")
    view = widgets.VBox([title, widgets.HBox([view, lens]), widgets.HBox([done, score])])
    return Task(view, {"buttons": buttons, "done": done, "score": score, "image": image}, state)


def draw_outline(dataset: DetectionSet, i: int, k: int, bar: float = 0.8) -> Task:
    """Draw object k of image i as a polygon, by sliders or by typing its corners; its IoU follows."""
    target = dataset.target(i, masks=True)
    mask, rgb = target["masks"][k].numpy(), sheets.picture(dataset, i)
    square, state = sheets.close_up(mask), {"points": [], "iou": 0.0}
    left, top, side = square
    across, down = _slider("x, px", left, side), _slider("y, px", top, side)
    add = widgets.Button(description="Add corner", button_style="primary")
    undo = widgets.Button(description="Undo")
    typed = widgets.Textarea(description="corners", placeholder="x,y x,y x,y ...", continuous_update=False)
    image, score = widgets.HTML(), widgets.HTML()

    def redraw(_=None) -> None:
        points = state["points"]
        outline = sheets.outline_picture(rgb, square, points, SIZE, (across.value, down.value))
        image.value = sheets.as_html(outline, _outline_alt(len(points), across.value, down.value), SIZE)
        state["iou"] = 0.0
        if len(points) > 2:
            state["iou"] = mask_iou(mask, filled_rings([np.array(points)], *mask.shape))
        score.value = _outline_score(state["iou"], len(points), bar)

    def read(change) -> None:
        try:
            state["points"] = scores.parse_corners(change["new"])
            redraw()
        except ValueError as error:
            score.value = f"<b>{html.escape(str(error))}</b>"

    def corners(points: list) -> None:  # `read` observes `typed`, and redraws
        typed.value = " ".join(f"{px:g},{py:g}" for px, py in points)

    add.on_click(lambda _: corners([*state["points"], (across.value, down.value)]))
    undo.on_click(lambda _: corners(state["points"][:-1]))
    typed.observe(read, names="value")
    for slider in (across, down):
        slider.observe(redraw, names="value")
    redraw()
    name = dataset.classes[int(target["labels"][k]) - 1]
    title = widgets.HTML(f"<b>Outline this object: {name}.</b> {HOW_TO_OUTLINE}")
    controls = widgets.VBox([across, down, widgets.HBox([add, undo]), typed, score])
    parts = {"x": across, "y": down, "add": add, "undo": undo, "typed": typed, "score": score}
    return Task(widgets.VBox([title, widgets.HBox([image, controls])]), parts, state)


def _outline_alt(corners: int, x: float, y: float) -> str:
    return f"close-up with {corners} corners and the cross at {x:g}, {y:g} px"


def _outline_score(iou: float, corners: int, bar: float) -> str:
    if iou >= bar:
        return f"<b>IoU {iou:.2f}</b> with {corners} corners; you would pass the training task."
    return f"<b>IoU {iou:.2f}</b> with {corners} corners; the training task asks for {bar:g}."


def _slider(name: str, low: float, length: float) -> widgets.FloatSlider:
    """A slider over `length` px from `low` on, which starts in the middle."""
    return widgets.FloatSlider(min=low, max=low + length, step=0.5, value=low + length / 2, description=name)


def verify_segments(dataset: DetectionSet, seed: int = 0, needed: int = 3) -> Task:
    """Find the bad segments among 64; fewer than `needed` of the 4 known ones means to begin again."""
    sheet = sheets.verification_sheet(dataset, seed)
    state = {"marked": set()}
    score, submit = widgets.HTML(), widgets.Button(description="Submit", button_style="primary")

    def click(n: int, button: widgets.Button) -> None:
        state["marked"] ^= {n}  # a second click takes the mark back
        mark(button, "✕" if n in state["marked"] else "")

    view, _, buttons = clickable(sheet.picture, sheet.rows, click, "64 segments to judge", 512)

    def finish(_=None) -> None:
        right = len(state["marked"] & set(sheet.bad))
        others = len(state["marked"]) - right
        verdict = "you may judge segments" if right >= needed else "begin again"
        for n in sheet.bad:
            mark(buttons[n], "✕ bad" if n in state["marked"] else "bad")
        score.value = (f"You found <b>{right} of {len(sheet.bad)}</b> known bad segments "
                       f"and marked {others} others: {verdict}.")

    submit.on_click(finish)
    title = widgets.HTML("<b>Click every segment whose outline does not fit the object.</b>")
    view = widgets.VBox([title, view, widgets.HBox([submit, score])])
    return Task(view, {"buttons": buttons, "submit": submit, "score": score, "sheet": sheet}, state)
