# %% [markdown]
# # 05 · Region proposals and Faster R-CNN
#
# **Paper:** Ren, He, Girshick and Sun, *Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks*
# (arXiv 1506.01497v3; NIPS 2015), Sections 3 and 4.
# **Before this:** Fast R-CNN (notebook 04), or the ideas "region of interest", "intersection over union" and "box regression".
#
# <!-- minutes -->reading: main path about 20 min, all 25 min; CPU: 1.5 min on 2 CPU cores; older CPU: 5 min on 2 CPU cores; GPU: not measured yet<!-- /minutes -->
# Everything here runs on a CPU; with a GPU the live trainings are only faster.

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # "smoke" runs every cell in seconds, without waiting for a good model
SEED = 0
DEVICE = None  # "cpu", "cuda", "mps"; None takes the best there is
DATA = "minicoco"  # an embedded set, or the path of a COCO or VOC folder
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
# - lay anchors over an image and say, for given thresholds, which must learn "object", which "background", and which nothing;
# - write the loss of a region proposal network term by term, and check it against the library;
# - turn its thousands of outputs into a short list of proposals, and measure what that list is worth;
# - explain why two networks that share their features need a training procedure, and compare three of them.
#
# **A question before you read on.** A network is to say where objects are, anywhere, of any size and shape, but a
# convolution has a fixed number of outputs at each place. How can a fixed set of numbers describe any number of boxes?

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
import torch

from paperlib.config import override
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.parts import boxes
from paperlib.progress import progress
from paperlib.systems.registry import SYSTEMS
from paperlib.teach import draw
from paperlib.teach.exercises import check, predict, quiz, reveal
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames
from paperlib.training.recipes import budget, system_config

draw.style()
device, plan = pick_device(DEVICE), budget(BUDGET)
DATA = small_copy(DATA, SIZE)
recipe = override(plan.recipe("rpn"), {"data": DATA})
smoke = plan.name == "smoke"

# %% [markdown]
# ## The problem in one picture
#
# Fast R-CNN made everything after the proposals fast, and so the proposals themselves became what one waits for. Selective
# search groups pixels into regions; it runs on a CPU, learns nothing, and knows nothing of what the detector has
# already computed. Time it on one image.

# %%
import time

from paperlib.data.selective_search import selective_search

val = load(recipe.data, recipe.test, limit=200)
train_set = load(recipe.data, recipe.train, limit=recipe.train_images)
sides = [val.target(i)["area"].sqrt() for i in range(len(val))]
example = next((i for i, s in enumerate(sides) if 4 <= len(s) <= 6 and s.min() > 12 and s.max() < 50), 0)
image, target = val[example]
start = time.perf_counter()
searched = torch.from_numpy(selective_search(image.numpy().transpose(1, 2, 0)))
searched_in = time.perf_counter() - start
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6))
draw.boxes_on(left, image, searched[:60], colors=draw.PALETTE["blue"], text=False)
left.set_title(f"60 of the {len(searched)} boxes of selective search")
draw.boxes_on(right, image, target["boxes"], target["labels"], classes=val.classes)
right.set_title("what there is to find")
draw.show(fig, f"One drawn scene twice: covered with boxes of selective search, and with its {len(target['boxes'])} objects.")
print(f"Selective search took {1000 * searched_in:.0f} ms for {image.shape[-1]} x {image.shape[-2]} pixels.")

# %% [markdown]
# The paper's answer: let the network propose. The convolutional features are there anyway. A **region proposal network**
# (RPN) reads them with a 3x3 window. At every place it says how likely it is that an object is here, and what its box is.
# The paper's own timing, from its Table 5:

# %%
from paperlib.papers.printed import published

five = published()["faster_rcnn/5"]
for row in five["rows"]:
    v = row["values"]
    print(f"{row['label']:24} proposals {v['proposal']:6,} ms of {v['total']:6,} ms, {v['rate']:4} images a second")

# %% [markdown]
# ## Anchors
#
# The answer to the opening question: do not predict boxes, predict **corrections** to boxes that are laid out beforehand. At
# every cell of the feature map sit $k$ **anchors**, one for each scale and aspect ratio (Sec. 3.1.1). Each of them asks: *is
# there an object that is roughly me?* and *how must I move to fit it?* So the network has $k$ scores and $4k$ coordinates at
# each cell, whatever is in the image.
#
# For training, an anchor needs an answer. With IoU for overlap (Sec. 3.1.2):
#
# | its IoU with the objects | label | variable |
# |---|---|---|
# | the highest of all anchors for some object, or at least `hi` = 0.7 with any | object | `1` |
# | below `lo` = 0.3 with all | background | `0` |
# | between | takes no part | `-1` |
#
# Move the dials: the anchors' side and shape, the stride of the map, and both thresholds.

# %%
from paperlib.parts.anchors import AnchorConfig, anchors_for
from paperlib.parts.matching import MatchConfig, assign


def lay(stride, side, ratio):
    level = stride.bit_length() - 1  # stride 8 is level 3
    cfg = AnchorConfig((level,), size_per_stride=side / stride, scales=(1.0,), ratios=(ratio,))
    return anchors_for(cfg, {level: tuple(-(-s // stride) for s in image.shape[-2:])})


# %%
def draw_anchors(ax, stride, side, ratio, hi, lo):
    anchors = lay(stride, side, ratio)
    _, label = assign(anchors, target, MatchConfig(hi, lo, best=True))
    draw.boxes_on(ax, image, target["boxes"], colors="white", linestyle=":", text=False)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    for value, color in ((0, "blue"), (-1, "orange"), (1, "vermillion")):
        ax.scatter(*centres[label == value].T, s=4, color=draw.PALETTE[color])
    draw.boxes_on(ax, None, anchors[label == 1], colors=draw.PALETTE["vermillion"], text=False)
    counts = [int((label == value).sum()) for value in (1, -1, 0)]
    ax.text(2, 126, "object {}, ignored {}, background {}".format(*counts), fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})
    ax.set(xlim=(-0.5, image.shape[-1] - 0.5), ylim=(image.shape[-2] - 0.5, -0.5))


explore(draw_anchors, "Centres of the anchors, coloured by label, and the boxes of those that match an object",
        size=(4.6, 4.6), stride=[8, 4, 16], side=(8, 96, 4, 28), ratio={"1:1": 1.0, "2:1": 0.5, "1:2": 2.0},
        hi=(0.3, 0.9, 0.05, 0.7), lo=(0.1, 0.5, 0.05, 0.3))

# %% [markdown]
# The same without a running kernel. Red: object (with its box); orange: no part; blue: background; dotted: the objects.

# %%
usual = {"stride": 8, "side": 28, "ratio": 1.0, "hi": 0.7, "lo": 0.3}
states = [usual, {**usual, "hi": 0.5}, {**usual, "hi": 0.5, "lo": 0.1}, {**usual, "side": 56}, {**usual, "stride": 4},
          {**usual, "ratio": 0.5}]
draw.show(frames(draw_anchors, states, size=(2.9, 3.1)), "Six panels of one scene with its anchors. A lower upper threshold "
          "makes more anchors objects; a lower lower threshold leaves more of them out; large anchors match the large "
          "objects; a finer grid has four times the anchors.")

# %% [markdown]
# ## Labels, step by step
#
# The rule as a loop over three anchors and two objects. Note the last one: no anchor overlaps the second object by 0.7, and
# yet one of them has to learn it. That is what the "highest of all" clause is for.

# %% tags=["derive"]
def iou_slow(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def label_slow(anchors, objects, hi=0.7, lo=0.3):
    table = [[iou_slow(a, o) for a in anchors] for o in objects]             # rows: objects
    labels = []
    for column in zip(*table):
        best = max(column)
        labels.append(1 if best >= hi else 0 if best < lo else -1)
    for row in table:
        for i, value in enumerate(row):
            labels[i] = 1 if value == max(row) and value > 0 else labels[i]
    return labels


three = [[10, 10, 30, 30], [14, 10, 34, 30], [60, 60, 80, 80]]
two = [[10, 10, 30, 32], [66, 60, 90, 84]]
print(label_slow(three, two))

# %% tags=["agree"]
anchors = lay(8, 28, 1.0)
_, ours = assign(anchors, target, MatchConfig(0.7, 0.3, best=True))
assert ours.tolist() == label_slow(anchors.tolist(), target["boxes"].tolist())
draw.source(assign)

# %% [markdown]
# ## The loss
#
# Equation 1 of the paper has two sums over the anchors $i$ of a mini-batch:
#
# $$L = \frac{1}{N_{cls}} \sum_i L_{cls}(p_i, p_i^*) + \lambda \frac{1}{N_{reg}} \sum_i p_i^*\, L_{reg}(t_i, t_i^*)$$
#
# | symbol | variable | meaning |
# |---|---|---|
# | $p_i$, $p_i^*$ | sigmoid of `logits`; `label` | predicted probability of an object; 1, 0 |
# | $t_i$, $t_i^*$ | `deltas`; `boxes.encode(...)` | predicted and wanted correction (tx, ty, tw, th) |
# | $L_{cls}$, $L_{reg}$ | log loss; `smooth_l1` | the second counts only where $p_i^* = 1$ |
# | $N_{cls}$ | number of sampled anchors | the mini-batch |
# | $N_{reg}$ | `locations` times $N_{cls}$ | the paper divides by the number of cells instead |
# | $\lambda$ | `box_weight` | so that both terms weigh about the same |
#
# Let us build an RPN, take two images, and add the terms up one anchor at a time.

# %%
from paperlib.data.batches import Batches
from paperlib.training.loop import fit, to_device

seed_all(SEED)
cfg = system_config("rpn", recipe, len(val.classes))
every = SYSTEMS["rpn"](override(cfg, {"rpn.samples": None, "rpn.box_weight": 10.0, "rpn.locations": 9.4})).to(device)
images, targets = Batches(train_set, 2, SEED)[0]
images, targets = images.to(device), to_device(targets, device)
logits, deltas, anchors = every.predict(images)
print(f"{logits.shape[1]:,} anchors an image: {logits.shape[1]:,} scores and {deltas.shape[1] * 4:,} coordinates")

# %% tags=["derive"]
import math


def smooth_l1_slow(x, beta=1 / 9):
    return 0.5 * x * x / beta if abs(x) < beta else abs(x) - 0.5 * beta


def rpn_loss_slow(logits, deltas, labels, goals, weight, locations):
    used = [i for i, label in enumerate(labels) if label >= 0]
    cls = reg = 0.0
    for i in used:
        p = 1 / (1 + math.exp(-logits[i]))
        cls -= math.log(p if labels[i] == 1 else 1 - p)
        if labels[i] == 1:
            reg += sum(smooth_l1_slow(t - g) for t, g in zip(deltas[i], goals[i]))
    return cls / len(used), weight * reg / (locations * len(used))


slow = [0.0, 0.0]
for n, one in enumerate(targets):
    gt, labels = assign(anchors, one, every.cfg.rpn.match)
    goals = boxes.encode(anchors, one["boxes"][gt])
    parts = rpn_loss_slow(logits[n].tolist(), deltas[n].tolist(), labels.tolist(), goals.tolist(), 10.0, 9.4)
    slow = [total + part / len(targets) for total, part in zip(slow, parts)]
print("objectness {:.5f}, boxes {:.5f}".format(*slow))

# %% tags=["agree"]
fast = every.losses(images, targets)
torch.testing.assert_close(torch.stack(list(fast.values())).cpu(), torch.tensor(slow), rtol=1e-3, atol=1e-5)
draw.source(type(every.rpn).losses)

# %% [markdown]
# Two things in the library's version are left out above. **Sampling** (Sec. 3.1.3): of all labelled anchors only some are
# drawn, up to half of them objects, or else the sum would be ruled by background. And the **border**: the paper lets anchors
# that cross the image's edge take no part in training (Sec. 3.3). How many is that?

# %%
predict("A 600 x 1000 image, stride 16, 3 scales (128, 256, 512 px), 3 ratios: what share of its anchors lies inside?", "inside")

# %%
from paperlib.parts.anchors import inside

papers = AnchorConfig((4,), size_per_stride=8.0, scales=(1.0, 2.0, 4.0))
laid = anchors_for(papers, {4: (38, 63)})
kept = inside(laid, (600, 1000))
told = {row["label"]: row["values"]["value"] for row in published()["faster_rcnn/text"]["rows"]}
reveal("inside", round(float(kept.float().mean()), 3), f"{int(kept.sum()):,} of {len(laid):,} anchors. The paper: about "
       f"{told['anchors inside']:,} of {told['anchors']:,}.")

# %% [markdown]
# ## A live training
#
# An RPN on a feature pyramid (notebook 08 has the details; here it only means that small anchors sit on fine maps), on
# MiniCOCO, from a pre-trained trunk. Both losses should fall; the box loss less, since every object has some anchor that is
# nearly right before any training.

# %%
live = replace(recipe, steps=recipe.steps if smoke else 400)
seed_all(SEED)
rpn = SYSTEMS["rpn"](cfg)
history = list(progress(fit(rpn, Batches(train_set, live.batch, SEED), live, device, SEED), total=live.steps, desc="RPN"))
rpn.eval()
print(f"{live.steps} steps of {live.batch} images, {sum(h['seconds'] for h in history):.0f} s; "
      f"loss {history[0]['loss']:.2f} at first, {history[-1]['loss']:.2f} at last")

# %%
def smooth(values, n=20):
    n = min(n, len(values))
    return torch.nn.functional.avg_pool1d(torch.tensor(values)[None, None], n, 1)[0, 0]


fig, ax = plt.subplots(figsize=(7, 3))
for part, name in (("objectness", "objectness (log loss)"), ("proposal", "boxes (smooth L1)")):
    ax.plot(smooth([h[part] for h in history]), label=name, marker="o" if smoke else None)
ax.set(xlabel="step", ylabel="loss, mean of 20 steps", ylim=(0, None))
ax.legend()
draw.show(fig, "Two losses of the region proposal network over its training steps: objectness falls steeply and then slowly; "
               "the box loss falls a little.")

# %% [markdown]
# ## From thousands of answers to a few proposals
#
# Neighbouring anchors see the same object and say so together. So the answers are sorted by score. Each anchor is moved by
# its deltas and cut at the image's edge. Whatever a better proposal overlaps by more than 0.7 is dropped (**NMS**), and the
# best N are kept (Sec. 3.3). Try: no suppression; few and many proposals; no scores (any N of all, at random); no regression
# (the plain anchors). Green objects are found (some proposal overlaps them by half), red ones are not. The scene is a
# flattering one: of forty, the one where twenty proposals of this short training reach the most objects.

# %%
from paperlib.parts.proposals import ProposalConfig, propose

def size_of(i):
    return torch.tensor([val.image(i).shape[-2:]])


def dense_of(i):
    with torch.no_grad():
        return [[x.cpu() for x in part] for part in rpn.predict_levels(val.image(i)[None].to(device))]


def reached(i):
    overlap = boxes.iou(val.target(i)["boxes"], propose(*dense_of(i), size_of(i), ProposalConfig(keep=20))[0]["boxes"])
    return int((overlap.amax(1) >= 0.5).sum())


several = [i for i, s in enumerate(sides) if 3 <= len(s) <= 6][:40] or [example]
flattering = max(several, key=reached)
(view, objects), dense, size = val[flattering], dense_of(flattering), size_of(flattering)

# %%
def draw_proposals(ax, number, suppress, scores=True, regress=True):
    torch.manual_seed(SEED)
    how = ProposalConfig(nms=suppress if suppress < 1 else None, keep=number, scored=scores, regressed=regress)
    found = propose(*dense, size, how)[0]["boxes"]
    overlap = boxes.iou(objects["boxes"], found).amax(1)
    draw.boxes_on(ax, view, found, colors=draw.PALETTE["sky"], text=False)
    colors = [draw.PALETTE["green" if value >= 0.5 else "vermillion"] for value in overlap]
    draw.boxes_on(ax, None, objects["boxes"], colors=colors, text=False)
    ax.text(2, 126, f"found {int((overlap >= 0.5).sum())} of {len(overlap)}; mean overlap {overlap.mean():.2f}", fontsize=7,
            color="white", bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})
    ax.set(xlim=(-0.5, view.shape[-1] - 0.5), ylim=(view.shape[-2] - 0.5, -0.5))


explore(draw_proposals, "Proposals of the trained network in light blue over one scene, objects in green or red",
        size=(4.6, 4.6), number=(1, 100, 1, 20), suppress=(0.3, 1.0, 0.1, 0.7), scores=True, regress=True)

# %%
usual = {"number": 20, "suppress": 0.7}
states = [{**usual, "number": 5}, usual, {**usual, "number": 60}, {**usual, "suppress": 1.0},
          {**usual, "scores": False}, {**usual, "regress": False}]
draw.show(frames(draw_proposals, states, size=(2.9, 3.1)), "Six panels of one scene with proposals: 5, 20 and 60 of them; 20 "
          "without suppression, which crowd together; 20 drawn at random without scores; 20 plain anchors.")

# %% [markdown]
# ## What is a list of proposals worth?
#
# Count the objects that some proposal covers, for a required IoU and a number of proposals: **recall**. The paper's
# Figure 4 draws it against the IoU for its 300, 1000 and 2000 best proposals. We take a tenth of these counts, as in the
# tables below, and compare the network above with selective search.

# %%
from paperlib.data.given_proposals import with_proposals
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring.proposal_recall import IOUS, proposals_of, recall_by_iou

some, counts = val.subset(8 if smoke else 60), (30, 100, 200)
lists = {"RPN": proposals_of(rpn, some, device), "selective search": with_proposals(some, ProposalSource()).proposals}
recall = {name: recall_by_iou(some, found, counts) for name, found in lists.items()}

# %%
fig, axes = plt.subplots(1, len(counts), figsize=(9, 3.2), sharey=True)
for m, ax in enumerate(axes):
    for name, values in recall.items():
        ax.plot(IOUS, values[:, m], marker="o", label=name)
    ax.set(title=f"{counts[m]} proposals", xlabel="IoU that counts as found", ylim=(0, 1))
axes[0].set_ylabel("recall")
axes[0].legend()
drop = {name: 100 * float((v[:, -1] - v[:, 0]).mean()) for name, v in recall.items()}
draw.show(fig, "Recall against the required IoU for 30, 100 and 200 proposals, the network beside selective search. From 200 to "
          f"30 proposals the mean recall falls by {drop['RPN']:.0f} points for the network, by "
          f"{drop['selective search']:.0f} for selective search.")

# %% [markdown]
# At an IoU of one half the network leads with every count. From .7 on selective search does, whose boxes sit better. Over all
# thresholds a short list costs the network less, since it knows better which of its boxes matter. That is why a detector on top of an RPN
# can do with few of them, which makes its second stage cheap too.

# %% [markdown]
# ## Two networks that share their features
#
# **Faster R-CNN** is an RPN and a Fast R-CNN on the same features. Trained apart, each would bend the features its own way,
# so Section 3.2 names three ways to train them together:
#
# 1. **alternating**, in four steps. An RPN is trained on its own, then a Fast R-CNN of its own on its proposals. Next
#    comes the RPN's head again, on the detector's features, which from now on stay as they are. Last comes the detector's
#    head again.
# 2. **approximate joint**: one network, the sum of the four losses; proposals count as given boxes.
# 3. **joint**, with the gradient through the boxes: moving a proposal changes what is pooled there. It needs a pooling
#    that can be differentiated by the box (`roi.kind = "warp"` here).

# %%
from paperlib.systems.faster_rcnn import FasterRCNN

draw.source(FasterRCNN.losses)

# %% [markdown]
# Does the gradient of the detector's loss reach the RPN's boxes? In the third way it should, in the second it must not.

# %%
base = system_config("faster_rcnn", override(plan.recipe("faster_rcnn"), {"data": DATA}), len(val.classes))
reached = {}
for name, changes in {"approximate joint": {}, "joint": {"training": "exact", "roi.kind": "warp"}}.items():
    seed_all(SEED)
    net = FasterRCNN(override(base, changes)).to(device)
    net.head.cls.weight.data.mul_(50)  # as if it had learnt something
    loss = net.losses(images, targets)["cls"]
    grad = torch.autograd.grad(loss, net.rpn.heads[0].box.weight, allow_unused=True)[0]
    reached[name] = 0.0 if grad is None else float(grad.norm())
    print(f"{name:18} gradient of the class loss at the RPN's box layer: {reached[name]:.3g}")
assert reached["approximate joint"] == 0 < reached["joint"]

# %% [markdown]
# Now train two of them for a moment, with one recipe, and look at the clock. (The recorded table below has the full
# schedule; here each step of the four, and the joint run, sees only a few hundred images.)

# %%
from paperlib.scoring.coco_metrics import evaluate
from paperlib.training.trainer import train

quick = override(plan.recipe("faster_rcnn"), {"data": DATA, "steps": 4 if smoke else 120})
runs = {}
for name, changes in {"joint": {}, "four steps": {"training": "alternating"}}.items():
    net, seen = train("faster_rcnn", quick, SEED, changes, device, bar=progress)
    scores = evaluate(net, val.subset(8 if smoke else 100), device)
    runs[name] = net, seen, scores
    given = proposals_of(net, val.subset(8 if smoke else 60), device)
    found = recall_by_iou(val.subset(len(given)), given, (30,), (0.5,))[0, 0]
    print(f"{name:10} {len(seen):4} steps, {sum(h['seconds'] for h in seen):5.1f} s; 30 proposals find {found:.0%} of the "
          f"objects (IoU .5); AP50 {100 * scores['AP50']:.1f}")

# %%
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3), sharey=True)
for ax, (name, (_, seen, _)) in zip(axes, runs.items()):
    for part in ("objectness", "proposal", "cls", "box"):
        pairs = [(h["step"], h[part]) for h in seen if part in h]
        steps, values = zip(*pairs)
        ax.plot(steps, values, ".", markersize=3, label=part)
    ax.set(title=name, xlabel="step", ylim=(0, 4))
axes[0].set_ylabel("loss")
axes[1].legend(markerscale=3, loc="upper right")
draw.show(fig, "The four losses over the steps of two trainings. Joint: all four from the first step. Four steps: first the two of "
               "the proposal network, then the two of the detector, then both pairs again at features that no longer change.")

# %% [markdown]
# ## A trained one, stage by stage
#
# After so few steps neither finds much. The repository holds one that was trained for longer, in a small version of the paper's
# own geometry. It has one map of stride 8, with three scales and three ratios at each cell, and its proposals and detector were
# trained jointly on MiniVOC. Its fully connected layers are compressed as in notebook 04, so that the file is small.

# %%
from paperlib.paths import weights_folder
from paperlib.training.weights import load_weights, read_header

path = weights_folder() / "faster_rcnn.safetensors"
facts, net = read_header(path), load_weights(path, "faster_rcnn").to(device)
voc = load("minivoc", "test", limit=60 if smoke else 200)
print(f"{facts['steps']} steps on {facts['data']}, {float(facts['seconds']) / 60:.1f} core-minutes; "
      f"AP {100 * float(facts['AP']):.1f} on the test images, as stored")

# %% [markdown]
# Three stages of four test images. Above: at each cell the highest score of its nine anchors, which is all that the RPN says of
# "object or not" (cells at the edge may be bright for nothing: anchors that cross the border took no part in training). Middle:
# the fifteen proposals at the head of the list. Below: what the second stage makes of them, with a score above one half.

# %%
everything = [voc.target(i) for i in range(len(voc))]
few = [i for i, t in enumerate(everything) if 2 <= len(t["boxes"]) <= 5]
varied = [i for i in few if everything[i]["area"].min() > 14**2 and len(everything[i]["labels"].unique()) > 1]
chosen = few[:3] + varied[:1]
pictures = torch.stack([voc.image(i) for i in chosen]).to(device)
sizes = torch.tensor([pictures.shape[-2:]] * len(chosen), device=device)
with torch.no_grad():
    scores = net.rpn(net.pyramid(net.trunk(pictures)), tuple(pictures.shape[-2:]))[0][0].sigmoid()
    best, detected = net.proposals(pictures, sizes), net.detect(pictures)
heat = scores.unflatten(1, (*(side // 8 for side in pictures.shape[-2:]), -1)).amax(-1).cpu()  # (N, H / 8, W / 8)

# %%
fig, axes = plt.subplots(3, len(chosen), figsize=(9, 7))
for column, picture, cells, boxes_15, found in zip(axes.T, pictures.cpu(), heat, best, detected):
    draw.boxes_on(column[0], picture, [])
    column[0].imshow(cells, extent=(-0.5, picture.shape[2] - 0.5, picture.shape[1] - 0.5, -0.5), alpha=0.65, vmin=0, vmax=1)
    draw.boxes_on(column[1], picture, boxes_15[:15].cpu(), colors=draw.PALETTE["sky"], text=False)
    keep = found["scores"].cpu() > 0.5
    draw.boxes_on(column[2], picture, found["boxes"].cpu()[keep], found["labels"].cpu()[keep], classes=voc.classes)
for ax, title in zip(axes[:, 0], ("highest score of a cell", "15 best proposals", "detections above 0.5")):
    ax.set_title(title, loc="left")
draw.show(fig, f"{len(chosen)} scenes in three rows: maps of the highest objectness of each cell, bright on the things; the fifteen best "
               "proposals, crowded around them; and the detections that the second stage makes of the proposals, with names.")

# %% [markdown]
# The second stage needs two numbers from you: how many proposals it may look at, and from what score on you believe it. Green:
# an object found (right class, IoU of one half); red: a detection that is wrong, or a second one of the same object; dotted:
# where the objects are.

# %%
def right(found, target):
    """Which detections, best first, are the first of an object of their class to overlap it by half."""
    overlap = boxes.iou(found["boxes"], target["boxes"]) * (found["labels"][:, None] == target["labels"])
    taken, good = set(), []
    for row in overlap.tolist():
        at = max(range(len(row)), key=row.__getitem__) if row else -1
        good.append(at >= 0 and row[at] >= 0.5 and at not in taken)
        taken |= {at} if good[-1] else set()
    return torch.tensor(good, dtype=torch.bool), taken


# %%
def draw_found(ax, scene, number, threshold):
    target = everything[chosen[scene]]
    given = net.proposals(pictures[scene:scene + 1], sizes[:1], training=True)[0][:number]
    found = {k: v.cpu() for k, v in net.detect(pictures[scene:scene + 1], proposals=[given])[0].items()}
    found = {k: v[found["scores"] > threshold] for k, v in found.items()}
    good, taken = right(found, target)
    draw.boxes_on(ax, pictures[scene].cpu(), target["boxes"], colors="white", linestyle=":", text=False)
    colors = [draw.PALETTE["green" if yes else "vermillion"] for yes in good]
    draw.boxes_on(ax, None, found["boxes"], found["labels"], colors=colors, classes=voc.classes)
    ax.text(2, 126, f"found {len(taken)} of {len(target['boxes'])}; {int((~good).sum())} wrong", fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})


explore(draw_found, "Detections of the stored network in green where they are right and red where not, over one scene",
        size=(4.6, 4.8), scene=(0, len(chosen) - 1, 1, 0), number=(1, 200, 1, 30), threshold=(0.05, 0.95, 0.05, 0.5))

# %%
usual = {"scene": len(chosen) - 1, "number": 30, "threshold": 0.5}
states = [usual, {**usual, "number": 3}, {**usual, "threshold": 0.05}, {**usual, "threshold": 0.9},
          {**usual, "scene": 0}, {**usual, "scene": 0, "threshold": 0.05}]
draw.show(frames(draw_found, states, size=(2.9, 3.1)), "Six panels with detections. Three proposals miss things; a low threshold "
          "adds wrong detections and second ones of the same thing; a high one keeps only the surest.")

# %% [markdown]
# The same trade over many images: as the threshold rises, more of what is reported is right, and fewer objects are found.
# AP, which notebook 02 takes apart, is the area under this trade for each class.

# %%
said, total = [], 0
for first in range(0, len(voc), 20):
    some = range(first, min(first + 20, len(voc)))
    for i, found in zip(some, net.detect(torch.stack([voc.image(i) for i in some]).to(device))):
        found, truth = {k: v.cpu() for k, v in found.items()}, everything[i]
        total += len(truth["boxes"])
        said += zip(found["scores"].tolist(), right(found, truth)[0].tolist())
score, good = (torch.tensor(part) for part in zip(*said))
thresholds = torch.arange(0.05, 1, 0.05)
kept = [(score > t) for t in thresholds]
precision = [float(good[k].float().mean()) if k.any() else float("nan") for k in kept]
recalled = [int(good[k].sum()) / total for k in kept]
fig, ax = plt.subplots(figsize=(6, 3))
ax.plot(thresholds, precision, marker="o", markersize=3, label="share of the detections that are right")
ax.plot(thresholds, recalled, marker="s", markersize=3, label="share of the objects that are found")
ax.set(xlabel="detections with a score above", ylim=(0, 1))
ax.legend()
half_way = 9  # the threshold of one half
draw.show(fig, f"Precision and recall of the stored network over the score threshold. At one half {precision[half_way]:.0%} of the "
               f"detections are right and {recalled[half_way]:.0%} of the objects are found.")

# %% [markdown]
# **Does a better list of proposals make a better detector?** The paper warns that recall over IoU is only loosely related
# to the final accuracy (Sec. 4.1). `paperlib bench world` gave this one detector thirteen lists (the RPN's, with and without
# its ingredients, and selective search's) and recorded both numbers on five parts of the test images.

# %%
from paperlib.studies import world

probed = world.measured("proposals").get("faster-recall-loose-proxy", {"metrics": {}})["metrics"]
kinds = sorted({name[3:].rpartition(" ")[0] for name in probed if name.startswith("AR ")})
fig, ax = plt.subplots(figsize=(6, 3.4))
for kind, color, marker in zip(kinds, ("orange", "blue", "green", "vermillion", "purple"), "osD^v"):
    names = sorted((n[3:] for n in probed if n.startswith(f"AR {kind} ")), key=lambda n: int(n.rpartition(" ")[2]))
    x, y = ([100 * probed[f"{what} {n}"] for n in names] for what in ("AR", "mAP"))
    ax.plot(x, y, marker=marker, color=draw.PALETTE[color], label=kind)
    for a, b, n in zip(x, y, names):
        ax.annotate(n.rpartition(" ")[2], (a, b), xytext=(3, 4), textcoords="offset points", fontsize=7)
ax.set(xlabel="average recall of the list", ylabel="mAP of the detector on it")
ax.legend(fontsize=7)
draw.show(fig, "mAP of one detector against the average recall of thirteen lists of proposals. Within a method both rise together at "
               "first; then recall goes on and mAP does not, and selective search needs more recall for the same mAP.")
lists_ = pd.DataFrame({what: {n[3:].strip(): v for n, v in probed.items() if n.startswith(what)} for what in ("AR ", "mAP ")})
pooled = lists_.corr(method="spearman").iloc[0, 1]
print(f"rank correlation {pooled:.2f} over the lists; the mean of five parts of the images is {probed.get('correlation', 0):.2f}")

# %% [markdown]
# ## The tables, in the paper and here
#
# Recorded runs on MiniVOC, one recipe for all rows. Our network, images and counts are smaller by design, so compare
# the **deltas** to the row marked *baseline*, paired by seed, not the absolute numbers. Labels carry the paper's counts; for the RPN's
# lists ours are a tenth of them (300 stands for 30). A row without numbers of ours has not been run yet.

# %%
from paperlib.tables import compare, runner

shown = budget("mini") if smoke else plan


def beside(name, caption):
    if RERUN:
        runner.run(name, plan, device=DEVICE)
    print(compare.what_is_recorded(name, shown))
    return draw.table(compare.frame(name, shown), caption)


beside("faster_rcnn/2", "Table 2: mAP by the proposals of training / of testing and their number")

# %% [markdown]
# Read it in pairs. *Shared* against *unshared*: is one network as good as two? *100, 300, 1000* of the same RPN: how soon
# are there enough? *no NMS, no cls, no reg*: which of its three ingredients carries the proposals? Without scores few
# random boxes miss most objects; a longer list repairs much, though not all. Regression matters less here than in the paper: a little on the
# short list, nothing that is resolved on the longer one.
#
# Sharing is worth a little in the paper, and it says why: in the third of the four steps the RPN stands on features that the detector has
# tuned, and so its proposals improve. An mAP cannot tell, since the detector differs, too. But the lists can. The RPN of the
# *unshared* row is that of step 1, and the RPN of the *shared* row is that of step 3. Here is what 30 proposals of each find, and
# 30 of an RPN that was trained jointly with its detector:

# %%
from paperlib.intervals import paired

runs, turns = compare.measured("faster_rcnn/2", shown), {}
trained_in = {"step 1": "unshared / 300", "step 3": "shared / 300", "jointly": "shared / 300, joint, crossing anchors kept"}
for iou in (0.5, 0.6, 0.7, 0.8):
    found = {name: compare.points(runs, f"RPN+ZF {row}", f"recall_{iou:g}_30") for name, row in trained_in.items()}
    gain = paired(found["step 3"], found["step 1"])
    turns[f"IoU {iou:g}"] = [*pd.DataFrame(found).dropna().mean(), gain.mean, (gain.low, gain.high), gain.n]
draw.table(pd.DataFrame.from_dict(turns, "index", columns=[*trained_in, "step 3 - step 1", "95% interval", "pairs"]),
           "Recall of 30 proposals: % of the objects of the test images, by the overlap that counts as found")

# %% [markdown]
# Step 3 makes the proposals worse, at every overlap, and the claim is contradicted. This was expected before the runs. Step 3 may train the
# RPN's own layers alone, and for half of the steps; step 1 tunes a whole trunk for nothing but proposals. Sharing is not to blame. Where
# both networks train the shared trunk at once, the proposals are the best of the three.

# %%
beside("faster_rcnn/8", "Table 8: mAP by the scales and aspect ratios of the anchors")

# %%
beside("faster_rcnn/9", "Table 9: mAP by the weight of the box loss")

# %%
beside("faster_rcnn/10", "Table 10: proposals and then detection, against one stage on dense windows")

# %% [markdown]
# The windows decide this comparison. These one-stage rows have the coarse grid of notebook 04, which costs any detector many points;
# the paper's windows are the anchors of the RPN. So the claim that two stages beat one is judged by the rows *on anchors*, whose windows
# are those of our RPN. A lead over a broken opponent does not count.
#
# The paper repeats the comparison with VGG16; ours is model L, which has as many layers. These rows have a recipe of their own,
# SGD at a rate that was chosen on the `val` half of the training images: AdamW at the rate of the tables above spoils so deep a trunk.

# %%
beside("faster_rcnn/3", "Table 3: model L, mAP by proposals and training images (07+12: three times as many)")

# %%
beside("faster_rcnn/12", "Table 12: model L, mAP by the training set")

# %% [markdown]
# With the fewest images the RPN's proposals beat selective search by as much as the paper prints. The gain from three times the images
# is near the paper's in points; as a share of our lower mAP it is larger. Sharing features shows neither gain nor loss: its interval includes zero and excludes the
# paper's gain. And seven thousand scenes of another kind, MiniCOCO's, teach MiniVOC no better than three hundred of its own, where the
# paper gains six points. The drawings are the same; how large they are and what stands around them is not. In notebook 01, where the
# two sets are exchanged, training on the other one costs MiniVOC a lot as well. The claim that COCO alone beats the larger VOC set is
# contradicted here.
#
# The paper's Table 11 repeats the comparison on COCO. Here that is MiniCOCO, with the tiny pyramid of notebook 08 instead of one map:

# %%
beside("faster_rcnn/11", "Table 11 on MiniCOCO: selective search against the RPN")

# %% [markdown]
# The order has turned: on MiniVOC the network's proposals lead, on MiniCOCO they lose, in both metrics. The claim is contradicted, and so
# is the one that the RPN gains most at high overlaps: it gains nothing here. Look at the lists, by the size of the objects:

# %%
from paperlib.scoring.coco_metrics import average_recall

searched = with_proposals(val, ProposalSource()).proposals
given = [{"image_id": image["id"], "bbox": [x, y, x2 - x, y2 - y], "score": -rank} for image, found in zip(val.images, searched)
         for rank, (x, y, x2, y2) in enumerate(found.tolist())]
reach = {"selective search": average_recall(val, given, (100, 1000))}
for name, table, row in (("quick RPN", "dials/view", "recipe.scale 1: top-down"), ("RPN, scale model", "fpn/1", "FPN")):
    network = compare.measured(table, shown).get(row, {"metrics": {}})["metrics"]
    reach[name] = {key: sum(v.values()) / len(v) for key, v in network.items() if v}
sizes_ = {"all": "", "small": "s", "medium": "m", "large": "l"}
draw.table(pd.DataFrame.from_dict({f"{name}, {n} boxes": [100 * values.get(f"AR{n}{suffix}", float("nan")) for suffix in sizes_.values()]
                                   for n in (100, 1000) for name, values in reach.items()}, "index", columns=list(sizes_)),
           f"Average recall in %; selective search over {len(val)} validation images of MiniCOCO, the RPNs as recorded")

# %% [markdown]
# The quick RPN is of the kind that stands in Table 11, with half the steps. Among a hundred boxes it finds many more of the small objects. But the detector of
# *Fast R-CNN here* is given a *thousand* of selective search, and there the search leads in all but the small ones. It follows the outlines of
# regions of one colour, which drawn things have, while the network must bend anchors into shape. So on drawn scenes the opponent is strong.
#
# The lines *scale model* are of notebook 08's RPN, a true scale model. On its grid objects are as many cells wide as in the paper's photographs, and
# it is trained for longer. Over all objects it leads the search again, with a hundred boxes and with a thousand; on large ones the search stays
# ahead. So the lost order is a matter of grid and training, and not of learning against searching. Table 11 has not been run with such an RPN yet,
# and its verdicts stay as they are.
#
# And the verdicts on the paper's claims about proposals that are trained here:

# %%
from paperlib.claims import verdicts

mine = [c for c in verdicts.judged(shown, "faster_rcnn") if c.notebook == "05_faster_rcnn"]
draw.table(verdicts.frame(mine, "trend"), "Claims about trained proposals and detectors, and what our runs say; 95% intervals, in points")

# %%
draw.table(verdicts.frame(mine, "ratio"), "Claims about speed, timed in one process", digits=2)

# %%
draw.table(verdicts.frame(mine, "exact"), "Claims that follow from arithmetic or from a network's shape, computed", digits=2)

# %%
wide = {c.id.removeprefix("faster-"): (c.n, c.pairs) for c in mine if c.pairs and c.pairs > c.n}
close = {c.id.removeprefix("faster-"): (c.n, c.pairs) for c in mine if c.pairs and c.pairs <= c.n}
print("Too few seeds for the paper's difference:", ", ".join(f"{name} ({n} of {enough})" for name, (n, enough) in wide.items()) or "none")
print("Enough seeds, and still unresolved:", ", ".join(f"{name} ({n} of {enough})" for name, (n, enough) in close.items()) or "none")

# %% [markdown]
# **Unresolved is not one thing.** *Enough* says how many pairs of seeds a fair trial needs. Suppose that the true difference is as large
# as the paper's, or as the claim's margin. With *enough* pairs, four trials of five would show it. Where we have fewer, the experiment is
# too blunt: our pairs lie too far apart for an effect of that size. Where we have as many, the trial was fair, but one in five such
# trials would still end unresolved. What it rules out is in the interval: the paper's number, where that lies outside.
#
# With five seeds, the trials of five of these claims were too blunt, as we counted then. We gave their rows thirteen, a number fixed
# before the new runs were made, and pay for the second look with wider intervals. What came of it? *Train/test mismatch* holds. The best
# hundred boxes lose more than the share that the paper calls competitive: that claim is contradicted. One anchor in place of nine loses
# at one of the two sizes that the paper names, and perhaps at the other: unresolved. The interval of *sharing* excludes the paper's gain.
# *Joint training* is behind alternating training by more than "close" allows, in two thirds of its time: contradicted. The weight of the
# box loss and the ratios of the anchors make a difference of about a point, which is too near the claims' margins to call.
#
# Does joint training catch up, if it is given the time that the four steps take? That is half as many steps again:

# %%
from statistics import median

late, recorded = compare.dial_curve("dials/catch_up", shown), compare.measured("dials/catch_up", shown)
minutes = {row: median(each["seconds"]) / 60 for row, each in recorded.items() if each["seconds"]}
lines = {"alternating": [late["alternating"].iloc[0], None, None, minutes.get("recipe.stretch 1.0: alternating"), int(late["n"].iloc[0])]}
for value, row in late.iterrows():
    lines[f"joint, {value} × the steps"] = [*row[["joint", "delta", "interval"]], minutes.get(f"recipe.stretch {value}: joint"), row["n"]]
draw.table(pd.DataFrame.from_dict(lines, "index", dtype=object, columns=["mAP", "minus alternating", "95% interval", "minutes to train", "seeds"]),
           "Joint training against the four steps of alternating training, over its number of steps; medians of one core's time")

# %% [markdown]
# It more than catches up: in equal time joint training is *ahead*. Our schedule is short for all rows, and half as many steps again are worth
# several points to it. So somewhere between the two it is level in less time, as the paper says; where, and whether in a quarter less, we have
# not measured. The verdict, contradicted, rests on the first comparison, which was fixed beforehand.

# %% [markdown] tags=["further"]
# ### Three claims, looked into
#
# The paper finds that NMS does no harm, and that among a thousand proposals the ranking hardly matters. Our first row on NMS leans the
# other way, and the ranking does matter. But what does each row compare? *300 with NMS* against *6000 without* changes two things at once: the NMS, and the
# number of boxes. And the paper draws its thousand at random from about 20,000 anchors, of which NMS would leave 2,000; the
# objects are large there, and many anchors lie on each. The stored network can tell the two apart. For each list of
# proposals, the share of objects that some box of it overlaps:

# %%
lists = {"the best 30 after NMS": ProposalConfig(600, keep=30), "600, no NMS": ProposalConfig(600, nms=None, keep=600),
         "all that NMS leaves of these 600": ProposalConfig(600, keep=600), "the best 100 after NMS": ProposalConfig(2304, keep=100),
         "100 at random": ProposalConfig(scored=False, keep=100), "500 at random": ProposalConfig(scored=False, keep=500)}
best = {name: [] for name in lists}
how_many = {name: [] for name in lists}
torch.manual_seed(SEED)
for i, truth in enumerate(everything):
    picture = voc.image(i)[None].to(device)
    with torch.no_grad():
        outputs = net.rpn(net.pyramid(net.trunk(picture)), tuple(picture.shape[-2:]))
    for name, rule in lists.items():
        found = propose(*outputs, torch.tensor([picture.shape[-2:]]), rule)[0]["boxes"].cpu()
        how_many[name].append(len(found))
        best[name].append(boxes.iou(truth["boxes"][~truth["difficult"]], found).amax(1))
best = {name: torch.cat(parts) for name, parts in best.items()}
covered = pd.DataFrame({name: [sum(how_many[name]) / len(voc), *(100 * float((b >= t).float().mean()) for t in (0.5, 0.7))]
                        for name, b in best.items()}, index=["boxes an image", "found at .5, %", "found at .7, %"]).T
draw.table(covered, f"What lists of the stored network's proposals cover, over {len(voc)} images")

# %%
nms, few, chance = (covered["found at .5, %"][a] - covered["found at .5, %"][b] for a, b in (
    ("600, no NMS", "all that NMS leaves of these 600"), ("all that NMS leaves of these 600", "the best 30 after NMS"),
    ("the best 100 after NMS", "100 at random")))
print(f"Of the {nms + few:.1f} points between the two rows of the NMS claim, NMS costs {nms:.1f}, and keeping only 30 costs {few:.1f}.")
more = covered["found at .5, %"]["500 at random"] - covered["found at .5, %"]["the best 100 after NMS"]
print(f"100 at random find {chance:.1f} points fewer than the best 100; 500 at random: {more:+.1f} points.")

# %% [markdown]
# So at an IoU of one half NMS is nearly harmless here, too, and the short list costs more: thirty boxes where the paper has three
# hundred. At .7 both cost about five points. And the ranking hardly matters once a list is long enough to have several boxes on every
# object. A thousand are enough in the paper's images, a hundred are not in ours. The verdict on the ranking stays contradicted, since
# the rows are what they are; the reason is our counts, not the network. The claim on NMS has a second part for that reason, with lists
# of equal length: the row *SS / RPN+ZF 6000* of Table 2. So far its seeds leave it unresolved.

# %% [markdown]
# **Anchors across the border.** The paper leaves them out, and warns that with them training does not converge: their
# corrections would be large and hard (Sec. 3.3). With ours it converges. Is that because our images are small? Here are the
# anchors that must learn "object", inside and across the border. They are shown in our geometry and, with the same scenes
# enlarged to 600 px, in the paper's. How far must each of them be moved, by the largest of its four targets?

# %%
ours_too, moves = net.cfg.rpn.anchors, {}
for where, rule, k in (("ours, 128 px", ours_too, 1), ("the paper's, 600 px", papers, 600 / 128)):
    pixels = (round(128 * k),) * 2
    grid = anchors_for(rule, {level: (-(-pixels[0] // 2**level),) * 2 for level in rule.levels})
    within, each = inside(grid, pixels), {True: [], False: []}
    for truth in everything:
        enlarged = {**truth, "boxes": k * truth["boxes"]}
        matched, label = assign(grid, enlarged, MatchConfig(0.7, 0.3, best=True))
        wanted = boxes.encode(grid[label == 1], enlarged["boxes"][matched[label == 1]]).abs().amax(1)
        for side in each:
            each[side].append(wanted[within[label == 1] == side])
    for side, name in ((True, "inside"), (False, "across the border")):
        most = torch.cat(each[side])
        moves[f"{where}, {name}"] = [len(most), *(100 * most.quantile(torch.tensor([0.5, 0.95]))).tolist()]
draw.table(pd.DataFrame.from_dict(moves, "index", columns=["anchors that learn \"object\"", "median", "95% are below"]),
           "The largest of an anchor's four targets, times 100: a shift in per cent of its side, or a logarithm")

# %% [markdown]
# The matching rule limits the targets: an anchor learns "object" only if it overlaps one by 0.7, or better than any other
# anchor does, wherever the border is. And does training suffer? The same network twice, with SGD and **without** clipping the
# gradient, so that nothing hides a large step:

# %%
bare = override(plan.recipe("faster_rcnn_voc"), {"optimiser": "sgd", "lr": 0.02, "weight_decay": 5e-4, "clip": "none",
                                                 "steps": 6 if smoke else 250})
pool, lines = load("minivoc", "trainval", limit=bare.train_images and 600), {}
for name, border in (("left out", 0.0), ("kept", "none")):
    seed_all(SEED)
    trained = SYSTEMS["rpn"](system_config("rpn", bare, len(voc.classes), {"rpn.border": border})).to(device)
    lines[name] = list(fit(trained, Batches(pool, bare.batch, SEED), bare, device, SEED))
fig, panels = plt.subplots(1, 2, figsize=(8.5, 2.9))
for ax, part, title in zip(panels, ("objectness", "proposal"), ("objectness", "boxes")):
    for name, history in lines.items():
        ax.plot(smooth([h[part] for h in history]), label=f"crossing anchors {name}", marker="o" if smoke else None)
    ax.set(xlabel="step", ylabel="loss, mean of 20 steps", title=title, ylim=(0, None))
panels[0].legend()
told = {name: [sum(h[part] for h in history[-50:]) / len(history[-50:]) for part in ("objectness", "proposal")]
        for name, history in lines.items()}
draw.show(fig, "Two panels of losses over the steps, with crossing anchors left out and kept. At the end, objectness "
               + " and ".join(f"{v[0]:.3f} ({name})" for name, v in told.items()) + "; boxes "
               + " and ".join(f"{v[1]:.4f} ({name})" for name, v in told.items()) + ".")

# %% [markdown]
# Both converge. What crossing anchors cost is objectness. Half of what such an anchor would look at is not there, so its loss stays
# higher. And there are more of these anchors than of the others. The question is harder, but training does not diverge. FPN, a year
# later, keeps them (notebook 08 has its claim). Why the paper's training did not converge we cannot tell from here.

# %% [markdown]
# ## What differs from the paper, and what to doubt
#
# - **The counts.** An image of 128 px has about a tenth of the paper's anchors; all numbers of proposals shrink with them.
# - **What NMS leaves.** The paper: about 2000 of 20000 boxes. Here nearly half of them stay, since our smallest anchors are three
#   cells wide and the paper's eight, so that neighbours overlap less. As many anchors would stay without any training, so nothing
#   is judged by it.
# - **The network.** The tables use a small AlexNet-like model on one map of stride 8; the live runs a tiny pyramid.
# - **The schedule.** A run sees each image about once. Steps 3 and 4 of alternating training are half as long as 1 and 2.
# - **$N_{reg}$.** The paper divides the box loss by the number of map cells, which only rescales $\lambda$. We divide by a fixed
#   multiple of the sampled anchors, so that $\lambda = 10$ weighs both terms alike here too.
# - **Selective search** is told to look for finer segments than on photographs, and its order is partly random by design.
# - **Smooth L1** turns linear at a ninth, as in the released code; the text's formula has one.

# %% [markdown]
# ## Exercises
#
# **1. Predict.** An RPN reads a 38 x 50 map with 9 anchors a cell. How many numbers does it put out?

# %%
predict("38 x 50 cells, 9 anchors, one score and four coordinates each: how many numbers?", "outputs", guess=None)

# %%
reveal("outputs", 38 * 50 * 9 * 5, "cells x anchors x (1 + 4); the paper's two-way softmax would have six.")

# %% [markdown]
# **2. Implement.** Greedy suppression: indices of the boxes that stay, best first. `b` (D, 4), `scores` (D,).

# %% tags=["exercise"]
def my_nms(b, scores, threshold):
    ...


# %%
g = torch.Generator().manual_seed(1)
corner, side = 60 * torch.rand(40, 2, generator=g), 10 + 30 * torch.rand(40, 2, generator=g)
crowd, order = torch.cat([corner, corner + side], 1), torch.rand(40, generator=g)
check("nms", my_nms, lambda b, s, t: boxes.nms(b, s, None, t), [(crowd, order, t) for t in (0.3, 0.5, 0.7)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_nms(b, scores, threshold):
#     kept = []
#     for i in scores.argsort(descending=True).tolist():
#         if all(iou_slow(b[i].tolist(), b[k].tolist()) <= threshold for k in kept):
#             kept.append(i)
#     return torch.tensor(kept)
# ```
# </details>
#
# **3. Implement.** The corrections that carry an anchor onto an object (Eq. 2): tx, ty, tw, th of two boxes (4,).

# %% tags=["exercise"]
def my_encode(anchor, goal):
    ...


# %%
pairs = [(torch.tensor([10.0, 10, 30, 50]), torch.tensor([12.0, 8, 40, 44])), (crowd[0], crowd[1])]
check("encode", my_encode, boxes.encode, pairs)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_encode(anchor, goal):
#     wh, goal_wh = anchor[2:] - anchor[:2], goal[2:] - goal[:2]
#     shift = (goal[:2] + goal_wh / 2) - (anchor[:2] + wh / 2)
#     return torch.cat([shift / wh, (goal_wh / wh).log()])
# ```
# </details>
#
# **4. Find the fault.** Labels of anchors from `overlap` (objects, anchors): 1 from `hi` on, 0 below `lo`, -1 between them. Trained with the function
# below, an RPN never finds small objects. Mend it.
#
# ```python
# def labels_faulty(overlap, hi, lo):
#     best = overlap.amax(0)
#     label = torch.full(best.shape, -1)
#     label[best >= hi] = 1
#     label[best < lo] = 0
#     return label
# ```

# %% tags=["exercise"]
def my_labels(overlap, hi, lo):
    ...


# %%
from paperlib.parts.matching import match

small = torch.tensor([[0.8, 0.5, 0.1, 0.0], [0.0, 0.2, 0.25, 0.1]])
check("labels", my_labels, lambda overlap, hi, lo: match(overlap, hi, lo, best=True)[1],
      [(small, 0.7, 0.3), (small, 0.5, 0.4), (small * torch.tensor([[1.0], [0.0]]), 0.7, 0.3)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_labels(overlap, hi, lo):
#     best = overlap.amax(0)
#     label = torch.full(best.shape, -1)
#     label[best >= hi] = 1
#     label[best < lo] = 0
#     for row in overlap:  # rule i: the best anchor of each object
#         if row.max() > 0:
#             label[row == row.max()] = 1
#     return label
# ```
# </details>
#
# **5. Investigate.** Train the live RPN again with `override(cfg, {"rpn.samples": None})`, a loss over all anchors. Compare
# the objectness curve and the recall of its best thirty proposals. Then try `{"rpn.border": 0.0}`: what happens to objects
# at the edge?
#
# <details><summary>What to look for</summary>
#
# Over all anchors the loss starts lower and falls faster: it is mostly background, and easy. What matters is the recall.
# With border 0 no anchor near the edge ever learns, so whatever it says there is untrained. Large objects, whose anchors all
# cross the edge, are then found by smaller anchors that were moved a long way.
# </details>

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("05_faster_rcnn")

# %% [markdown]
# ## In three lines
#
# Anchors turn "find any number of boxes" into a fixed set of questions: is it an object, and how must I move?
# The RPN answers them on features that the detector needs anyway, ranks its answers, and thins them out.
# Sharing the features is worth a training procedure: four steps, or one sum of four losses.
#
# **Next:** proposals that are masks, in notebook 06; or the pyramid under the RPN, in notebook 08.
#
# **References.** arXiv 1506.01497v3: anchors (Sec. 3.1.1), loss (Sec. 3.1.2, Eq. 1 and 2), sampling (3.1.3), training (3.2),
# border and NMS (3.3), Tables 2, 5, 8, 9, 10 and Fig. 4 (Sec. 4.1).
