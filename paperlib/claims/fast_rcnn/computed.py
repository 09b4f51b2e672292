"""The exact claims of Fast R-CNN, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import ops

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts import losses
from paperlib.parts.heads import truncated


def _svd_sizes(layer: nn.Linear, kept: int) -> list[float]:
    u, v = layer.out_features, layer.in_features
    return [u * v / 1e6, kept * (u + v) / 1e6]


def svd_fc6():
    sizes = _svd_sizes(paper_nets.vgg16().classifier[0], 1024)
    return sizes, all(map(agrees, sizes, stated("frcn-svd-fc6"), (1, 1))), "u v and 1024 (u + v), u = 4096, v = 25088"


def svd_fc7():
    sizes = _svd_sizes(paper_nets.vgg16().classifier[3], 256)
    fits = all(map(agrees, sizes, stated("frcn-svd-fc7"), (1, 1)))
    return sizes, fits and sizes[0] == 8 * sizes[1], "u v and 256 (u + v), u = v = 4096"


def svd_two_layers():
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 24, dtype=torch.float64), torch.randn(32, 40, dtype=torch.float64)
    full = (truncated(layer, 24)(x) - layer(x)).abs().max().item()
    pair = truncated(layer, 8)
    lost = torch.linalg.matrix_norm(pair[1].weight @ pair[0].weight - layer.weight).item()
    tail = torch.linalg.svdvals(layer.weight)[8:].square().sum().sqrt().item()
    return full, max(full, abs(lost - tail)) < 1e-9, "x V Sigma U^T + b = x W^T + b; error = norm of the dropped values"


def smooth_l1_slope():
    x = torch.linspace(-4, 4, 801, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(losses.smooth_l1(x, torch.zeros_like(x), beta=1.0).sum(), x)
    largest = slope.abs().max().item()
    return largest, largest == stated("frcn-smooth-l1") and torch.allclose(slope, x.clamp(-1, 1)), "clip(x, -1, 1)"


def hierarchical_sampling():
    saved = 128 / 2
    return saved, saved == stated("frcn-hier-sampling"), "trunk passes over 128 images / over 2 images"


def roi_pool_gradient():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor([[0, 0, 0, 3, 3], [0, 2, 2, 7, 7]], dtype=torch.float64)  # overlap; the last px is included
    upstream = torch.randn(2, 2, 2, 2, dtype=torch.float64)
    (grad,) = torch.autograd.grad((ops.roi_pool(x, rois, 2) * upstream).sum(), x)
    expected = torch.zeros_like(grad)
    for r, (_, x1, y1, x2, y2) in enumerate(rois.long().tolist()):
        h, w = (y2 + 1 - y1) // 2, (x2 + 1 - x1) // 2
        for c, i, j in torch.cartesian_prod(*[torch.arange(2)] * 3).tolist():
            top, left = y1 + i * h, x1 + j * w
            at = int(x[0, c, top:top + h, left:left + w].argmax())
            expected[0, c, top + at // w, left + at % w] += upstream[r, c, i, j]
    error = (grad - expected).abs().max().item()
    return error, error < 1e-12, "dL/dx_i = sum over r, j of [i = argmax(r, j)] dL/dy_rj"


def box_loss_of_class():
    torch.manual_seed(0)
    outputs, labels = torch.randn(6, 21, 4, requires_grad=True), torch.tensor([0, 3, 20, 0, 1, 7])
    own = outputs[torch.arange(6), labels]
    loss = (losses.smooth_l1(own, torch.randn(6, 4)).sum(1) * (labels >= 1)).sum()
    (grad,) = torch.autograd.grad(loss, outputs)
    learns = (grad != 0).all(-1)
    right = (F.one_hot(labels, 21) * (labels >= 1)[:, None]).bool()
    quiet = (grad == 0).all(-1)
    return int(learns.sum()), bool((learns == right).all() and (quiet == ~right).all()), "[u >= 1] L_loc(t^u, v)"


def roi_pool_is_one_level():
    torch.manual_seed(0)
    errors = []
    for h, w in ((14, 14), (13, 17), (20, 9)):
        x = torch.randn(1, 3, h, w)
        pooled = ops.roi_pool(x, torch.tensor([[0, 0, 0, w - 1.0, h - 1.0]]), 7)
        errors.append((pooled - F.adaptive_max_pool2d(x, 7)).abs().max().item())
    return max(errors), max(errors) == 0, "roi_pool over the whole map = adaptive_max_pool to 7 x 7"


def effective_stride():
    scale = min(600 / 384, 1000 / 473)
    step = paper_nets.receptive_field(paper_nets.vgg16().features[:-1])[1] / scale
    enlarged, stride = stated("frcn-stride-10")
    return [scale, step], agrees(scale, enlarged, 1) and agrees(step, stride), "min(600 / 384, 1000 / 473); 16 / scale"


def trained_convolutions():
    pools = [i for i, m in enumerate(paper_nets.vgg16().features) if isinstance(m, nn.MaxPool2d)]
    count = sum(isinstance(m, nn.Conv2d) for m in paper_nets.vgg16().features[pools[1]:])
    return count, count == stated("frcn-9of13"), "convolutions after the second pooling"


TIMES = (("train time", "train speedup", 0.5, 0.05),  # half of the last printed digit: R-CNN's time, Fast R-CNN's
         ("test rate", "test speedup", 0.05, 0.005), ("test rate with SVD", "test speedup with SVD", 0.05, 0.005))


def speedups():
    """Printed speed-ups of S, M, L lie within the quotients that the rounded times allow."""
    table, plain, possible = printed("fast_rcnn/4"), {}, []
    for net in "SML":
        fast, slow = table[f"FRCN {net}"], table[f"R-CNN {net}"]
        for time, ratio, half_slow, half_fast in TIMES:
            base = slow[time.removesuffix(" with SVD")]
            low, high = (base - half_slow) / (fast[time] + half_fast), (base + half_slow) / (fast[time] - half_fast)
            plain[f"{net}, {ratio}"] = base / fast[time]
            possible.append(low <= fast[ratio] <= high)
    stated_here = [table["FRCN L"][k] for k in ("test speedup", "test speedup with SVD", "train speedup")]
    return plain, all(possible) and stated_here == stated("frcn-speed-arithmetic"), "time of R-CNN / time of the column"


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
