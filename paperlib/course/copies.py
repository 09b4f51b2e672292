"""Copies of the notebooks to work in: the stored ones stay as they are."""
import shutil
from pathlib import Path


def working_copies(names: list[str], folder: Path, out: Path) -> tuple[list[str], list[str]]:
    """Copy stored notebooks and their pictures into `out`, except those that are there already.

    Gives the names that were copied and those that were kept, since somebody may have worked in them.
    """
    out.mkdir(parents=True, exist_ok=True)
    copied, kept = [], []
    for name in names:
        target = out / f"{name}.ipynb"
        if target.exists():
            kept.append(name)
        else:
            shutil.copyfile(folder / f"{name}.ipynb", target)
            copied.append(name)
    copy_pictures(folder, out)
    return copied, kept


def copy_pictures(folder: Path, out: Path) -> None:
    """Put the pictures that Markdown cells show beside copies of the notebooks."""
    for picture in sorted(folder.glob("*.png")):
        shutil.copyfile(picture, out / picture.name)
