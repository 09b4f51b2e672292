"""Pre-training on a folder-per-class set: reading, batches that depend on the step alone, stored weights that fit."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

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


def numbered(count: int, side: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Images whose left half holds their number, their right half 100 more; and their numbers as labels."""
    images = np.zeros((count, 3, side, side), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    images[..., side // 2:] += 100
    return images, np.arange(count)


def test_epochs_are_shuffled_and_about_half_of_the_images_flipped():
    images, labels = numbered(50)
    batches, kept = pretrain.CropBatches(images, labels, 8, seed=1), images.copy()
    epochs = [[int(t["labels"]) for step in range(6 * n, 6 * n + 6) for t in batches[step][1]] for n in range(3)]
    assert all(len(set(epoch)) == 48 for epoch in epochs)                 # of 50, in batches of 8
    assert len({tuple(epoch) for epoch in epochs}) == 3 and epochs[0] != sorted(epochs[0])
    assert [int(t["labels"]) for t in pretrain.CropBatches(images, labels, 8, seed=2)[0][1]] != epochs[0][:8]
    flips = []
    for step in range(18):
        pictures, targets = batches[step]
        number = torch.cat([t["labels"] for t in targets])
        left, right = pictures[:, 0, :, 0].long(), pictures[:, 0, :, -1].long()
        flipped = left[:, 0] >= 100
        assert torch.equal(torch.where(flipped[:, None], right, left), number[:, None].expand(-1, 4))
        flips.append(tuple(flipped.tolist()))
    assert 40 < sum(map(sum, flips)) < 104 and len(set(flips)) > 15
    whole = [pretrain.CropBatches(images[:8], labels[:8], 8, seed)[0][0] for seed in (1, 2)]
    assert len({tuple((pictures[:, 0, 0, 0] >= 100).tolist()) for pictures in whole}) == 2  # flips follow the seed too
    assert (images == kept).all()


def test_batches_are_scaled_to_one_of_the_sides():
    images, labels = numbered(16, side=8)
    batches = pretrain.CropBatches(images, labels, 4, seed=0, sides=(6, 8, 12))
    shapes = [tuple(batches[step][0].shape) for step in range(24)]
    assert set(shapes) == {(4, 3, side, side) for side in (6, 8, 12)}
    assert all(batches[step][0].dtype == torch.uint8 for step in range(6))


def test_the_recipe_of_pre_training_is_followed_and_recorded(folder, monkeypatch):
    recipe = replace(budget("smoke").recipe("classifier"), data=str(folder), steps=2, batch=8, lr=0.05, size=(32, 48))
    monkeypatch.setattr(pretrain, "budget", lambda name: Budget("smoke", 1, {"classifier": recipe}))
    seen = []

    def pretended(system, batches, recipe, device, seed, checkpoint):
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
        seen.append((batches.sides, recipe.lr, seed, system.trunk.stem[0].conv.weight.clone()))
        yield from ({"seconds": 1.0} for _ in range(recipe.steps))

    monkeypatch.setattr(pretrain, "fit", pretended)
    paths = [pretrain.pretrain("tiny", "smoke", seed, out=folder / str(seed), lr=lr)[0]
             for seed, lr in ((0, None), (0, 0.2), (5, None))]
    assert [(sides, lr, seed) for sides, lr, seed, _ in seen] == [
        ((32, 48), 0.05, 0), ((32, 48), 0.2, 0), ((32, 48), 0.05, 5)]
    first, again, other = (weight for *_, weight in seen)
    assert first.equal(again) and not first.equal(other)
    version = load_classification(str(folder), "train").version
    header = read_header(paths[1])
    assert {key: header[key] for key in ("seconds", "data", "seed", "steps", "batch", "lr")} == {
        "seconds": "2", "data": f"{folder} {version}", "seed": "0", "steps": "2", "batch": "8", "lr": "0.2"}
    assert read_header(paths[2])["seed"] == "5" and not list((folder.parent / "runs").rglob("*.checkpoint"))
    held = load_file(paths[0])
    assert held["stem.0.conv.weight"].dtype == torch.float16
