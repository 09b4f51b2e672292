"""Where this repository, its data, results and weights lie; files as a whole: their digest, writing them."""
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY / "data"


def data_folder() -> Path:
    """Where drawn and downloaded sets live: PAPERLIB_DATA, else data/ of this checkout, else ./data."""
    if chosen := os.environ.get("PAPERLIB_DATA"):
        return Path(chosen)
    return DATA if DATA.is_dir() else Path("data")


def results_folder() -> Path:
    """Where records live: PAPERLIB_RESULTS, else data/results of this checkout."""
    return Path(os.environ.get("PAPERLIB_RESULTS") or DATA / "results")


def weights_folder() -> Path:
    """Where the weights pre-trained on MiniNet lie: PAPERLIB_WEIGHTS, else data/weights of this checkout."""
    return Path(os.environ.get("PAPERLIB_WEIGHTS") or DATA / "weights")


def file_digest(file: Path) -> str:
    """SHA-256 of what a file holds, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def written_whole(file: Path, mark: str = "") -> Iterator[Path]:
    """A path to write to, beside `file`, which becomes `file` at the end, or goes where that is not reached.

    `mark` tells the paths of several processes apart that may write the same file at once.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}{mark}.part")
    try:
        yield part
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
