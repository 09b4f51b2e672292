"""Training: schedule, exact resume, non-finite losses, stored weights."""
from dataclasses import replace

import pytest
import torch

from paperlib.experiments.configs import budget, system_config
from paperlib.experiments.fit import _blame, fit, learning_rate
from paperlib.experiments.weights import load_weights, read_header, save_weights
from paperlib.systems import SYSTEMS

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
    class Alone(torch.nn.Module):
        def losses(self, images, targets):
            if len(images) == 1:
                raise ValueError("Expected more than 1 value per channel when training")
            return {"cls": images.float().sum() * float("nan")}

    images, targets = Drawn()[0]
    assert _blame(Alone(), images, targets) == "the loss is not finite; images of the batch: [100, 101]"


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
