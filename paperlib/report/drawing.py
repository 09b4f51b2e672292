"""Pictures with boxes, names and scores drawn on them, and many of them on one sheet; by Pillow."""
import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from paperlib.report.palette import class_colour, ink_on

THUMBNAIL, NARROWEST = 320, 128  # px, the largest and the smallest width of a sheet's columns
MOST = 60                      # pictures of a sheet
GAP, CAPTION = 8, 20           # px between pictures, and below each for its name


@dataclass(frozen=True)
class DrawnBox:
    """One box as it is drawn."""

    box: Sequence[float]       # x1, y1, x2, y2 px
    label: int                 # 1..K, which chooses the colour
    caption: str               # "" for none


def draw_boxes(picture: Image.Image, boxes: Sequence[DrawnBox]) -> Image.Image:
    """A copy of an RGB picture with the boxes on it, in this order; lines and letters follow its size."""
    drawn = picture.copy()
    pen, side = ImageDraw.Draw(drawn), min(picture.size)
    width, font = max(2, round(side / 200)), _font(max(11, round(side / 32)))
    for each in boxes:
        x1, y1, x2, y2 = _ordered(each.box)
        pen.rectangle((x1, y1, x2, y2), outline=class_colour(each.label), width=width)
    for each in boxes:                                     # names last: no line may cross them
        if each.caption:
            _write(pen, each, font, picture.size)
    return drawn


def _ordered(box: Sequence[float]) -> tuple[float, float, float, float]:
    """The corners of a box, which may be flat, as Pillow wants them."""
    x1, y1, x2, y2 = box
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _write(pen: ImageDraw.ImageDraw, drawn: DrawnBox, font, size: tuple[int, int]) -> None:
    """A caption on its colour: above the box, inside where the picture ends, and never beyond its edge."""
    right, bottom = font.getbbox(drawn.caption)[2:]
    wide, high = right + 6, bottom + 4
    x1, y1, _, _ = _ordered(drawn.box)
    x = max(0, min(x1, size[0] - wide))
    y = y1 - high
    if y < 0:
        y = max(0, y1)
    y = max(0, min(y, size[1] - high))
    colour = class_colour(drawn.label)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + 3, y + 1), drawn.caption, fill=ink_on(colour), font=font)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def contact_sheet(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """The pictures (the first MOST) as thumbnails in rows, each with its caption below.

    Errors: ValueError without a picture.
    """
    if not pictures:
        raise ValueError("a contact sheet got no pictures; expected at least one")
    thumbnails = [thumbnail(picture) for picture in pictures[:MOST]]
    columns = min(5, math.ceil(math.sqrt(len(thumbnails))))
    width = max(NARROWEST, *(each.width for each in thumbnails))
    rows, heights = [], []
    for first in range(0, len(thumbnails), columns):
        row = thumbnails[first:first + columns]
        rows.append(row)
        heights.append(max(each.height for each in row) + CAPTION + GAP)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, sum(heights) + GAP), "#15181c")
    pen, y = ImageDraw.Draw(sheet), GAP
    for number, (row, height) in enumerate(zip(rows, heights)):
        for column, each in enumerate(row):
            x = GAP + column * (width + GAP)
            sheet.paste(each, (x + (width - each.width) // 2, y))
            words = _cut(captions[number * columns + column], width)
            pen.text((x, y + each.height + 3), words, fill="#ececec", font=_font(12))
        y += height
    return sheet


def data_url(picture: Image.Image, kind: str, **options) -> str:
    """A picture as an address that holds its data; `kind` is "jpeg" or "png", `options` those of saving."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnail(picture: Image.Image) -> Image.Image:
    """A picture no wider than a sheet's widest column, no higher than half as much again."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL * 3 // 2), Image.Resampling.LANCZOS)
    return small


def _cut(words: str, width: int) -> str:
    """A caption that is no wider than its column; its end is kept, where the count stands."""
    font = _font(12)
    if font.getlength(words) <= width:
        return words
    while words and font.getlength("..." + words) > width:
        words = words[1:]
    return "..." + words
