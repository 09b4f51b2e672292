"""A detector to try on pictures of one's own, and the report page in a cell.

`try_detector` is live, `detection_picture` its static twin; both draw with `report.detecting`, as the
command `paperlib detect` does.
"""
import html
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets
import torch
from IPython.display import HTML

from paperlib.device import pick_device
from paperlib.report.detecting import THRESHOLD, Detected, detect_files, load_detector, picture_of, summary
from paperlib.report.drawing import data_url
from paperlib.report.picture_set import picture_files
from paperlib.teach.widgets import name_sliders

SHOWN = 900                    # px, the longest side of a picture in a notebook


def detection_picture(system, pictures: Sequence[str | Path], size: tuple[int, ...] | None = None,
                      device: torch.device | None = None) -> Callable:
    """A function `draw(ax, picture, threshold)` for `widgets.frames` and `widgets.explore`.

    `system` is a detector, or what `load_detector` takes; `pictures` are files, folders or patterns.
    `picture` is the number of one of them, from 0.
    """
    detected = detect_files(_detector(system), picture_files(pictures), device or pick_device(), size)
    records = list(detected.by_picture().values())

    def draw(ax, picture: int = 0, threshold: float = THRESHOLD) -> None:
        ax.imshow(picture_of(detected, picture, records[picture], threshold))
        ax.axis("off")

    return draw


def _detector(system):
    if isinstance(system, str | Path):
        return load_detector(system)
    return system


class Shelf:
    """Pictures that a detector has been run on, by name; uploaded ones lie in a folder of their own."""

    def __init__(self, system, size: tuple[int, ...] | None, device: torch.device):
        self.system, self.size, self.device = system, size, device
        self.folder = tempfile.TemporaryDirectory()
        self.pictures: dict[str, tuple[Detected, int]] = {}

    def add(self, files: Sequence[Path]) -> list[str]:
        """Run the detector on more pictures; a line for each that cannot be read.

        Errors: ValueError if none can.
        """
        detected = detect_files(self.system, files, self.device, self.size)
        for place, file in enumerate(detected.pictures.files):
            self.pictures[file.name] = detected, place
        return detected.unreadable

    def upload(self, uploads: Sequence[dict]) -> list[str]:
        """`add` for what a FileUpload holds: {"name", "content"}."""
        files = []
        for upload in uploads:
            file = Path(self.folder.name) / Path(upload["name"]).name
            file.write_bytes(bytes(upload["content"]))
            files.append(file)
        return self.add(files)

    def shown(self, name: str, threshold: float) -> str:
        """The picture with its detections as one <img> element, and a line that counts them."""
        detected, place = self.pictures[name]
        image = detected.pictures.images[place]
        records = detected.by_picture()[image["id"]]
        drawn = picture_of(detected, place, records, threshold)
        drawn.thumbnail((SHOWN, SHOWN))
        one = Detected(detected.pictures.subset([place]), detected.classes, records, [])
        words = html.escape(f"{name}: {summary(one, threshold)}")
        source = data_url(drawn, "jpeg", quality=85)
        return f'<img alt="{words}" src="{source}" style="max-width: 100%"><p>{words}</p>'


def try_detector(system, pictures: Sequence[str | Path] = (), size: tuple[int, ...] | None = None,
                 device: torch.device | None = None) -> widgets.VBox:
    """A button to upload pictures, a list of them, a slider for the threshold, and the picture.

    Arguments as of `detection_picture`; without `pictures` it waits for an upload. Works by keyboard.
    """
    shelf = Shelf(_detector(system), size, device or pick_device())
    style = {"description_width": "6em"}
    upload = widgets.FileUpload(accept="image/*", multiple=True, description="Your pictures")
    chosen = widgets.Dropdown(description="picture", options=[], style=style)
    threshold = widgets.FloatSlider(THRESHOLD, min=0, max=1, step=0.01, description="threshold", style=style)
    view, said = widgets.HTML(), widgets.HTML()

    def redraw(_=None) -> None:
        if chosen.value is not None:
            view.value = shelf.shown(chosen.value, threshold.value)

    def list_pictures(lines: Sequence[str]) -> None:
        said.value = "<br>".join(map(html.escape, lines))
        last = list(shelf.pictures)[-1:]
        chosen.options = list(shelf.pictures)
        if last:
            chosen.value = last[0]
        redraw()

    def take(_) -> None:
        try:
            list_pictures(shelf.upload(upload.value))
        except ValueError as error:
            said.value = html.escape(str(error))

    upload.observe(take, names="value")
    for control in (chosen, threshold):
        control.observe(redraw, names="value")
    if pictures:
        list_pictures(shelf.add(picture_files(pictures)))
        chosen.value = next(iter(shelf.pictures))
    name_sliders()
    return widgets.VBox([widgets.HBox([upload, chosen]), threshold, said, view])


def report_page(file: str | Path, height: int = 640) -> HTML:
    """The page that `--report` wrote, in a cell and stored with it; `height` is in px.

    Errors: FileNotFoundError.
    """
    page, title = html.escape(Path(file).read_text(encoding="utf-8")), html.escape(Path(file).name)
    style = f"width: 100%; height: {height}px; border: 1px solid #8888"
    return HTML(f'<div><iframe title="{title}: the report" sandbox="allow-scripts" style="{style}" '
                f'srcdoc="{page}"></iframe></div>')
