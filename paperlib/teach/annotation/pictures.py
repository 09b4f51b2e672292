"""Pictures of the annotation interfaces (COCO, App. A): what a worker sees, as arrays."""
import html
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from paperlib.data.detection_set import DetectionSet
from paperlib.report.drawing import data_url
from paperlib.studies.annotation.outlines import Hand, draw_by_hand, mask_iou, objects
from paperlib.world.catalogue import CATEGORIES, fitted, render

YELLOW, BLUE, VERMILLION, BLACK = (240, 228, 66), (0, 114, 178), (213, 94, 0), (0, 0, 0)
PAPER = (246, 244, 238)
GOOD_HAND, BAD_HAND = Hand(24, 0.015), Hand(4, 0.25)


@dataclass(frozen=True)
class Sheet:
    """Segments to judge: a `picture` (H, W, 3) of rows x rows tiles.

    `iou` (n,) is each segment's with the truth; `bad` are the numbers of those known to be bad.
    """

    picture: np.ndarray
    iou: np.ndarray
    bad: tuple[int, ...]
    rows: int


def as_html(rgb: np.ndarray, alt: str, width: int) -> str:
    """A picture (H, W, 3) uint8 as one <img> element `width` px wide that holds its own data."""
    style = f"width:{width}px;max-width:none;image-rendering:pixelated;display:block;margin:0"
    source = data_url(Image.fromarray(rgb), "png")
    return f'<img alt="{html.escape(alt)}" style="{style}" src="{source}">'


def enlarge(rgb: np.ndarray, factor: int) -> np.ndarray:
    """The picture with each pixel `factor` times as wide and high."""
    return np.ascontiguousarray(rgb.repeat(factor, 0).repeat(factor, 1))


def picture(dataset: DetectionSet, i: int) -> np.ndarray:
    """Image i as (H, W, 3) uint8."""
    return np.ascontiguousarray(dataset.image(i).numpy().transpose(1, 2, 0))


def icon(name: str, size: int = 44) -> np.ndarray:
    """A little drawing of a category on white; an empty square for a name that is not in the drawn world."""
    canvas = np.full((size, size, 3), 255, np.uint8)
    for category in CATEGORIES:
        if category.name == name:
            parts = category.draw(np.random.default_rng(3))
            render(canvas, parts, fitted(parts, (2, 2, size - 2, size - 2)))
    return canvas


def outlined(rgb: np.ndarray, mask: np.ndarray, colour=YELLOW, dark: bool = True) -> np.ndarray:
    """The picture with the border of a mask of its size, on a dark line so that it shows everywhere."""
    out = rgb.copy()
    rings, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if dark:
        cv2.drawContours(out, rings, -1, BLACK, 2)
    cv2.drawContours(out, rings, -1, colour, 1)
    return out


def spotting_picture(
    dataset: DetectionSet, i: int, label: int, factor: int = 3, reveal: bool = False
) -> np.ndarray:
    """Image i, enlarged; `reveal` outlines every object of the category."""
    out = enlarge(picture(dataset, i), factor)
    if reveal:
        target = dataset.target(i, masks=True)
        for k in range(len(target["labels"])):
            if int(target["labels"][k]) == label:
                colour = BLUE if target["crowd"][k] else YELLOW
                out = outlined(out, enlarge(target["masks"][k].numpy(), factor), colour)
    return out


def crosses_on(rgb: np.ndarray, cells: int, crosses, size: int = 7) -> np.ndarray:
    """The picture with crosses in the middles of `crosses`, cells of a grid counted row by row."""
    out = rgb.copy()
    h, w = out.shape[0] / cells, out.shape[1] / cells
    for cell in crosses:
        x, y = int((cell % cells + 0.5) * w), int((cell // cells + 0.5) * h)
        for colour, thick in ((BLACK, 4), (VERMILLION, 2)):
            cv2.line(out, (x - size, y - size), (x + size, y + size), colour, thick)
            cv2.line(out, (x - size, y + size), (x + size, y - size), colour, thick)
    return out


def close_up(mask: np.ndarray, margin: float = 0.3) -> tuple[int, int, int]:
    """The square (x, y, side) px around a mask with a margin, inside the image where it fits."""
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    side = min(int(np.ceil(max(w, h) * (1 + 2 * margin))) + 4, *mask.shape)
    left = int(np.clip(x + w / 2 - side / 2, 0, mask.shape[1] - side))
    return left, int(np.clip(y + h / 2 - side / 2, 0, mask.shape[0] - side)), side


def lens(rgb: np.ndarray, cells: int, cell: int, size: int = 160) -> np.ndarray:
    """A cell and its surroundings, a fifth of the picture wide, enlarged to `size` px."""
    height, width = rgb.shape[:2]
    side = width // 5
    row, column = divmod(cell, cells)
    top = int(np.clip(int((row + 0.5) * height / cells) - side // 2, 0, height - side))
    left = int(np.clip(int((column + 0.5) * width / cells) - side // 2, 0, width - side))
    return cv2.resize(rgb[top:top + side, left:left + side], (size, size), interpolation=cv2.INTER_NEAREST)


def outline_picture(rgb: np.ndarray, square: tuple[int, int, int], points: np.ndarray, size: int = 384,
                    cursor: tuple[float, float] | None = None) -> np.ndarray:
    """A close-up with a polygon on it; points (n, 2) and `cursor` in px of the whole image."""
    x, y, side = square
    scale = size / side
    out = cv2.resize(rgb[y:y + side, x:x + side], (size, size), interpolation=cv2.INTER_NEAREST)
    place = np.rint((np.asarray(points, float).reshape(-1, 2) - (x, y)) * scale).astype(np.int32)
    if len(place) > 2:
        tint = out.copy()
        cv2.fillPoly(tint, [place], YELLOW)
        out = cv2.addWeighted(out, 0.65, tint, 0.35, 0)
    for colour, thick in ((BLACK, 4), (YELLOW, 2)):
        cv2.polylines(out, [place], len(place) > 2, colour, thick, cv2.LINE_AA)
    for corner in place.tolist():
        cv2.circle(out, corner, 5, BLACK, -1, cv2.LINE_AA)
        cv2.circle(out, corner, 3, YELLOW, -1, cv2.LINE_AA)
    if cursor is not None:
        at = np.rint((np.array(cursor) - (x, y)) * scale).astype(int).tolist()
        cv2.drawMarker(out, at, BLACK, cv2.MARKER_CROSS, 21, 4)
        cv2.drawMarker(out, at, VERMILLION, cv2.MARKER_CROSS, 19, 2)
    return out


def verification_sheet(dataset: DetectionSet, seed: int = 0, rows: int = 8, bad: int = 4, tile: int = 64,
                       least: float = 250.0) -> Sheet:
    """rows x rows segments, `bad` of them known to be bad, in random order.

    The good ones are drawn by a careful hand, the bad ones by one with four shaky points, far from the truth.
    Errors: ValueError when the set has too few objects of `least` px^2.
    """
    rng = np.random.default_rng((13, seed))
    segments = objects(dataset, rows * rows, rng, least)
    if len(segments) < rows * rows:
        raise ValueError(f"{dataset.name}: {len(segments)} images with an object of {least:g} px^2; "
                         f"needed {rows * rows}")
    wrong = set(rng.choice(rows * rows, bad, replace=False).tolist())
    sheet, iou = np.full((rows * tile, rows * tile, 3), PAPER, np.uint8), np.zeros(rows * rows)
    inner = tile - 4
    for n, (i, _, mask) in enumerate(segments):
        drawn = _bad_segment(mask, rng) if n in wrong else draw_by_hand(mask, GOOD_HAND, rng)
        iou[n] = mask_iou(mask, drawn)
        x, y, side = close_up(mask)
        cut = picture(dataset, i)[y:y + side, x:x + side]
        cut = cv2.resize(cut, (inner, inner), interpolation=cv2.INTER_LINEAR)
        shape = drawn[y:y + side, x:x + side].astype(np.uint8)
        shape = cv2.resize(shape, (inner, inner), interpolation=cv2.INTER_NEAREST)
        top, left = n // rows * tile + 2, n % rows * tile + 2
        sheet[top:top + inner, left:left + inner] = outlined(cut, shape > 0)
    return Sheet(sheet, iou, tuple(sorted(wrong)), rows)


def _bad_segment(mask: np.ndarray, rng) -> np.ndarray:
    """A segment that nobody should approve: IoU between 0.15 and 0.5."""
    for _ in range(50):
        drawn = draw_by_hand(mask, BAD_HAND, rng)
        if 0.15 < mask_iou(mask, drawn) < 0.5:
            return drawn
    side = int(np.sqrt(mask.sum()) / 2)
    return np.roll(mask, (side, side), (0, 1))
