# %% [markdown]
# # 00 · Start here
#
# Seven papers, from R-CNN to RetinaNet, on one small package, `paperlib`. In this notebook you see the whole course at
# once: the map of the papers, one image on its way through a detector, and how to read our numbers beside theirs.
#
# <!-- minutes -->reading: about 5 min; CPU: 0.5 min on 2 CPU cores; older CPU: 0.5 min on 2 CPU cores; GPU: not measured yet<!-- /minutes -->
# No download and no GPU are needed. The images are drawn by the course itself.
#
# ![One drawn scene four times: the image; the likely anchors of RetinaNet, in heaps around the objects; the detections that are left, with
# class and score; the annotated objects.](first_look.png)
#
# This is where we are going: an image, the places where a detector suspects something, what it says, and what is there.
# The next two cells only set things up.

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
# - place each of the seven papers on one line of thought: *where* do boxes come from, and *what* names them;
# - follow an image through a detector: features, anchors, scores, suppression, boxes;
# - read a table of this course: the paper's number, ours, the interval, the verdict;
# - find the notebook, the command and the file for whatever you want to look at next.
#
# **A question before you read on.** An image of 128 by 128 pixels holds about seven objects. How many boxes do you think
# a detector like RetinaNet looks at to find them?

# %%
import matplotlib.pyplot as plt
import torch

from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.papers.printed import published
from paperlib.parts import boxes
from paperlib.tables import compare
from paperlib.teach import draw
from paperlib.teach.exercises import check, predict, quiz, reveal
from paperlib.teach.shown_detector import clearest, shown_weights
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames
from paperlib.training.recipes import budget
from paperlib.training.weights import load_weights, read_header

draw.style()
seed_all(SEED)
device, plan = pick_device(DEVICE), budget(BUDGET)

# %% [markdown]
# ## The papers on one line
#
# Every system here answers two questions. *Where might an object be?* and *what is it, exactly where?* Read the detectors from
# top to bottom: each keeps most of the one before and replaces one box of the pipeline. COCO gave the data and the score. DeepMask and
# SharpMask are a line of their own, from which FPN has its top-down path.

# %%
import pandas as pd

story = [
    ("R-CNN", "2014", "selective search", "one forward pass a crop, then SVMs", "03"),
    ("COCO", "2014", "the data set: objects in context", "instance masks, AP over many IoUs", "01, 02"),
    ("Fast R-CNN", "2015", "selective search", "one forward pass an image, RoI pooling", "04"),
    ("Faster R-CNN", "2015", "a network: anchors at every position", "as Fast R-CNN, on shared features", "05"),
    ("DeepMask, SharpMask", "2015-16", "a mask and a score for every window", "refinement from coarse to fine", "06, 07"),
    ("FPN", "2017", "anchors on every level of a pyramid", "top-down path: meaning at every scale", "08, 09"),
    ("RetinaNet", "2017", "no proposals: dense anchors", "focal loss against the imbalance", "10, 11")]
papers = pd.DataFrame(story, columns=["paper", "year", "where?", "what?", "notebook"]).set_index("paper")
draw.table(papers, "Seven papers, two questions")

# %%
def draw_map(ax):
    spots = {"R-CNN": (0, 1), "Fast R-CNN": (1, 1), "Faster R-CNN": (2, 1), "FPN": (3, 1), "RetinaNet": (4, 1),
             "DeepMask": (1.5, 2), "SharpMask": (2.5, 2), "COCO": (1.5, 0)}
    arrows = [("R-CNN", "Fast R-CNN", "share the features"), ("Fast R-CNN", "Faster R-CNN", "learn the proposals"),
              ("Faster R-CNN", "FPN", "every scale"), ("FPN", "RetinaNet", "one stage"),
              ("DeepMask", "SharpMask", "refine"), ("SharpMask", "FPN", "top-down"), ("COCO", "Faster R-CNN", "data and metric")]
    for start, end, why in arrows:
        (x1, y1), (x2, y2) = spots[start], spots[end]
        level = y1 == y2
        ax.annotate("", (x2, y2), (x1, y1), arrowprops={"arrowstyle": "->", "color": draw.PALETTE["blue"], "lw": 1.6,
                                                        "shrinkA": 46 if level else 16, "shrinkB": 46 if level else 16})
        ax.text((x1 + x2) / 2 + (0 if level else 0.1), (y1 + y2) / 2 + 0.22 * level, why, ha="center" if level else "left",
                va="center", fontsize=8.5, color=draw.PALETTE["blue"])
    for name, (x, y) in spots.items():
        ax.text(x, y, name, ha="center", va="center", bbox={"boxstyle": "round,pad=0.4", "fc": "white", "ec": "black"})
    ax.set(xlim=(-0.5, 4.5), ylim=(-0.4, 2.4))
    ax.axis("off")


fig, ax = plt.subplots(figsize=(10.5, 3.4))
draw_map(ax)
draw.show(fig, "A map with arrows: R-CNN to Fast R-CNN (share the features), to Faster R-CNN (learn the proposals), to FPN (every "
               "scale), to RetinaNet (one stage); DeepMask to SharpMask (refine) to FPN (top-down); COCO to Faster R-CNN.")

# %% [markdown]
# ## The world that we look at
#
# Photographs cannot be shipped with the course, so the default data are drawn: *MiniCOCO* has scenes, depth, clutter,
# crowds, and the statistics of COCO (notebook 01 puts them side by side). Everything you see here works in the same way on
# a folder of real photographs: set `DATA` to its path.

# %%
DATA = small_copy(DATA, SIZE)
val = load(DATA, plan.recipe("retinanet").test, limit=120)
chosen = [i for i in range(len(val)) if 3 <= len(val.annotations[val.images[i]["id"]]) <= 9][:8] or range(min(8, len(val)))


def label_boxes(ax, i):
    target = val.target(chosen[i])
    draw.boxes_on(ax, None, target["boxes"], target["labels"], classes=val.classes, text=False)


draw.show(draw.grid([val.image(i) for i in chosen], size=2.2, on=label_boxes),
          "Eight drawn scenes (streets, rooms, fields, water) with coloured boxes around the annotated objects.")

# %% [markdown]
# ## One image through a detector
#
# We take RetinaNet, the last system of the course, because it is the simplest to follow: no proposals, no second stage.
# Its weights come with the course; the file says how they were trained, and how well they score. They are far from
# perfect: a quarter of an hour of one core on a hard little world. So that there is something to see, we take, among the
# first pictures, one that it does well on: it finds much there, and says little that is wrong.

# %%
path = shown_weights(DATA, plan=plan.name, device=device)
facts = read_header(path)
detector = load_weights(path).to(device)
print(f"trained on {facts['data']}: {int(facts['steps']):,} steps in {float(facts['seconds']) / 60:.0f} minutes of one core; "
      f"AP {100 * float(facts['AP']):.1f}")

several = [i for i in range(min(120, len(val))) if 3 <= len(val.annotations[val.images[i]["id"]]) <= 9]
best = clearest(detector, val, several[: 6 if plan.name == "smoke" else None] or range(min(6, len(val))))
image, target = val[best]
levels = detector.trunk(image[None].to(device))
print("channels × height × width:", ", ".join(f"C{level} {' × '.join(map(str, x.shape[1:]))}" for level, x in levels.items()))

# %% [markdown]
# **Features.** The trunk turns the picture into maps $C_l$, each half as fine as the one before. In the paper one cell of
# level $l$ stands for $2^l \times 2^l$ pixels. Our pictures are small, and the detector is a scale model: its cells are half as
# wide. The pyramid adds what the coarse maps know to the fine ones. Below is the mean activity of each pyramid level.

# %%
pyramid = detector.pyramid(levels)
maps = [feature[0].detach().float().abs().mean(0).cpu() for feature in pyramid.values()]
maps = [plt.cm.cividis((m - m.min()) / (m.max() - m.min()).clamp(min=1e-6))[..., :3] for m in maps]
fig = draw.grid([image.permute(1, 2, 0) / 255, *maps], ["the image", *(f"P{level}" for level in pyramid)], columns=6, size=1.6)
draw.show(fig, "The image and the five levels of its pyramid as maps, each half as fine as the one before; "
               "cells are bright where the features are strong.")

# %% [markdown]
# **Anchors.** At every cell of every level stand nine boxes. Each gets a probability for every class, and four numbers
# that move it onto an object.

# %%
predict("How many boxes does this detector look at in one image?", "boxes")

# %%
logits, deltas, anchors = detector.predict(image[None].to(device))
scores, names = logits[0].float().sigmoid().max(1)
reveal("boxes", len(anchors), f"{logits[0].numel():,} probabilities, for {len(target['boxes'])} annotated objects.")

# %%
SURE = 0.45  # the score that a box needs to be shown
likely = scores > SURE
stages = {"1. likely anchors": (anchors, likely), "2. moved by their deltas": (boxes.decode(anchors, deltas[0].float()), likely)}
final = detector.detect(image[None].to(device))[0]
fig, axes = plt.subplots(1, 4, figsize=(11, 3.1))
for ax, (title, (where, keep)) in zip(axes, stages.items()):
    draw.boxes_on(ax, image, where[keep].detach().cpu(), names[keep].cpu() + 1, text=False)
    ax.set_title(title)
keep = final["scores"] > SURE
draw.boxes_on(axes[2], image, final["boxes"][keep].cpu(), final["labels"][keep].cpu(), final["scores"][keep].cpu(), val.classes)
axes[2].set_title("3. one box an object")
draw.boxes_on(axes[3], image, target["boxes"], target["labels"], classes=val.classes)
axes[3].set_title("ground truth")
draw.show(fig, f"Four pictures of one scene: {int(likely.sum())} likely anchors in heaps around the objects; the same after "
               f"moving, tighter; {int(keep.sum())} boxes left after suppression; {len(target['boxes'])} ground truth boxes.")

# %% [markdown]
# **Suppression.** Many anchors find the same object. *Non-maximum suppression* keeps the best of each heap and drops all
# that overlap it by more than a threshold. Move the two thresholds and watch.

# %%
candidates = boxes.decode(anchors, deltas[0].float()).detach().cpu(), scores.detach().cpu(), names.cpu() + 1


def draw_kept(ax, score=SURE, overlap=0.5):
    where, value, label = (part[candidates[1] > score] for part in candidates)
    keep = boxes.nms(where, value, label, overlap)
    draw.boxes_on(ax, image, where[keep], label[keep], classes=val.classes, text=len(keep) < 12)
    ax.set_xlabel(f"{len(keep)} boxes")
    ax.axis("on")
    ax.set(xticks=[], yticks=[])


explore(draw_kept, "Detections that survive the two thresholds", size=(4.5, 4.5),
        score=(0.05, 0.9, 0.05, SURE), overlap=(0.1, 0.9, 0.1, 0.5))

# %%
states = [{"score": s, "overlap": o} for o in (0.2, 0.5, 0.9) for s in (0.15, 0.3, 0.5)]
draw.show(frames(draw_kept, states), "Nine panels of the same scene: rows from little to much allowed overlap, columns from a low to a high "
          "score threshold. Low thresholds leave many wrong boxes, a high overlap leaves several boxes on one object.")

# %% [markdown]
# ## Our numbers beside theirs
#
# Each table of the papers stands in `data/published`, typed once. Where a system exists, its rows have been trained here,
# several seeds each, and every run left one sealed line in `data/results`. A verdict compares **differences**, because our
# images are not COCO's. *Holds* means that the 95% interval of our paired difference lies on the paper's side of zero,
# *contradicted* that it lies on the other side, *unresolved* that it covers zero.
#
# A claim of *no difference* has a margin in place of zero: it holds if the whole interval lies within the margin. A sentence of
# several parts holds only if each part does. The rules are in `data/claims/RULES.md`; notebook 12 tries them out.
#
# In the table below a delta is to the row *baseline*, and ± is half of our mean's 95% interval. *Runs by older code* counts those recorded before a
# change of the code that they ran on.

# %%
shown = budget("mini") if plan.name == "smoke" else plan
table = compare.frame("focal_loss/1b", shown)
draw.table(table[table["paper", "AP"].notna()], "One table as an example: the focusing parameter of the focal loss (Table 1b)")

# %%
every = pd.DataFrame([(body["paper"], name.split("/")[1], "run" in body) for name, body in published().items()],
                     columns=["paper", "table", "runs"])
counts = {paper: [len(rows), int(rows.runs.sum()), ", ".join(rows.table[rows.runs]) or None] for paper, rows in every.groupby("paper")}
draw.table(pd.DataFrame.from_dict(counts, "index", columns=["registered", "can be run", "these"]),
           "Tables and groups of numbers of each paper, and those with rows to run (text: numbers from running text)")

# %% [markdown]
# ## Where to go
#
# | you want to | go to |
# |---|---|
# | read in order | notebooks 01 to 13 |
# | understand one idea | the table of papers above names its notebook |
# | re-run a table | `paperlib table focal_loss/1b --jobs 2` |
# | change one switch | `paperlib train retinanet --set loss.gamma=0` |
# | use your own images | `paperlib data check FOLDER`, then `paperlib doctor FOLDER`, then `DATA = "FOLDER"` here |
# | see every claim and its verdict | notebook 12, or `build/scorecard.html` after `make notebooks` |

# %% [markdown]
# ## Exercises
#
# **1. Implement** the measure that everything rests on: *intersection over union* of two boxes (x1, y1, x2, y2).

# %% tags=["exercise"]
def my_iou(a, b):
    ...


# %%
cases = [([0, 0, 10, 10], [5, 5, 15, 15]), ([0, 0, 4, 4], [4, 4, 8, 8]), ([0, 0, 8, 8], [2, 2, 4, 4]), ([0, 0, 2, 2], [5, 6, 9, 9])]
check("iou", my_iou, lambda a, b: float(boxes.iou(torch.tensor([a]).float(), torch.tensor([b]).float())), cases)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_iou(a, b):
#     width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
#     height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
#     both = width * height
#     return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
# ```
# </details>

# %% [markdown]
# **2. Count.** A detector asks one question an anchor. Level $l$ has `ceil(height / 2**l)` by `ceil(width / 2**l)` places, and each
# place has `shapes` anchors. How many anchors does a picture have over the `levels`?

# %% tags=["exercise"]
def my_count(height, width, levels, shapes):
    ...


# %%
def count_spec(height, width, levels, shapes):
    places = [-(-height // 2**level) * -(-width // 2**level) for level in levels]
    return shapes * sum(places)


check("count anchors", my_count, count_spec, [(128, 128, (2, 3, 4, 5, 6), 9), (600, 800, (3, 4, 5, 6, 7), 9), (100, 150, (5,), 3)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_count(height, width, levels, shapes):
#     total = 0
#     for level in levels:
#         stride = 2**level
#         rows, columns = -(-height // stride), -(-width // stride)
#         total += shapes * rows * columns
#     return total
# ```
# </details>

# %% [markdown]
# **3. Find the fault.** Of two boxes on the same object the better one should stay. `iou[i][k]` is the overlap of boxes i and k, best
# score first; the function returns the numbers of the boxes that stay. On the row of overlapping boxes A, B, C, D it keeps too few. Mend it.
#
# ```python
# def keep_faulty(iou, threshold):
#     kept = []
#     for i in range(len(iou)):
#         if all(iou[i][k] <= threshold for k in range(i)):
#             kept.append(i)
#     return kept
# ```

# %% tags=["exercise"]
def my_keep(iou, threshold):
    ...


# %%
row = [[1.0, 0.6, 0.2, 0.0], [0.6, 1.0, 0.6, 0.2], [0.2, 0.6, 1.0, 0.6], [0.0, 0.2, 0.6, 1.0]]


def keep_spec(iou, threshold):
    kept, left = [], list(range(len(iou)))
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou[i][best] <= threshold]
    return kept


check("keep boxes", my_keep, keep_spec, [(row, 0.5), (row, 0.7), (row, 0.1), ([[1.0]], 0.5)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_keep(iou, threshold):
#     kept = []
#     for i in range(len(iou)):
#         if all(iou[i][k] <= threshold for k in kept):
#             kept.append(i)
#     return kept
# ```
# </details>

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("00_start_here")

# %% [markdown]
# ## In three lines
#
# A detector looks at thousands of boxes and must say "nothing" to almost all of them.
# Seven papers changed, one after another, where these boxes come from and what looks inside them.
# Every number of ours was measured by this code, and says how sure it is.
#
# **Next:** the data set (01) and the score (02), or straight to the loss that made one-stage detectors work (10).
