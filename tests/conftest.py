"""Fixtures for the whole suite: quiet progress bars, one thread, and the optional folder of real samples."""
import os
from pathlib import Path

os.environ.setdefault("PAPERLIB_PROGRESS", "0")

import pytest
import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples (not part of the repository); tests that need it skip without it."""
    folder = Path(os.environ.get("PAPERLIB_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real sample data not found at {folder / 'data'}")
    return folder
