"""What is measured of a run beside its scores: AP on its way, how the trained model's loss is shared out."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from paperlib.data.image_batches import image_batches
from paperlib.parts.losses import ClassLossConfig, value_and_slope
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.proposal_recall import proposal_facts
from paperlib.training.loop import to_device
from paperlib.training.recipes import Recipe
from paperlib.training.trained import sides_of

GAMMAS = (0.0, 0.5, 1.0, 2.0)  # of RetinaNet's Fig. 4
NEGATIVES = 1_000_000  # background anchors to look at, or all there are


class ApCurve:
    """A training's `watch`: AP on the first test images at even points, as "AP" of those steps' records."""

    def __init__(self, recipe: Recipe, dataset, device: torch.device):
        self.steps = {round(recipe.steps * k / recipe.checks) for k in range(1, recipe.checks + 1)}
        self.dataset = dataset.subset(recipe.check_images)
        self.sides, self.device = sides_of(recipe.size), device

    def __call__(self, system: nn.Module, record: dict) -> None:
        if record["step"] + 1 in self.steps and "AP" not in record:  # a resumed run brings earlier ones
            record["AP"] = float(evaluate(system, self.dataset, self.device, **self.sides)["AP"])
            system.train()


def thin(values: list[float], points: int = 20) -> list[float]:
    """A curve of about `points` means over consecutive stretches."""
    n = max(1, len(values) // points)
    return [round(sum(values[i : i + n]) / n, 5) for i in range(0, len(values) - n + 1, n)]


def facts(system: nn.Module, history: list[dict], dataset, device: torch.device, **sides) -> dict[str, float]:
    """What a claim needs of a trained system beside its scores; `loss_fall` is a share of the first loss."""
    measure = loss_shares
    if system.proposes:
        measure = proposal_facts
    curve = thin([record["loss"] for record in history])
    return measure(system, dataset, device, **sides) | {"loss_fall": 1 - curve[-1] / curve[0]}


@torch.no_grad()
def anchor_logits(system: nn.Module, dataset, device: torch.device, short: int | None = None,
                  long: int | None = None, negatives: int = NEGATIVES,
                  batch: int = 8) -> Iterator[tuple[Tensor, Tensor]]:
    """By batch: logits of the positives' classes (P,) and of background (M, K).

    It ends after `negatives` background anchors.
    """
    system.to(device).eval()
    for images in image_batches(dataset, device, batch, short, long):
        targets = []
        for i, size in zip(images.places, images.sizes.tolist()):
            targets.append(_resized(dataset.target(i), size))
        logits, _, anchors = system.predict(images.images)
        labels, _ = system.assign(anchors, to_device(targets, device))
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
    """How a trained detector's focal loss is shared out among its anchors at each of GAMMAS.

    Source: RetinaNet Sec. 3 and Fig. 4, without class weights. A positive counts by the logit of its class, a
            background anchor by the sum over classes.
    Units:  fractions. `top20_pos_<gamma>`: of the positives' loss, in the hardest fifth of them.
            `top1_neg_`: of the background's, in its hardest hundredth.
            `cdf_gap_`: between both cumulative curves at their widest.
            `easy_loss_`, `easy_slope_`: of all loss and of all slopes, in background logits below 0.
    """
    positives, negatives, easy_sums = [], [], 0
    for yes, no in anchor_logits(system, dataset, device, short, long):
        positive, negative, easy_sum = _per_anchor(yes, no)
        positives.append(positive)
        negatives.append(negative)
        easy_sums = easy_sums + easy_sum
    positive = torch.cat(positives, 1).double()  # (gammas, anchors, 2)
    negative = torch.cat(negatives, 1).double()
    easy = easy_sums / (positive.sum(1) + negative.sum(1))  # (gammas, 2)
    shares, grid = {}, torch.linspace(0, 1, 101, dtype=torch.float64)
    for g, gamma in enumerate(GAMMAS):
        yes, no = cumulative(positive[g, :, 0], grid), cumulative(negative[g, :, 0], grid)
        shares[f"top20_pos_{gamma:g}"] = float(1 - yes[80])
        shares[f"top1_neg_{gamma:g}"] = float(1 - no[99])
        shares[f"cdf_gap_{gamma:g}"] = float((yes - no).abs().max())
        shares[f"easy_loss_{gamma:g}"] = float(easy[g, 0])
        shares[f"easy_slope_{gamma:g}"] = float(easy[g, 1])
    return shares


def _per_anchor(yes: Tensor, no: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and slope of positives (gammas, P, 2), of background (gammas, M, 2); its easy sums (gammas, 2)."""
    positive, negative, easy, below = [], [], [], no < 0
    for gamma in GAMMAS:
        kind = ClassLossConfig(gamma=gamma)
        positive.append(torch.stack(value_and_slope(-yes, kind), 1))
        loss, slope = value_and_slope(no, kind)  # a background logit is its own wrongness
        negative.append(torch.stack([loss.sum(1), slope.sum(1)], 1))
        easy.append(torch.stack([(loss * below).sum(), (slope * below).sum()]))
    return torch.stack(positive).cpu(), torch.stack(negative).cpu(), torch.stack(easy).cpu().double()


def cumulative(loss: Tensor, at: Tensor) -> Tensor:
    """Share of the whole loss in the easiest fraction `at` (…) of the examples (M,)."""
    share = torch.cat([loss.new_zeros(1), loss.sort().values.cumsum(0)])
    return share[(at * len(loss)).round().long()] / share[-1].clamp(min=1e-30)
