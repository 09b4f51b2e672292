"""A figure as a PNG with its alt text, small enough for a notebook."""
import base64
import html
import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from paperlib.report.palette import PALETTE

DPI = 110
HEAVY = 10_000  # bytes of PNG above which a picture is reduced to 64..256 colours
INK = 200  # a grey level below it is no background
UNSEEN = 2.5  # grey levels, root mean square: a palette that changes a picture by less is large enough


class Picture:
    """A PNG with its alt text: as an image for files, as HTML for JupyterLab, whose images have no alt text.

    `course.twins.clean` stores the image only.
    """

    def __init__(self, png: bytes, alt: str):
        self.alt, self.base64 = " ".join(alt.split()), base64.b64encode(png).decode()

    def __repr__(self):
        return f"Figure: {self.alt}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": self.base64, "text/html": self.html(), "text/plain": repr(self)}
        return data, {"image/png": {"alt": self.alt}}

    def html(self) -> str:
        """The picture as one <img> element that holds its data."""
        alt, data = html.escape(self.alt), f"data:image/png;base64,{self.base64}"
        return f'<img alt="{alt}" src="{data}" style="max-width: 100%">'


def render(fig: Figure, alt: str) -> Picture:
    """The figure as a picture with alternative text; closes the figure.

    Errors: ValueError when `alt` is missing or blank. Say what a reader who cannot see it should know.
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"a figure got alt={alt!r}; expected a sentence that says what it shows")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"optimize": True})
    plt.close(fig)
    return Picture(reduced(buffer.getvalue()), alt)


def cut_off(png: bytes) -> list[str]:
    """The edges that words or lines of a picture run into: "top", "bottom", "left", "right"."""
    grey = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    edges = {"top": grey[0], "bottom": grey[-1], "left": grey[:, 0], "right": grey[:, -1]}
    return [name for name, pixels in edges.items() if (pixels < INK).any()]


def reduced(png: bytes) -> bytes:
    """A heavy PNG with a palette: 64 colours do for curves, photographs need 256.

    The course's colours are always among them, or a thin red box would turn orange.
    """
    if len(png) <= HEAVY:
        return png
    full = Image.open(io.BytesIO(png)).convert("RGB")
    for num_colours in (64, 128, 256):
        small = _quantized(full, num_colours)
        error = np.asarray(small.convert("RGB"), float) - np.asarray(full)
        if np.sqrt(np.mean(error ** 2)) < UNSEEN:
            break
    buffer = io.BytesIO()
    small.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _quantized(full: Image.Image, num_colours: int) -> Image.Image:
    """The picture with a palette of `num_colours`, which ends with the course's colours and white."""
    fixed = [tuple(bytes.fromhex(name[1:])) for name in (*PALETTE.values(), "#FFFFFF")]
    num_free = num_colours - len(fixed)
    rest = full.quantize(num_free, dither=Image.Dither.NONE)
    index, pixels = np.array(rest), np.asarray(full)
    palette = (rest.getpalette() + [0] * 768)[:3 * num_free]
    for k, colour in enumerate(fixed):
        index[(pixels == colour).all(-1)] = num_free + k
        palette += colour
    small = Image.fromarray(index)
    small.putpalette(palette)
    return small
