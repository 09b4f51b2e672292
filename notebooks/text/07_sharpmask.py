# %% [markdown]
# # 07 · SharpMask: refining masks from coarse to fine
#
# **Paper:** Pinheiro, Lin, Collobert and Dollár, *Learning to Refine Object Segments* (SharpMask, arXiv 1603.08695; ECCV 2016), Sections 3.3
# and 3.5 of Lin's thesis.
# **Before this:** DeepMask (notebook 06).
#
# <!-- minutes -->reading: about 15 min; CPU: 2 min on 2 CPU cores; older CPU: not measured yet; GPU: not measured yet<!-- /minutes -->
# Everything here runs on a CPU; with a GPU the live trainings are only faster.

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
# - say what a coarse mask loses, and measure it along the outline;
# - write one refinement module by hand, and regroup it so that windows share most of its work;
# - train a refinement on a network that stays as it is, to the last bit;
# - follow one mask from step to step, and say what each connection is good for.
#
# **A question before you read on.** The last map of the network knows what the object is, but is coarse. The first maps are fine, but know only edges and
# colours. Who should decide where the outline runs?

# %%
import time
from dataclasses import replace
from statistics import median

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.parts.windows.overlap import band, mask_iou
from paperlib.parts.windows.patches import Patches, true_masks
from paperlib.parts.windows.centred import right_windows
from paperlib.parts.windows.refinement import RefineConfig, Refinement
from paperlib.parts.windows.resampling import cut, lay, paste
from paperlib.parts.windows.trunk_maps import normalised
from paperlib.paths import weights_folder
from paperlib.progress import progress
from paperlib.scoring.segments.outlines import along
from paperlib.systems.sharpmask import SharpMask
from paperlib.training.recipes import budget

# %%
from paperlib.teach import draw
from paperlib.teach.exercises import check, predict, quiz, reveal, score
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames
from paperlib.training.weights import load_weights, read_header

draw.style()
device, plan = pick_device(DEVICE), budget(BUDGET)
DATA = small_copy(DATA, SIZE)
recipe = override(plan.recipe("sharpmask"), {"data": DATA})
smoke = plan.name == "smoke"
val = load(recipe.data, recipe.test, limit=400)
train_set = load(recipe.data, recipe.train, limit=recipe.train_images)

# %% [markdown]
# ## The problem in one picture
#
# DeepMask's mask has $14 \times 14$ px in our size, whatever the window covers. Suppose that it were *perfect*: the true mask, shrunk to so many px and laid back
# into the image. What is lost even then? Turn the side of the mask. Solid: what comes back; dotted: the truth.

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


scenes = sorted(range(len(val)), key=unclear)[:6]
image, target = val.image(scenes[0]), val.target(scenes[0], masks=True)
cfg = load_weights(weights_folder() / "sharpmask.safetensors", "sharpmask").cfg
window = cfg.window


def back(i, side):
    """The true masks of an image at `side` px of their windows, laid back: what a perfect mask of that size gives."""
    truth = val.target(i, masks=True)
    windows = right_windows(truth["boxes"], window)
    shrunk = cut(truth["masks"][:, None].float(), windows, side)[:, 0]
    return truth["masks"], lay(shrunk, windows, tuple(truth["masks"].shape[1:]), 0.0) > 0.5


# %%
def draw_back(ax, side=14, scene=0):
    truth, returned = back(scenes[scene], side)
    draw.boxes_on(ax, val.image(scenes[scene]), [])
    for n, (one, other) in enumerate(zip(truth, returned)):
        ax.contour(one, levels=[0.5], colors="white", linestyles=":", linewidths=1)
        if other.any():
            ax.contour(other, levels=[0.5], colors=draw.color(n), linewidths=1.8)
    overlap = float(torch.stack([mask_iou(a[None], b[None])[0, 0] for a, b in zip(truth, returned)]).mean())
    ax.text(2, truth.shape[1] - 2, f"{side} px: mean IoU {overlap:.2f}", fontsize=8, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})


explore(draw_back, "Outlines of perfect masks of few px, laid back over the image", size=(4.6, 4.6), side=[14, 5, 7, 10, 20, 28, 40], scene=(0, len(scenes) - 1))

# %%
draw.show(frames(draw_back, [{"side": side} for side in (5, 10, 14, 40)], columns=4, size=(2.6, 2.8)),
          "Four panels of a scene with outlines that come back from 5, 10, 14 and 40 px: blobs at first, at 14 px still without thin parts, at 40 px nearly the truth.")

# %% [markdown]
# So the number of px is *one* limit. The other is what they are made of. A mask that is read from $10 \times 10$ cells cannot know an outline that runs
# *within* a cell, however many px it has. Finer maps know it; they lie further down in the same trunk, and are already computed.
#
# ## The idea
#
# Go back up. Start from a coarse **mask encoding** $M^1$, with several channels in place of one mask. Then merge it with a finer map, double, and repeat
# (Sec. 3.3.1):
#
# $$M^{i+1} = R^i(M^i, F^i)$$
#
# | symbol | variable | meaning | size here |
# |---|---|---|---|
# | $F^i$ | `maps[i - 1]` | features before each halving, last map first | 64 ch., 10 px; 32 ch., 20 px |
# | $S^i$ | `skip_maps` | $F^i$ through two 3x3 convolutions: few channels | 16; 8 ch. |
# | $M^1$ | `encode` | made of the window's 128 numbers | 16 ch., 10 px |
# | $M^2, M^3$ | `steps[1:]` | twice as fine each | 8 ch., 20 px; 4 ch., 40 px |
#
# One module (Sec. 3.3.2, Fig. 3.7): convolve $M^i$ and $S^i$ side by side, cut off what is negative, double by bilinear interpolation:
#
# $$R^i(M^i, F^i) = \mathrm{up}\left(\mathrm{ReLU}\left(\mathrm{conv}\left([M^i, S^i]\right)\right)\right)$$

# %% tags=["derive"]
def conv_slow(x, weight, bias):
    """3x3 convolution with zeros around: x (C, h, w), weight (K, C, 3, 3), bias (K,) -> (K, h, w)."""
    h, w = x.shape[1:]
    padded, out = np.pad(x, ((0, 0), (1, 1), (1, 1))), np.zeros((len(weight), h, w))
    for k in range(len(weight)):
        for i in range(h):
            for j in range(w):
                out[k, i, j] = (padded[:, i:i + 3, j:j + 3] * weight[k]).sum() + bias[k]
    return out


def double_slow(x):
    """Twice as fine: a new pixel lies a quarter of an old one beside its middle, so it takes 3/4 and 1/4."""
    for axis in (1, 2):
        ends = np.concatenate([x.take([0], axis), x, x.take([-1], axis)], axis)
        before, after = (ends.take(range(k, k + x.shape[axis]), axis) for k in (0, 2))
        pair = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = pair.reshape([side * (2 if n == axis else 1) for n, side in enumerate(x.shape)])
    return x


# %% tags=["agree"]
seed_all(SEED)
small = Refinement([6], 4, 7, RefineConfig(4, between=3), "zeros")
features, vector = torch.rand(1, 6, 4, 4), torch.rand(1, 7)
with torch.no_grad():
    fast = small.steps(vector, small.skip_maps([features]))
first, second = (small.skips[0][n] for n in (0, 2))
array = {name: value.detach().double().numpy() for name, value in small.state_dict().items()}
s = features[0].double().numpy()
for n in (0, 2):
    s = conv_slow(s, array[f"skips.0.{n}.weight"], array[f"skips.0.{n}.bias"]).clip(min=0)
m = fast[0][0].double().numpy()
weight = np.concatenate([array["down.0.weight"], array["across.0.weight"]], 1)   # over [M, S]
by_hand = double_slow(conv_slow(np.concatenate([m, s]), weight, array["down.0.bias"]).clip(min=0))
np.testing.assert_allclose(by_hand, fast[1][0].numpy(), atol=1e-5)
draw.source(Refinement.steps)

# %% [markdown]
# ## The same, regrouped
#
# Look at the convolution of $[M, S]$. It multiplies and adds, so it is a convolution of $M$ plus one of $S$ (Fig. 3.7b):
#
# $$\mathrm{conv}_{[A, B]}([M, S]) = \mathrm{conv}_A(M) + \mathrm{conv}_B(S)$$
#
# Nothing has changed, and yet everything has. $M$ belongs to one window. $S$ belongs to the **image**, and so does $\mathrm{conv}_B(S)$: it is computed once, and
# each of hundreds of windows cuts its part out. Here is the stored network, which was trained for longer than the live runs below can be; with the plain module, and with
# the regrouped one.

# %%
path = weights_folder() / "sharpmask.safetensors"
facts, stored = read_header(path), load_weights(path, "sharpmask")
print(f"{facts['steps']} steps of both stages on {facts['data']}, {float(facts['seconds']) / 60:.1f} core-minutes")
scales = {key: value for key, value in recipe.set.items() if key.startswith("window.")}  # fewer scales in the budget smoke


def sharpmask(refinement=True, **changes):
    """The stored network with changes of its configuration; its refinement as stored, or a fresh one."""
    net = SharpMask(override(stored.cfg, {**scales, **changes}))
    kept = {key: value for key, value in stored.state_dict().items() if refinement or not key.startswith("refinement.")}
    net.load_state_dict(kept, strict=refinement)
    return net.to(device).eval()


plain, regrouped = sharpmask(**{"refine.plain": True}).requires_grad_(False), sharpmask().requires_grad_(False)
dense = regrouped.dense(normalised(regrouped.trunk, image[None].to(device))[0])
ranked = dense.scores.sort(descending=True).indices

# %% tags=["agree"]
torch.testing.assert_close(plain.refine(dense, ranked[:60]), regrouped.refine(dense, ranked[:60]), atol=1e-4, rtol=1e-4)


def seconds(net, number):
    start = time.perf_counter()
    net.refine(dense, ranked[:number])
    return time.perf_counter() - start


numbers = (5, 20, 100, 250, 500, 1000)[:3 if smoke else None]
races = {number: [(seconds(plain, number), seconds(regrouped, number)) for _ in range(1 if smoke else 5)] for number in numbers}  # in turn
middle = {number: [1000 * median(side) for side in zip(*pairs)] for number, pairs in races.items()}

# %%
fig, ax = plt.subplots(figsize=(6.5, 3))
for n, (name, marker) in enumerate((("plain: convolve [M, S] in each window", "o"), ("regrouped: convolve S once", "s"))):
    ax.plot(middle.keys(), [values[n] for values in middle.values()], marker=marker, label=name)
ax.set(xlabel="windows that are refined", ylabel="ms, median", ylim=(0, None))
ax.legend()
most = max(middle)
draw.show(fig, f"Time against the number of windows. At {most} windows the plain module takes {middle[most][0]:.0f} ms, the regrouped one {middle[most][1]:.0f} ms; "
               "with few windows they hardly differ.")

# %% [markdown]
# The time grows with the number of windows, so only the best are refined: `refine.top`, the paper's $N$ (Sec. 3.3.3). The others keep their coarse mask.
#
# How much does it add to the network, at the paper's size?

# %%
predict("DeepMask-ours has about 17 million parameters. How many millions does the refinement add?", "added", guess=None)

# %%
with torch.device("meta"):  # shapes alone, no numbers
    papers = Refinement([1024, 512, 256, 64], 10, 512, RefineConfig(), "replicate")
added = sum(p.numel() for p in papers.parameters()) / 1e6
first = sum(p.numel() for p in papers.encode.parameters()) / 1e6
reveal("added", round(added, 2), f"{first:.2f} of them make M^1. The paper says fewer than 3 million.")

# %% [markdown]
# ## Two stages, and a network that stays as it is
#
# First DeepMask is trained, as in notebook 06. Then it is **frozen**, its mask layer is set aside, and the refinement alone is trained with the mask loss
# (Sec. 3.3.3). That has a charm: one network holds both the coarse and the sharp masks, under the same scores. So whatever differs between the two is the
# refinement's doing.
#
# We do the second stage live, three times. **Full**: as above. **Skip**: no top-down convolutions, one channel, the average of what every layer says by itself.
# **Deconv**: no horizontal connections, so that the mask is made finer without a look at finer maps (Sec. 3.5.2).

# %%
from paperlib.training.loop import fit

live = replace(recipe, steps=recipe.steps if smoke else 130, lr=0.01, warmup=10)  # short: a higher rate, and soon at it
batches, live_nets, histories = Batches(train_set, live.batch, SEED, masks=True), {}, {}
for kind in ("full", "skip", "deconv"):
    seed_all(SEED)
    net = sharpmask(refinement=False, **{"refine.kind": kind})
    before = {key: value.clone() for key, value in net.state_dict().items() if not key.startswith("refinement.")}
    net.enter("refine")
    histories[kind] = list(progress(fit(net, batches, live, device, SEED), total=live.steps, desc=kind))
    moved = [key for key, value in before.items() if not torch.equal(value, net.state_dict()[key])]
    assert moved == [], moved                                                # bit by bit, statistics of norms included
    live_nets[kind] = net.eval().requires_grad_(False)
    print(f"{kind:6}: {live.steps} steps, {sum(h['seconds'] for h in histories[kind]):.0f} s; all {len(before)} tensors of DeepMask are as they were")

# %%
fig, ax = plt.subplots(figsize=(6.5, 3))
for kind, history in histories.items():
    ax.plot(draw.smooth([h["mask"] for h in history], 20), label=kind, marker="o" if smoke else None)
ax.set(xlabel="step", ylabel="mask loss, mean of 20 steps")
ax.legend()
ends = {kind: float(draw.smooth([h["mask"] for h in history], 20)[-1]) for kind, history in histories.items()}
draw.show(fig, "The mask loss of three refinements on one frozen network. At the end: " + ", ".join(f"{kind} {value:.3f}" for kind, value in ends.items()) + ".")

# %% [markdown]
# ## Side by side
#
# All masks of the same windows: each object of some validation images, in the window where it sits right. There is no ranking to disturb the view.

# %%
def in_windows(net, i, refined=True):
    """Logits of the masks of all objects of image i in their windows, m px a side, and the true masks there."""
    truth = val.target(i, masks=True)
    kept = (~truth["crowd"] & ((truth["boxes"][:, 2:] - truth["boxes"][:, :2]).amin(1) >= 6)).nonzero().squeeze(1)
    windows = right_windows(truth["boxes"][kept], window)
    patches = Patches(windows, torch.ones(len(kept), dtype=torch.int64), kept)
    with torch.no_grad():
        maps, vectors, _ = net.on_windows(net.pictures(val.image(i)[None].to(device), [patches]))
        vectors = vectors.flatten(1)
        parts = [net.inner(x, n) for n, x in enumerate(net.refinement.skip_maps(net.used(maps)))]
        steps = net.refinement.steps(vectors, parts)
        logits = net.refinement(vectors, parts) if refined else F.interpolate(net.head.masks(vectors)[:, None], (net.mask_side,) * 2, mode="bilinear")[:, 0]
    return {"logits": logits.cpu(), "truth": true_masks([truth], [patches], net.mask_side), "steps": steps, "kept": kept, "windows": windows}


rivals = {"DeepMask": (regrouped, False), "skip, live": (live_nets["skip"], True), "deconv, live": (live_nets["deconv"], True),
          "full, live": (live_nets["full"], True), "full, stored": (regrouped, True)}
cutoff = float(torch.logit(torch.tensor(cfg.propose.threshold)))

# %%
fig, axes = plt.subplots(3, 2 + len(rivals), figsize=(9.4, 4.6))
for row, i in zip(axes, scenes[:3]):
    sides = val.target(i)["boxes"][:, 2:] - val.target(i)["boxes"][:, :2]
    each = {name: in_windows(net, i, refined) for name, (net, refined) in rivals.items()}
    n = int(sides[each["DeepMask"]["kept"]].amax(1).argmax())
    picture = cut(val.image(i)[None].float() / 255, each["DeepMask"]["windows"][n:n + 1], 80, torch.tensor([0.485, 0.456, 0.406])[:, None, None])[0]
    draw.boxes_on(row[0], picture, [])
    row[1].imshow(each["DeepMask"]["truth"][n], cmap="gray")
    for ax, one in zip(row[2:], each.values()):
        ax.imshow(one["logits"][n].sigmoid(), vmin=0, vmax=1, cmap="gray")
        ax.contour(one["logits"][n], levels=[cutoff], colors=draw.PALETTE["orange"], linewidths=1)
for ax in axes.flat:
    ax.axis("off")
for ax, name in zip(axes[0], ("window", "truth", *rivals)):
    ax.set_title(name, fontsize=9)
draw.show(fig, "Three objects in their windows: the picture, the true mask, and the masks of DeepMask, of the three live refinements and of the stored one; white is sure, the line is "
               "the cut at 0.2. The short live runs give smooth blobs; the stored refinement keeps more of the corners.")

# %% [markdown]
# ## Accuracy along the outline
#
# The IoU of a large object hardly notices its outline: most of its pixels lie inside. So look only at a narrow **band** around the true outline, a *trimap*, and take the
# IoU there. A pixel is in the band of width $d$ if some pixel of the other side is within $d$ px, also diagonally.

# %% tags=["derive"]
def band_slow(mask, d):
    h, w = mask.shape
    inside = np.zeros_like(mask)
    for i in range(h):
        for j in range(w):
            around = mask[max(i - d, 0):i + d + 1, max(j - d, 0):j + d + 1]
            inside[i, j] = around.any() and not around.all()
    return inside


# %% tags=["agree"]
some = target["masks"].numpy()
for mask in some:
    for d in (1, 2, 4):
        assert (band_slow(mask, d) == band(mask, d)).all()
draw.source(along)

# %%
def draw_band(ax, width=2, side=14):
    truth, returned = back(scenes[0], side)
    n = int(truth.flatten(1).sum(1).argmax())
    one, other = truth[n].numpy(), returned[n].numpy()
    inside, (overlap, right) = band(one, width), along(one, other, (width,))
    ax.imshow(np.where(inside, np.where(one == other, 0.75, 0.0), 1.0), cmap="gray", vmin=0, vmax=1)
    ax.contour(one, levels=[0.5], colors=draw.PALETTE["blue"], linewidths=1.2)
    (x1, y1), (x2, y2) = np.argwhere(inside).min(0)[::-1] - 4, np.argwhere(inside).max(0)[::-1] + 4
    ax.set(xlim=(x1, x2), ylim=(y2, y1), xticks=[], yticks=[], xlabel=f"band IoU {overlap:.2f}, right {100 * right:.0f}%")
    ax.grid(False)


explore(draw_band, "The band around a true outline; black pixels in it are wrong in a perfect mask of few px", size=(4.2, 4.2), width=(1, 6, 1, 2), side=[14, 7, 10, 20, 28, 40])

# %%
draw.show(frames(draw_band, [{"width": w, "side": s} for s in (7, 14, 40) for w in (1, 4)], size=(2.6, 2.5)),
          "Six bands around one outline, narrow and wide, for perfect masks of 7, 14 and 40 px. Wrong pixels are black: many at 7 px, few at 40; in a narrow band they weigh more.")

# %%
def measured(net, refined, images):
    """Mean IoU and band IoU of masks in windows, over all objects of some images."""
    rows = []
    for i in images:
        found = in_windows(net, i, refined)
        guess = (found["logits"] > cutoff).numpy()
        for one, other in zip(found["truth"].numpy(), guess):
            rows.append([(one & other).sum() / max((one | other).sum(), 1), *along(one, other, (1, 2))[:2]])
    return (100 * np.nanmean(rows, 0)).tolist()


some = [i for i in range(len(val)) if len(val.target(i)["boxes"])][:8 if smoke else 80]
lines = {name: measured(net, refined, some) for name, (net, refined) in rivals.items()}
outcome = pd.DataFrame.from_dict(lines, "index", columns=["IoU", "band IoU, 1 px", "band IoU, 2 px"])
draw.table(outcome, f"Masks of the objects of {len(some)} validation images in their windows, %; a px is one of the window's {regrouped.mask_side}")

# %%
gains = (outcome - outcome.loc["DeepMask"]).loc[["skip, live", "deconv, live", "full, live", "full, stored"]]
fig, ax = plt.subplots(figsize=(7, 2.8))
for n, column in enumerate(gains):
    ax.bar(np.arange(len(gains)) + 0.27 * (n - 1), gains[column], 0.25, label=column, hatch=("", "//", "..")[n], edgecolor="white")
ax.axhline(0, color="black", lw=0.8)
ax.set_xticks(range(len(gains)), gains.index)
ax.set(ylabel="points above DeepMask")
ax.legend(fontsize=8)
draw.show(fig, "What each refinement gains over the coarse masks: " + "; ".join(f"{name} {row.iloc[0]:+.1f} in IoU, {row.iloc[1]:+.1f} in a band of 1 px" for name, row in gains.iterrows()) + ".")

# %% [markdown]
# Be strict with this picture. A fresh refinement first has to learn again what the coarse mask layer knows already. After a hundred steps it has hardly caught up, and one run
# each cannot tell the three kinds apart. The stored one had eleven times as many steps. The paper found that neither skip nor deconv gains much over the
# forward pass, and needs both kinds of connections (Sec. 3.5.2). Rows with several seeds judge that, in the last tables.
#
# ## Step by step
#
# What does each step of the stored refinement look like? An encoding has several channels; we show the direction in which they vary most, light where it speaks for the
# object. Choose an object and a step.

# %%
def one_picture(encoding, like):
    """The direction of most variance of an encoding (k, h, w), signed so that it agrees with the mask `like`."""
    flat = encoding.flatten(1) - encoding.flatten(1).mean(1, keepdim=True)
    main = torch.linalg.svd(flat, full_matrices=False)[2][0].view(encoding.shape[1:])
    agrees = (main * F.interpolate(like[None, None], main.shape, mode="area")[0, 0]).sum()
    return main * agrees.sign()


objects = []  # (scene, place in the windows): the largest two of some scenes
for i in scenes:
    sides = (val.target(i)["boxes"][:, 2:] - val.target(i)["boxes"][:, :2]).amin(1)
    kept = in_windows(regrouped, i)["kept"]
    objects += [(i, int(n)) for n in sides[kept].argsort(descending=True)[:2]]
STEPS = ["window", "coarse mask", "M1", "M2", "M3", "sharp mask"]

# %%
def draw_step(ax, item=0, step="M1"):
    i, n = objects[item]
    sharp, coarse = in_windows(regrouped, i), in_windows(regrouped, i, refined=False)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    if step == "window":
        ax.imshow(draw.as_rgb(cut(val.image(i)[None].float() / 255, sharp["windows"][n:n + 1], 80)[0]))
    elif step in ("coarse mask", "sharp mask"):
        logits = (coarse if step == "coarse mask" else sharp)["logits"][n]
        ax.imshow(logits.sigmoid(), cmap="gray", vmin=0, vmax=1)
        ax.contour(sharp["truth"][n], levels=[0.5], colors=draw.PALETTE["sky"], linestyles=":", linewidths=1.2)
        overlap = mask_iou((logits > cutoff)[None], sharp["truth"][n][None]).item()
        ax.set_xlabel(f"IoU {overlap:.2f}", fontsize=8)
    else:
        encoding = sharp["steps"][int(step[1]) - 1][n].cpu()
        ax.imshow(one_picture(encoding, sharp["logits"][n].sigmoid() - 0.5), cmap="magma")
        ax.set_xlabel("{} channels, {} px".format(*encoding.shape[:2]), fontsize=8)


explore(draw_step, "One step of the refinement of one object", size=(3.6, 3.8), item=(0, len(objects) - 1), step=STEPS)

# %%
draw.show(frames(draw_step, [{"item": item, "step": step} for item in (0, 2, 4) for step in STEPS], columns=6, size=(1.6, 2.0)),
          "Three objects from the window through the coarse mask and the encodings M1 to M3 to the sharp mask. Each step is twice as fine, and the object's shape "
          "comes out of it bit by bit.")

# %% [markdown]
# That answers the opening question. *Both* decide: the coarse encoding says which object, the fine maps say where its edge is, and each step lets the first choose among
# the edges of the second. How well it does that is a matter of training: ours is a matter of minutes, the paper's of days.
#
# ## Masks in the image
#
# Now the whole thing: all windows of an image, ranked by score, the best ones refined and laid into the image. Above DeepMask, below SharpMask, at the size of the image and
# then one object of each enlarged. For each object the best of the hundred best proposals is shown (as in Figs. 3.2 and 3.9).

# %%
coarse_net = sharpmask(refined=False).requires_grad_(False)


def best_masks(net, i):
    """For each object the best of the hundred best proposals: masks (G, h, w) and their IoU (G,)."""
    (found,) = net.detect(val.image(i)[None].to(device))
    masks = paste(found["window_masks"][:100].cpu(), found["windows"][:100].cpu(), tuple(val.image(i).shape[-2:]), cfg.propose.threshold)
    best = mask_iou(val.target(i, masks=True)["masks"], masks).max(1)
    return masks[best.indices], best.values


fig, axes = plt.subplots(2, 3, figsize=(7.4, 5.2))
for column, i in zip(axes.T, scenes[:3]):
    for ax, net, name in zip(column, (coarse_net, regrouped), ("DeepMask", "SharpMask")):
        masks, overlap = best_masks(net, i)
        draw.masks_on(ax, val.image(i), masks[overlap >= 0.5])
        ax.set_title(f"{name}: mean IoU {float(overlap.mean()):.2f}", fontsize=9)
draw.show(fig, "Three scenes with the best proposal of each object, DeepMask above and SharpMask below: the same objects, with outlines that differ in their details.")

# %%
fig, axes = plt.subplots(2, 3, figsize=(7.4, 5))
for column, i in zip(axes.T, scenes[:3]):
    n = int((val.target(i)["boxes"][:, 2:] - val.target(i)["boxes"][:, :2]).amin(1).argmax())
    x, y = ((val.target(i)["boxes"][n, :2] + val.target(i)["boxes"][n, 2:]) / 2).tolist()
    reach = 0.6 * float((val.target(i)["boxes"][n, 2:] - val.target(i)["boxes"][n, :2]).max())
    for ax, net in zip(column, (coarse_net, regrouped)):
        masks, overlap = best_masks(net, i)
        draw.boxes_on(ax, val.image(i), [])
        ax.contour(val.target(i, masks=True)["masks"][n], levels=[0.5], colors="white", linestyles=":", linewidths=1.5)
        ax.contour(masks[n], levels=[0.5], colors=draw.PALETTE["vermillion"], linewidths=2)
        ax.set(xlim=(x - reach, x + reach), ylim=(y + reach, y - reach), title=f"IoU {float(overlap[n]):.2f}")
draw.show(fig, "One object of each scene enlarged, DeepMask above and SharpMask below; dotted the true outline, solid the proposal's.")

# %% [markdown]
# And in numbers, on some validation images. The scores are the same, so the lists have the same order.

# %%
from paperlib.scoring.coco_metrics import segment_recall
from paperlib.scoring.detect import detect_all
from paperlib.scoring.segments.outlines import outlines

few = val.subset(4 if smoke else 24)
columns = {}
for name, net in (("DeepMask", coarse_net), ("SharpMask", regrouped)):
    results = detect_all(net, few, device)
    columns[name] = {key: 100 * value for key, value in (segment_recall(few, results) | outlines(few, results)).items()}
chosen = [f"{kind} {metric}" for kind in ("box", "seg") for metric in ("AR10", "AR100", "AR1000", "AUC")] + ["best IoU", "band IoU 1", "band IoU 2", "band IoU 4"]
numbers_ = pd.DataFrame(columns).loc[chosen]
numbers_["gain"] = numbers_["SharpMask"] - numbers_["DeepMask"]
draw.table(numbers_, f"Proposals of the stored network on {len(few)} validation images, %; bands in px of the image, of the best mask of each object that is reached")

# %% [markdown]
# Read three things. Does the recall of *segments* gain more than that of *boxes*? (The paper's reason: a sharper mask often has the same box.) Is the gain larger in a narrow band
# than in IoU? And mind the limit of our pixels. A disc of 12 px that is drawn one px too large all around keeps an IoU of $(12/14)^2$, less than three quarters. A few points on two dozen
# images are no verdict: the rows of Table 3.3 are for that.
#
# ## How many channels?
#
# Two schedules: **a** keeps $k$ channels at every step, **b** halves them from step to step (Sec. 3.5.2). What do they cost at the paper's size, for 500 windows of an image of
# 480 x 640 px? This is arithmetic: 9 products for each pair of channels and pixel of a 3x3 convolution.

# %%
def products(k, schedule, channels=(1024, 512, 256, 64), cells=10, rank=512, windows=500, size=(480, 640), stride=16):
    """Millions of products of each step: {name: (in the windows, shared by the image)}."""
    cfg_ = RefineConfig(k, schedule)
    widths, area = cfg_.widths(len(channels)), size[0] * size[1] / stride**2
    spent = {"M1": (windows * rank * widths[0] * cells**2, 0)}
    for i, (depth, width_, next_) in enumerate(zip(channels, widths, widths[1:])):
        shared = 9 * 4**i * area * (depth * cfg_.between + cfg_.between * width_ + width_ * next_)
        spent[f"R{i + 1}"] = (windows * 9 * width_ * next_ * cells**2 * 4**i, shared)
    spent["last"] = (windows * 9 * widths[-1] * cells**2 * 4**len(channels), 0)
    return {name: (a / 1e6, b / 1e6) for name, (a, b) in spent.items()}


def parameters(k, schedule):
    with torch.device("meta"):
        net = Refinement([1024, 512, 256, 64], 10, 512, RefineConfig(k, schedule), "replicate")
    return sum(p.numel() for p in net.parameters()) / 1e6


# %%
def draw_cost(ax, k=32, schedule="b"):
    spent = products(k, schedule)
    own, shared = ([pair[n] / 1000 for pair in spent.values()] for n in (0, 1))
    ax.bar(spent.keys(), own, label="windows", color=draw.PALETTE["blue"])
    ax.bar(spent.keys(), shared, bottom=own, label="image", color=draw.PALETTE["orange"], hatch="//", edgecolor="white")
    ax.set(ylabel="billions of products", ylim=(0, 48))
    ax.text(0.03, 0.97, ", ".join(map(str, RefineConfig(k, schedule).widths(4))) + f" channels\n{parameters(k, schedule):.2f} M parameters\n{sum(own) + sum(shared):.0f} billions in all",
            transform=ax.transAxes, va="top", fontsize=8)
    ax.legend(fontsize=7, loc="center left")


explore(draw_cost, "What each step of the refinement costs", size=(6, 3.4), k=[32, 1, 2, 4, 8, 16, 64], schedule=["b", "a"])

# %%
draw.show(frames(draw_cost, [{"k": k, "schedule": schedule} for schedule in "ba" for k in (2, 16, 32)], size=(3.2, 2.6)),
          "Six bar charts of products by step. With schedule b nearly all work is the image's, shared by its windows; with schedule a and k = 32 the last steps in each window rule, as they have the most pixels.")

# %%
timed = {}
for schedule in "ab":
    for k in (1, 2, 4, 8, 16, 32)[:2 if smoke else None]:
        net = sharpmask(refinement=False, **{"refine.k": k, "refine.schedule": schedule}).requires_grad_(False)
        each = [seconds(net, 100 if smoke else 500) for _ in range(2 if smoke else 4)][1:]
        timed[schedule, k] = [parameters(k, schedule), sum(map(sum, products(k, schedule).values())) / 1000, 1000 * median(each)]
costs = pd.DataFrame.from_dict({f"schedule {s}, k = {k}": row for (s, k), row in timed.items()}, "index", columns=["parameters, M (paper's size)",
                               "products, billions (paper's size)", "ms, 500 windows (ours, measured)"])
draw.table(costs, "Schedule and k: what they cost")

# %% [markdown]
# Schedule b with $k = 32$ is the paper's choice: about as good as schedule a for a part of its work. How good each is takes a training of its own. Here is
# what the recorded ones reached, against $k$ and against the time just measured.

# %%
from paperlib.claims.sharpmask.curves import row_of
from paperlib.tables import compare, runner

shown = budget("mini") if smoke else plan
recorded = compare.measured("sharpmask/3", shown)
aucs = {pair: points for pair in timed if (points := compare.points(recorded, row_of(*pair), "seg AUC"))}
common = set.intersection(*map(set, aucs.values())) if aucs else set()  # seeds that all these rows have
fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3), sharey=True)
told = []
for schedule, colour, mark in (("a", "orange", "s"), ("b", "blue", "o")):
    some = [(k, timed[s, k][2], np.mean([aucs[s, k][seed] for seed in common])) for s, k in aucs if s == schedule]
    for ax, place in ((left, 0), (right, 1)):
        ax.plot([each[place] for each in some], [each[2] for each in some], marker=mark, color=draw.PALETTE[colour], label=f"schedule {schedule}")
    told += [f"{schedule}, k {k}: {auc:.1f}" for k, _, auc in some]
left.set(xscale="log", xlabel="k (logarithmic)", ylabel="segment AUC", ylim=(0, 14), xticks=[1, 2, 4, 8, 16, 32], xticklabels=[1, 2, 4, 8, 16, 32])
left.minorticks_off()
right.set(xlabel="ms for 500 windows")
right.legend(loc="lower right")
draw.show(fig, f"Segment AUC against k and against time, by schedule; seeds that all rows have: {len(common)}. " + ("; ".join(told) or "Not recorded yet."))

# %% [markdown]
# With one channel the refinement is worse than the coarse masks that it replaces (*DeepMask-ours* in the table below). With a few it is level with them, and only
# with many does it gain something. Schedule b with 32 is the best of all, in two fifths of the time that schedule a takes for as many. That is the paper's choice, so far
# with one seed. The paper gains at every doubling, though. Its masks have 160 px a side and four steps, ours 40 px and two.
#
# ## The tables, in the paper and here

# %%
from paperlib.papers.printed import published


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


beside("sharpmask/3", "Table 3.3: segment AUC of many methods", "seg AUC")

# %%
beside("sharpmask/3", "Table 3.3: segment AUC of the small objects", "seg AUCs")

# %%
some, metrics = ["Selective Search", "RPN", "DeepMask", "DeepMask-ours", "SharpMask"], ("box AR10", "box AR100", "box AR1k", "box AUC")
parts = [compare.frame("sharpmask/3", shown, metric).loc[some, [("paper", metric), ("ours", metric)]] for metric in metrics]
draw.table(pd.concat(parts, axis=1), "Table 3.3: the boxes of five methods, by how many of an image count")

# %% [markdown]
# Deltas are to *DeepMask-ours*. It shares its scores with *SharpMask*, so that delta is the refinement. So far it is not resolved; single runs of the two other ways to
# train lie higher. The rows *Zoom* test the same networks at more scales, which should help small objects most. It does, for SharpMask by as much as in the paper: its
# recall of small objects doubles and triples, that of large ones falls (one seed). *DeepMask* gains more, from next to nothing.
#
# Selective search learns nothing and draws nothing, so its row is a single run. Its boxes are OpenCV's. OpenCV keeps no masks, so each box has the region of a
# grouping of our own, by the same rule. The row *RPN* is a network on one map (notebook 08), trained alone. It is not the RPN of the lists below. It has no masks, so
# the tables of segments call it *not run*.
#
# As in the paper, the boxes of selective search are far behind SharpMask's with ten of an image, closer with a thousand. Its masks stay below SharpMask's. Two things differ, so
# far. In the paper the RPN's boxes are behind those of every mask network. Here they lead with ten and with a hundred; with a thousand SharpMask's do. And the masks of selective
# search are level with those of the first *DeepMask*, which the paper has far ahead.
#
# ## What a detector makes of them
#
# Proposals are a means. The paper gives SharpMask's boxes to a Fast R-CNN, beside those of selective search and of an RPN (Table 3.4), and asks how many it needs
# (Fig. 3.5c). We do the same with the boxes of three sources: selective search, the RPN of the stored Faster R-CNN on a pyramid, and this notebook's SharpMask. A Fast
# R-CNN on a pyramid stands for the paper's VGG. It learns from the best 1000 boxes of an image, each time of its own source. Then it is tested on the best
# 10 to 1000. A row without a number of ours, as those of the competitions, is the paper's alone.
#
# First the lists themselves: how many objects do the best 10, 100 and 1000 boxes of each source reach? (Box recall by size is that of 1000.)

# %%
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring.average_recall import average_recall
from paperlib.scoring.proposal_recall import ranked_records
from paperlib.training.own_proposals import with_given_proposals

some, reached = val.subset(4 if smoke else 60), {}
sources = {"selective search": "selective_search", "RPN": "faster_rcnn_pyramid.safetensors", "SharpMask": "sharpmask.safetensors"}
for name, kind in sources.items():
    listed = with_given_proposals(some, ProposalSource(kind)).proposals
    recall = average_recall(some, ranked_records(some, listed))
    reached[name] = [100 * recall[metric] for metric in ("AR10", "AR100", "AR1000", "ARs", "ARm", "ARl", "AUC")]
draw.table(pd.DataFrame.from_dict(reached, "index", columns=["AR10", "AR100", "AR1000", "small", "medium", "large", "AUC"]),
           f"Average recall of boxes by their source, on {len(some)} images")

# %%
beside("sharpmask/4", "Table 3.4: box AP of a detector by its proposals, and over their number", "AP")

# %%
beside("sharpmask/4", "Table 3.4: box AP at an overlap of one half", "AP50")

# %%
lists = {"SharpMask": ("SharpMask + VGG", "SharpMask, {} proposals", "blue", "o"),
         "selective search": ("Selective Search + VGG", "Selective search, {} proposals", "orange", "s")}
detectors, counts = compare.measured("sharpmask/4", shown), (10, 30, 100, 300, 500, 1000)
fig, ax = plt.subplots(figsize=(6, 3))
told = []
for name, (whole, some, colour, mark) in lists.items():
    rows = [*(some.format(n) for n in counts[:-1]), whole]
    found = [(n, np.mean(list(points.values()))) for n, row in zip(counts, rows) if (points := compare.points(detectors, row, "AP"))]
    ax.plot([n for n, _ in found], [ap for _, ap in found], marker=mark, color=draw.PALETTE[colour], label=name)
    told += [f"{name}, best {n}: {ap:.1f}" for n, ap in found]
ax.set(xscale="log", xlabel="proposals of an image at test time (logarithmic)", ylabel="box AP", xticks=counts, xticklabels=counts)
ax.set_ylim(bottom=0)
ax.minorticks_off()
ax.legend(loc="lower right")
draw.show(fig, "AP of a detector over the number of proposals that it is tested on. " + ("; ".join(told) or "Not recorded yet."))

# %% [markdown]
# **What it says, so far** (one seed). With few boxes SharpMask is far ahead of selective search, as in the paper's figure: its scores say which windows matter. Its curve is flat
# from 300 on, where the paper's is from 500. With a thousand boxes the two are level in AP, and the paper's lead of five points is not there. SharpMask is ahead at an overlap of
# one half, and on small objects. The RPN comes last, as its boxes are loose (notebook 08). That selective search keeps up may be our world's doing: drawn things have plain
# colours, which it groups well. That has not been tested.

# %%
from paperlib.claims import verdicts

mine = [c for c in verdicts.judged(shown, "sharpmask") if c.notebook == "07_sharpmask"]
draw.table(verdicts.frame(mine, "exact"), "Claims that follow from arithmetic or from a network's shape, computed", digits=2)

# %%
draw.table(verdicts.frame(mine, "ratio"), "Claims about speed", digits=2)

# %%
draw.table(verdicts.frame(mine, "trend"), "Claims about trained networks, and what our runs say; 95% intervals, in points")

# %% [markdown]
# ## What differs from the paper and from the published code
#
# | what | there | here | switch |
# |---|---|---|---|
# | images, windows | about 640 px, 160 px | 128 px, 40 px | preset `scale` |
# | modules | four, from 10 to 160 px | two, from 10 to 40 px: the trunk has two halvings | `trunk.name`, preset `resnet50` |
# | channels | 32, 16, 8, 4, 2 | in the rows 32, 16, 8; in the stored network 16, 8, 4, so that its file is small | `refine.k`, `refine.schedule` |
# | between the skip convolutions | 64 | 32 | `refine.between` |
# | skips of a patch | cut first, then convolved with mirrored edges | convolved with the context, then cut, as in an image | |
# | second stage | two days on a GPU | minutes on a core, half as long as the first | `refine_steps` |
# | windows refined | 500 in the timing | 1,000 | `refine.top` |
# | fine-tuning all | little gained | a switch, and a row of its own | `training` |
#
# ## Exercises
#
# **1. Predict.** $M^1$ has 10 px a side. How many modules does it take to reach a mask of 160 px?

# %%
predict("From 10 to 160 px, each module doubles: how many modules?", "modules", guess=None)

# %%
reveal("modules", 4, "10, 20, 40, 80, 160: one for each pooling of the trunk.")

# %% [markdown]
# **2. Implement.** Regroup one module: the convolution of $[M, S]$ without ever laying the two side by side. `m` (N, A, h, w), `s` (N, B, h, w), `weight` (K, A + B, 3, 3) with the
# part for $M$ first, `bias` (K,); zeros around. Return the map after the ReLU, before it is doubled.

# %% tags=["exercise"]
def my_regrouped(m, s, weight, bias):
    ...


# %%
def spec_regrouped(m, s, weight, bias):
    return F.relu(F.conv2d(torch.cat([m, s], 1), weight, bias, padding=1))


chance = torch.Generator().manual_seed(0)
made = [tuple(torch.randn(shape, generator=chance) for shape in ((2, a, 5, 6), (2, b, 5, 6), (3, a + b, 3, 3), (3,))) for a, b in ((4, 2), (1, 3))]
check("regroup", my_regrouped, spec_regrouped, made, tolerance=1e-4)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_regrouped(m, s, weight, bias):
#     a = m.shape[1]
#     own = F.conv2d(m, weight[:, :a], bias, padding=1)
#     shared = F.conv2d(s, weight[:, a:], padding=1)      # the same for all windows of an image
#     return F.relu(own + shared)
# ```
# </details>
#
# **3. Implement.** The IoU in a band. `truth` and `guess` (h, w) bool, `width` px. Count only pixels of the band around the true outline. (`band(truth, width)` gives it.)

# %% tags=["exercise"]
def my_band_iou(truth, guess, width):
    ...


# %%
rows_, columns_ = np.mgrid[:24, :24]
disc, larger, beside_ = ((rows_ - 12) ** 2 + (columns_ - x) ** 2 < r**2 for x, r in ((12, 7), (12, 9), (14, 7)))
check("band IoU", my_band_iou, lambda truth, guess, width: along(truth, guess, (width,))[0],
      [(disc, larger, 1), (disc, beside_, 2), (disc, disc, 3), (larger, beside_, 4)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_band_iou(truth, guess, width):
#     inside = band(truth, width)
#     return (truth & guess)[inside].sum() / (truth | guess)[inside].sum()
# ```
# </details>
#
# **4. Find the fault.** Each window cuts its part out of the shared maps. `x` (k, h, w) is the shared map of step `i` (0 for the coarsest), `row` and `column` the window's first cell
# *in the coarsest map*, `cells` its side there. With the function below the first step is right and all later masks are wrong, except in the image's corner. Mend it.
#
# ```python
# def cut_faulty(x, row, column, cells, i):
#     side = cells * 2**i
#     return x[:, row:row + side, column:column + side]
# ```

# %% tags=["exercise"]
def my_cut(x, row, column, cells, i):
    ...


# %%
def spec_cut(x, row, column, cells, i):
    part = Refinement([1] * (i + 1), cells, 1, RefineConfig(1, between=1), "zeros")
    maps = [x.new_zeros(1, 1, 1, 1).expand(1, 1, x.shape[1], x.shape[2])] * i + [x[None]]
    return part.cut(maps, torch.tensor([[row, column]]))[i][0]


check("cut of a shared map", my_cut, spec_cut, [(torch.arange(128.0).view(2, 8, 8), 3, 2, 4, 0), (torch.arange(512.0).view(2, 16, 16), 3, 2, 4, 1),
                                                (torch.arange(1024.0).view(1, 32, 32), 1, 3, 4, 2)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_cut(x, row, column, cells, i):
#     side, y, x0 = cells * 2**i, row * 2**i, column * 2**i     # cells are twice as fine at each step
#     return x[:, y:y + side, x0:x0 + side]
# ```
# </details>
#
# **5. Investigate.** Train the live refinement with `{"refine.k": 1}`, `{"refine.k": 4}` and `{"refine.k": 32}`, and compare the tables of *Accuracy along the outline*. Then with
# `{"refine.skip_layers": 1}`.
#
# <details><summary>What to look for</summary>
#
# With one channel the encoding is a mask, and says no more than the coarse one did: the gain is small. The paper had no good results with schedule a and k of 2 or less. A single
# convolution from many channels to few is what the paper found hard to train; with our 64 channels it is a smaller step than with its 1,024.
# </details>

# %%
score()

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("07_sharpmask")

# %% [markdown]
# ## In three lines
#
# A coarse encoding says which object; finer maps say where its edge is; each module merges the two and doubles.
# Regrouped, all that belongs to the image is done once, and only what belongs to a window is done for each.
# The forward network stays as it is, so what is gained is the refinement's alone; look for it along the outline.
#
# **Next:** notebook 08, feature pyramids: the same top-down way, for all levels and for the whole image at once.
#
# **References.** arXiv 1603.08695: refinement (Sec. 3.3.1, 3.3.2), training and inference (Sec. 3.3.3), schedules, skip and deconv (Sec. 3.5.2, Fig. 3.5), comparison (Sec. 3.5.3, Table 3.3),
# the regrouped module (Fig. 3.7), pictures (Figs. 3.2, 3.9). Trimaps: Kohli, Ladický and Torr 2009. Skip networks: Long et al. 2015.
