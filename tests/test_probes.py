"""What is measured beside a run's scores: the AP curve, resumed or not, and the shares of a trained model's loss."""
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from paperlib.data.named_sets import load
from paperlib.parts.losses import focal
from paperlib.tables import run_measurements
from paperlib.training.recipes import budget
from paperlib.training.trainer import prepare, train

CPU = torch.device("cpu")


def small(scenes, **changes):
    return replace(budget("smoke").recipe("retinanet"), data=str(scenes), train=None, test=None, steps=4, batch=2,
                   checks=2, check_images=2, **changes)


def test_the_ap_curve_has_even_points_and_does_not_change_the_run(scenes):
    recipe = small(scenes)
    watch = run_measurements.ApCurve(recipe, load(str(scenes), None), CPU)
    watched, history = train("retinanet", recipe, device=CPU, watch=watch)
    plain, _ = train("retinanet", recipe, device=CPU)
    assert [h["step"] + 1 for h in history if "AP" in h] == [2, 4] and not watched.training
    for a, b in zip(watched.state_dict().values(), plain.state_dict().values()):
        assert a.equal(b)


def test_a_resumed_run_keeps_the_points_that_it_had(scenes, tmp_path):
    recipe, file = small(scenes), tmp_path / "run.pt"
    train("retinanet", recipe, device=CPU, checkpoint=file, watch=lambda system, h: h.update(AP=float(h["step"])))
    watch = run_measurements.ApCurve(recipe, load(str(scenes), None), CPU)
    _, history = train("retinanet", recipe, device=CPU, checkpoint=file, watch=watch)
    assert [h["AP"] for h in history[:-1]] == [0.0, 1.0, 2.0]  # the file was written before the last was added
    assert history[-1]["AP"] <= 1


def test_cumulative_share():
    loss, at = torch.tensor([3.0, 1.0, 0.0, 4.0]), torch.tensor([0.0, 0.5, 0.75, 1.0])
    torch.testing.assert_close(run_measurements.cumulative(loss, at), torch.tensor([0.0, 1 / 8, 4 / 8, 1.0]))


def test_loss_shares_are_those_of_the_plain_losses(scenes):
    dataset = load(str(scenes), None)
    system, _ = prepare("retinanet", small(scenes))
    for parameter in system.head.cls[-1].parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    found = run_measurements.loss_shares(system, dataset, CPU)
    yes, no = (torch.cat(part) for part in zip(*run_measurements.anchor_logits(system, dataset, CPU)))
    assert len(yes) and len(no)
    for gamma in run_measurements.GAMMAS:
        positive = focal(yes, torch.ones_like(yes), gamma, None).double()
        every = focal(no, torch.zeros_like(no), gamma, None).double()
        easy = every[no < 0].sum() / (every.sum() + positive.sum())
        assert found[f"easy_loss_{gamma:g}"] == pytest.approx(float(easy), rel=1e-4)
        hardest = every.sum(1).sort(descending=True).values
        share = hardest[: round(0.01 * len(hardest))].sum() / hardest.sum()
        assert found[f"top1_neg_{gamma:g}"] == pytest.approx(float(share), rel=2e-2)
        fifth = len(positive) - round(0.8 * len(positive))
        share = positive.sort(descending=True).values[:fifth].sum() / positive.sum()
        assert found[f"top20_pos_{gamma:g}"] == pytest.approx(float(share), rel=1e-4)
    assert found["easy_loss_2"] < found["easy_loss_0"] and found["top1_neg_2"] > found["top1_neg_0"]


def test_resized_images_bring_their_boxes_along(scenes):
    dataset = load(str(scenes), None)
    system, _ = prepare("retinanet", small(scenes))
    wide = list(run_measurements.anchor_logits(system, dataset, CPU, short=128, long=128))
    assert sum(len(yes) for yes, _ in wide) > 0 and wide[0][1].shape[0] > 8 * 64 * 64


def test_boxes_follow_each_side_of_a_resized_image():
    target = {"size": torch.tensor([10, 40]), "boxes": torch.tensor([[4.0, 1, 8, 2]])}
    assert run_measurements._resized(target, [20, 120])["boxes"].tolist() == [[12, 2, 24, 4]]


def test_a_curve_ends_with_its_last_values_and_its_fall_is_a_share_of_the_first(monkeypatch):
    assert run_measurements.thin([float(k) for k in range(1, 41)]) == [2 * k + 1.5 for k in range(20)]
    assert run_measurements.thin([3.0, 1.0]) == [3.0, 1.0]
    monkeypatch.setattr(run_measurements, "loss_shares", lambda *_, **sides: {"short": sides["short"]})
    history = [{"loss": 4.0}, {"loss": 2.0}, {"loss": 1.0}]
    found = run_measurements.facts(SimpleNamespace(proposes=False), history, None, CPU, short=64)
    assert found == {"short": 64, "loss_fall": 0.75}
