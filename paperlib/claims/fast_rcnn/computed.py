"""The exact claims of Fast R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import itertools

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, all_agree, printed, stated
from paperlib.parts import losses, roi_pooling, roi_training
from paperlib.parts.heads import truncated


def _svd_sizes(layer: nn.Linear, kept: int) -> list[float]:
    """Millions of weights of a layer, whole and compressed to `kept` singular values."""
    first, second = truncated(layer, kept)
    return [layer.weight.numel() / 1e6, (first.weight.numel() + second.weight.numel()) / 1e6]


def svd_fc6():
    sizes = _svd_sizes(paper_nets.vgg16().classifier[0], 1024)
    fits = all_agree(sizes, stated("frcn-svd-fc6"), 1)
    return sizes, fits, "weights of fc6 and of truncated(fc6, 1024): u v and 1024 (u + v)"


def svd_fc7():
    sizes = _svd_sizes(paper_nets.vgg16().classifier[3], 256)
    fits = all_agree(sizes, stated("frcn-svd-fc7"), 1) and sizes[0] == 8 * sizes[1]
    return sizes, fits, "weights of fc7 and of truncated(fc7, 256): u v and 256 (u + v)"


def svd_two_layers():
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 24, dtype=torch.float64), torch.randn(32, 40, dtype=torch.float64)
    full = (truncated(layer, 24)(x) - layer(x)).abs().max().item()
    first, second = truncated(layer, 8)
    lost = torch.linalg.matrix_norm(second.weight @ first.weight - layer.weight).item()
    dropped = torch.linalg.svdvals(layer.weight)[8:].square().sum().sqrt().item()
    biases = first.bias is None and torch.equal(second.bias, layer.bias)
    fits = biases and full < 1e-9 and abs(lost - dropped) < 1e-9
    return full, fits, "x V Sigma U^T + b = x W^T + b; error = norm of the dropped values"


def smooth_l1_slope():
    x = torch.linspace(-4, 4, 801, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.smooth_l1(x, torch.zeros_like(x), beta=1.0).sum(), x)
    largest = slope.abs().max().item()
    fits = largest == stated("frcn-smooth-l1") and torch.allclose(slope, x.clamp(-1, 1))
    return largest, fits, "clip(x, -1, 1)"


def _multiply_adds(layers: nn.Module, *shape: int) -> int:
    """The work of layers on an input of this shape."""
    with FlopCounterMode(display=False) as counter:
        layers(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2


def hierarchical_sampling():
    """Work of a batch of 128 RoIs from 128 images over that of 64 from each of 2; both run 128 heads."""
    net = paper_nets.vgg16()
    of_an_image = _multiply_adds(net.features[:-1], 1, 3, 600, 1000)
    of_the_heads = 128 * _multiply_adds(net.classifier, 1, 512 * 7 * 7)
    times = (128 * of_an_image + of_the_heads) / (2 * of_an_image + of_the_heads)
    formula = "(128 images + 128 heads) / (2 images + 128 heads), in multiply-adds of VGG16"
    return times, abs(times / stated("frcn-hier-sampling") - 1) < 0.05, formula


def roi_pool_gradient():
    """Two overlapping RoIs pooled to 2 x 2 bins: each bin's slope goes to the cell of its maximum."""
    torch.manual_seed(0)
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 0, 0, 4, 4], [0, 2, 2, 8, 8]], dtype=torch.float64)
    upstream = torch.randn(2, 2, 2, 2, dtype=torch.float64)
    pooled = roi_pooling.pool({0: x}, rois, roi_pooling.RoIConfig(side=2))
    (grad,) = torch.autograd.grad((pooled * upstream).sum(), x)
    expected = torch.zeros_like(grad)
    for r, (_, x1, y1, x2, y2) in enumerate(rois.long().tolist()):
        h, w = (y2 - y1) // 2, (x2 - x1) // 2  # of a bin
        for c, i, j in itertools.product(range(2), repeat=3):  # channel, row and column of the bin
            top, left = y1 + i * h, x1 + j * w
            largest = int(x[0, c, top:top + h, left:left + w].argmax())
            expected[0, c, top + largest // w, left + largest % w] += upstream[r, c, i, j]
    error = (grad - expected).abs().max().item()
    return error, error < 1e-12, "dL/dx_i = sum over r, j of [i = argmax(r, j)] dL/dy_rj"


def box_loss_of_class():
    """Which of the four outputs of 20 classes get a gradient from the library's loss of six RoIs."""
    torch.manual_seed(0)
    labels, rois = torch.tensor([0, 3, 20, 0, 1, 7]), torch.tensor([[0.0, 10, 10, 60, 90]]).repeat(6, 1)
    deltas = torch.randn(6, 20, 4, requires_grad=True)
    loss = roi_training.losses(torch.randn(6, 21), deltas, rois, labels, rois[:, 1:] + 5)["box"]
    (grad,) = torch.autograd.grad(loss, deltas)
    learns, quiet = (grad != 0).all(-1), (grad == 0).all(-1)                   # (6, 20)
    expected = F.one_hot(labels, 21)[:, 1:].bool()                             # (6, 20)
    fits = torch.equal(learns, expected) and torch.equal(quiet, ~expected)
    formula = "[u >= 1] L_loc(t^u, v): learning groups of four, of 6 RoIs and 20 classes"
    return int(learns.sum()), fits, formula


def roi_pool_is_one_level():
    torch.manual_seed(0)
    errors = []
    for h, w in ((14, 14), (13, 17), (20, 9)):
        x = torch.randn(1, 3, h, w)
        pooled = roi_pooling.pool({0: x}, torch.tensor([[0, 0, 0, float(w), float(h)]]))
        errors.append((pooled - F.adaptive_max_pool2d(x, 7)).abs().max().item())
    return max(errors), max(errors) == 0, "RoI pooling of the whole map = adaptive_max_pool to 7 x 7"


def effective_stride():
    scale = min(600 / 384, 1000 / 473)
    step = paper_nets.receptive_field(paper_nets.vgg16().features[:-1])[1] / scale
    enlarged, stride = stated("frcn-stride-10")
    fits = agrees(scale, enlarged, 1) and agrees(step, stride)
    return [scale, step], fits, "min(600 / 384, 1000 / 473); 16 / scale"


def trained_convolutions():
    pools = count = 0
    for layer in paper_nets.vgg16().features:
        if isinstance(layer, nn.MaxPool2d):
            pools += 1
        elif isinstance(layer, nn.Conv2d) and pools >= 2:
            count += 1
    return count, count == stated("frcn-9of13"), "convolutions after the second pooling"


# a time, the speed-up printed for it, and half of the last printed digit of R-CNN's time and of Fast R-CNN's
TIMES = (
    ("train time", "train speedup", 0.5, 0.05),
    ("test rate", "test speedup", 0.05, 0.005),
    ("test rate with SVD", "test speedup with SVD", 0.05, 0.005))


def speedups():
    """Printed speed-ups of S, M, L lie within the quotients that the rounded times allow."""
    table, quotients, fits = printed("fast_rcnn/4"), {}, True
    for net in "SML":
        fast, slow = table[f"FRCN {net}"], table[f"R-CNN {net}"]
        for time, speedup, half_slow, half_fast in TIMES:
            base = slow[time.removesuffix(" with SVD")]
            quotients[f"{net}, {speedup}"] = base / fast[time]
            low = (base - half_slow) / (fast[time] + half_fast)
            high = (base + half_slow) / (fast[time] - half_fast)
            fits = fits and low <= fast[speedup] <= high
    large = table["FRCN L"]
    in_the_text = [large["test speedup"], large["test speedup with SVD"], large["train speedup"]]
    fits = fits and in_the_text == stated("frcn-speed-arithmetic")
    return quotients, fits, "time of R-CNN / time of the column"


FACTS = {
    "frcn-svd-fc6": svd_fc6,
    "frcn-svd-fc7": svd_fc7,
    "frcn-svd-two-layers": svd_two_layers,
    "frcn-smooth-l1": smooth_l1_slope,
    "frcn-hier-sampling": hierarchical_sampling,
    "frcn-roipool-backward": roi_pool_gradient,
    "frcn-bg-no-loc": box_loss_of_class,
    "frcn-roipool-is-spp1": roi_pool_is_one_level,
    "frcn-stride-10": effective_stride,
    "frcn-9of13": trained_convolutions,
    "frcn-speed-arithmetic": speedups,
}
