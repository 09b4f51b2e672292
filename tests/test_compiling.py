"""Training with compiled parts: the same numbers, and the parts as before once it is over."""
import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from paperlib.device import compiled
from paperlib.training import recipes
from paperlib.training.loop import fit
from paperlib.training.trainer import prepare


class Small(nn.Module):
    """A trunk, a pyramid and a head that stays as it is."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.pyramid, self.head = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.head(self.pyramid(self.trunk(x))).square().mean()


def gradients(net: nn.Module, images) -> list:
    net.zero_grad()
    net(images).backward()
    return [p.grad.clone() for p in net.parameters()]


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_parts_learn_the_same():
    torch.manual_seed(0)
    net, images = Small(), torch.rand(2, 3, 16, 16)
    before = gradients(net, images)
    with compiled(net, torch.device("cpu")):
        assert net.trunk._compiled_call_impl and net.pyramid._compiled_call_impl
        assert net.head._compiled_call_impl is None
        during = gradients(net, images)
    for a, b in zip(before, during):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert net.trunk._compiled_call_impl is None and net.pyramid._compiled_call_impl is None


def test_a_fault_in_a_step_leaves_the_parts_as_they_were():
    net = Small()
    with pytest.raises(ZeroDivisionError), compiled(net, torch.device("cpu")):
        raise ZeroDivisionError
    assert net.trunk._compiled_call_impl is None


@pytest.mark.parametrize("asked", [False, True])
def test_training_compiles_when_it_is_asked_to(monkeypatch, asked):
    calls = []
    monkeypatch.setattr(nn.Module, "compile", lambda part, **how: calls.append((type(part).__name__, how)))
    recipe = replace(recipes.budget("smoke").recipe("retinanet"), steps=2, compiled=asked)
    system, batches = prepare("retinanet", recipe)
    history = list(fit(system, batches, recipe, torch.device("cpu")))
    assert len(history) == 2
    names = [name for name, how in calls]
    assert names == (2 * [type(system.trunk).__name__, type(system.pyramid).__name__] if asked else [])
    assert all(how == {"mode": "default", "dynamic": False} for name, how in calls)
