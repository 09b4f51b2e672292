"""Every exact claim is computed, has the verdict that the register gives it, and another if the code were wrong."""
import pytest
import torch
from claim_faults import FAULTS
from torch import nn

from paperlib.claims import paper_nets, registry
from paperlib.papers.register import claims

FACTS = registry.COMPUTED
EXACT = {c["id"]: c for c in claims() if c["kind"] == "exact"}
REFUTED = {"faster-inside-anchors", "fpn-mask-fps"}  # do not follow


def test_every_exact_claim_has_its_fact_or_awaits_one():
    awaiting = {name for name, claim in EXACT.items() if "awaits" in claim["judge"]}
    assert sorted(set(FACTS) | awaiting) == sorted(EXACT) and not awaiting & set(FACTS)


@pytest.mark.parametrize("claim", sorted(FACTS))
def test_computed_value_agrees(claim):
    value, agrees, formula = FACTS[claim]()
    assert agrees is (claim not in REFUTED), f"{EXACT[claim]['say']} Computed: {value} by {formula}"


@pytest.mark.parametrize(("claim", "number"), [(claim, i) for claim in FAULTS for i in range(len(FAULTS[claim]))])
def test_a_fault_turns_the_claim(claim, number, monkeypatch):
    owner, name, broken = FAULTS[claim][number]
    monkeypatch.setattr(owner, name, broken)
    _, agrees, _ = FACTS[claim]()
    assert agrees is (claim in REFUTED)


def test_every_computed_claim_has_a_fault():
    assert sorted(FAULTS) == sorted(FACTS)


def test_receptive_field_is_what_a_gradient_reaches():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 1, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 3))
    for p in net.parameters():
        p.data = p.data.abs() + 0.1
    reached = set()
    for _ in range(40):  # a maximum passes one cell at a time, so many images together show the whole window
        image = torch.rand(1, 1, 41, 41, requires_grad=True)
        out = net(image)
        (grad,) = torch.autograd.grad(out[0, 0, 2, 2], image)
        reached |= {tuple(i) for i in grad[0, 0].nonzero().tolist()}
    field, step = paper_nets.receptive_field(net)
    assert step == 4
    assert {i for i, _ in reached} == {j for _, j in reached} == set(range(2 * step, 2 * step + field))
