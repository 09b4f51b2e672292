"""Reading image files of any kind as RGB, and the cache of decoded pixels for sets of one image size."""
import hashlib
import os
import tempfile
import unicodedata
import warnings
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from PIL import Image, ImageOps
from torch import Tensor

from paperlib.data.channels import to_rgb, wrong_range
from paperlib.data.layouts.folders import NOTE_FOLDERS, PICTURE_FOLDERS, called
from paperlib.data.record_checks.faults import Fault
from paperlib.paths import data_folder, written_whole
from paperlib.progress import progress

ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)                 # of a camera: the picture lies on its side
MAX_CACHE = 1 << 30            # bytes; a larger set is decoded image by image


def size_of(file: Path) -> tuple[int, int]:
    """(height, width) px of a picture as it is shown, the camera's flag applied, from its head alone.

    Errors: ValueError naming the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                # of large pictures; the largest are an error below
            with Image.open(file) as picture:
                width, height = picture.size
                turned = picture.getexif().get(ORIENTATION) in TURNED
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        if _leads_nowhere(file):
            why = "a link to a file that is not there"
        elif file.is_file() and not file.stat().st_size:
            why = "the file has 0 bytes"
        else:
            why = f"Pillow says {str(error).split(str(file))[0].strip()!r}"
        raise ValueError(f"{file}: found no whole image ({why}); expected JPEG, PNG, ...") from None
    return (width, height) if turned else (height, width)


def _leads_nowhere(file: Path) -> bool:
    """Whether a file is a link whose target is not there."""
    return os.path.islink(file) and not os.path.exists(file)


def spelt_otherwise(file: Path) -> str:
    """Of a file that is not there: "; but 'A.JPG' is there" where only case or accents are otherwise."""
    try:
        there = _spellings(file.parent, file.parent.stat().st_mtime_ns)
    except OSError:
        return ""
    near = there.get(_spelt(file.name))
    return f"; but {near!r} is there" if near else ""


@lru_cache(maxsize=8)
def _spellings(folder: Path, changed: int) -> dict[str, str]:
    """A folder's names by what they are without case and in one normal form; `changed` is of the cache."""
    return {_spelt(name): name for name in os.listdir(folder)}


def _spelt(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def known_size(root: Path, name: str) -> tuple[int, int] | None:
    """(height, width) px of a picture below a folder; None where there is none that can be read."""
    try:
        return size_of(root / name)
    except ValueError:
        return None


def read_rgb(file: Path, size: tuple[int, int]) -> Tensor:
    """One image file as RGB, upright, at its recorded size (decoded with Pillow).

    Shapes: size (height, width) -> uint8 (3, height, width).
    Errors: FileNotFoundError; ValueError naming the file when it is empty, cut short, not an image, of
        another size or larger than Pillow opens (values.MAX_PIXELS), or when it has 32 bits a pixel and
        values that are neither of 8 nor of 16 bits.
    Differs: the camera's rotation flag is applied unless only the unrotated picture has the recorded size;
        16-bit grey is divided by 256; alpha is dropped. Of TIFFs with 32 bits a pixel, whole numbers 0..255
        stay and those up to 65535 are divided by 256; fractions 0..1 are multiplied by 255,
        and those up to 255 rounded.
    """
    return torch.from_numpy(decode(file, size)[0].transpose(2, 0, 1).copy())


def decode(file: Path, size: tuple[int, int]) -> tuple[np.ndarray, str]:
    """RGB (H, W, 3) of a file, and Pillow's name of the stored mode ("RGB", "L", "P", "CMYK", ...).

    Errors: as `read_rgb`.
    """
    try:
        with Image.open(file) as stored:
            stored.load()
            mode, upright = stored.mode, ImageOps.exif_transpose(stored)
            if upright.size[::-1] != size and stored.size[::-1] == size:
                upright = stored
            wrong = wrong_range(upright)
            if not wrong:
                rgb = np.asarray(to_rgb(upright, stored.format))
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: image file is missing{spelt_otherwise(file)}") from None
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        empty = file.is_file() and not file.stat().st_size
        said = str(error).split(str(file))[0].strip(" '") or type(error).__name__
        why = "the file has 0 bytes" if empty else f"Pillow says {said!r}"
        raise ValueError(f"{file}: found no whole image ({why}); "
                         f"expected JPEG, PNG, ... of {size[1]} x {size[0]} pixels") from None
    if wrong:
        raise ValueError(f"{file}: found {wrong}; expected 8 or 16 bits a channel, or fractions 0..1")
    if rgb.shape[:2] != size:
        raise ValueError(f"{file}: found {rgb.shape[1]} x {rgb.shape[0]} pixels (width x height); "
                         f"expected {size[1]} x {size[0]} as recorded in the annotations")
    return rgb, mode


def cached_pixels(root: Path, images: list[dict], version: str) -> np.memmap | None:
    """All images as one read-only array on disk, decoded on first use.

    None when sizes differ or it cannot be kept.
    Shapes: -> uint8 (n, 3, H, W) memory map.
    Over 1 GiB, or in a folder that cannot be written, it is not kept. The file lies beside the images of our
    own sets, in the user's cache folder for all others, is named by version, file sizes and times, and is
    written whole under a lock.
    """
    sizes = {(image["height"], image["width"]) for image in images}
    if len(sizes) != 1 or len(images) * 3 * np.prod(next(iter(sizes))) > MAX_CACHE:
        return None
    height, width = next(iter(sizes))
    stamp = hashlib.sha256(f"{root.resolve()} {version} {len(images)}".encode(errors="surrogateescape"))
    for image in images:
        try:
            info = os.stat(root / image["file_name"])
        except FileNotFoundError:
            file = root / image["file_name"]
            raise FileNotFoundError(f"{file}: image file is missing{spelt_otherwise(file)}") from None
        line = f"{image['file_name']} {info.st_size} {info.st_mtime_ns}"
        stamp.update(line.encode(errors="surrogateescape"))
    file = cache_folder(root) / f".pixels-{version}-{stamp.hexdigest()[:12]}.npy"
    if not file.exists():
        if not writable(file.parent):
            return None
        with FileLock(f"{file}.lock"):
            if not file.exists():
                _write_pixels(file, root, images, (len(images), 3, height, width))
    return np.load(file, mmap_mode="r")


def cache_folder(root: Path) -> Path:
    """Where derived files of a set are kept: beside the images of our own sets, else in the user's cache."""
    if root.resolve().is_relative_to(data_folder().resolve()):
        return root
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "paperlib"


@cache
def writable(folder: Path) -> bool:
    """Whether files can be kept in a folder, which is made if need be; where not, a warning says so once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        warnings.warn(f"{folder}: nothing can be kept there ({error.strerror or error}), so each run does it "
                      "again; PAPERLIB_DATA or XDG_CACHE_HOME may name another folder", stacklevel=2)
        return False


def _write_pixels(file: Path, root: Path, images: list[dict], shape: tuple[int, ...]) -> None:
    with written_whole(file) as part:
        out = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
        for i, image in enumerate(progress(images, desc="decoding images", unit="image")):
            out[i] = decode(root / image["file_name"], shape[2:])[0].transpose(2, 0, 1)
        out.flush()
        del out


def find_images(file: Path, images: list[dict]) -> Path:
    """The folder beside the annotation file that holds any of the first images, else the likeliest one."""
    split = file.stem.removeprefix("instances_").removeprefix("image_info_")
    is_deeper = file.parent.name.casefold() in NOTE_FOLDERS
    tops = [file.parent.parent, file.parent] if is_deeper else [file.parent]
    places = []
    for top in tops:
        places += [top / split, top / "images" / split, top / "images", top]
    for top in tops:
        places += called(top, PICTURE_FOLDERS)
    for image in images[:20]:
        for place in places:
            if (place / image["file_name"]).is_file():
                return place
    return next(place for place in places if place.is_dir())


def missing_images(root: Path, images: list[dict], file: str) -> list[Fault]:
    """A fault per record whose image is not there; none when no image is there (scoring needs no pixels)."""
    faults = []
    for image in images:
        picture = root / image["file_name"]
        if not picture.is_file():
            faults.append(Fault(file, f"image {image['id']}", f"no such file{spelt_otherwise(picture)}",
                                str(picture), True))
    return faults if len(faults) < len(images) else []
