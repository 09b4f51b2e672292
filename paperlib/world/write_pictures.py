"""Drawing the pictures of a set in several processes, and writing them as JPEG."""
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed

from paperlib.children import end_with_parent
from paperlib.progress import progress

CHUNK = 50                                          # images that a process draws at a time
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)               # a quarter of PNG's size and a twentieth of its time


def draw_pictures(work: Callable, name: str, counts: dict[str, int], jobs: int,
                  *more) -> Iterator[tuple[str, int, object]]:
    """(split, number, result of `work`) in order; `work` draws and stores one picture in some process."""
    todo = []
    for split, count in counts.items():
        todo += [(split, k) for k in range(count)]
    chunks = [todo[i:i + CHUNK] for i in range(0, len(todo), CHUNK)]
    results = Parallel(n_jobs=min(jobs, len(chunks) or 1), return_as="generator")(
        delayed(_chunk)(work, name, chunk, *more) for chunk in chunks)
    with progress(total=len(todo), desc=f"drawing {name}", unit="image") as bar:
        for chunk, done in zip(chunks, results):
            for (split, k), result in zip(chunk, done):
                yield split, k, result
            bar.update(len(chunk))


def _chunk(work: Callable, name: str, chunk, *more) -> list:
    end_with_parent()
    cv2.setNumThreads(1)
    return [work(name, split, k, *more) for split, k in chunk]


def save(file: Path, image: np.ndarray, options=JPEG) -> None:
    """Write an RGB picture. Errors: OSError if the disk refuses it."""
    ok, data = cv2.imencode(file.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise OSError(f"{file}: OpenCV could not encode the image")
    file.write_bytes(data.tobytes())
