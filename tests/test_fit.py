"""Training: schedule, exact resume, non-finite losses, stored weights."""
import json
from dataclasses import dataclass, replace

import pytest
import torch

from paperlib.systems.contract import Trainable, TrainableConfig
from paperlib.systems.registry import SYSTEMS
from paperlib.training.loop import _blame, fit, learning_rate
from paperlib.training.recipes import budget, system_config
from paperlib.training.trainer import prepare, train
from paperlib.training.weights import load_weights, read_header, save_weights

CPU = torch.device("cpu")
RECIPE = replace(budget("smoke").recipe("retinanet"), steps=6, warmup=2)


class Drawn:
    """Four batches of coloured squares, as a function of the step alone."""

    def __getitem__(self, step):
        images = torch.randint(0, 80, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(step))
        targets = []
        for n in range(2):
            x = 8 + 4 * ((step + n) % 4)
            images[n, n, x : x + 24, 10:40] = 250
            targets.append({"boxes": torch.tensor([[10.0, x, 40.0, x + 24.0]]), "labels": torch.tensor([n + 1]),
                            "crowd": torch.zeros(1, dtype=torch.bool), "image_id": 100 + 2 * step + n,
                            "size": torch.tensor([64, 64])})
        return images, targets


def system(seed=0, **changes):
    torch.manual_seed(seed)
    return SYSTEMS["retinanet"](system_config("retinanet", RECIPE, 2, changes))


def test_learning_rate_warms_up_and_steps_down():
    recipe = replace(RECIPE, steps=100, warmup=10, lr=1.0, drops=(0.6, 0.9))
    rates = [learning_rate(s, recipe) for s in (0, 5, 10, 59, 60, 89, 90, 99)]
    assert rates == pytest.approx([0.1, 0.55, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path):
    whole = system()
    straight = list(fit(whole, Drawn(), RECIPE, CPU))
    first = fit(system(), Drawn(), RECIPE, CPU, checkpoint=tmp_path / "run.pt", every=2)
    for _ in range(5):                                   # the checkpoint holds 4 of the 5 steps made
        next(first)
    first.close()
    again = system(seed=1)                               # other initial weights: everything must come from the file
    resumed = list(fit(again, Drawn(), RECIPE, CPU, checkpoint=tmp_path / "run.pt", every=2))
    assert [r["loss"] for r in resumed] == [r["loss"] for r in straight]
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))
    assert not list(tmp_path.glob("*.part"))


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    list(fit(system(), Drawn(), RECIPE, CPU, checkpoint=path))
    with pytest.raises(ValueError, match=r"of another run: its config is loss.gamma = 2.0, expected 0.0"):
        next(fit(system(**{"loss.gamma": 0.0}), Drawn(), RECIPE, CPU, checkpoint=path))
    with pytest.raises(ValueError, match=r"its seed is 0, expected 3"):
        next(fit(system(), Drawn(), RECIPE, CPU, seed=3, checkpoint=path))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"run.pt: not a readable checkpoint"):
        next(fit(system(), Drawn(), RECIPE, CPU, checkpoint=path))


def test_a_loss_that_is_not_finite_names_its_image():
    class Poisoned(Drawn):
        def __getitem__(self, step):
            images, targets = super().__getitem__(step)
            if step == 2:
                targets[1]["boxes"] = torch.tensor([[10.0, 10.0, float("nan"), 30.0]])
                images = images.float() / 255
                images[1] = float("nan")
            return images, targets

    run = fit(system(), Poisoned(), RECIPE, CPU)
    next(run), next(run)
    with pytest.raises(FloatingPointError, match=r"step 2: the loss of image\(s\) \[105\] is not finite"):
        next(run)


def test_images_that_batch_norm_cannot_take_alone_are_named_together():
    def losses(images, targets):
        if len(images) == 1:
            raise ValueError("Expected more than 1 value per channel when training")
        return {"cls": images.float().sum() * float("nan")}

    images, targets = Drawn()[0]
    assert _blame(losses, images, targets) == "the loss is not finite; images of the batch: [100, 101]"


def test_training_lowers_the_loss():
    history = list(fit(system(), Drawn(), replace(RECIPE, steps=30, lr=0.02), CPU))
    assert sum(r["loss"] for r in history[-5:]) < 0.7 * sum(r["loss"] for r in history[:5])


def test_weights_come_back_with_their_configuration(tmp_path):
    mine = system(**{"loss.gamma": 1.0}).eval()
    path = save_weights(tmp_path / "w.safetensors", "retinanet", mine, accuracy="0.5")
    back = load_weights(path)
    assert read_header(path)["accuracy"] == "0.5" and back.cfg.loss.gamma == 1.0
    images, _ = Drawn()[0]
    for a, b in zip(mine.detect(images), back.detect(images)):
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_weights_of_something_else_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_weights(tmp_path / "none.safetensors")
    (broken := tmp_path / "broken.safetensors").write_bytes(b"123")
    with pytest.raises(ValueError, match=r"broken.safetensors: not a safetensors file"):
        load_weights(broken)
    other = save_weights(tmp_path / "other.safetensors", "classifier", system())
    with pytest.raises(ValueError, match="holds weights of 'classifier', expected 'retinanet'"):
        load_weights(other, "retinanet")


def test_adamw_trains_too_and_an_unknown_optimiser_is_refused():
    history = list(fit(system(), Drawn(), replace(RECIPE, optimiser="adamw", steps=30, lr=0.002), CPU))
    assert sum(r["loss"] for r in history[-5:]) < 0.7 * sum(r["loss"] for r in history[:5])
    with pytest.raises(ValueError, match=r"recipe.optimiser is 'lion', expected 'sgd' or 'adamw'"):
        next(fit(system(), Drawn(), replace(RECIPE, optimiser="lion"), CPU))


# what the recipe says reaches the training

@dataclass(frozen=True)
class Three(TrainableConfig):
    weights: int = 3


class Weights(torch.nn.Module, Trainable):
    """Three weights of 1, and a loss that is handed in."""

    cfg = Three()

    def __init__(self, loss):
        super().__init__()
        self.w, self.loss, self.seen = torch.nn.Parameter(torch.ones(3)), loss, []

    def losses(self, images, targets):
        self.seen.append((self.training, torch.is_autocast_enabled("cpu")))
        return {"loss_part": self.loss(self.w)}


PLAIN = replace(RECIPE, steps=3, warmup=0, drops=(), lr=0.1, momentum=0.0, weight_decay=0.0, clip=None)


def trained(loss, seed=0, **changes):
    net = Weights(loss)
    return net, [(r, net.w.detach().clone()) for r in fit(net, Drawn(), replace(PLAIN, **changes), CPU, seed)]


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_weight_decay_shrinks_what_the_loss_leaves_alone(optimiser):
    net, _ = trained(lambda w: w.sum() * 0, optimiser=optimiser, steps=2, weight_decay=0.5)
    torch.testing.assert_close(net.w.data, torch.full((3,), 0.95**2))


def test_momentum_and_clipping_of_sgd_by_hand():
    net, _ = trained(lambda w: w.sum(), steps=2, momentum=0.5)
    torch.testing.assert_close(net.w.data, torch.full((3,), 1 - 0.1 - 0.1 * 1.5))
    net, _ = trained(lambda w: 100 * w.sum(), steps=1, clip=3**0.5)
    torch.testing.assert_close(net.w.data, torch.full((3,), 0.9))


def test_every_step_is_as_long_as_its_learning_rate_says():
    recipe = {"steps": 6, "warmup": 2, "drops": (0.5,)}
    _, made = trained(lambda w: w.sum(), **recipe)
    path = torch.stack([torch.ones(3), *(w for _, w in made)])[:, 0]
    rates = [learning_rate(s, replace(PLAIN, **recipe)) for s in range(6)]
    assert [r["lr"] for r, _ in made] == rates and len(set(rates)) == 3
    torch.testing.assert_close(path[:-1] - path[1:], torch.tensor(rates))


def test_what_a_loss_draws_depends_on_the_seed_of_the_run_and_on_the_step():
    def drawn(seed):
        return [r["loss"] for r, _ in trained(lambda w: (w * torch.rand(3)).sum(), seed, lr=0.0)[1]]
    first = drawn(0)
    assert drawn(0) == first and len({*first, *drawn(1), *drawn(2)}) == 9


@pytest.mark.parametrize("wanted", [True, False])
def test_training_mode_and_half_precision_are_those_that_were_asked_for(wanted, monkeypatch):
    monkeypatch.setattr("paperlib.device.has_bf16", lambda kind: True)
    net = Weights(lambda w: w.sum()).eval()
    list(fit(net, Drawn(), replace(PLAIN, bf16=wanted), CPU))
    assert net.seen == [(True, wanted)] * 3


def two_splits(folder):
    """The drawn set as "train", and its last two images as "val"."""
    data = json.loads((folder / "instances.json").read_text())
    (folder / "annotations").mkdir()
    for split, kept in (("train", (1, 2, 3, 4)), ("val", (3, 4))):
        part = {**data, "images": [i for i in data["images"] if i["id"] in kept],
                "annotations": [a for a in data["annotations"] if a["image_id"] in kept]}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(part))
    (folder / "instances.json").unlink()
    return replace(RECIPE, data=str(folder), train="train", test="val", train_images=None, batch=4, flip=False,
                   size=None)


def test_a_run_is_prepared_as_the_recipe_says(scenes):
    recipe = two_splits(scenes)

    def batch(step=0, seed=0, **changes):
        return prepare("retinanet", replace(recipe, **changes), seed)[1][step]

    images, targets = batch()
    assert images.shape == (4, 3, 64, 64) and sorted(t["image_id"] for t in targets) == [1, 2, 3, 4]
    assert {t["image_id"] for t in batch(train_images=2)[1]} == {1, 2}
    assert batch(size=(32,))[0].shape == (4, 3, 32, 32)
    for flip in (False, True):
        stored = [t["boxes"][0, 0] == 5 * t["image_id"] for s in range(5) for t in batch(s, flip=flip)[1]]
        assert all(stored) != flip
    assert len({int(t["size"][0]) for t in batch(jitter=(0.5, 1.5))[1]}) > 1
    orders = [[t["image_id"] for s in range(3) for t in batch(s, seed)[1]] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_the_first_weights_depend_on_the_seed_alone(scenes):
    recipe = two_splits(scenes)
    nets = []
    for seed, before in ((0, 5), (0, 6), (1, 5)):
        torch.manual_seed(before)
        nets.append(torch.cat([p.detach().flatten() for p in prepare("retinanet", recipe, seed)[0].parameters()]))
    assert nets[0].equal(nets[1]) and not nets[0].equal(nets[2])


def test_training_ends_after_the_steps_asked_for_ready_to_detect(scenes):
    recipe, seen = two_splits(scenes), []
    net, history = train("retinanet", recipe, device=CPU, steps=2, watch=lambda _, r: seen.append(r["step"]))
    assert [r["step"] for r in history] == seen == [0, 1] and not net.training
