"""Pre-training on a folder-per-class set: reading, batches that depend on the step alone, stored weights that fit."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from paperlib.data.read_folder import load_classification
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.training import pretrain
from paperlib.training.recipes import Budget, budget
from paperlib.training.weights import read_header


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes that a glance tells apart: red on the left, red on the right."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8)):
        for name, where in (("down", slice(16, 32)), ("up", slice(0, 16))):
            (tmp_path / "set" / split / name).mkdir(parents=True)
            for i in range(count):
                picture = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8)
                picture[where] += np.uint8(180)
                Image.fromarray(picture).save(tmp_path / "set" / split / name / f"{i}.png")
    return tmp_path / "set"


def test_reading(folder):
    crops = load_classification(folder, "train", size=32)
    assert crops.images.shape == (48, 3, 32, 32) and crops.classes == ["down", "up"]
    assert np.bincount(crops.labels).tolist() == [24, 24]
    top = crops.images[:, :, :16].mean((1, 2, 3)) > 100
    assert (top == (crops.labels == 1)).all()                            # images and labels stay together
    assert load_classification(folder, "train", limit=5).images.shape == (5, 3, 64, 64)
    with pytest.raises(FileNotFoundError, match="one folder a class"):
        load_classification(folder, "test")
    (folder / "val" / "up" / "0.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"0\.png: not a readable image"):
        load_classification(folder, "val")


def test_batches_are_a_function_of_seed_and_step(folder):
    crops = load_classification(folder, "train", size=32)
    one, two = (pretrain.CropBatches(crops.images, crops.labels, 8, seed=3) for _ in range(2))
    two[0]
    assert torch.equal(one[7][0], two[7][0])
    epoch = torch.cat([t["labels"] for s in range(6) for t in one[s][1]])
    assert torch.bincount(epoch).tolist() == [24, 24]                    # every image once an epoch
    assert not torch.equal(one[0][0], one[6][0])


def test_a_pretrained_trunk_is_stored_with_its_accuracy_and_loads(folder, monkeypatch):
    recipe = replace(budget("smoke").recipe("classifier"), data=str(folder), steps=40, batch=8, lr=0.05, warmup=5)
    monkeypatch.setattr(pretrain, "budget", lambda name: Budget("smoke", 1, {"classifier": recipe}))
    path, top1 = pretrain.pretrain("tiny", "smoke", out=folder)
    assert top1 == 1.0 == float(read_header(path)["accuracy"])
    assert path.stat().st_size < 2_000_000
    trained, fresh = trunk(TrunkConfig("tiny", weights=str(path))), trunk(TrunkConfig("tiny"))
    assert trained.state_dict().keys() == fresh.state_dict().keys()
    with pytest.raises(ValueError, match="does not fit trunk 'resnet18'"):
        trunk(TrunkConfig("resnet18", weights=str(path)))
