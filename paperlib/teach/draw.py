"""Figures, tables and source listings for the notebooks: one style, safe colours, alt text on every picture."""
import base64
import html
import inspect
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from paperlib.paths import REPOSITORY
from paperlib.teach.result_tables import PALETTE, table

__all__ = ["PALETTE", "as_rgb", "boxes_on", "color", "curve", "grid", "masks_on", "show", "smooth", "source", "style",
           "table"]
DPI = 110
HEAVY = 10_000  # bytes of PNG above which a picture is reduced to 64..256 colours, so that a notebook stays small
UNSEEN = 2.5  # grey levels, root mean square: a palette that changes a picture by less is large enough


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


class Picture:
    """A PNG with its alt text, in the form that JupyterLab and nbconvert read."""

    def __init__(self, png: bytes, alt: str):
        self.alt, self.base64 = " ".join(alt.split()), base64.b64encode(png).decode()

    def __repr__(self):
        return f"Figure: {self.alt}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": self.base64, "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}

    def html(self) -> str:
        """The picture as one <img> element that holds its own data."""
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{self.base64}" style="max-width: 100%">'


def render(fig: Figure, alt: str) -> Picture:
    """The figure as a picture with alternative text; closes the figure.

    Errors: ValueError when `alt` is missing or blank. Say what a reader who cannot see it should know.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"a figure got alt={alt!r}; expected a sentence that says what it shows")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"optimize": True})
    plt.close(fig)
    return Picture(_reduced(buffer.getvalue()), alt)


def _reduced(png: bytes) -> bytes:
    """A heavy PNG with a palette: 64 colours do for curves, photographs need 256.

    The course's own are always among them, or a thin red box would turn orange.
    """
    if len(png) <= HEAVY:
        return png
    full = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (64, 128, 256):
        small = _quantized(full, colours)
        if np.sqrt(np.mean((np.asarray(small.convert("RGB"), float) - np.asarray(full)) ** 2)) < UNSEEN:
            break
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _quantized(full: Image.Image, colours: int) -> Image.Image:
    """The picture with so many colours, the course's own and white among them where they occur."""
    own = [tuple(bytes.fromhex(name[1:])) for name in (*PALETTE.values(), "#FFFFFF")]
    rest = full.quantize(colours - len(own), dither=Image.Dither.NONE)
    index, pixels = np.array(rest), np.asarray(full)
    for k, colour in enumerate(own):
        index[(pixels == colour).all(-1)] = colours - len(own) + k
    small = Image.fromarray(index)
    small.putpalette((rest.getpalette() + [0] * 768)[:3 * (colours - len(own))] + [part for c in own for part in c])
    return small


def show(fig: Figure, alt: str) -> None:
    """Display `fig` as a PNG with alternative text, then close it. Errors: ValueError without a text."""
    display(render(fig, alt))


def as_rgb(image) -> np.ndarray:
    """Any picture that matplotlib can draw: (3,H,W) or (H,W,3) or (H,W), tensor or array, uint8 or float in [0, 1]."""
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim not in (2, 3):
        raise ValueError(f"image has shape {array.shape}; expected (3, H, W), (H, W, 3) or (H, W)")
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return array if array.dtype == np.uint8 else array.astype(float).clip(0, 1)


def boxes_on(ax, image, boxes=(), labels=None, scores=None, classes: Sequence[str] | None = None,
             colors: str | Sequence[str] | None = None, linestyle: str = "-", text: bool = True) -> None:
    """Draw `image` (None: keep what is there) and boxes with their class names and scores.

    Shapes: boxes (N, 4); labels (N,) with 1..K naming classes[label - 1]; scores (N,) or None.
    Units:  xyxy pixels, x to the right and y down; scores in [0, 1].
    """
    _backdrop(ax, image)
    boxes, labels, scores = _plain(boxes), _plain(labels), _plain(scores)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        edge = colors if isinstance(colors, str) else colors[i] if colors is not None else (
            color(labels[i] - 1) if labels is not None else PALETTE["vermillion"])
        ax.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, ec=edge, lw=1.8, ls=linestyle))
        caption = _caption(labels, scores, classes, i)
        if text and caption:
            _label(ax, (x1, y1, x2, y2), caption)


def _label(ax, box, caption: str) -> None:
    """The caption above its box; inside where there is no room above, to the left where there is none at the right."""
    (left, right), (low, high) = (sorted(ax.get_xlim()), sorted(ax.get_ylim())) if ax.images else (box[::2], box[1::2])
    inside = ax.images and box[1] < low + 0.09 * (high - low)
    late = ax.images and box[0] > left + 0.6 * (right - left) and box[2] > left + 0.8 * (right - left)
    x, y = min(box[2], right) - 1 if late else max(box[0], left), max(box[1], low) + 1 if inside else box[1] - 1
    ax.text(x, y, caption, fontsize=8, color="white", va="top" if inside else "bottom", ha="right" if late else "left",
            clip_on=True, bbox={"facecolor": "black", "alpha": 0.65, "pad": 1, "linewidth": 0})


def masks_on(ax, image, masks, labels=None, alpha: float = 0.5) -> None:
    """Draw `image` and tint each instance mask (N, H, W); colours follow `labels`, or the order of the masks."""
    _backdrop(ax, image)
    for i, mask in enumerate(_plain(masks)):
        mask = np.asarray(mask) > 0.5
        tint = np.zeros((*mask.shape, 4))
        tint[mask] = (*mpl.colors.to_rgb(color(_plain(labels)[i] - 1 if labels is not None else i)), alpha)
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
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i < len(images):
            ax.imshow(as_rgb(images[i]), cmap="gray")
            ax.set_title(titles[i] if titles else "", fontsize=9)
            if on:
                on(ax, i)
    return fig


def curve(ax, xs, ys, interval=None, label: str | None = None, **kwargs):
    """A line, with the band `interval` = (low, high); `ys` of shape (seeds, n) draws the mean and the seeds' range."""
    ys = np.asarray(_plain(ys), float)
    if ys.ndim == 2:
        interval = (ys.min(0), ys.max(0)) if interval is None else interval
        ys = ys.mean(0)
    (line,) = ax.plot(_plain(xs), ys, label=label, **kwargs)
    if interval is not None:
        ax.fill_between(_plain(xs), *map(_plain, interval), color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def smooth(values: Sequence[float], n: int) -> np.ndarray:
    """Running means of `n` values, or the mean of all where there are fewer."""
    n = min(n, len(values))
    return np.convolve(values, np.full(n, 1 / n), mode="valid")


def source(part) -> None:
    """Display the source of a library function, class or method, with its path in the repository."""
    part = inspect.unwrap(part)
    path = Path(inspect.getsourcefile(part)).resolve()
    name = path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else path.name
    code = textwrap.dedent(inspect.getsource(part)).rstrip()
    display(Markdown(f"`{name}`, `{part.__qualname__}`\n\n```python\n{code}\n```"))


def _backdrop(ax, image) -> None:
    if image is not None:
        ax.imshow(as_rgb(image), cmap="gray")
        ax.axis("off")


def _plain(values):
    return values if values is None else np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _caption(labels, scores, classes, i: int) -> str:
    name = "" if labels is None else classes[int(labels[i]) - 1] if classes else str(int(labels[i]))
    return name if scores is None else f"{name} {scores[i]:.2f}".strip()
