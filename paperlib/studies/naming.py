"""A small network that names crops: how well can it, from what it is shown?"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.device import seed_all
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.progress import progress

BATCH, RATE = 64, 3e-3


class Namer(nn.Module):
    """The MiniNet trunk to stride 16, all of its cells, one linear layer."""

    def __init__(self, side: int, num_classes: int):
        super().__init__()
        self.trunk = trunk(TrunkConfig("tiny", "mininet"))
        self.linear = nn.Linear(self.trunk.channels[4] * (-(-side // 16)) ** 2, num_classes)

    def forward(self, images):
        return self.linear(F.dropout(self.trunk(images)[4].flatten(1), 0.3, self.training))


def as_images(crops: list[np.ndarray]) -> Tensor:
    """Crops (H, W, 3) as one tensor (n, 3, H, W)."""
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)


def learn(
    crops: list, labels: list, test: list, truth: list, num_classes: int, steps: int, seed: int
) -> float:
    """Accuracy on `test` of a `Namer` trained on (H, W, 3) uint8 crops."""
    seed_all(seed)
    x, v = as_images(crops).contiguous(), as_images(test).contiguous()
    y, rng, net = torch.tensor(labels), np.random.default_rng(seed), Namer(x.shape[-1], num_classes)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in progress(range(steps), desc="naming"):
        chosen = rng.integers(0, len(x), BATCH)
        images = x[chosen].flip(3) if rng.random() < 0.5 else x[chosen]
        loss = F.cross_entropy(net(images), y[chosen])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        plan.step()
    net.eval()
    with torch.no_grad():
        named = torch.cat([net(part).argmax(1) for part in v.split(256)])
    return float((named == torch.tensor(truth)).float().mean())
