"""The files that a command writes: places that it may write, and what a training run keeps to go on from."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


def writable(folder: str | Path, name: str) -> Path:
    """`folder`, made if missing, after a trial that `name` can be written in it. Errors: ValueError."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write in {folder}: {error.strerror or error}; expected a folder") from None
    if (folder / name).is_dir():
        raise ValueError(f"cannot write {folder / name}: there is a folder of this name")
    return folder


def replaceable(path: str | Path, is_ours: Callable[[Path], bool], kind: str) -> None:
    """A trial that a file can be written and replaces none of another kind; an empty file is of any kind.

    `kind` says of which files `is_ours` is true. Errors: ValueError naming the file.
    """
    file = Path(path)
    writable(file.parent, file.name)
    if not file.exists():
        return
    if not os.access(file, os.W_OK):
        raise ValueError(f"cannot write {file}: it may only be read")
    if file.stat().st_size and not is_ours(file):
        raise ValueError(f"{file}: found a file that is no {kind}, and would be replaced; "
                         "expected another name")


@contextmanager
def alone(checkpoint: Path) -> Iterator[Path]:
    """The block is the only run that writes beside `checkpoint`. Errors: ValueError if another does.

    Under `torchrun` the first process holds the place for all.
    """
    if int(os.environ.get("RANK", "0")):
        yield checkpoint
        return
    lock = FileLock(checkpoint.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"{checkpoint.parent}: another run writes here; "
                         "wait for its end, or choose another --out") from None
    try:
        yield checkpoint
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it stays
            Path(lock.lock_file).unlink()
        lock.release()


def put_aside(path: Path) -> str:
    """Give the scored weights of a former run at `path` the next free number; one line on that, or ""."""
    from paperlib.training.weights import read_header

    with suppress(ValueError, OSError):
        if read_header(path).keys() & {"AP", "seg AR100", "AR1000", "AR100"}:
            number = 1
            while (aside := path.with_suffix(f".{number}{path.suffix}")).exists():
                number += 1
            path.rename(aside)
            return f"the weights of a former run are now in {aside}"
    return ""


def _beside(checkpoint: Path) -> list[Path]:
    """Files that a run keeps to go on from: checkpoints of it and its stages, and their unfinished parts."""
    names = re.compile(re.escape(checkpoint.stem) + r"\.(checkpoint|\d+\.pt|after\.pt)(\.part)?")
    return [file for file in checkpoint.parent.iterdir() if names.fullmatch(file.name)]


def kept(checkpoint: Path, begun: bool, started: float) -> str:
    """Where an interrupted run can go on from, in words; a file older than the command does not count."""
    files = [*_beside(checkpoint), *(checkpoint.parent / "stages").glob("*.pt")]
    whole = [file for file in files if file.suffix != ".part"]
    if begun and whole:
        newest = max(whole, key=lambda file: file.stat().st_mtime)
        if newest.stat().st_mtime >= started - 0.1:  # file systems' clocks are coarser
            return f"what was done is in {newest}; run the same command to go on"
    return "nothing new was kept"


def tidy(checkpoint: Path) -> None:
    """Remove what a run needed to go on from, and what earlier runs left of that."""
    from paperlib.training.alternating import clear

    for file in (*_beside(checkpoint), checkpoint.with_suffix(".best.pt")):
        file.unlink(missing_ok=True)
    if checkpoint.stem == "faster_rcnn":
        clear(checkpoint)
