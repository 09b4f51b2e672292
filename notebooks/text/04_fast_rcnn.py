# %% [markdown]
# # 04 · Fast R-CNN
#
# **Paper:** Girshick, *Fast R-CNN* (arXiv 1504.08083v2), Sections 2 to 5.
# **Before this:** boxes, deltas and per-class scores (notebook 03), scoring (notebook 02).
#
# <!-- minutes -->reading: about 20 min; CPU: 1 min on 2 CPU cores; older CPU: 2.5 min on 2 CPU cores; GPU: not measured yet<!-- /minutes -->
# Everything here runs on a CPU; a GPU only makes the live training faster.

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # "smoke" runs every cell in seconds, without waiting for a good model
SEED = 0
DEVICE = None  # "cpu", "cuda", "mps"; None takes the best there is
DATA = "minivoc"  # the embedded set, or the path of a COCO or VOC folder
SIZE = 128  # px; pictures of your own are shrunk to it for the live runs, embedded sets stay as they are
RERUN = False  # True: run the rows of the tables again instead of showing the recorded ones

# %%
import sys
if "google.colab" in sys.modules:  # fetch the course and what Colab lacks; leave Colab's own torch and NumPy alone
    address = os.environ.get("PAPERLIB_REPOSITORY") or input("Address of the repository of this notebook: ")
    # !git clone -q --depth 1 {address} course
    # %pip install -q pycocotools safetensors
    # %cd -q course/notebooks
    sys.path.insert(0, "..")

# %% [markdown]
# ## After this you can
#
# - pool a fixed grid of features from a region of any size, by hand, and say where its gradient goes;
# - say what RoIAlign repairs, and show it by sliding a box;
# - write the multi-task loss, and choose the regions that it is computed on;
# - thin out a trained layer by its singular values, and weigh the time saved against the accuracy lost;
# - read the paper's ablations beside our own.
#
# **A question before you read on.** R-CNN runs its network on every proposal, a thousand of them an image. How often does it
# look at the same pixel?

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch

from paperlib.config import override
from paperlib.data.given_proposals import dense_boxes, with_proposals
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.parts import boxes, losses, roi_pooling, roi_training
from paperlib.parts.proposals import ProposalSource
from paperlib.progress import progress
from paperlib.teach import draw
from paperlib.teach.exercises import check, predict, quiz, reveal, score
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames
from paperlib.training.recipes import budget, system_config

draw.style()
device, plan = pick_device(DEVICE), budget(BUDGET)
DATA = small_copy(DATA, SIZE, "trainval", "test")
recipe = override(plan.recipe("fast_rcnn"), {"data": DATA, "train": "trainval", "test": "test"})
smoke = plan.name == "smoke"

# %% [markdown]
# ## The problem in one picture
#
# Selective search glues an image's segments together, from small to large, and proposes a box around every stage of the way.
# Its boxes overlap heavily. The right panel counts, for each pixel, how many of the proposals contain it.

# %%
source = ProposalSource()
test = with_proposals(load(DATA, recipe.test, limit=16 if smoke else 60), source)


def margin(i):
    """How far the largest of three to five objects stays from the image's border, px; 0 for other images."""
    b, size = test.target(i)["boxes"], min(test.target(i)["size"])
    big = b[boxes.area(b).argmax()] if 3 <= len(b) <= 5 else torch.tensor([0.0])
    return float(min(big.min(), size - big.max()))


pick = max(range(len(test)), key=margin)
image, target = test[pick]
given = target["proposals"]

# %%
rows, columns = torch.arange(image.shape[1])[:, None], torch.arange(image.shape[2])
covered = sum(((columns >= b[0]) & (columns < b[2]) & (rows >= b[1]) & (rows < b[3])).int() for b in given)
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.8))
draw.boxes_on(left, image, given[:40], colors=draw.PALETTE["blue"], text=False)
draw.boxes_on(left, None, target["boxes"], target["labels"], classes=test.classes, colors=draw.PALETTE["vermillion"])
left.set_title(f"the first 40 of {len(given)} proposals, and the objects")
shown = right.imshow(covered, cmap="cividis")
right.set(title="proposals that contain a pixel", xticks=[], yticks=[])
fig.colorbar(shown, ax=right)
print(f"A pixel of this image lies in {covered.float().mean():.0f} proposals on average, and in up to {int(covered.max())}.")
draw.show(fig, f"A drawn scene with 40 of its {len(given)} proposals; beside it a map of how many proposals contain each pixel, "
               f"{covered.float().mean():.0f} on average and {int(covered.max())} at most.")

# %% [markdown]
# R-CNN cuts out every one of these boxes, warps it, and computes all convolutions anew. **Fast R-CNN** computes them once an
# image. Each proposal then only *reads* its part of the common map.
#
# How good are the proposals? A box can be found only if some proposal overlaps it by an IoU of one half. The dashed
# line is a grid of boxes laid over every image alike.

# %%
best = [boxes.iou(t["boxes"], t["proposals"]) for t in map(test.target, range(len(test))) if len(t["boxes"])]
grid = dense_boxes(tuple(image.shape[1:]))
on_grid = torch.cat([boxes.iou(test.target(i)["boxes"], grid).amax(1) for i in range(len(test))])
counts = [1, 3, 10, 30, 100, 300, 1000]
recall = [float((torch.cat([b[:, :n].amax(1) for b in best]) >= 0.5).float().mean()) for n in counts]
fig, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(counts, recall, "o-", label="selective search, best n")
ax.axhline(float((on_grid >= 0.5).float().mean()), ls="--", color=draw.PALETTE["vermillion"], label=f"grid of {len(grid):,}")
ax.set(xscale="log", xlabel="proposals an image", ylabel="objects found at IoU .5", ylim=(0, 1), xticks=counts, xticklabels=counts)
ax.minorticks_off()
ax.legend()
draw.show(fig, f"Recall at IoU one half rises with the number of proposals from {recall[0]:.2f} to {recall[-1]:.2f}; "
               f"a fixed grid of {len(grid)} boxes reaches {float((on_grid >= 0.5).float().mean()):.2f}.")

# %% [markdown]
# ## Reading a region: RoI pooling
#
# A fully connected layer wants inputs of one size, and regions have all sizes. **RoI pooling** (Sec. 2.1) lays a grid of
# $H \times W$ cells over the region, on the feature map, and keeps the largest value of each cell. With $x_i$ the values of
# the map and $y_{rj}$ the output of cell $j$ of region $r$,
#
# $$y_{rj} = x_{i^*(r,j)}, \qquad i^*(r,j) = \operatorname{argmax}_{i \in \mathcal{R}(r,j)} x_i ,$$
#
# where $\mathcal{R}(r,j)$ are the places of that cell. Each output is a copy of one input, so in training the gradient
# goes back to that input alone, and adds up where several regions chose the same one (Eq. 4):
#
# $$\frac{\partial L}{\partial x_i} = \sum_r \sum_j \,[\,i = i^*(r,j)\,]\; \frac{\partial L}{\partial y_{rj}} .$$
#
# | symbol | variable | meaning |
# |---|---|---|
# | $x$ | `features` | {level: (N, C, H/2^l, W/2^l)}; stride $2^l$ px |
# | $r$ | `given` | (R, 5): number of the image in the batch, then the box in px |
# | $y$ | `pooled` | (R, C, side, side) |
#
# A loop, one cell at a time. The corners are rounded to whole places of the map, and the last place belongs to the region.

# %% tags=["derive"]
import math


def pool_slow(x, given, side, stride):
    """y (R, C, side, side) and, for each value, the place i* that it came from."""
    out, where = [], []
    for n, x1, y1, x2, y2 in given.tolist():
        left, top, right, bottom = (math.floor(v / stride + 0.5) for v in (x1, y1, x2 - 1, y2 - 1))
        h, w = max(bottom - top + 1, 1) / side, max(right - left + 1, 1) / side
        for i in range(side):
            for j in range(side):
                up, low = (max(top + f, 0) for f in (math.floor(i * h), math.ceil((i + 1) * h)))
                a, b = (max(left + f, 0) for f in (math.floor(j * w), math.ceil((j + 1) * w)))
                cell = x[int(n), :, up:low, a:b]                                     # the places R(r, j)
                best = cell.flatten(1).argmax(1)
                out.append(cell.flatten(1).gather(1, best[:, None])[:, 0])
                where.append((up + best // cell.shape[2]) * x.shape[3] + a + best % cell.shape[2])
    shape = len(given), side, side, x.shape[1]
    return torch.stack(out).view(shape).permute(0, 3, 1, 2), torch.stack(where).view(shape).permute(0, 3, 1, 2)


x = torch.arange(64, dtype=torch.float64).view(1, 1, 8, 8)
y, _ = pool_slow(x, torch.tensor([[0, 8, 8, 56, 40]], dtype=torch.float64), 2, stride=8)
print("a map that counts its places, a region of 6 x 4 of them, pooled to 2 x 2:\n", y[0, 0].long().tolist())

# %% [markdown]
# Now random maps and regions, and the gradient by Eq. 4 from the remembered places, in double precision.

# %% tags=["agree"]
seed_all(SEED)
x = torch.randn(2, 3, 12, 12, dtype=torch.float64, requires_grad=True)
corner, sides = torch.rand(10, 2) * 50, torch.rand(10, 2) * 40 + 4
regions = torch.cat([torch.arange(10)[:, None] % 2, corner, corner + sides], 1).double()
upstream = torch.randn(10, 3, 5, 5, dtype=torch.float64)
pooled = roi_pooling.pool({3: x}, regions, roi_pooling.RoIConfig(side=5))
slow, place = pool_slow(x, regions, 5, stride=8)
torch.testing.assert_close(pooled, slow)
(grad,) = torch.autograd.grad((pooled * upstream).sum(), x)
by_hand = torch.zeros_like(x)
for r in range(10):                                                                  # Eq. 4
    by_hand[int(regions[r, 0])].flatten(1).scatter_add_(1, place[r].flatten(1), upstream[r].flatten(1))
torch.testing.assert_close(grad, by_hand)
draw.source(roi_pooling.pool)

# %% [markdown]
# ## Slide the box: what rounding costs
#
# Our map has one place for every 8 px. Rounding moves a left or upper edge by up to 4 px. The last place belongs to the region, so a right or
# lower edge moves outward, by 3 to 11 px. A box that moves by a few px may not be noticed. **RoIAlign** (a later idea, from Mask R-CNN) rounds nothing: it reads a few points in each cell, each between
# four places. Move the box: red is the box, dashed blue what RoI pooling makes of it, the dots are where RoIAlign reads.

# %%
stride, side = 8, 3
wanted = target["boxes"][(boxes.area(target["boxes"])).argmax()]


def slide(ax, shift):
    box = wanted + torch.tensor([shift, 0.0, shift, 0.0])
    ax.imshow(draw.as_rgb(image), extent=(0, image.shape[2], image.shape[1], 0), alpha=0.75)
    ax.set_xticks(range(0, image.shape[2] + 1, stride), [])
    ax.set_yticks(range(0, image.shape[1] + 1, stride), [])
    ax.grid(color="white", lw=0.6)
    whole = [math.floor(v / stride + 0.5) for v in (box - torch.tensor([0.0, 0, 1, 1])).tolist()]
    x1, y1, x2, y2 = (stride * v for v in (whole[0], whole[1], whole[2] + 1, whole[3] + 1))
    ax.add_patch(plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=draw.PALETTE["blue"], lw=2.2, ls="--"))
    ax.add_patch(plt.Rectangle(box[:2], *(box[2:] - box[:2]), fill=False, ec=draw.PALETTE["vermillion"], lw=2))
    steps = (torch.arange(2 * side) + 0.5) / (2 * side)
    px, py = (box[i] + steps * (box[i + 2] - box[i]) for i in (0, 1))
    ax.plot(*(p.flatten() for p in torch.meshgrid(px, py, indexing="ij")), ".", ms=4, color=draw.PALETTE["black"])
    ax.set(xlim=(wanted[0] - 20, wanted[2] + 20), ylim=(wanted[3] + 20, wanted[1] - 20))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


explore(slide, "An object's box in red, the whole places that RoI pooling takes dashed in blue, and RoIAlign's points",
        size=(4.6, 4.6), shift=(-8.0, 8.0, 1.0, 0.0))

# %%
fig = frames(slide, [{"shift": s} for s in (-4.0, -2.0, 0.0, 2.0, 4.0, 6.0)], size=(2.7, 2.3))
draw.show(fig, "Six panels in which the red box moves right by 2 px at a time. The dashed box of RoI pooling stays, then jumps by "
               "a whole place of 8 px; RoIAlign's points move along with the box.")

# %% [markdown]
# Which places belong to which cell? **Drag the dashed box, or one of its corners** (with a keyboard: Tab, then the arrows). Blue is what
# RoI pooling reads of it, and the thin boxes are its $3 \times 3$ cells. Where the places cannot be shared out evenly, neighbours overlap.

# %%
from paperlib.teach.boxes.board import drag
from paperlib.teach.boxes.regions import RoIScene

scene = RoIScene(image.float() / 255, wanted, stride, side)
drag(scene.board())

# %%
fig = frames(scene.picture, [{}, {"right": 4.0}, {"wider": -12.0}], size=(3.0, 3.2))
draw.show(fig, "Three panels of a scene under the lines of a map, with a box dashed in red, the whole places that are read in blue, and the nine "
               "cells in thin black lines. The box as it is, 4 px further right, and 12 px narrower: the cells jump from line to line, and some overlap.")

# %% [markdown]
# The same as numbers: how much do the pooled values change when the box moves by a quarter of a pixel? We read the finest
# map of a small network, before any training.

# %%
from paperlib.parts.trunks import TrunkConfig, trunk

seed_all(SEED)
with torch.no_grad():
    features = {3: trunk(TrunkConfig("small"))(image[None])[3]}
shifts = torch.arange(-8, 8.01, 0.25)
moved = torch.stack([wanted + s * torch.tensor([1.0, 0, 1, 0]) for s in shifts])
fig, ax = plt.subplots(figsize=(7, 3.2))
jumps = {}
for kind, label in (("max", "RoI pooling"), ("align", "RoIAlign")):
    read = roi_pooling.pool(features, roi_pooling.to_rois([moved]), roi_pooling.RoIConfig(kind, side=side)).flatten(1)
    change = (read[1:] - read[:-1]).norm(dim=1) / read.norm(dim=1).mean()
    jumps[label] = float((change < 1e-6).float().mean())
    ax.plot(shifts[1:], change, "o-" if kind == "max" else "-", ms=3, label=label)
ax.set(xlabel="shift of the box, px", ylabel="change of the window\nfor 1/4 px (relative)")
ax.legend()
draw.show(fig, f"Change of the pooled window for each quarter pixel: RoI pooling is exactly 0 in {jumps['RoI pooling']:.0%} of the "
               f"steps with spikes between; RoIAlign changes a little at every step.")

# %% [markdown]
# ## One loss for two tasks
#
# A small network reads each window: two fully connected layers (fc6, fc7), then two sisters. One gives $K+1$ logits, whose
# softmax is $p = (p_0, \dots, p_K)$; class 0 is background. The other gives four numbers $t^k$ **for each class** $k$: how to
# move the proposal if the object is a $k$. A region of true class $u$ with regression target $v$ costs (Eq. 1 to 3)
#
# $$L = -\log p_u + \lambda\,[u \ge 1] \sum_{i \in \{x,y,w,h\}} \mathrm{smooth}_{L_1}(t^u_i - v_i), \qquad
# \mathrm{smooth}_{L_1}(d) = \begin{cases} d^2/2 & |d| < 1 \\ |d| - 1/2 & \text{otherwise.} \end{cases}$$
#
# The targets $v$ are divided by their usual size (0.1 for $t_x, t_y$ and 0.2 for $t_w, t_h$), so that they have about unit
# variance; `roi_training.encode` computes them. The weight $\lambda$ is 1. Three regions by hand: a cat told well, a cat told as a
# dog, and background.

# %% tags=["derive"]
def loss_slow(logits, deltas, u, v, weight=1.0):
    cls, box = 0.0, 0.0
    for row, t, k, goal in zip(logits.tolist(), deltas.tolist(), u.tolist(), v.tolist()):
        cls += math.log(sum(math.exp(z) for z in row)) - row[k]                       # -log p_u
        if k >= 1:                                                                   # [u >= 1]
            for ours, wanted in zip(t[k - 1], goal):
                d = abs(ours - wanted)
                box += d * d / 2 if d < 1 else d - 0.5
    return cls / len(u), weight * box / len(u)


logits = torch.tensor([[0.0, 3.0, 1.0], [0.0, 1.0, 3.0], [4.0, 0.0, 0.0]], dtype=torch.float64)   # background, cat, dog
deltas, u = torch.zeros(3, 2, 4, dtype=torch.float64), torch.tensor([1, 1, 0])
src = torch.tensor([[10.0, 10, 50, 50], [20, 10, 60, 50], [80, 80, 100, 100]], dtype=torch.float64)
dst = torch.tensor([[12.0, 10, 52, 50], [12, 10, 52, 50], [80, 80, 100, 100]], dtype=torch.float64)
v = roi_training.encode(src, dst)
print("normalised targets of the two cats:", [[round(n, 2) for n in row] for row in v[:2].tolist()])
print("class loss {:.3f}, box loss {:.3f}".format(*loss_slow(logits, deltas, u, v)))

# %% tags=["agree"]
parts = roi_training.losses(logits, deltas, roi_pooling.to_rois([src]), u, dst)
torch.testing.assert_close(torch.stack([parts["cls"], parts["box"]]), torch.tensor(loss_slow(logits, deltas, u, v)).double())
draw.source(roi_training.losses)

# %% [markdown]
# Background has no box, and of a cat's outputs only the four for *cat* learn. Why not simply squares? Because a bad
# proposal may be off by ten units, and the slope of a square grows with the error.

# %%
predict("Squares (d^2 / 2) and smooth L1, at an error of 10: how many times larger is the slope of the square?", "slope")

# %%
d = torch.tensor([10.0], requires_grad=True)
(steep,) = torch.autograd.grad((d * d / 2).sum(), d)
(flat,) = torch.autograd.grad(losses.smooth_l1(d, torch.zeros(1)).sum(), d)
reveal("slope", float(steep / flat), "The slope of smooth L1 never exceeds 1, so one wild region cannot drown the rest.")

# %%
def both_losses(ax, beta=1.0):
    d = torch.linspace(-5, 5, 201, requires_grad=True)
    for name, loss, color in (("squares", d * d / 2, "blue"), ("smooth L1", losses.smooth_l1(d, torch.zeros(201), beta), "vermillion")):
        (slope,) = torch.autograd.grad(loss.sum(), d)
        ax.plot(d.detach(), loss.detach(), "-", color=draw.PALETTE[color], label=f"{name}: loss")
        ax.plot(d.detach(), slope, "--", color=draw.PALETTE[color], label=f"{name}: slope")
    ax.set(ylim=(-4, 8), xlim=(-5, 5))


def with_legend(ax, beta):
    both_losses(ax, beta)
    ax.set(xlabel="error d (normalised)", ylabel="loss, slope")
    ax.legend(fontsize=8)


explore(with_legend, "Squares and smooth L1 with their slopes; beta is where the parabola ends", beta=(0.1, 3.0, 0.1, 1.0))

# %%
fig = frames(both_losses, [{"beta": b} for b in (0.2, 1.0, 3.0)], share=True)
fig.supxlabel("error d; solid: loss, dashed: slope; blue: squares, red: smooth L1", fontsize=10)
draw.show(fig, "Three panels for beta 0.2, 1 and 3: the slope of squares grows without end, that of smooth L1 stops at 1, the "
               "later the larger beta is.")

# %% [markdown]
# ## Which regions train
#
# A batch has two images and 64 regions of each: sharing two maps among 128 regions is what makes training cheap (Sec. 2.3). A
# quarter shows objects (IoU of at least one half). The rest is background with an IoU of **at least 0.1**: what touches an
# object without showing it is what a classifier confuses. Move the lower bound.

# %%
def sampled(ax, low=0.1):
    seed_all(SEED)
    cfg = roi_training.RoISampleConfig(background=(low, 0.5))
    chosen, labels, _ = roi_training.sample_rois([given], [target], cfg)
    draw.boxes_on(ax, image, chosen[labels == 0, 1:], colors=draw.PALETTE["sky"], text=False)
    draw.boxes_on(ax, None, chosen[labels > 0, 1:], colors=draw.PALETTE["vermillion"], text=False)
    ax.text(2, image.shape[-2] - 2, f"{int((labels > 0).sum())} objects, {int((labels == 0).sum())} background", fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})


explore(sampled, "The sampled regions: objects in red, background in blue", size=(4.6, 4.6), low=(0.0, 0.4, 0.1, 0.1))

# %%
fig = frames(sampled, [{"low": v} for v in (0.0, 0.1, 0.3)], size=(2.9, 3.0))
draw.show(fig, "Three panels of sampled regions. With bound 0 background boxes lie anywhere, with 0.1 all touch an object, with 0.3 "
               "they crowd around the objects.")

# %% [markdown]
# ## A live training
#
# Model S, the smallest of the paper's three (here five convolutions and two layers of 192), on a part of MiniVOC. Its
# convolutions, fc6 and fc7 start from MiniNet, the first convolution stays fixed; the two sisters start from noise.

# %%
from paperlib.data.batches import Batches
from paperlib.systems.registry import SYSTEMS
from paperlib.training.loop import fit

train_set = with_proposals(load(DATA, recipe.train, limit=32 if smoke else 240), source)
live = replace(recipe, steps=recipe.steps if smoke else 1500)
cfg = system_config("fast_rcnn", recipe, len(test.classes))
seed_all(SEED)
system = SYSTEMS["fast_rcnn"](cfg)
run = fit(system, Batches(train_set, live.batch, SEED), live, device, SEED)
history = list(progress(run, total=live.steps, desc="Fast R-CNN"))
print(f"{live.steps} steps of {live.batch} images and {live.batch * cfg.sample.num} regions; "
      f"loss {history[0]['loss']:.2f} at first, {history[-1]['loss']:.2f} at last")

# %%
fig, ax = plt.subplots(figsize=(6, 3.2))
for part, label in (("cls", "class (log loss)"), ("box", "box (smooth L1)")):
    ax.plot(draw.smooth([record[part] for record in history], 40), label=label, marker="o" if smoke else None)
ax.set(xlabel="step", ylabel="loss, mean of 40 steps", ylim=(0, None))
ax.legend()
draw.show(fig, "Two curves over training steps: the class loss falls from the start, the box loss is smaller throughout.")

# %%
chosen = [i for i in range(len(test)) if 1 <= len(test.target(i)["boxes"]) <= 4][:4]
pictures = torch.stack([test.image(i) for i in chosen]).to(device)
found = system.eval().detect(pictures, proposals=[test.proposals[i].to(device) for i in chosen])
fig, axes = plt.subplots(2, len(chosen), figsize=(9, 4.8))
for column, i, each in zip(axes.T, chosen, found):
    draw.boxes_on(column[0], test.image(i), test.target(i)["boxes"], test.target(i)["labels"], classes=test.classes)
    top = slice(0, 4)
    draw.boxes_on(column[1], test.image(i), each["boxes"].cpu()[top], each["labels"].cpu()[top], each["scores"].cpu()[top],
                  classes=test.classes)
axes[0, 0].set_title("ground truth", loc="left", fontweight="bold")
axes[1, 0].set_title("live run, four best", loc="left", fontweight="bold")
draw.show(fig, "Four test scenes: above the ground truth, below the four best detections of the short live run with their scores.")

# %% [markdown]
# ## Thinner layers: truncated SVD
#
# With a thousand regions, fc6 and fc7 are run a thousand times an image, the convolutions once. Any matrix is
# $W = U \Sigma V^T$. Keeping the $t$ largest singular values replaces one layer of $uv$ weights by two of $t(u+v)$ together.
# First comes $\Sigma_t V^T$ without bias, then $U$ with the old bias (Sec. 3.1, Eq. 5). No training is needed. Let us thin
# our live network, and measure what it costs and saves.

# %%
import copy

from paperlib.clock import busy
from paperlib.scoring.coco_metrics import voc_ap
from paperlib.scoring.detect import detect_all


@torch.no_grad()
def seconds(model, regions=1000, repeats=5):
    window, times = torch.randn(regions, system.head.fc6.in_features, device=device), []
    for _ in range(repeats):
        start = busy(device)                                         # core-seconds on a CPU
        model.head.features(window).sum().item()
        times.append(busy(device) - start)
    return min(times)


def thin(kept):
    model = copy.deepcopy(system).eval()
    model.compress((kept, kept))
    return model


# %%
ranks = (4, 96) if smoke else (2, 4, 8, 16, 32, 64, 128)
models = {0: system.eval()} | {t: thin(t) for t in ranks}
curve = {t: (voc_ap(test, detect_all(m, test, device), 2007)["mAP"], 1000 * seconds(m),
             sum(p.numel() for n in ("fc6", "fc7") for p in getattr(m.head, n).parameters())) for t, m in models.items()}

# %%
values = {name: torch.linalg.svdvals(getattr(system.head, name).weight.detach()).cpu() for name in ("fc6", "fc7")}


def svd_at(ax, rank):
    for (name, s), color in zip(values.items(), ("blue", "vermillion")):
        energy = s.square().cumsum(0) / s.square().sum()
        ax.plot(range(1, len(s) + 1), energy, "-", color=draw.PALETTE[color], label=f"{name}: {energy[rank - 1]:.0%}")
        u, v_ = getattr(system.head, name).weight.shape
        ax.plot(rank, min(rank * (u + v_) / (u * v_), 1.5), "s", color=draw.PALETTE[color], label="weights needed")
    ax.plot([rank, rank], [0, 1.1], ":", color="black", lw=0.8)
    ax.set(xlabel="singular values kept, t", ylabel="share of the squared weights", ylim=(0, 1.6))
    ax.legend(fontsize=8, loc="upper center", ncols=2, columnspacing=0.8, handlelength=1)


explore(svd_at, "How much of fc6 and fc7 the largest singular values hold, and how many weights that takes", rank=(2, 192, 2, 48))

# %%
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.4))
svd_at(left, 48)
whole = curve[0]
for ax, i, times, label in ((middle, 0, 100, "mAP (test images above), %"), (right, 1, 1, "ms for 1000 regions")):
    ax.plot(ranks, [times * curve[t][i] for t in ranks], "o-", label="thinned")
    ax.axhline(times * whole[i], ls="--", color=draw.PALETTE["vermillion"], label="whole layers")
    ax.set(xscale="log", xlabel="t of fc6 and fc7", ylabel=label, ylim=(0, None), xticks=ranks, xticklabels=ranks)
    ax.minorticks_off()
right.legend()
enough = min((t for t in ranks if curve[t][0] >= 0.95 * whole[0]), default=max(ranks))
draw.show(fig, f"Left: share of squared weights against kept singular values, fc7 rising faster. Middle and right: mAP and time against "
               f"t. With t = {enough} mAP is {100 * curve[enough][0]:.1f} against {100 * whole[0]:.1f} of the whole layers, "
               f"with {curve[enough][2] / whole[2]:.0%} of the weights and {curve[enough][1] / whole[1]:.0%} of their time.")

# %% [markdown]
# Where does an image's time go (the paper's Fig. 2)? The same network, before and after, stage by stage:

# %%
@torch.no_grad()
def stages(model, repeats=3):
    names, fastest = ("conv", "RoI pooling", "fc6", "fc7", "class"), {}
    given_ = roi_pooling.to_rois([test.proposals[pick].to(device)])
    for _ in range(repeats):
        clock = [busy(device)]
        features = model.pyramid(model.trunk(image[None].to(device)))
        clock.append(busy(device))
        x = roi_pooling.pool(features, given_, cfg.roi).flatten(1)
        clock.append(busy(device))
        for layer in (model.head.fc6, model.head.fc7, model.head.cls):
            x = layer(x).relu()
            clock.append(busy(device))
        fastest = {n: min(fastest.get(n, 9), b - a) for n, a, b in zip(names, clock, clock[1:])}
    return fastest


# %%
rows = {"whole": stages(system), f"t = {enough}": stages(models[enough])}
fig, ax = plt.subplots(figsize=(8, 2.2))
for y_, parts_ in enumerate(rows.values()):
    left_ = 0.0
    for k, (stage, s) in enumerate(parts_.items()):
        ax.barh(y_, 1000 * s, left=left_, color=list(draw.PALETTE.values())[k], label=stage if not y_ else None)
        left_ += 1000 * s
ax.set(yticks=range(2), yticklabels=rows, xlabel="ms an image")
ax.invert_yaxis()
ax.legend(ncols=5, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.35))
share = {n: {s: rows[n][s] / sum(rows[n].values()) for s in ("fc6", "fc7")} for n in rows}
told = "; ".join(f"{n}: fc6 takes {s['fc6']:.0%} of the time, fc7 {s['fc7']:.0%}" for n, s in share.items())
draw.show(fig, f"Stacked bars of the time of each stage. {told}.")
print(told)

# %% [markdown]
# fc6 is the layer to thin, as in the paper; fc7 reads a short vector and costs little. Our layers are far smaller than VGG16's,
# and so are our convolutions; with random weights the paper's own sizes are timed for the claims below.
#
# Mind the scale of $t$: the paper keeps a quarter of fc6's singular values and a sixteenth of fc7's. Of our 192 that would
# leave 12 for fc7, fewer than there are classes. The row "FRCN L with SVD" below does just that.
#
# ## The tables, beside ours
#
# Every row is one recipe on MiniVOC with a few fields changed; a delta is to the table's baseline, paired over seeds. A row
# that nobody has run yet shows the paper's number alone. "No boxes" means that the trained box layer is left aside at test time.

# %%
from IPython.display import display

from paperlib.tables import compare, row_jobs, runner

shown_at = budget("mini") if smoke else plan


def beside(table, caption, metric="mAP", without="?"):
    if RERUN:
        runner.run(f"fast_rcnn/{table}", plan, device=DEVICE)
    frame = compare.frame(f"fast_rcnn/{table}", shown_at, metric)
    runnable = {job.row for job in row_jobs.jobs_of(f"fast_rcnn/{table}", shown_at, seeds=1)}
    frame = frame.loc[[label for label in frame.index if label in runnable and without not in label]]
    if not frame["cost", "seeds"].any():
        print(f"fast_rcnn/{table}: not recorded yet; `paperlib table fast_rcnn/{table} --budget mini` runs it")
    display(draw.table(frame, caption))


beside("6", "Table 6: one loss for both tasks against one after the other, models S, M and L")

# %% [markdown]
# Read it in quartets. Training both tasks at once (fourth row) beats adding a box layer afterwards (third) on S and M, as in the
# paper. On L it does not. The claim is about all three networks, so it is unresolved. The paper's finest point is the second row
# against the first: there learning boxes makes *classes* better, too. Here these differences lie around zero.

# %%
beside("5", "Table 5: which layers of model L learn")
beside("7", "Table 7: one scale against five")

# %%
beside("1", "Table 1: without difficult objects, and with three times the images")
beside("4", "Table 4: the three models, and L after truncated SVD")
beside("8", "Table 8: softmax against SVMs trained afterwards, model S", "S")

# %% [markdown]
# ### Why thin layers cost more here
#
# In the paper truncated SVD costs model L a few tenths of a point, here nearly three. Two things were thinned at once: fc6 to a quarter of its singular
# values, fc7 to a sixteenth. Our live network tells them apart: thin one, leave the other whole.

# %%
share = {"neither": (192, 192), "fc6 to 48": (48, 192), "fc7 to 48": (192, 48), "fc7 to 12": (192, 12), "both, as the row": (48, 12)}


def thinned(kept):
    model = copy.deepcopy(system).eval()
    model.compress(kept)
    return 100 * voc_ap(test, detect_all(model, test, device), 2007)["mAP"]


apart = {name: thinned(kept) for name, kept in share.items()}
fig, ax = plt.subplots(figsize=(7, 2.4))
ax.barh(list(apart), list(apart.values()), color=[draw.PALETTE["vermillion"]] + [draw.PALETTE["blue"]] * 4)
for name, value in apart.items():
    ax.text(value, name, f" {value:.1f}", va="center", fontsize=9)
ax.set(xlabel="mAP (test images above)", xlim=(0, 1.15 * max(apart.values()) + 1))
ax.invert_yaxis()
draw.show(fig, "mAP of the live network with thinned layers: " + "; ".join(f"{n} {v:.1f}" for n, v in apart.items()) + ".")

# %% [markdown]
# Most of the loss is fc7's. VGG16's fc7 keeps 256 of 4096 directions, twelve for each of the 21 classes; a sixteenth of ours is 12 in all.
# Whether their number decides or their share, one width cannot tell.

# %% [markdown]
# ### Five scales, and two images a step
#
# Two more of our deltas go against the paper. Five scales *lose* here. And 128 regions of sixteen images train a better network
# than 128 of two, though the paper saw no harm in taking all from two. Perhaps both are about time: regions of random size are
# harder to learn from, and sixteen images a step are eight times as many images. So the same rows again, over the schedule:

# %%
fig, panels = plt.subplots(1, 2, figsize=(8.5, 3.1))
told = []
for ax, study, seen in ((panels[0], "scales", (1, 1)), (panels[1], "images", (2, 16))):
    curve = compare.dial_curve(f"dials/{study}", shown_at)
    for column, factor, color in zip(curve.columns[:2], seen, ("vermillion", "blue")):
        at = curve[column].dropna().astype(float)
        ax.plot([factor * float(v) * shown_at.recipe("fast_rcnn").steps for v in at.index], at, "o-", color=draw.PALETTE[color], label=column)
    told.append("; ".join(f"{value}: {d:+.1f}" for value, d in curve["delta"].dropna().items()))
    ax.legend()
panels[0].set(xlabel="steps of training", ylabel="mAP")
panels[1].set(xlabel="images seen in training", ylabel="mAP", xscale="log")
draw.show(fig, f"mAP over the schedule. Left: five scales minus one, by factor on the steps: {told[0]}. Right, over the images that "
               f"were seen: two images a step minus sixteen, by factor on the steps: {told[1]}.")

# %% [markdown]
# It is time, for both. Five scales lose on a short schedule, and lead once it is twice as long, by about what the paper prints:
# they are a harder lesson, not a worse one. The claim is judged at the table's schedule, where they gain nothing: contradicted. Sixteen
# images a step lead at every equal number of *steps*, by less and less; but at an equal number of *images*, which is what costs, two
# are far ahead. "Does not slow convergence" is true of the second count alone; the paper counts steps, and by steps it is contradicted.

# %% [markdown]
# ## Are more proposals better? (Fig. 3)
#
# If proposals only saved time, more of them could not hurt. The paper trained model M anew for each number of proposals.

# %%
beside("text", "Fig. 3 and Sec. 5.5: numbers and kinds of proposals, model M", "value", without="rate")
found = compare.measured("fast_rcnn/text", shown_at)
sweep = sorted((int(label.split()[0]), m["metrics"]) for label, m in found.items() if label.endswith(" proposals"))
sweep = [(n, m) for n, m in sweep if m.get("mAP")]

# %%
if sweep:
    fig, ax = plt.subplots(figsize=(6.5, 3.2))
    for metric, label, color in (("mAP", "mAP", "blue"), ("given_AR", "average recall", "vermillion")):
        means = [100 * sum(m[metric].values()) / len(m[metric]) for _, m in sweep]
        ax.plot([n for n, _ in sweep], means, "o-", color=draw.PALETTE[color], label=label)
    ax.set(xscale="log", xlabel="proposals an image (training and test)", ylabel="points", xticks=[n for n, _ in sweep],
           xticklabels=[n for n, _ in sweep])
    ax.minorticks_off()
    ax.legend()
    draw.show(fig, "mAP and average recall against the number of proposals: " + ", ".join(
        f"{n}: mAP {100 * sum(m['mAP'].values()) / len(m['mAP']):.1f}" for n, m in sweep) + ".")

# %% [markdown]
# A peak that is picked from such a curve is too high by luck, and looks like a peak even where the curve is flat. So the claims compare
# counts that were fixed: up to our usual number it should rise, from twice to five times that it should fall. In the paper's range we
# have seen no rise; it lies below. (The rows *N proposals* take selective search's slower mode, which finds enough boxes; *2k selective search* is our
# usual thousand of the fast one. Compare only within a kind.) That recall misleads holds: from the usual number to twice it recall grows, and mAP does not.
#
# ### How fine must a grid be?
#
# In the paper a dense grid of 45,000 boxes is "rich": replace each proposal of selective search by the closest of them, and a
# point is lost. Our first such row had scaled the grid down with the image, to fewer than two thousand boxes, and lost
# many points. So a second one has 34,000. What do the three lists reach, before any network looks at them?

# %%
from paperlib.data.given_proposals import closest_dense

size = tuple(image.shape[1:])
lists = {"2k selective search": test.proposals, "nearest dense box": [grid[boxes.iou(b, grid).argmax(1)] for b in test.proposals],
         "nearest box of a rich grid": [closest_dense(b, size) for b in test.proposals]}
nearest = {}
for name, proposals in lists.items():
    best = torch.cat([boxes.iou(test.target(i)["boxes"], b).amax(1) for i, b in enumerate(proposals)])
    apart = sum(len(b.unique(dim=0)) for b in proposals) / len(proposals)
    each = list(found.get(name, {"metrics": {}})["metrics"].get("mAP", {}).values())
    nearest[name] = [apart, *(100 * float((best >= t).float().mean()) for t in (0.5, 0.7)), 100 * sum(each) / len(each) if each else None]
columns_ = ["different boxes an image", "found at .5, %", "found at .7, %", "mAP of model M"]
draw.table(pd.DataFrame.from_dict(nearest, "index", columns=columns_), "Selective search, and the closest boxes of a coarse and of a rich grid")

# %% [markdown]
# It was the grid. How many boxes it takes to lie close to *any* box depends on the steps in place, size and shape, not on the
# number of pixels. The claim is therefore judged by the rich grid, a decision made *after* the first row was seen.
#
# Two more claims are judged by the rich grid. For dense boxes alone it is a part of it (below), as a network would have to look at all
# 34,000. For dense boxes that are added to selective search's it is a row of its own in the table above. The other rows of that table
# use the coarse grid, and carry its handicap.
#
# ### Do SVMs gain on a grid?
#
# On dense boxes alone the paper's SVMs lose to the softmax; ours, on the coarse grid, are ahead. Two suspects. *The grid:* what the
# softmax learns as an object is a box that overlaps one by half. It takes as many as there are, up to a quarter of the sample. An SVM
# takes the object's own box. A thin grid may starve the softmax. *The background:* the softmax's backgrounds overlap some object by a
# tenth at least, and most dense boxes overlap none; SVMs hunt among all. So, one dial for each. For the grid, both rows are run again
# on 8,000 boxes of the rich one, drawn at random for each image. For the background, they are run on the coarse one, with backgrounds
# from IoU 0.

# %%
from paperlib.tables.dials import dials

grids, from_zero = compare.dial_curve("dials/grid", shown_at), compare.dial_curve("dials/background", shown_at)
lists = {value: with_proposals(test, ProposalSource(value, keep=also["proposals.keep"])).proposals
         for value, also in zip(dials()["dials/grid"]["values"], dials()["dials/grid"]["also"])}
rows = {"coarse grid": ("dense", grids.loc["dense"]), "8,000 of a rich grid": ("dense_rich", grids.loc["dense_rich"]),
        "coarse, backgrounds from 0": ("dense", from_zero.loc["0.0-0.5"])}
thin = {}
for name, (value, row) in rows.items():
    best = torch.cat([boxes.iou(b, test.target(i)["boxes"]).amax(1) for i, b in enumerate(lists[value])])
    thin[name] = [len(best) / len(test), int((best >= 0.5).sum()) / len(test), 100 * float((best < 0.1).float().mean()),
                  row["softmax"], row["SVM"], row["delta"], row["interval"]]
draw.table(pd.DataFrame.from_dict(thin, "index", dtype=object, columns=[
    "boxes an image", "on an object by half", "on none, %", "softmax, mAP", "SVMs, mAP", "softmax minus SVMs", "95% interval"]),
    "Dense boxes alone, model M: a coarse grid, part of a rich one, and other backgrounds (on none: IoU below .1 with every object)")

# %% [markdown]
# Neither. More good boxes lift both rows, and the SVMs more. Backgrounds from 0 make both worse, the softmax most: drawn at random, most of
# them now lie on no object at all, and fewer show it the *edge* of one. So what is it that the SVMs do better? Look at a stricter overlap:

# %%
from paperlib.intervals import paired

strict = {}
for name, table, softmax, svm in (("selective search, model S", "fast_rcnn/8", "FRCN softmax", "FRCN SVM"), *(
        (f"{name}, model M", "dials/grid", f"proposals.kind {value}: softmax", f"proposals.kind {value}: SVM")
        for name, value in (("coarse grid", "dense"), ("rich grid", "dense_rich")))):
    both = [{m: {s: 100 * v for s, v in compare.measured(table, shown_at).get(r, {"metrics": {}})["metrics"].get(m, {}).items()}
             for m in ("AP50", "AP75")} for r in (softmax, svm)]
    for m in ("AP50", "AP75"):
        if (gain := paired(both[1][m], both[0][m])) and gain.n > 1:
            start = sum(both[0][m].values()) / len(both[0][m])
            strict[f"{name}: {m}"] = [start, gain.mean, (gain.low, gain.high), 100 * gain.mean / start]
draw.table(pd.DataFrame.from_dict(strict, "index", dtype=object, columns=["softmax", "SVMs more by", "95% interval", "in % of it"]),
           "What SVMs add to the softmax at an IoU of .5 and of .75, COCO's AP")

# %% [markdown]
# They put the boxes that sit well first: everywhere they gain most, as a share, at the stricter overlap, and by far the most on the rich
# grid. That fits what they are shown as an object, its own box and nothing looser, where the softmax calls every box an object that
# overlaps one by half. (It fits; we have not trained SVMs on looser boxes to see it go away.) Why the paper's SVMs fell
# behind on dense boxes, this does not tell. So the claim stays contradicted here, and is judged on the grid that is closer to the paper's.
#
# ### Does the squared loss explode?
#
# Section 2.3 says that L2 needs care with the learning rate where targets have no bound, or gradients explode. Rows at several rates try
# it, at a quarter of the schedule and without clipping the gradient. How large can a target be at all?

# %%
rates = {}
for label, row in compare.measured("fast_rcnn/text", shown_at).items():
    if ", rate " in label:
        loss, rate = label.split(", rate ")
        each = list(row["metrics"].get("mAP", {}).values())
        rates.setdefault(rate, {}).update({f"{loss}, mAP": 100 * sum(each) / max(1, len(each)), f"{loss}, diverged": row["diverged"]})
by_rate = pd.DataFrame(rates).T.sort_index(key=lambda rate: rate.astype(float)).rename_axis("rate")
draw.table(by_rate, "Smooth L1 against L2 by learning rate, mean over seeds")

# %%
largest = 0.0
for i in range(len(train_set)):
    one = train_set.target(i)
    chosen, labels, goals = roi_training.sample_rois([one["proposals"]], [one], cfg.sample)
    if (labels > 0).any():
        largest = max(largest, float(roi_training.encode(chosen[labels > 0, 1:], goals[labels > 0]).abs().max()))
print(f"The largest target among the sampled regions of {len(train_set)} images is {largest:.1f}, where the slope of L2 is {largest:.1f} "
      "and that of smooth L1 is 1.")

# %% [markdown]
# A region that overlaps its object by half can be off by half its own width and by a factor of two in size, no more. In normalised units
# that is 5 and 3.5. Matching bounds the targets, so nothing explodes. What the rows do show is milder. Where both learn, the highest such
# rate costs L2 more. At the highest of all, *both* networks end near zero, whichever box loss they have. Such a run has failed as surely
# as one that diverged, and is counted so. Where between these rates do runs begin to fail? The rates in between were added after the
# others had been seen. Both losses begin to fail at the same one, so they leave the claim unresolved.

# %% [markdown]
# ## Every claim, and what became of it
#
# Every claim of the paper that this notebook answers for. *Exact* ones are computed, *ratios* timed, *trends* trained.
# *Larger* and *smaller* compare shares, not points: the difference in percent of the worse row, theirs and ours.

# %%
from paperlib.claims import verdicts

mine = [c for c in verdicts.judged(shown_at, "fast_rcnn") if c.notebook == "04_fast_rcnn"]
draw.table(verdicts.frame(mine, "trend"), "Claims of Fast R-CNN about trained systems and our verdicts; intervals are 95%, in points")

# %%
draw.table(verdicts.frame(mine, "ratio"), "Claims about speed, timed in one process", digits=2)

# %%
draw.table(verdicts.frame(mine, "exact"), "Claims that follow from arithmetic or from a network's shape, computed", digits=2)

# %% [markdown]
# *Enough*, beside an unresolved trend, says how many pairs of seeds a fair trial needs. Suppose that the true difference is as large as
# the paper's, or as the claim's margin. With *enough* pairs, four trials of five would show it, and one would end unresolved. Where
# *enough* is no larger than *n*, the trial was fair. What it rules out is in the interval: the paper's number, where that lies outside.

# %% [markdown]
# ## What differs from the paper, and what to doubt
#
# - **The networks.** Half a million weights, a map of stride 8 on 128 px images; batch norm with fixed statistics where the
#   paper has local response normalisation or nothing. Model L has thirteen convolutions as VGG16 has, but narrow ones.
# - **The schedule.** SGD as in the paper, for a minute instead of hours, at ten times the rate. We first took AdamW, which
#   gives a weight with small gradients steps as long as any other's: model L then ended below itself with all convolutions
#   fixed. What a network brings along from pre-training survives small steps only.
# - **The choice of that schedule.** We changed to SGD *because* of that comparison, which is Table 5's own. One seed of Table 6
#   under AdamW had been seen, too: there the box loss did not help classification either. The rate was tried on the test images
#   of these tables. So "fine-tuning the convolutions helps" holds with SGD, and did not with AdamW: read it as that.
# - **The proposals.** OpenCV's selective search with finer segments, a thousand an image. Its rank is drawn at random (weighted
#   by size) as in the original, but from a fixed seed. The coarse grid has two thousand boxes and the rich one 34,000, where the paper has 45,000.
# - **Several scales.** The images of a batch share one scale; the paper draws one for each image.
# - **SVMs** use the squared hinge loss, and memory drops easy negatives, in one pass over the images.
# - **More data** means three times the images of MiniVOC's first thousand, and half as many steps again, as in the paper. More steps
#   alone gain as much here, so the claim is judged by a row with as many steps as before. Its seeds leave it unresolved.

# %% [markdown]
# ## Exercises
#
# **1. Predict.** A region of 21 x 14 places is pooled to 7 x 7. How many places does one output look at?

# %%
predict("21 x 14 places, 7 x 7 outputs: places for each output?", "places", guess=None)

# %%
reveal("places", 21 * 14 // 49, "3 x 2: the cells tile the region.")

# %% [markdown]
# **2. Implement.** The normalised target $v$ of one proposal: $(t_x, t_y, t_w, t_h)$ divided by $(0.1, 0.1, 0.2, 0.2)$, with
# $t_x$ the shift of the centre in widths of the proposal and $t_w$ the logarithm of the ratio of widths.

# %% tags=["exercise"]
def my_target(src, dst):
    ...


# %%
check("target", my_target, lambda a, b: roi_training.encode(a, b), [(src[i], dst[i]) for i in range(3)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_target(src, dst):
#     size, wanted = src[2:] - src[:2], dst[2:] - dst[:2]
#     shift = (dst[:2] + wanted / 2 - src[:2] - size / 2) / size
#     return torch.cat([shift / 0.1, (wanted / size).log() / 0.2])
# ```
# </details>
#
# **3. Implement.** How many weights do two thin layers have in place of one of `u` outputs and `v` inputs, biases aside? From which
# $t$ on does it no longer pay? Return both, the second as a float.

# %% tags=["exercise"]
def my_saving(u, v, t):
    ...


# %%
check("saving", my_saving, lambda u, v, t: [t * (u + v), u * v / (u + v)], [(4096, 25088, 1024), (192, 2304, 48), (10, 10, 5)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_saving(u, v, t):
#     return [t * (u + v), u * v / (u + v)]
# ```
# </details>
#
# **4. Find the fault.** Along one side, a region of `n` places is read by `side` cells. Cell $i$ begins at $\lfloor i\,n / side \rfloor$ and ends before
# $\lceil (i + 1)\,n / side \rceil$. The function below lists (begin, end) of each cell, but a region smaller than the grid gets empty cells, whose maximum is
# nothing. Mend it.
#
# ```python
# def cells_faulty(n, side):
#     return [(i * n // side, (i + 1) * n // side) for i in range(side)]
# ```

# %% tags=["exercise"]
def my_cells(n, side):
    ...


# %%
def cells_spec(n, side):
    return [(math.floor(i * n / side), math.ceil((i + 1) * n / side)) for i in range(side)]


check("cells", my_cells, cells_spec, [(21, 7), (5, 7), (10, 4), (1, 2)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_cells(n, side):
#     cells = []
#     for i in range(side):
#         cells.append((i * n // side, -(-(i + 1) * n // side)))
#     return cells
# ```
# </details>
#
# **5. Investigate.** Train the live network again with `override(cfg, {"sample.background": [0.0, 0.5]})`, then with
# `{"box_weight": 0.0, "detect.boxes": False}`. Which mistakes appear in the pictures? (`paperlib table fast_rcnn/6` runs the whole
# table.)
#
# <details><summary>What to look for</summary>
#
# With background from anywhere most regions are empty and easy: the class loss falls faster, and parts of objects are
# taken for whole ones more often. Without the box loss the detections are proposals as they came: loose, with the same
# classes; whether the classes too are worse is what Table 6 asks.
# </details>

# %%
score()

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("04_fast_rcnn")

# %% [markdown]
# ## In three lines
#
# One map an image, and a fixed grid read from it for every region; the gradient goes back to whatever was read.
# One loss teaches class and box together, on a balanced handful of regions; thin layers make the rest fast.
# What remains slow is finding the proposals, which the next paper gives to the network itself.
#
# **Next:** notebook 05, RPN and Faster R-CNN.
#
# **References.** arXiv 1504.08083v2: RoI pooling (Sec. 2.1, Eq. 4), loss (Sec. 2.3, Eq. 1-3), SVD (Sec. 3.1, Eq. 5, Fig. 2), Tables
# 1 and 4-8, Fig. 3. RoIAlign: arXiv 1703.06870, Sec. 3. Selective search: Uijlings et al. 2013.
