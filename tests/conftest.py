"""Fixtures for the whole suite: quiet progress bars, one thread, and the optional folder of real samples."""
import json
import os
from pathlib import Path

os.environ.setdefault("PAPERLIB_PROGRESS", "0")

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples (not part of the repository); tests that need it skip without it."""
    folder = Path(os.environ.get("PAPERLIB_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real sample data not found at {folder / 'data'}")
    return folder


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """A COCO folder of four drawn images with one bright box each."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    annotations = []
    for i in range(1, 5):
        picture = np.full((64, 64, 3), 40, np.uint8)
        picture[10:40, 5 * i:5 * i + 24] = (250, 60, 60)
        Image.fromarray(picture).save(folder / "images" / f"{i}.png")
        annotations.append({
            "id": i, "image_id": i, "category_id": 1, "bbox": [5 * i, 10, 24, 30], "area": 720, "iscrowd": 0,
            "segmentation": [[5 * i, 10, 5 * i + 24, 10, 5 * i + 24, 40, 5 * i, 40]]})
    data = {"images": [{"id": i, "file_name": f"{i}.png", "height": 64, "width": 64} for i in range(1, 5)],
            "annotations": annotations, "categories": [{"id": 1, "name": "block", "supercategory": "thing"}]}
    (folder / "instances.json").write_text(json.dumps(data))
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A set of red and green objects in two splits, in an empty working folder with a cache of its own."""
    from test_trained import drawn

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split in ("train", "val"):
        drawn(tmp_path / "set", split, ["red", "green"])
    return tmp_path / "set"
