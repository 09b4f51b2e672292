"""A picture to click on, under a grid of invisible buttons: the keyboard reaches each cell too."""
from collections.abc import Callable
from functools import partial

import ipywidgets as widgets
import numpy as np

from paperlib.teach.annotation import pictures as sheets

SIZE = 384  # px, how large the pictures are shown
MARKED = "rgba(213, 94, 0, 0.7)"


def clickable(
    rgb: np.ndarray, cells: int, click: Callable[[int, widgets.Button], None], alt: str, size: int = SIZE
) -> tuple[widgets.Box, widgets.HTML, list[widgets.Button]]:
    """A picture under cells x cells transparent buttons; `click(n, button)` gets its number, row by row."""
    high = round(size * rgb.shape[0] / rgb.shape[1])
    image = widgets.HTML(sheets.as_html(rgb, alt, size), layout=widgets.Layout(margin="0", width=f"{size}px"))
    cell = widgets.Layout(width=f"{size / cells}px", height=f"{high / cells}px", margin="0", padding="0",
                          border="1px solid rgba(255,255,255,0.25)")
    look = {"button_color": "transparent", "text_color": "white", "font_weight": "bold", "font_size": "15px"}
    buttons = []
    for n in range(cells * cells):
        place = f"row {n // cells + 1}, column {n % cells + 1}"
        buttons.append(widgets.Button(layout=cell, style=look, tooltip=place))
        buttons[n].on_click(partial(click, n))
    over = widgets.GridBox(buttons, layout=widgets.Layout(
        width=f"{size}px", height=f"{high}px", margin=f"-{high}px 0 0 0", grid_gap="0",
        grid_template_columns=f"repeat({cells}, {size / cells}px)"))
    view = widgets.VBox([image, over], layout=widgets.Layout(overflow="hidden", width=f"{size + 4}px"))
    return view, image, buttons


def mark(button: widgets.Button, text: str) -> None:
    """Write a text on a button, which then shows; without a text it is invisible again."""
    button.description = text
    button.style.button_color = MARKED if text else "transparent"
