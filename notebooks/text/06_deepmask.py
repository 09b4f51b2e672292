# %% [markdown]
# # 06 · DeepMask: a mask and a score for every window
#
# **Paper:** Pinheiro, Collobert and Dollár, *Learning to Segment Object Candidates* (DeepMask, 2015), as Pinheiro, Lin, Collobert and
# Dollár rebuild it in *Learning to Refine Object Segments* (SharpMask, arXiv 1603.08695), Sections 3.3 to 3.5 of Lin's thesis.
# **Before this:** proposals and their recall (notebook 05); intersection over union and COCO's scoring (notebook 02).
#
# <!-- minutes -->reading: about 15 min; CPU: 2 min on 2 CPU cores; older CPU: not measured yet; GPU: not measured yet<!-- /minutes -->
# Everything here runs on a CPU; with a GPU the live training is only faster.

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # "smoke" runs every cell in seconds, without waiting for a good model
SEED = 0
DEVICE = None  # "cpu", "cuda", "mps"; None takes the best there is
DATA = "minicoco"  # an embedded set, or the path of a COCO folder with masks
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
# - say of any window whether it trains as "object", as "background" or not at all, and why;
# - make the mask that a window should show, and lay a window's mask back into the image;
# - show that a network on one patch and the same network over a whole image say the same;
# - score a list of masks by average recall, by hand, and find two faults that many such programs have had.
#
# **A question before you read on.** Notebook 05 laid anchors of several sizes and shapes over one image. DeepMask has windows of
# *one* size and *one* shape. How can it find objects of all sizes?

# %%
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.parts.windows.centred import label_windows, offsets, right_windows
from paperlib.parts.windows.grid import WindowConfig, around, grid
from paperlib.parts.windows.overlap import mask_iou
from paperlib.parts.windows.patches import PatchConfig, Patches, sample_patches, true_masks
from paperlib.parts.windows.resampling import cut, cut_masks, lay, paste
from paperlib.parts.windows.trunk_maps import normalised
from paperlib.progress import progress
from paperlib.systems.deepmask import DeepMask
from paperlib.training.recipes import budget, system_config

# %%
from paperlib.teach import draw
from paperlib.teach.boxes.board import Answer, Board, drag
from paperlib.teach.exercises import check, predict, quiz, reveal, score
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames

draw.style()
device, plan = pick_device(DEVICE), budget(BUDGET)
DATA = small_copy(DATA, SIZE)
recipe = override(plan.recipe("deepmask"), {"data": DATA})
smoke = plan.name == "smoke"
val = load(recipe.data, recipe.test, limit=400)
train_set = load(recipe.data, recipe.train, limit=recipe.train_images)
cfg = system_config("deepmask", recipe, len(val.classes))
window, rule = cfg.window, cfg.centred

# %% [markdown]
# ## The problem in one picture
#
# A box says where an object is. A **mask** says which pixels are its own, and that is what a robot's hand or a picture editor
# needs. DeepMask proposes masks. It looks at one square window at a time and answers two questions:
#
# 1. *Is there an object in the middle of this window, and is it of the right size?* One number, the **score**.
# 2. *If so: which pixels belong to it?* A small picture, the **mask**.
#
# Four windows on one image, and what each should answer:

# %%
def unclear(i):
    """How far the largest of three to six objects is from the image's middle and from a middling size, px."""
    b, size = val.target(i)["boxes"], float(min(val.target(i)["size"]))
    sides = b[:, 2:] - b[:, :2]
    if not 3 <= len(b) <= 6 or sides.amax(1).min() < 0.07 * size:
        return 9 * size
    big = sides.amax(1).argmax()
    thin = val.target(i)["area"][big] < 0.45 * sides[big].prod()
    return float(((b[big, :2] + b[big, 2:]) / 2 - size / 2).norm() + (sides.max() - 0.4 * size).abs() + 9 * size * thin)


scenes = sorted(range(len(val)), key=unclear)[:3]
example = scenes[0]
image, target = val.image(example), val.target(example, masks=True)
side = (target["boxes"][:, 2:] - target["boxes"][:, :2]).amax(1)
chief = int(side.argmax())  # the largest object
(right,) = right_windows(target["boxes"][chief:chief + 1], window)
width = right[2] - right[0]
beside_it, too_wide = right + 0.2 * width * torch.tensor([1, 0.4, 1, 0.4]), right + width / 2 * torch.tensor([-1, -1, 1, 1])
corner = torch.tensor([2.0, 2, 26, 26])
four = torch.stack([right, beside_it, too_wide, corner])
mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]  # what is beyond an image, for the network: the mean colour
_, four_labels = label_windows(four, target["boxes"], window, rule)

# %%
SAYS = {1: "object", 0: "background", -1: "takes no part"}
LOOK = {1: ("vermillion", "-"), 0: ("blue", "--"), -1: ("orange", ":")}


def framed(ax, one, label, text=True):
    """A window on its image, in the colour and line of its label."""
    color, line = LOOK[int(label)]
    draw.boxes_on(ax, None, [one], colors=draw.PALETTE[color], linestyle=line, text=text)


fig, axes = plt.subplots(1, 5, figsize=(9.5, 2.5), width_ratios=(1.4, 1, 1, 1, 1))
draw.boxes_on(axes[0], image, [])
patches = cut(image[None].float() / 255, four, 40, mean)
masks = cut_masks(target["masks"][[chief]], right[None], 40)
for name, ax, one, label, patch in zip("ABCD", axes[1:], four, four_labels.tolist(), patches):
    framed(axes[0], one, label)
    axes[0].text(one[0] + 2, one[1] + 2, name, va="top", color=draw.PALETTE[LOOK[label][0]], fontweight="bold")
    draw.masks_on(ax, patch, masks if label == 1 else masks[:0])
    ax.set_title(f"{name}: {SAYS[label]}", fontsize=9)
axes[0].set(xlim=(float(four[:, 0].min()) - 3, float(four[:, 2].max()) + 3), ylim=(float(four[:, 3].max()) + 3, float(four[:, 1].min()) - 3))
draw.show(fig, f"A scene with four windows, and each window cut out. A holds the {val.classes[target['labels'][chief] - 1]} in its middle, with its mask; "
               "B is shifted; C is twice as wide; D lies in a corner without an object.")

# %% [markdown]
# The answer to the opening question: the window stays, the **image** is enlarged and shrunk. A large object becomes right-sized in
# a small copy of the image, a small one in a large copy. So the network needs to know only one size.
#
# ## When is a window right?
#
# The chapter says "a centered object at the correct scale" (Sec. 3.3.3) and prints no number. The published code has them, and we take
# them as facts from there. All are shares of the window's side $w$, so they mean the same at every scale:
#
# | symbol | variable | meaning | value |
# |---|---|---|---|
# | $w$ | side of a window | px of the image | any |
# | $a$ | `window.object_share` | a right-sized object's longer side, over $w$ | 128 / 224 |
# | $d_x, d_y$ | `off` | from the window's middle to the object's, over $w$ | at most 16 / 160 for a positive |
# | $o = \log_2 \frac{\text{longer side}}{a\,w}$ | `octaves` | how much too large the object is; 0 is right, 1 is twice | at most 1/4 for a positive |
#
# A window is **positive** (1) if some object passes both limits. It is **negative** (0) if no object is near: none with its middle
# within $0.3\,w$ *and* its size within two and a half octaves. What lies between (-1) takes no part, since nobody could say what it should answer.

# %% tags=["derive"]
def label_slow(one, objects):
    x1, y1, x2, y2 = one
    w, fits, near = x2 - x1, False, False
    for a, b, c, d in objects:
        dx = ((a + c) / 2 - (x1 + x2) / 2) / w
        dy = ((b + d) / 2 - (y1 + y2) / 2) / w
        octaves = abs(math.log2(max(c - a, d - b) / (window.object_share * w)))
        fits |= abs(dx) <= rule.shift and abs(dy) <= rule.shift and octaves <= rule.octaves
        near |= math.hypot(dx, dy) < rule.far and octaves < rule.other
    return 1 if fits else -1 if near else 0


# %% tags=["agree"]
everywhere = torch.cat([grid(tuple(image.shape[-2:]), octaves, window).windows for octaves in window.scales])
gt, label = label_windows(everywhere, target["boxes"], window, rule)
assert label.tolist() == [label_slow(one, target["boxes"].tolist()) for one in everywhere.tolist()]
draw.source(label_windows)

# %% [markdown]
# How rare are the right ones?

# %%
predict(f"Over an image of this size lie {len(everywhere):,} windows at {len(window.scales)} scales. How many percent are positive, on average?", "rare", guess=None)

# %%
counts = torch.zeros(3)
for i in range(20):
    of_image = val.target(i)
    if len(of_image["boxes"]):
        _, each = label_windows(everywhere, of_image["boxes"], window, rule, of_image["crowd"])
        counts += torch.stack([(each == value).sum() for value in (1, 0, -1)])
percent = (100 * counts / counts.sum()).tolist()
reveal("rare", round(percent[0], 2), f"Over twenty images {percent[0]:.2f}% are positive, {percent[1]:.0f}% negative and {percent[2]:.0f}% "
       "take no part. A training on all windows would hardly ever see an object.")

# %% [markdown]
# Try it: is this patch a positive, and why not? **Drag the window, or one of its corners** (with a keyboard: Tab, then the arrows). It stays a
# square: its longer side counts.

# %%
def square(box):
    """The square around a box's middle, as wide as its longer side: (4,) -> (1, 4)."""
    box = torch.as_tensor(box, dtype=torch.float32)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]).max() / 2
    return torch.cat([middle - half, middle + half])[None]


def why(one):
    """The label of a window (1, 4), and the reason in words."""
    (off,), (octaves,) = offsets(one, target["boxes"], window)
    gt, value = label_windows(one, target["boxes"], window, rule)
    n = int((off.norm(dim=1) + 0.2 * octaves.abs()).argmin()) if value != 1 else int(gt)
    (dx, dy), o = off[n].tolist(), float(octaves[n])
    ok = ["yes" if passed else "no" for passed in (max(abs(dx), abs(dy)) <= rule.shift, abs(o) <= rule.octaves)]
    name = val.classes[target["labels"][n] - 1]
    dx, dy, o = (round(number, 2) + 0.0 for number in (dx, dy, o))  # no -0.00
    return int(value), (f"nearest: {name}\nmiddle off by {dx:+.2f}, {dy:+.2f} (limit {rule.shift:.2f}): {ok[0]}\n"
                        f"size off by {o:+.2f} octaves (limit {rule.octaves:.2f}): {ok[1]}")


# %%
def tell(boxes):
    one = square(boxes[-1])
    value, reason = why(one)
    names = [val.classes[n - 1] for n in target["labels"]]
    colours = [draw.PALETTE["black"]] * len(names) + [draw.PALETTE[LOOK[value][0]]]
    w = float(one[0, 2] - one[0, 0])
    return Answer(f"A window of {w:.0f} px: {SAYS[value]} ({value}).\n{reason}", (*names, f"{value}: {SAYS[value]}"), colours)


begin = np.concatenate([target["boxes"].numpy(), beside_it[None].clamp(1, SIZE - 1).numpy()])
drag(Board(begin, [False] * len(target["boxes"]) + [True], tell, "A scene with its objects, and a window to move over it", image))

# %% [markdown]
# The same without a running kernel: six places of the window. Red and solid: positive; blue and dashed: negative; orange and dotted: no part.

# %%
middle = (target["boxes"][chief, :2] + target["boxes"][chief, 2:]) / 2


def draw_window(ax, right=0, down=0, side=1.0):
    """A window moved by px from the largest object's middle, with `side` times the right side."""
    half = side * width / 2
    one = torch.cat([middle - half, middle + half])[None] + torch.tensor([right, down, right, down])
    value, reason = why(one)
    draw.boxes_on(ax, image, target["boxes"], colors="white", linestyle=":", text=False)
    framed(ax, one[0].tolist(), value, text=False)
    ax.plot(*((one[0, :2] + one[0, 2:]) / 2), "+", color=draw.PALETTE[LOOK[value][0]], ms=12, mew=2)
    ax.text(0.5, 0.01, reason, transform=ax.transAxes, va="bottom", ha="center", fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})
    ax.text(0.5, 0.97, f"{value}: {SAYS[value]}", transform=ax.transAxes, va="top", ha="center", fontsize=9, fontweight="bold",
            color=draw.PALETTE[LOOK[value][0]])
    ax.set(xlim=(-24, image.shape[-1] + 24), ylim=(image.shape[-2] + 34, -24))


states = [{"right": 0, "side": 1.0}, {"right": 8, "side": 1.0}, {"right": 20, "side": 1.0}, {"right": 0, "side": 1.15},
          {"right": 0, "side": 0.6}, {"right": -20, "down": -55, "side": 0.4}]
draw.show(frames(draw_window, states, size=(3.0, 3.3)), "Six panels of one scene with a window. In the middle and right-sized it is positive; some pixels off it "
          "still is; twenty pixels off or too small it is not; far away it is a negative, or belongs to another object.")

# %% [markdown]
# ## Patches and their masks
#
# Training does not wait for chance. Three quarters of the windows (half in the published code) are laid *around an object*, then jittered as far as
# the rule allows. The others are drawn where no object is near. Each window is cut out with a little more of the picture around it, the **context** (Sec. 3.5; its use
# comes below). Positive ones also need their mask: the object's pixels, resampled into the window.
#
# That is one rule, in both directions. Along one axis, pixel $p$ covers $[p, p + 1]$ and so has its middle at $p + \frac12$. Cell $k$ of $m$ has
# its middle at $low + (k + \frac12)\,step$ with $step = w / m$. How much does each pixel count for a cell?

# %% tags=["derive"]
def shares(low, step, k, n):
    """How much each of n pixels counts for cell k; all 0 where its middle lies beyond the image."""
    at = low + (k + 0.5) * step
    if not 0 <= at < n:
        return [0.0] * n
    if step <= 1:
        at = min(max(at, 0.5), n - 0.5)                                      # no pixel's middle lies further out
    counts = [max(0.0, 1 - abs(p + 0.5 - at) / max(step, 1)) for p in range(n)]
    return [count / sum(counts) for count in counts]


def mask_slow(mask, one, m):
    (x1, y1, x2, y2), (h, w) = one, mask.shape
    rows = np.array([shares(y1, (y2 - y1) / m, k, h) for k in range(m)])     # (m, h)
    columns = np.array([shares(x1, (x2 - x1) / m, k, w) for k in range(m)])  # (m, w)
    return rows @ mask.astype(float) @ columns.T > 0.5                       # half of a cell or more


# %% tags=["agree"]
seed_all(SEED)
drawn = sample_patches(target, tuple(image.shape[-2:]), PatchConfig(per_image=12), window, rule)
truth = true_masks([target], [drawn], cfg.head.enlarged)
for n, one in enumerate(drawn.windows[drawn.label == 1].tolist()):
    slow = mask_slow(target["masks"][drawn.gt[n]].numpy(), one, cfg.head.enlarged)
    assert (slow == truth[n].numpy()).mean() > 0.999                         # a tie may round either way
draw.source(cut)

# %% [markdown]
# Twelve windows of one image, as the network gets them. Inside the dotted line is the window itself, around it the context. Above: positives with
# the masks that they must answer. Below: negatives; they have a score to learn, and no mask.

# %%
pictures = cut(image[None].float() / 255, around(drawn.windows, window), window.patch, mean)
fig, axes = plt.subplots(2, 6, figsize=(9.5, 3.5))
for n, (ax, picture) in enumerate(zip(axes.flat, pictures)):
    draw.boxes_on(ax, picture, [])
    if n < len(truth):
        full = F.interpolate(truth[n][None, None].float(), (window.size,) * 2, mode="bilinear")[0]
        draw.masks_on(ax, None, F.pad(full, (window.context,) * 4))
    edge = window.context - 0.5
    ax.add_patch(plt.Rectangle((edge, edge), window.size, window.size, fill=False, ls=":", ec="white"))
axes[0, 0].set_title("positives, with their masks", loc="left")
axes[1, 0].set_title("negatives", loc="left")
draw.show(fig, "Two rows of six patches. In the upper row each shows an object in its middle, a little off, larger or smaller, with its mask in colour. "
               "In the lower row there is background, or an object far from the middle or of another size.")

# %% [markdown]
# ## The network
#
# A trunk with a stride of 4 px turns a window of 40 px into $10 \times 10$ cells. One layer reads *all* of these cells and makes 128 numbers of
# them. From the 128 numbers come both answers: the mask of $14 \times 14$ px, and through one more layer the score. That is the chapter's **head C**
# (Fig. 3.3d), which shares as much as can be shared. The paper's window, stride, mask and vector are four times as large; the cells are as many:

# %%

from paperlib.parts.windows.heads import MaskHead
from paperlib.parts.windows.trunk_maps import cut_trunk
from paperlib.systems.presets.deepmask import resnet50


def parts_of(of):
    with torch.device("meta"):  # shapes alone, no numbers
        trunk = cut_trunk(replace(of.trunk, weights=None, frozen_norm=True), of.level, "zeros")
        head = MaskHead(64 if of.trunk.name == "slim" else 1024, of.window.cells, of.head)
    groups = {"trunk": [trunk], "reduce and encode": [head.reduce, head.encode], "mask": [head.mask], "score": [head.score]}
    sums = {name: sum(p.numel() for part in group for p in part.parameters()) for name, group in groups.items()}
    sizes = {"window, px": of.window.size, "stride, px": of.window.stride, "cells": of.window.cells, "numbers": of.head.rank, "mask, px": of.head.output}
    return sizes | sums | {"all parameters": sum(sums.values())}


draw.table(pd.DataFrame({"here": parts_of(cfg), "the paper's": parts_of(resnet50())}), "DeepMask in the course's size and in the paper's", digits=0)

# %% [markdown]
# ## One patch, or the whole image
#
# A layer that reads $10 \times 10$ cells is a **convolution** with a kernel of that size. Lay it over the map of a whole image, and it answers for *every*
# window at once: one pass in place of thousands. Are the answers really the same? Inside the image, yes, if the patch shows as much of the surroundings
# as the trunk can see. We check it on real maps of a trained network.
#
# Our live run below lasts a minute, too short for good masks. So the repository holds a network that was trained for longer, by an earlier
# recipe. It is the one that notebook 07 sharpens; here its sharpening is left away.

# %%
from paperlib.paths import weights_folder
from paperlib.training.mask_stages import deepmask_config
from paperlib.training.weights import load_weights, read_header

path = weights_folder() / "sharpmask.safetensors"
facts, sharp = read_header(path), load_weights(path, "sharpmask")
stored_cfg = replace(deepmask_config(sharp.cfg), window=window, centred=rule)


def deepmask(**changes):
    """The stored DeepMask, with changes of its configuration that leave its weights as they are."""
    net = DeepMask(override(stored_cfg, changes))
    net.load_state_dict({key: value for key, value in sharp.state_dict().items() if not key.startswith("refinement.")})
    return net.to(device).eval().requires_grad_(False)


stored = deepmask()
print(f"{facts['steps']} steps of both stages on {facts['data']}, {float(facts['seconds']) / 60:.1f} core-minutes")

# %% tags=["agree"]
def gap(net, picture):
    """The dense answers of an image's inner windows, and those of the same windows cut out as patches."""
    dense = net.dense(normalised(net.trunk, picture[None])[0])
    apart = 3 * window.size // 4
    inner = ((dense.windows[:, :2] >= apart - window.size / 2) & (dense.windows[:, 2:] <= picture.shape[-1] - apart + window.size / 2)).all(1)
    some = inner.nonzero().squeeze(1)[::7]
    only = Patches(dense.windows[some], torch.zeros(len(some), dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    _, vectors, scores = net.on_windows(net.pictures(picture[None], [only]))
    return (dense.vectors[some], vectors.flatten(1)), (dense.scores[some], scores.flatten())


with torch.no_grad():
    vectors, scores = gap(deepmask(**{"window.context": 20, "window.scales": [0.0]}), image.to(device))
torch.testing.assert_close(*vectors, atol=1e-3, rtol=1e-3)
torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-3)
print(f"{len(scores[0])} windows: the scores differ by at most {float((scores[0] - scores[1]).abs().max()):.1e}")

# %% [markdown]
# With less context the patch ends where the trunk would look further. What does it see there? Zeros, or a mirror image: that is the **padding** of
# every convolution. The paper found that deep trunks need mirrored padding and 32 px of context in all (Sec. 3.5). How far apart are patch and image, in
# standard deviations of the 128 numbers?

# %%
apart = {}
with torch.no_grad():
    for padding in ("zeros", "reflect", "replicate"):
        row = {}
        for context in (0, 4, 12):
            (dense_, patch_), _ = gap(deepmask(padding=padding, **{"window.context": context, "window.scales": [0.0]}), image.to(device))
            row[f"context {context} px"] = float((dense_ - patch_).pow(2).mean().sqrt() / dense_.std())
        apart[padding] = row
draw.table(pd.DataFrame(apart).T, f"How far a patch is from its dense window, by padding and context (trained with {stored.cfg.padding!r} and {window.context} px)", digits=3)

# %% [markdown]
# Both help, and together most. The rest of the gap is what training on patches costs: the network is tested on something that it has not quite seen.
#
# ## The loss
#
# With $n$ windows, of which $n^+$ are positive, $y_i$ their labels, $s_i$ the score logits, $m_i$ the mask logits and $t_i$ the wanted masks of $M$ px:
#
# $$L = \frac{1}{n^+ M} \sum_{i:\, y_i = 1} \sum_{p} \log\left(1 + e^{-\hat t_{ip} m_{ip}}\right) \;+\; \lambda\, \frac{1}{n} \sum_i \log\left(1 + e^{-\hat y_i s_i}\right)$$
#
# Here $\hat t$ and $\hat y$ are 1 or $-1$ in place of 1 or 0. The weight $\lambda = 1/32$ keeps the score, which is easily learnt, from ruling the
# shared layers. It is written once in the configuration and does not change with the batch.

# %%
seed_all(SEED)
live_net = DeepMask(cfg).to(device)
batches = Batches(train_set, recipe.batch, SEED, masks=True)
images, targets = batches[0]
images, targets = images.to(device), [{key: value.to(device) if torch.is_tensor(value) else value for key, value in one.items()} for one in targets]
seed_all(SEED)
of_images = live_net.sample(images, targets)
seed_all(SEED)
fast = live_net.losses(images, targets)  # draws the same windows

# %% tags=["derive"]
def log_loss(logit, wanted):
    return math.log1p(math.exp(-logit if wanted else logit))


y = torch.cat([each.label for each in of_images]).tolist()
with torch.no_grad():
    _, vectors, s = live_net.on_windows(live_net.pictures(images, of_images))
    m = live_net.head.masks(vectors.flatten(1)[torch.tensor(y) > 0])
t = true_masks(targets, of_images, cfg.head.enlarged)
slow_mask = sum(log_loss(a, b) for a, b in zip(m.flatten().tolist(), t.flatten().tolist())) / t.numel()
slow_score = cfg.score_weight * sum(log_loss(a, b) for a, b in zip(s.flatten().tolist(), y)) / len(y)

# %% tags=["agree"]
torch.testing.assert_close(torch.tensor([slow_mask, slow_score]), torch.stack(list(fast.values())).detach().cpu(), rtol=2e-3, atol=1e-5)
print(f"{len(y)} windows, {sum(y)} of them positive: mask {slow_mask:.4f}, score {slow_score:.4f}")
draw.source(DeepMask.losses)

# %% [markdown]
# ## A live training
#
# Now train it, from a trunk that knows MiniNet's pictures. Each step takes a few windows from every image of a batch. A loss of $\log 2 \approx 0.69$ means
# "I do not know" for either question.

# %%
from paperlib.training.loop import fit

live = replace(recipe, steps=recipe.steps if smoke else 260)
history = list(progress(fit(live_net, batches, live, device, SEED), total=live.steps, desc="DeepMask"))
live_net.eval()
print(f"{live.steps} steps of {live.batch} images and {live.batch * cfg.patches.per_image} windows, {sum(h['seconds'] for h in history):.0f} s")

# %%
fig, ax = plt.subplots(figsize=(7, 2.9))
for part, times, name in (("mask", 1, "mask, a pixel"), ("score", 1 / cfg.score_weight, "score, a window (before its weight)")):
    ax.plot(times * draw.smooth([h[part] for h in history], 20), label=name, marker="o" if smoke else None)
ax.axhline(math.log(2), color="grey", lw=0.8)
ax.text(0, math.log(2) + 0.01, "not knowing", fontsize=8, color="grey")
ax.set(xlabel="step", ylabel="log loss, mean of 20 steps", ylim=(0, 0.8))
ax.legend(loc="lower left")
last = [sum(h[part] for h in history[-20:]) / len(history[-20:]) for part in ("mask", "score")]
draw.show(fig, f"Both losses over the training steps, from that of not knowing down to {last[0]:.2f} for a mask's pixel and {last[1] / cfg.score_weight:.2f} for a score.")

# %% [markdown]
# ## The dense map of scores
#
# At test time the image is resized to each scale, and every cell of its map is a window. Window $i$ has its middle at $stride \cdot i / scale$ px of the
# image. Turn the scale and watch which object lights up. The brightest window of that scale is drawn, with its mask. The map shows logits: dark is a
# probability of one half, bright is sure.

# %%
def dense_of(net, picture):
    with torch.no_grad():
        return net.dense(normalised(net.trunk, picture[None].to(device))[0])


dense = dense_of(stored, image)
h, w = image.shape[-2:]
highest = float(dense.scores.max())  # logits are drawn, as probabilities are near 1 for many windows

# %%
def draw_scores(ax, scale=0):
    """The map of scores at one scale (its place in the list of scales), its best window and that window's mask."""
    octaves, of_scale = window.scales[scale], (dense.scale == scale).nonzero().squeeze(1).cpu()
    laid = grid((h, w), octaves, window)
    shown = dense.scores[of_scale].cpu().view(laid.shape)
    step = window.stride / 2**octaves  # px of the image between windows
    ax.imshow(draw.as_rgb(image), extent=(0, w, h, 0))
    ax.imshow(shown, extent=(-step / 2, step * (laid.shape[1] - 0.5), step * (laid.shape[0] - 0.5), -step / 2), alpha=0.6, vmin=0, vmax=highest, cmap="magma")
    best = of_scale[int(shown.argmax())]
    mask = paste(stored.masks(dense, best[None]).cpu(), dense.windows[best][None].cpu(), (h, w), cfg.propose.threshold)[0]
    if mask.any():
        ax.contour(np.arange(w) + 0.5, np.arange(h) + 0.5, mask, levels=[0.5], colors="white", linewidths=1.5)
    draw.boxes_on(ax, None, [dense.windows[best].tolist()], colors=draw.PALETTE["sky"], text=False)
    ax.text(2, h - 2, f"windows of {window.size / 2**octaves:.0f} px\nbest logit {float(shown.max()):.1f}", fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})
    ax.set(xlim=(0, w), ylim=(h, 0))
    ax.axis("off")


# %%
explore(draw_scores, "The scores of all windows at one scale over the image, bright where an object sits right", size=(4.6, 4.6),
        scale={f"{octaves:+.1f} octaves": n for n, octaves in enumerate(window.scales)})

# %%
fig = frames(draw_scores, [{"scale": n} for n in range(len(window.scales))], columns=4, size=(2.4, 2.7))
best_at = [float(dense.scores[dense.scale == n].max()) for n in range(len(window.scales))]
draw.show(fig, f"{len(window.scales)} panels: the scores at each scale, with the best window and its mask. Highest logits: "
          + ", ".join(f"{o:+.1f}: {b:.1f}" for o, b in zip(window.scales, best_at)) + ".")

# %% [markdown]
# Are the winners right? Ask the rule: 1 is a positive, 0 a negative, and $-1$ a window that is near an object without fitting it.

# %%
winners = []
for n in range(len(window.scales)):
    of_scale = (dense.scale == n).nonzero().squeeze(1)
    winners.append(int(of_scale[dense.scores[of_scale].argmax()]))
_, labels = label_windows(dense.windows[winners].cpu(), target["boxes"], window, rule, target["crowd"])
print("labels of the best windows:", ", ".join(f"{o:+.1f}: {label}" for o, label in zip(window.scales, labels.tolist())))

# %% [markdown]
# A window with label $-1$ takes no part in training. So nothing teaches the network to keep its score low, and the very large windows, which are
# near some object nearly always, can be sure and wrong.
#
# ## From windows to masks of the image
#
# A window's mask has 28 px a side here, whatever the window covers. To lay it into the image we ask the opposite question: how much does each *cell* count
# for a *pixel*? It is the same rule with the roles exchanged, and so the same function `shares`. Logits are laid, and cut after that, at a probability of
# 0.2 (Sec. 3.5).

# %% tags=["derive"]
def paste_slow(logits, one, size, threshold):
    (x1, y1, x2, y2), m, (h, w) = one, len(logits), size
    rows = np.array([shares(-y1 * m / (y2 - y1), m / (y2 - y1), k, m) for k in range(h)])        # (h, m)
    columns = np.array([shares(-x1 * m / (x2 - x1), m / (x2 - x1), k, m) for k in range(w)])     # (w, m)
    inside = np.outer(rows.sum(1) > 0, columns.sum(1) > 0)
    return (rows @ logits @ columns.T > math.log(threshold / (1 - threshold))) & inside


# %% tags=["agree"]
best = dense.scores.sort(descending=True).indices[:60:10]
logits, windows = stored.masks(dense, best).cpu(), dense.windows[best].cpu()
pasted = paste(logits, windows, (h, w), cfg.propose.threshold)
for n, one in enumerate(windows.tolist()):
    slow = paste_slow(logits[n].double().numpy(), one, (h, w), cfg.propose.threshold)
    assert (slow == pasted[n].numpy()).mean() > 0.9999
draw.source(lay)

# %% [markdown]
# Now the proposals of three scenes. As in the paper's Figs. 3.2 and 3.4, we show for each object the best of the hundred masks with the highest
# scores. Objects that no mask reaches with an IoU of one half are outlined in red. Above the live run, below the stored network.

# %%
def propose(net, picture, most=100):
    """Masks of the image (D, h, w), best first, with their scores."""
    (found,) = net.detect(picture[None].to(device))
    found = {key: value.cpu() for key, value in found.items()}
    return paste(found["window_masks"][:most], found["windows"][:most], tuple(picture.shape[-2:]), cfg.propose.threshold), found["scores"][:most]


def draw_best(ax, net, i):
    picture, truth_ = val.image(i), val.target(i, masks=True)
    proposed, _ = propose(net, picture)
    overlap = mask_iou(truth_["masks"], proposed)
    reached = overlap.amax(1) >= 0.5
    draw.masks_on(ax, picture, proposed[overlap.argmax(1)][reached])
    for mask in truth_["masks"][~reached]:
        ax.contour(mask, levels=[0.5], colors=draw.PALETTE["vermillion"], linewidths=1.5)
    ax.set_title(f"{int(reached.sum())} of {len(reached)}, mean IoU {overlap.amax(1).mean():.2f}", fontsize=9)


fig, axes = plt.subplots(2, len(scenes), figsize=(7.4, 5.2), squeeze=False)
for column, i in zip(axes.T, scenes):
    draw_best(column[0], live_net, i)
    draw_best(column[1], stored, i)
draw.show(fig, f"{len(scenes)} scenes with the best proposed mask of each object: above by the live run, below by the stored network, whose masks follow the objects "
               "more closely. All of them are round and soft at their edges; objects that are missed have a red outline.")

# %% [markdown]
# Where a mask reaches its object, place and size are right and the border is blurred: legs, handles and gaps are lost. Notebook 07 is about that.
#
# ## What a list of masks is worth
#
# **Average recall** at $k$ (Sec. 3.5): take the $k$ best masks of each image. For an IoU threshold $\theta$, each mask in turn takes the free object that it
# overlaps most, if by at least $\theta$. Recall is the share of objects taken. Average it over $\theta = .5, .55, \ldots, .95$. By hand:

# %% tags=["derive"]
def recall_slow(overlaps, k):
    """`overlaps`: of each image the IoU of masks, best score first, with objects (D, G)."""
    objects, taken = sum(one.shape[1] for one in overlaps), 0
    thresholds = np.arange(0.5, 0.96, 0.05).round(2)
    for threshold in thresholds:
        for one in overlaps:
            free = set(range(one.shape[1]))
            for row in one[:k]:
                best = max(free, key=lambda g: row[g], default=None)
                if best is not None and row[best] >= threshold:
                    free.remove(best)
                    taken += 1
    return taken / objects / len(thresholds)


# %% tags=["agree"]
from paperlib.parts.windows.overlap import rle_iou, rles
from paperlib.scoring.average_recall import average_recall
from paperlib.scoring.detect import detect_all

small = val.subset(4 if smoke else 24)
results = detect_all(stored, small, device)
overlaps = []
for i, record in enumerate(small.images):
    of_image = [each["segmentation"] for each in results if each["image_id"] == record["id"]]
    truth_ = small.target(i, masks=True)
    overlaps.append(rle_iou(of_image, rles(truth_["masks"][~truth_["crowd"]])))
by_hand = {k: recall_slow(overlaps, k) for k in (10, 100, 1000)}
library = average_recall(small, results, kind="segm")
print("by hand:", {k: round(value, 4) for k, value in by_hand.items()}, " library:", {k: round(library[f"AR{k}"], 4) for k in by_hand})

# %% tags=["agree"]
import contextlib
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

with contextlib.redirect_stdout(io.StringIO()):  # it prints
    truth_ = COCO()
    truth_.dataset = small.coco_dict()
    truth_.createIndex()
    judge = COCOeval(truth_, truth_.loadRes(results), "segm")
    judge.params.useCats, judge.params.maxDets = 0, [10, 100, 1000]
    judge.evaluate()
    judge.accumulate()
theirs = judge.eval["recall"][:, 0, 0]  # (thresholds, maxDets)
for n, k in enumerate(by_hand):
    np.testing.assert_allclose([by_hand[k], library[f"AR{k}"]], theirs[:, n].mean(), atol=1e-6)

# %% [markdown]
# Three programs, one number. Now compare four lists. The first is the live run's, the second the stored network's. The third has the stored network's
# masks *in random order*, which tells what the scores are worth. The fourth has *all* masks of all windows, whatever their scores. It is an
# **upper bound**, and it is what the paper's Table 3.1 prints, to judge masks without their ranking.

# %%
from paperlib.scoring.segments.bounds import upper_bound

chance = np.random.default_rng(SEED)
shuffled = [{**each, "score": float(chance.random())} for each in results]
lists = {"live run": detect_all(live_net, small, device), "stored": results, "stored, in random order": shuffled}
counts = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
recalls = {name: average_recall(small, each, counts, kind="segm") for name, each in lists.items()}
bounded = upper_bound(stored, small.subset(2 if smoke else 8), device)

# %%
fig, (ax, bars) = plt.subplots(1, 2, figsize=(9.5, 3.2), width_ratios=(1.5, 1))
for name, values in recalls.items():
    ax.plot(counts, [100 * values[f"AR{k}"] for k in counts], marker="o", ms=4, label=name)
ax.axhline(100 * bounded["bound AR"], color="grey", ls=":", label="all windows, 8 images")
ax.set(xscale="log", xlabel="proposals an image", ylabel="average recall, %", ylim=(0, None))
ax.legend(fontsize=8)
for n, name in enumerate(("live run", "stored")):
    heights = [100 * recalls[name][f"AR100{size}"] for size in ("s", "m", "l")]
    bars.bar(np.arange(3) + 0.4 * n - 0.2, heights, 0.38, label=name, color=draw.PALETTE[("blue", "orange")[n]], hatch=("", "//")[n], edgecolor="white")
bars.set_xticks(range(3), ["small", "medium", "large"])
bars.set(ylabel="AR at 100 proposals, %")
bars.legend(fontsize=8)
draw.show(fig, f"Left: average recall against the number of proposals; the stored network reaches {100 * recalls['stored']['AR100']:.1f} at a hundred, the live run "
               f"{100 * recalls['live run']['AR100']:.1f}, a random order {100 * recalls['stored, in random order']['AR100']:.1f}; all windows "
               f"{100 * bounded['bound AR']:.1f}. Right: by size, at a hundred.")

# %% [markdown]
# The scores do most of the work at short lists: a random order needs far more masks for the same recall. And even with all windows the recall stays low: the masks
# themselves are too coarse for the high thresholds, and the small objects are a few pixels wide.
#
# ## The tables, in the paper and here
#
# Table 3.1 asks what the trunk must be: the side $W$ of the window, its poolings $P$ and depth $D$, the windows $S$ along a side and the channels $F$.
# Table 3.2 asks how much the two branches may share.

# %%
from paperlib.papers.printed import published
from paperlib.tables import compare, runner

shown = budget("mini") if smoke else plan


def beside(name, caption, metric):
    """The table as printed, beside our runs where it can be run."""
    body = published()[name]
    if "run" not in body:
        print(f"{name}: as printed; it is not run here yet.")
        return draw.table(pd.DataFrame({row["label"]: row["values"] for row in body["rows"]}).T, caption)
    if RERUN:
        runner.run(name, plan, device=DEVICE)
    print(compare.what_is_recorded(name, shown))
    return draw.table(compare.frame(name, shown, metric), caption)


beside("sharpmask/1", "Table 3.1: an upper bound of AR, by the trunk", "AR")

# %%
beside("sharpmask/2", "Table 3.2: AUC by head, from two branches of their own to one vector for both", "AUC")

# %% [markdown]
# **What they say, so far.** One seed of a row is no verdict. But the order of trunks is another here: the first DeepMask, with its larger window, is last. And a narrow
# window with stride 16 (*W112-P4-D39*) loses nothing, where the paper's loses six points. In the second table the three heads lie close together, as in the
# paper; all are above the first DeepMask, whose trunk they do not share.
#
# And what became of the claims that belong to this notebook? Some are about speed, and were timed in one process with networks of the paper's size.
# Others follow from arithmetic, and the rest need trained rows.

# %%
from paperlib.claims import verdicts

mine = [c for c in verdicts.judged(shown, "sharpmask") if c.notebook == "06_deepmask"]
draw.table(verdicts.frame(mine, "ratio"), "Claims about speed", digits=2)

# %%
draw.table(verdicts.frame(mine, "exact"), "Claims that follow from arithmetic or from a network's shape, computed", digits=2)

# %%
draw.table(verdicts.frame(mine, "trend"), "Claims about trained networks, and what our runs say; 95% intervals, in points")

# %% [markdown]
# ## What differs from the paper and from the published code
#
# | what | there | here | switch |
# |---|---|---|---|
# | images | about 640 px | 128 px, and so all px a quarter | preset `scale` |
# | window, stride | 160 px, 16 px | 40 px, 4 px: ten strides as well | `window.size`, `window.stride` |
# | trunk | ResNet-50 to stride 16, 1,024 channels | slim to stride 4, 64 channels | `trunk.name`, preset `resnet50` |
# | mask | 56 px, enlarged to 112 | 14 px, enlarged to 28 | `head.output`, `head.enlarged` |
# | steps | mask and score take turns, each with windows of its own | both learn from the same windows | |
# | windows around objects | half | three quarters | `patches.positive` |
# | objects drawn | a class first, then an object of it | an object of the image | |
# | frame of the rule | middles of other scales are compared in other frames | all in the window's own | |
# | padding | mirrored with the edge, which for one pixel is replication | the same | `padding` |
# | crowds | left out | neither object nor background | |
# | scales at test | seven, half an octave apart | the same | `window.scales` |
#
# ## Exercises
#
# **1. Predict.** A window of 160 px passes four poolings of 2. How many cells has the kernel that reads it along a side?

# %%
predict("160 px, four times halved: how many cells along a side?", "cells", guess=None)

# %%
reveal("cells", 160 // 2**4, "W over 2 to the P. With 112 px and three poolings it would be 14.")

# %% [markdown]
# **2. Implement.** The window in which an object sits exactly right: around its middle, with a side such that the object's longer side is the share `share` of it.
# One box (4,) and the share; return the window (4,).

# %% tags=["exercise"]
def my_window(box, share):
    ...


# %%
def spec_window(box, share):
    return right_windows(box[None], WindowConfig(object_share=share))[0]


check("right window", my_window, spec_window, [(torch.tensor([10.0, 20, 30, 60]), 0.5), (torch.tensor([5.0, 5, 95, 45]), 128 / 224),
                                               (torch.tensor([-8.0, 0, 8, 12]), 0.8)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_window(box, share):
#     middle = (box[:2] + box[2:]) / 2
#     half = (box[2:] - box[:2]).max() / share / 2
#     return torch.cat([middle - half, middle + half])
# ```
# </details>
#
# **3. Implement.** Along one axis: where are the middles of the windows, in px of the image *as it was*? The image has `length` px and is enlarged by
# `scale` to a whole number of px. Windows lie `stride` px apart there. The first has its middle at 0, and the last is the first at or beyond the end.
# Return a list.

# %% tags=["exercise"]
def my_middles(length, scale, stride):
    ...


# %%
def spec_middles(length, scale, stride):
    laid = grid((length, length), math.log2(scale), WindowConfig(size=2 * stride, stride=stride, context=0))
    return ((laid.windows[:, 0] + laid.windows[:, 2]) / 2)[:laid.shape[1]].tolist()


check("window middles", my_middles, spec_middles, [(128, 1.0, 4), (128, 0.5, 4), (100, 0.25, 8), (90, 1.5, 16)], tolerance=1e-3)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_middles(length, scale, stride):
#     scaled = round(length * scale)
#     count = math.ceil(scaled / stride) + 1
#     return [i * stride * length / scaled for i in range(count)]
# ```
# </details>
#
# **4. Find the fault, by a test.** Four colleagues have each written the last step of the inference. Input: score logits $(h, w)$ and masks $(h, w, m, m)$ of the
# windows at one scale, the scale, and the stride. Output: a list of (score, x, y, mask), best first, with the window's middle in px of the image as it was. Some of
# them are right. One pairs a cell's score with another cell's mask (counting from 1 in one place and from 0 in another: a fault that published code has had). One
# gives its middle in px of the enlarged image. Don't hunt by eye: **write a test** that returns True for a right one and False for a wrong one.

# %%
def ordered(scores):
    return [divmod(n, scores.shape[1]) for n in scores.flatten().argsort(descending=True).tolist()]


def by_anna(scores, masks, scale, stride):
    return [(float(scores[i, j]), stride * j, stride * i, masks[i, j]) for i, j in ordered(scores)]


def by_ben(scores, masks, scale, stride):
    step = stride / scale
    return [(float(scores[i, j]), step * j, step * i, masks[i, j]) for i, j in ordered(scores)]


def by_chen(scores, masks, scale, stride):
    shifted = masks.roll((1, 1), (0, 1))
    return [(float(scores[i, j]), stride * j / scale, stride * i / scale, shifted[i, j]) for i, j in ordered(scores)]


def by_dora(scores, masks, scale, stride):
    x, y = torch.arange(scores.shape[1]) * stride / scale, torch.arange(scores.shape[0]) * stride / scale
    return [(float(scores[i, j]), float(x[j]), float(y[i]), masks[i, j]) for i, j in ordered(scores)]


# %% tags=["exercise"]
def my_test(infer):
    ...


# %%
check("a test of the inference", my_test, lambda infer: infer in (by_ben, by_dora), [(by_anna,), (by_ben,), (by_chen,), (by_dora,)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_test(infer):
#     scores = torch.zeros(5, 7)
#     scores[2, 3] = 4.0                                   # one window stands out
#     masks = torch.arange(35.0).view(5, 7, 1, 1)          # every mask is another one
#     best, x, y, mask = infer(scores, masks, 0.5, 4)[0]   # a scale that is not 1
#     return best == 4.0 and (x, y) == (24.0, 16.0) and float(mask) == 2 * 7 + 3
# ```
# </details>
#
# **5. Investigate.** Train the live network again with `override(cfg, {"patches.positive": 0.1})`, then with `{"score_weight": 1.0}`. Compare both losses, AR at 10 and AR at 1000.
# Then cut the stored network's masks at other probabilities: `deepmask(**{"propose.threshold": 0.5})`.
#
# <details><summary>What to look for</summary>
#
# With a tenth of positives the mask branch sees an eighth of the masks, and its loss lags; the score is more often right about background. With a weight of 1 the score rules the
# shared numbers: AR at 10 may gain what AR at 1000 loses. A cut at one half makes masks smaller: a coarse mask is unsure all along its border, and 0.2 takes that border in.
# </details>

# %%
score()

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("06_deepmask")

# %% [markdown]
# ## In three lines
#
# One network, one window size: is a right-sized object in the middle, and which pixels are its own?
# A layer over the window is a convolution over the image, so all windows at all scales cost one pass a scale.
# Scores order the masks; how well they fit is another matter, since they come from a coarse map.
#
# **Next:** notebook 07, SharpMask: the same masks, sharpened step by step.
#
# **References.** Pinheiro, Collobert, Dollár 2015 (DeepMask). arXiv 1603.08695: windows and training (Sec. 3.3.3), trunk (Sec. 3.4.1), heads (Sec. 3.4.2, Fig. 3.3), padding,
# context and threshold (Sec. 3.5), Tables 3.1 and 3.2. Average recall: Hosang et al. 2015.
