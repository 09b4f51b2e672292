"""Figures, tables and source listings for the notebooks: one style, safe colours, alt text everywhere."""
import inspect
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from paperlib.paths import REPOSITORY
from paperlib.report.palette import PALETTE
from paperlib.teach.arrays import as_array
from paperlib.teach.png import DPI, render
from paperlib.teach.result_tables import table

__all__ = ["DPI", "PALETTE", "as_rgb", "boxes_on", "color", "curve", "grid", "masks_on", "show", "smooth",
           "source", "style", "table"]


def color(i: int) -> str:
    """The i-th palette colour, starting over after the eighth."""
    return list(PALETTE.values())[int(i) % len(PALETTE)]


def style() -> None:
    """Set matplotlib to the course's one look; call it once, in a notebook's setup cell."""
    lines = mpl.cycler(color=list(PALETTE.values())) + mpl.cycler(linestyle=["-", "--", "-.", ":"] * 2)
    mpl.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 11, "legend.fontsize": 10,
        "figure.figsize": (7, 3.6), "figure.dpi": DPI, "figure.constrained_layout.use": True,
        "figure.facecolor": "white", "axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.3,
        "grid.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "axes.prop_cycle": lines,
        "lines.linewidth": 1.8, "legend.frameon": False, "image.interpolation": "nearest",
    })


def show(fig: Figure, alt: str) -> None:
    """Display `fig` as a PNG with alternative text, then close it. Errors: ValueError without a text."""
    display(render(fig, alt))


def as_rgb(image) -> np.ndarray:
    """A picture as matplotlib draws it, from a tensor or array, uint8 or float in [0, 1].

    Shapes: (3, H, W), (1, H, W), (H, W, 3), (H, W, 1) or (H, W) -> (H, W, 3) or (H, W).
    """
    array = as_array(image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3):
        raise ValueError(f"image has shape {array.shape}; expected (3, H, W), (H, W, 3) or (H, W)")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8:
        array = array.astype(float).clip(0, 1)
    return array


def boxes_on(ax, image, boxes=(), labels=None, scores=None, classes: Sequence[str] | None = None,
             colors: str | Sequence[str] | None = None, linestyle: str = "-", text: bool = True) -> None:
    """Draw `image` (None: keep what is there) and boxes with their class names and scores.

    Shapes: boxes (N, 4); labels (N,) with 1..K naming classes[label - 1]; scores (N,) or None.
    Units:  xyxy pixels, x to the right and y down; scores in [0, 1].
    """
    _backdrop(ax, image)
    boxes, labels, scores = _plain(boxes), _plain(labels), _plain(scores)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        edge = _edge(colors, labels, i)
        corner = x1 - 0.5, y1 - 0.5  # pixel centres lie at whole numbers
        ax.add_patch(Rectangle(corner, x2 - x1, y2 - y1, fill=False, ec=edge, lw=1.8, ls=linestyle))
        caption = _caption(labels, scores, classes, i)
        if text and caption:
            _label(ax, (x1, y1, x2, y2), caption)


def _edge(colors: str | Sequence[str] | None, labels, i: int) -> str:
    """The colour of the i-th box: as asked for, else by its class."""
    if isinstance(colors, str):
        return colors
    if colors is not None:
        return colors[i]
    if labels is not None:
        return color(labels[i] - 1)
    return PALETTE["vermillion"]


def _label(ax, box, caption: str) -> None:
    """The caption above its box and from its left edge on.

    Where a picture has no room above, it stands inside the box; where it has none to the right, it ends at
    the box's right edge.
    """
    x1, y1, x2, _ = box
    x, y, place = x1, y1 - 1, {"ha": "left", "va": "bottom"}
    if ax.images:
        left, right = sorted(ax.get_xlim())
        low, high = sorted(ax.get_ylim())
        x = max(x1, left)
        if x1 > left + 0.6 * (right - left) and x2 > left + 0.8 * (right - left):
            x, place["ha"] = min(x2, right) - 1, "right"
        if y1 < low + 0.09 * (high - low):
            y, place["va"] = max(y1, low) + 1, "top"
    box_style = {"facecolor": "black", "alpha": 0.65, "pad": 1, "linewidth": 0}
    ax.text(x, y, caption, fontsize=8, color="white", clip_on=True, bbox=box_style, **place)


def masks_on(ax, image, masks, labels=None, alpha: float = 0.5) -> None:
    """Draw `image` and tint each instance mask (N, H, W); its colour follows `labels`, else its number."""
    _backdrop(ax, image)
    masks = as_array(masks)
    colours = np.arange(len(masks)) if labels is None else as_array(labels) - 1
    for mask, colour in zip(masks, colours):
        mask = mask > 0.5
        tint = np.zeros((*mask.shape, 4))
        tint[mask] = (*mpl.colors.to_rgb(color(colour)), alpha)
        ax.imshow(tint)
        if mask.any() and not mask.all():
            ax.contour(mask, levels=[0.5], colors="black", linewidths=0.6)


def grid(images: Sequence, titles: Sequence[str] | None = None, columns: int = 4, size: float = 1.9,
         on: Callable | None = None) -> Figure:
    """A contact sheet; `on(ax, i)` may draw more on the i-th picture. `size` is inches per picture."""
    if not len(images):
        raise ValueError("grid() got no images; expected at least one")
    columns = min(columns, len(images))
    rows, (h, w) = -(-len(images) // columns), as_rgb(images[0]).shape[:2]
    inches = size * columns, rows * (size * h / w + 0.25 * bool(titles))
    fig, axes = plt.subplots(rows, columns, figsize=inches, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, images)):
        ax.imshow(as_rgb(image), cmap="gray")
        if titles:
            ax.set_title(titles[i], fontsize=9)
        if on:
            on(ax, i)
    return fig


def curve(ax, xs, ys, interval=None, label: str | None = None, **kwargs):
    """A line with the band `interval` = (low, high); `ys` (seeds, n) draws the mean and the seeds' range."""
    xs, ys = as_array(xs), as_array(ys).astype(float)
    if ys.ndim == 2:
        if interval is None:
            interval = ys.min(0), ys.max(0)
        ys = ys.mean(0)
    (line,) = ax.plot(xs, ys, label=label, **kwargs)
    if interval is not None:
        low, high = interval
        ax.fill_between(xs, as_array(low), as_array(high), color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def smooth(values: Sequence[float], n: int) -> np.ndarray:
    """Running means of `n` values, or the mean of all where there are fewer."""
    n = min(n, len(values))
    return np.convolve(values, np.full(n, 1 / n), mode="valid")


def source(part) -> None:
    """Display the source of a library function, class or method, with its path in the repository."""
    part = inspect.unwrap(part)
    path = Path(inspect.getsourcefile(part)).resolve()
    name = path.name
    if path.is_relative_to(REPOSITORY):
        name = path.relative_to(REPOSITORY).as_posix()
    code = textwrap.dedent(inspect.getsource(part)).rstrip()
    display(Markdown(f"`{name}`, `{part.__qualname__}`\n\n```python\n{code}\n```"))


def _backdrop(ax, image) -> None:
    if image is not None:
        ax.imshow(as_rgb(image), cmap="gray")
        ax.axis("off")


def _plain(values) -> np.ndarray | None:
    return None if values is None else as_array(values)


def _caption(labels, scores, classes, i: int) -> str:
    """The class name of the i-th box, or its label where classes have no names, and its score."""
    words = []
    if labels is not None:
        label = int(labels[i])
        words.append(classes[label - 1] if classes else str(label))
    if scores is not None:
        words.append(f"{scores[i]:.2f}")
    return " ".join(words)
