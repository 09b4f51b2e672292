"""A folder that appears only when it is whole, and pictures copied into it under names that cannot clash."""
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from paperlib.data.detection_set import DetectionSet
from paperlib.data.pixels import decode, size_of


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `out` at the end, or vanishes where that is not reached.

    Its files have the permissions that the user's others have.
    Errors: ValueError where `out` holds something already, or cannot be written.
    """
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if out.exists():
        raise ValueError(f"{out}: is there already; expected the name of a new folder")
    part = out.parent / f".{out.name}.part-{os.getpid()}"
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise ValueError(f"{out}: cannot be written ({error.strerror or error})") from None
    try:
        yield part
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def names_of(sets: Mapping[str | None, DetectionSet]) -> dict[Path, str]:
    """Picture -> the name of its copy: stems differ in any case of letters, and no name has a folder."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for split, dataset in sets.items():
        for image in dataset.images:
            source = dataset.root / image["file_name"]
            if source in names:
                continue
            stem, suffix = Path(image["file_name"]).stem, source.suffix
            longer = image["file_name"].removesuffix(suffix).replace("/", "_")
            tries = [stem, longer, f"{split}_{longer}"]
            number = 2
            while tries[0].casefold() in taken:
                tries = tries[1:] or [f"{longer}_{number}"]
                number += 1
            taken.add(tries[0].casefold())
            names[source] = f"{tries[0]}{suffix}"
    return names


def copy_picture(source: Path, target: Path) -> None:
    """Copy a picture's bytes. Errors: FileNotFoundError naming it."""
    if not source.is_file():
        raise FileNotFoundError(f"{source}: image file is missing")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)                        # the content alone: no permissions of a stranger


def copy_as_recorded(source: Path, target: Path, size: tuple[int, int]) -> Path:
    """Copy a picture so that its file alone tells its recorded `size` (height, width).

    Where a camera's rotation flag says otherwise, the pixels are stored as PNG.
    """
    if source.is_file() and size_of(source) != size:
        target = target.with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(decode(source, size)[0]).save(target)
        return target
    copy_picture(source, target)
    return target


def printable(text: str) -> bool:
    """Whether XML can hold a text: no control characters, whole letters."""
    return not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]", text)
