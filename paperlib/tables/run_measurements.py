"""What is measured of a run beside its scores: AP on its way, and how the trained model's loss is shared out."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from paperlib.parts.losses import ClassLossConfig, value_and_slope
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.detect import image_batches
from paperlib.scoring.proposal_recall import proposal_facts
from paperlib.training.recipes import Recipe
from paperlib.training.trainer import sides

GAMMAS = (0.0, 0.5, 1.0, 2.0)  # of RetinaNet's Fig. 4
NEGATIVES = 1_000_000  # background anchors to look at, or all there are


class ApCurve:
    """A training's `watch`: AP on the first test images at even points, as "AP" of those steps' records."""

    def __init__(self, recipe: Recipe, dataset, device: torch.device):
        self.steps = {round(recipe.steps * k / recipe.checks) for k in range(1, recipe.checks + 1)}
        self.dataset = dataset.subset(recipe.check_images)
        self.sides, self.device = sides(recipe), device

    def __call__(self, system: nn.Module, record: dict) -> None:
        if record["step"] + 1 in self.steps and "AP" not in record:  # a resumed run brings what it had measured
            record["AP"] = float(evaluate(system, self.dataset, self.device, **self.sides)["AP"])
            system.train()


def thin(values: list[float], points: int = 20) -> list[float]:
    """A curve of about `points` means over consecutive stretches."""
    n = max(1, len(values) // points)
    return [round(sum(values[i : i + n]) / n, 5) for i in range(0, len(values) - n + 1, n)]


def facts(system: nn.Module, history: list[dict], dataset, device: torch.device, **sides) -> dict[str, float]:
    """What a claim wants to know of a trained system beside its scores; `loss_fall` is a share of the first loss."""
    look, curve = proposal_facts if system.proposes else loss_shares, thin([h["loss"] for h in history])
    return look(system, dataset, device, **sides) | {"loss_fall": 1 - curve[-1] / curve[0]}


@torch.no_grad()
def anchor_logits(system: nn.Module, dataset, device: torch.device, short: int | None = None, long: int | None = None,
                  negatives: int = NEGATIVES, batch: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    """Until `negatives` anchors were seen, by batch: logits of the positives' classes (P,) and of background (M, K)."""
    system.to(device).eval()
    for images in image_batches(dataset, device, batch, short, long):
        targets = [_resized(dataset.target(i), size) for i, size in zip(images.places, images.sizes.tolist())]
        logits, _, anchors = system.predict(images.images)
        labels, _ = system.assign(anchors, targets)
        image, anchor = (labels > 0).nonzero(as_tuple=True)
        background = logits[labels == 0].float()
        yield logits[image, anchor, labels[image, anchor] - 1].float(), background
        negatives -= len(background)
        if negatives <= 0:
            return


def _resized(target: dict, size: list[int]) -> dict:
    height, width = target["size"].tolist()
    scale = torch.tensor([size[1] / width, size[0] / height] * 2)
    return target | {"boxes": target["boxes"] * scale}


def loss_shares(system: nn.Module, dataset, device: torch.device, short: int | None = None,
                long: int | None = None) -> dict[str, float]:
    """How a trained detector's focal loss is shared out among its anchors, for each of GAMMAS, without class weights.

    Source: RetinaNet Sec. 3 and Fig. 4. A positive counts by the logit of its class, a background anchor by the sum
            over classes.
    Units:  fractions. `top20_pos_<gamma>`: of the positives' loss, in the hardest fifth of them; `top1_neg_`: of the
            background's, in its hardest hundredth; `cdf_gap_`: between both cumulative curves at their widest;
            `easy_loss_`, `easy_slope_`: of all loss and of all slopes, in background logits below 0.
    """
    pairs = [_per_anchor(*both) for both in anchor_logits(system, dataset, device, short, long)]
    positive, negative = (torch.cat(side, 1).double() for side in list(zip(*pairs))[:2])  # (gammas, anchors, 2)
    easy, out = sum(pair[2] for pair in pairs) / (positive.sum(1) + negative.sum(1)), {}  # (gammas, 2)
    grid = torch.linspace(0, 1, 101, dtype=torch.float64)
    for g, gamma in enumerate(GAMMAS):
        yes, no = (cumulative(side[g, :, 0], grid) for side in (positive, negative))
        values = {"top20_pos": 1 - yes[80], "top1_neg": 1 - no[99], "cdf_gap": (yes - no).abs().max(),
                  "easy_loss": easy[g, 0], "easy_slope": easy[g, 1]}
        out |= {f"{name}_{gamma:g}": float(value) for name, value in values.items()}
    return out


def _per_anchor(yes: Tensor, no: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and slope of positives (gammas, P, 2), of background (gammas, M, 2), and their easy sums (gammas, 2)."""
    out, below = [], no < 0
    for gamma in GAMMAS:
        kind = ClassLossConfig(gamma=gamma)
        found = value_and_slope(no, kind)  # a background logit is its own wrongness
        out.append((torch.stack(value_and_slope(-yes, kind), 1), torch.stack([x.sum(1) for x in found], 1),
                    torch.stack([(x * below).sum().double() for x in found])))
    return tuple(torch.stack(part).cpu() for part in zip(*out))


def cumulative(loss: Tensor, at: Tensor) -> Tensor:
    """Share of the whole loss in the easiest fraction `at` (…) of the examples (M,)."""
    share = torch.cat([loss.new_zeros(1), loss.sort().values.cumsum(0)])
    return share[(at * len(loss)).round().long()] / share[-1].clamp(min=1e-30)
