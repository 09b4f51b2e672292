# %% [markdown]
# # 02 · Scoring: from boxes to average precision
#
# **Sources.** Lin's thesis, Sec. 3.5 (average recall, AUC), 4.5.1 and 4.5.2 (AR and AP, by size);
# R-CNN (arXiv 1311.2524v5), Sec. 3.4 and Fig. 5 (kinds of false positives); the rules of PASCAL VOC 2007 and 2010 and
# of COCO. **Before this:** 01, or any idea of what a bounding box is. **Needs:** a CPU; nothing is trained.
#
# <!-- minutes -->reading: about 15 min; CPU: 0.5 min on 2 CPU cores; older CPU: 1.5 min on 2 CPU cores; GPU: not measured yet<!-- /minutes -->

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # smoke: a few images, for tests
SEED = 0
DEVICE = None                                       # not used: scoring runs on the CPU
DATA = "minicoco"                                   # any COCO or VOC set, by name or path
SIZE = 128  # px; pictures of your own are shrunk to it for the live runs, embedded sets stay as they are
RERUN = False                                       # not used: nothing here takes long enough to be stored

# %%
import sys

if "google.colab" in sys.modules:  # fetch the course and what Colab lacks; leave Colab's own torch and NumPy alone
    address = os.environ.get("PAPERLIB_REPOSITORY") or input("Address of the repository of this notebook: ")
    # !git clone -q --depth 1 {address} course
    # %pip install -q pycocotools safetensors
    # %cd -q course/notebooks
    sys.path.insert(0, "..")

# %% [markdown]
# ## What you will be able to do
#
# - compute IoU, match detections to objects, and draw a precision-recall curve with pencil and paper;
# - write both VOC averages and all twelve COCO numbers, equal to the official tool's to twelve decimals;
# - say what a crowd, an area range and a limit on detections do to a score;
# - name each mistake of a detector, and say how much AP mending that kind would gain;
# - recognise eleven common bugs of evaluation code by what they do to AP.
#
# **Before you read on:** a detector has found every object, each with a perfect box. Now it adds fifty junk boxes to
# every image, all with lower scores than its good boxes. What happens to its average precision? Keep your answer; we
# come back to it.

# %%
import json

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from paperlib.data.named_sets import load
from paperlib.scoring.coco_metrics import average_recall, coco_metrics, voc_ap
from paperlib.scoring.error_types import KINDS, error_types, fix_gains
from paperlib.scoring.simulated_detector import made_detections
from paperlib.teach import scoring_pictures as pictures
from paperlib.teach.boxes import scoring as boards
from paperlib.teach.boxes.board import drag
from paperlib.teach.draw import PALETTE, boxes_on, show, style, table
from paperlib.teach.exercises import check, predict, quiz, reveal
from paperlib.teach.small_copy import small_copy
from paperlib.teach.widgets import explore, frames

style()
data = load(small_copy(DATA, SIZE), "val", limit={"smoke": 40}.get(BUDGET, 300))
gt = data.coco_dict()
print(f"{data.name}: {len(data)} images, {len(gt['annotations'])} objects of {len(data.classes)} categories")

# %% [markdown]
# ## 1. The problem: two detectors, and no obvious winner
#
# Which of the detectors below is better? The careful one draws tight boxes and misses some objects. The eager one
# misses nothing, but its boxes are loose, some objects are boxed twice, and some boxes hold nothing at all. Counting
# hits favours the eager one, counting errors favours the careful one, and both counts depend on how many boxes we allow
# each of them. A score has to settle three questions: *when is a box right*, *what does a wrong one cost*, and *how
# many boxes may a detector draw?* Average precision answers each with a rule, and this notebook builds the rules one by
# one.
#
# No detector is trained here. Throughout, "detections" are made from the true objects by a noise model with a seed
# (`paperlib.scoring.simulated_detector`): objects are missed, moved, doubled, mistaken for their kin, and boxes of nothing
# are added. Scoring does not care where boxes come from, and in this way we know what was done to them.

# %%
def corners(records):
    boxes = np.array([r["bbox"] for r in records], float).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


scene = next((i for i in range(len(data)) if 4 <= len(data.target(i)["boxes"]) <= 6), 0)
one, height, width = data.subset([scene]), data.images[scene]["height"], data.images[scene]["width"]
there = one.coco_dict()["annotations"]
sure = {"similar": 0, "other": 0}                       # no mistaken labels here
outputs = {
    "careful": made_detections(one, 1, recall=0.6, copies=0, jitter=0.02, background=0, **sure),
    "eager": made_detections(one, 1, recall=1, copies=0.8, jitter=0.12, background=3, **sure)}
fig, axes = plt.subplots(1, 2, figsize=(8, 4 * height / width + 0.3))
for ax, (name, drawn) in zip(axes, outputs.items()):
    boxes_on(ax, data.image(scene), corners(there), colors=PALETTE["yellow"])
    boxes_on(ax, None, corners(drawn), colors=PALETTE["vermillion"], linestyle="--")
    ax.set_title(f"{name}: {len(drawn)} boxes for {len(there)} objects")
show(fig, "One scene twice. Solid yellow: the true objects. Dashed red: the boxes of a careful "
          "detector, which are tight but miss some objects, and of an eager one, which are loose, "
          "doubled, and partly on nothing.")

# %% [markdown]
# ## 2. When is a box right? Intersection over union
#
# For two regions $A$ and $B$,
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|} = \frac{|A \cap B|}{\left|A\right| + \left|B\right| - \left|A \cap B\right|},$$
#
# where $|\cdot|$ is the area in square pixels. It is 1 for identical boxes, 0 for boxes that do not touch, and does not
# change when both are enlarged together. VOC calls a box right from IoU .5; COCO averages over ten thresholds from .5
# to .95. Boxes in result files are `[x, y, width, height]`; here is the definition, with no shortcuts.

# %%
def iou_slow(a, b):
    """IoU of two boxes [x, y, width, height] in px."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    w = min(ax + aw, bx + bw) - max(ax, bx)             # negative when they lie apart
    h = min(ay + ah, by + bh) - max(ay, by)
    both = max(w, 0) * max(h, 0)
    return both / (aw * ah + bw * bh - both)


for other in ([0, 0, 10, 5], [5, 5, 10, 10], [30, 0, 10, 10]):
    print(f"[0, 0, 10, 10] and {other}: {iou_slow([0, 0, 10, 10], other):.3f}")

# %% [markdown]
# The library's version takes all pairs at once, as corners. It must agree, and so must the official tool.

# %%
import torch
from pycocotools import mask as official

from paperlib.parts import boxes

some = [a["bbox"] for a in gt["annotations"] if a["bbox"][2] * a["bbox"][3] > 0][:30]
slow = np.array([[iou_slow(a, b) for b in some] for a in some])
as_corners = torch.tensor(corners([{"bbox": b} for b in some]))
np.testing.assert_allclose(boxes.iou(as_corners, as_corners).numpy(), slow, atol=1e-12)
np.testing.assert_allclose(official.iou(some, some, [0] * len(some)), slow, atol=1e-12)
print(f"{slow.size} pairs agree with the library and with pycocotools")

# %% [markdown]
# Drag the dashed box, or one of its corners. Two surprises for most people: a shift by a fifth of the side in both directions already
# brings IoU below .5, and a box that looks good to the eye may not reach .75.

# %%
drag(boards.iou_board())

# %%
states = [{"right": 2.0, "down": 2.0}, {"right": 8.0, "down": 8.0}, {"right": 5.0, "down": 0.0, "wider": 12.0}]
show(frames(pictures.iou_picture, states, size=(2.7, 2.5)),
     "Three places of the box. The object has sides of 40 px. Moved by 2 px each way: IoU 0.82; "
     "by 8 px each way: 0.47; by 5 px to the right and made 12 px wider: 0.61.")

# %% [markdown]
# ## 3. Who gets the object? Matching
#
# A detector may draw ten boxes on one cat. Only one can be a hit, so the boxes have to take turns: **in the order of
# their scores, best first, each detection takes the free object of its category that it overlaps most, provided that
# the IoU reaches the threshold.** A detection that takes an object is a true positive (TP). One that gets none is a
# false positive (FP), be it on nothing, badly placed, or a double. An object that nobody took is a miss.
#
# Our example for the pencil has three objects and five detections, A to E.

# %%
objects, found, scores = pictures.OBJECTS, pictures.FOUND, pictures.SCORES
fig, ax = plt.subplots(figsize=(4.4, 3.8))
pictures.toy_scene(ax)
show(fig, "Three objects (solid) and five detections (dashed) with scores: A .95 and D .65 lie on "
          "the first object, C .75 on the second, E .45 on the third, B .85 on nothing.")

# %%
iou = boxes.iou(torch.tensor(found), torch.tensor(objects)).numpy()
table(pd.DataFrame(iou, list("ABCDE"), ["object 1", "object 2", "object 3"]),
      "IoU of each detection with each object", digits=2)

# %%
def match_slow(iou, threshold):
    """Rows are detections, best score first. For each: is it a hit?"""
    taken, hits = set(), []
    for row in iou:
        free = [g for g in range(len(row)) if g not in taken and row[g] >= threshold]
        if free:
            taken.add(max(free, key=lambda g: row[g]))
        hits.append(bool(free))
    return np.array(hits)


print(", ".join(f"{name} {'hit' if hit else 'error'}" for name, hit in zip("ABCDE", match_slow(iou, 0.5))))

# %% [markdown]
# Drag the detections, and watch who takes which object. Pull A off its object: D was a double and becomes a hit. Push B onto
# object 2, and C may lose it, because B comes first in the ranking.

# %%
drag(boards.matching_board())

# %%
states = [{"box": "A", "right": 0.0}, {"box": "A", "right": 60.0}, {"box": "B", "right": 0.0, "down": -57.0}]
show(frames(boards.matching_picture, states, size=(2.8, 2.6)),
     "Three places of the detections. As they come: A, C and E are hits. With A moved 60 px to the right, D takes object 1: "
     "hits are C, D and E. With B moved 57 px up onto object 2, B takes it and C becomes an error: hits are A, B and E.")

# %%
predict("At IoU threshold .75, how many of the five detections are hits?", "hits", guess=None)

# %%
reveal("hits", int(match_slow(iou, 0.75).sum()),
       because="Only A overlaps its object that well. A stricter threshold turns loose hits\n"
               "  into false positives and, at the same stroke, their objects into misses.")

# %% [markdown]
# ## 4. What does an error cost? Precision and recall
#
# Go down the ranking. After each detection, *precision* is the share of hits so far and *recall* the share of objects
# found so far:
#
# $$p_n = \frac{\mathrm{TP}_n}{n}, \qquad r_n = \frac{\mathrm{TP}_n}{G},$$
#
# with $\mathrm{TP}_n$ the number of hits among the first $n$ detections and $G$ the number of objects. Recall can only
# rise; precision rises with a hit and falls with an error.

# %%
hits = match_slow(iou, 0.5)
tp = np.cumsum(hits)
precision, recall = tp / np.arange(1, 6), tp / len(objects)
ranking = {"score": scores, "hit": hits, "TP so far": tp, "precision": precision, "recall": recall}
table(pd.DataFrame(ranking, list("ABCDE")), "Down the ranking, at IoU .5", digits=3)

# %% [markdown]
# ## 5. One number from the curve: VOC's two averages
#
# *Average precision* is the height of this curve, averaged over recall. First the dips are filled. The
# **interpolated precision** at recall level $r$ is the best precision at that recall or any greater one,
# $p(r) = \max_{r' \ge r} p_{r'}$. It is 0 where the detector never gets that far. VOC 2007 takes the mean of $p$ at the
# eleven levels $0, .1, \dots, 1$. From VOC 2010 on it is the area under $p$, with every step counted.

# %%
def voc_2007(precision, recall):
    return np.mean([precision[recall >= level].max(initial=0) for level in np.arange(11) / 10])


def voc_2010(precision, recall):
    envelope = np.maximum.accumulate(precision[::-1])[::-1]      # the best from here on
    return np.sum(np.diff(recall, prepend=0) * envelope)


print(f"11 points {voc_2007(precision, recall):.4f}, area {voc_2010(precision, recall):.4f}")

# %% [markdown]
# By hand, the area is $\tfrac13 \cdot 1 + \tfrac13 \cdot \tfrac23 + \tfrac13 \cdot \tfrac35 = .7556$. The library reads
# records like those in a results file, and agrees.

# %%
def as_records(corner_boxes, **columns):
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return [{"image_id": 1, "category_id": 1, "bbox": [x, y, u - x, v - y], "iscrowd": 0, **more}
            for (x, y, u, v), more in zip(corner_boxes.tolist(), rows)]


sides = objects[:, 2:] - objects[:, :2]
toy = {"images": [{"id": 1, "height": 105, "width": 115}], "categories": [{"id": 1, "name": "cat"}],
       "annotations": as_records(objects, id=[1, 2, 3], area=sides.prod(1).tolist())}
toy_results = as_records(found, score=scores.tolist())
for year, ours in ((2007, voc_2007), (2010, voc_2010)):
    assert abs(voc_ap(toy, toy_results, year)["mAP"] - ours(precision, recall)) < 1e-12

# %%
levels = np.linspace(0, 1, 500)
filled = [precision[recall >= level].max(initial=0) for level in levels]
fig, axes = plt.subplots(1, 2, figsize=(8, 3.1), sharey=True)
for ax, title in zip(axes, ("VOC 2007: mean of eleven heights", "VOC 2010: area under the curve")):
    ax.plot(levels, filled, "-", color=PALETTE["blue"], label="interpolated")
    ax.plot(recall, precision, "o--", color=PALETTE["black"], ms=4, lw=1, label="measured")
    ax.set(title=title, xlabel="recall", ylim=(0, 1.08))
eleven = np.arange(11) / 10
heights = [precision[recall >= level].max(initial=0) for level in eleven]
axes[0].vlines(eleven, 0, heights, color=PALETTE["vermillion"], lw=3)
axes[1].fill_between(levels, filled, alpha=0.25, color=PALETTE["blue"], lw=0)
axes[0].set_ylabel("precision")
axes[1].legend(loc="lower left")
show(fig, "The measured precision-recall points zigzag; the interpolated curve is a staircase over "
          "them. Left: eleven bars up to the staircase. Right: the area under it, filled.")

# %% [markdown]
# Now move things. `shift` pushes C to the right until it loses its object; `score` moves it up and down the
# ranking; `threshold` decides which boxes count. Watch for what does *not* change the curve: scores matter only
# through their order.

# %%
explore(pictures.ranking_picture, "Left: objects and detections, hits solid. Right: the curve",
        size=(7.5, 3.4), shift=(0.0, 40.0, 1.0, 0.0), score=(0.0, 1.0, 0.05, 0.75),
        threshold=(0.1, 0.95, 0.05, 0.5))

# %%
states = [{"threshold": 0.5}, {"threshold": 0.75}, {"shift": 20.0}, {"score": 1.0}]
show(frames(pictures.ranking_picture, states, columns=2, size=(4.2, 2.3)),
     "Four states of the widget. At threshold .5 there are three hits, AP .756; at .75 one is left, "
     "AP .333; with C shifted by 20 px the second object is missed, AP .467; with C ranked first, "
     "AP rises to .867 although no box has moved.")

# %% [markdown]
# ## 6. COCO's average precision
#
# COCO differs in four ways. It reads the interpolated curve at 101 levels, $r = 0, .01, \dots, 1$, and averages over
# ten IoU thresholds $\tau$ and all categories $c$ that occur:
#
# $$\mathrm{AP} = \frac{1}{10\,K} \sum_{\tau = .5}^{.95} \sum_{c=1}^{K} \frac{1}{101} \sum_{r} p_{\tau, c}(r).$$
#
# AP50 and AP75 keep a single $\tau$. The other three are about what is *ignored*, which means counted neither for nor
# against the detector:
#
# - **Crowds.** A region such as "an audience" stands for many objects that nobody outlined. Detections in it are
#   ignored, any number of them, and nobody has to find it. IoU would be unfair to one face in an audience, so the
#   overlap with a crowd is the intersection over the *detection's* area.
# - **Area ranges.** For AP-small, objects outside the range are ignored, and so are detections that match one of them,
#   and unmatched detections that are themselves outside the range. The area is that of the object's mask where the file
#   has one. The bounds belong to the data set: $32^2$ and $96^2$ px for COCO's photographs.
# - **A limit**, 100 by default: only the best so many detections of an image *and category* take part.
#
# So a match goes first to the objects that count, and only then to ignored ones.

# %%
def overlaps(found, objects):
    """IoU of all pairs, or intersection over the detection's own area for a crowd; records -> (D, G)."""
    a, b = corners(found)[:, None], corners(objects)[None]
    w, h = np.moveaxis((np.minimum(a, b)[..., 2:] - np.maximum(a, b)[..., :2]).clip(0), -1, 0)
    size_a, size_b = (np.array([r["bbox"][2] * r["bbox"][3] for r in group]) for group in (found, objects))
    crowd = np.array([o["iscrowd"] for o in objects], bool)
    return w * h / np.where(crowd, size_a[:, None], size_a[:, None] + size_b - w * h)


def match(overlap, ignore, crowd, threshold):
    """The object that each detection takes, -1 for none; rows are detections, best score first."""
    free, out = np.ones(len(ignore), bool), []
    for row in overlap:
        reach = (row >= min(threshold, 1 - 1e-10)) & (free | crowd)
        pool = np.flatnonzero(reach & ~ignore) if (reach & ~ignore).any() else np.flatnonzero(reach)
        out.append(pool[row[pool] == row[pool].max()][-1] if len(pool) else -1)     # of equals, the last
        if len(pool):
            free[out[-1]] = False
    return np.array(out, int)

# %% [markdown]
# `judge` applies the three rules to one category on one image. Everything else is bookkeeping: gather the verdicts of
# all images, rank them, and read the curve.

# %%
def judge(objects, found, threshold, low=0, high=1e10, limit=100):
    """One category on one image: (score, hit, ignored) of each detection, and the number to find."""
    found = sorted(found, key=lambda d: -d["score"])[:limit]
    crowd = np.array([o["iscrowd"] for o in objects], bool)
    area = np.array([o["area"] for o in objects])
    ignore = crowd | (area < low) | (area > high)
    taken = np.full(len(found), -1)
    if objects and found:
        taken = match(overlaps(found, objects), ignore, crowd, threshold)
    size = np.array([d["bbox"][2] * d["bbox"][3] for d in found])
    ignored = np.where(taken >= 0, np.append(ignore, False)[taken], (size < low) | (size > high))
    verdicts = [(d["score"], t >= 0, i) for d, t, i in zip(found, taken, ignored)]
    return verdicts, int((~ignore).sum())


def curve(verdicts, total):
    """Precision at COCO's 101 recall levels, and the greatest recall."""
    score, hit, ignored = np.array(verdicts, float).reshape(-1, 3).T
    ranking = np.argsort(-score, kind="stable")
    hit = hit[ranking][ignored[ranking] == 0]
    recall, precision = np.cumsum(hit) / total, np.cumsum(hit) / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(recall, np.linspace(0, 1, 101))    # where each level is first reached
    return np.append(envelope, 0)[reached], recall[-1] if len(hit) else 0.0

# %%
def by_category(gt, results):
    """For each category, by id: its (objects, detections), image by image."""
    images = sorted(image["id"] for image in gt["images"])
    groups = {c: {i: ([], []) for i in images} for c in sorted(c["id"] for c in gt["categories"])}
    for side, records in enumerate((gt["annotations"], results)):
        for r in records:
            groups[r["category_id"]][r["image_id"]][side].append(r)
    return [[pair for pair in group.values() if any(pair)] for group in groups.values()]


THRESHOLDS = np.linspace(0.5, 0.95, 10)


def curves(gt, results, areas, limit=100):
    """Precision (area range, threshold, category, 101) and recall (the first three); nan: nothing to find."""
    groups = by_category(gt, results)
    recall = np.full((len(areas), len(THRESHOLDS), len(groups)), np.nan)
    precision = np.full((*recall.shape, 101), np.nan)
    for a, t, c in np.ndindex(recall.shape):
        judged = [judge(*pair, THRESHOLDS[t], *areas[a], limit) for pair in groups[c]]
        if total := sum(n for _, n in judged):
            verdicts = [v for image, _ in judged for v in image]
            precision[a, t, c], recall[a, t, c] = curve(verdicts, total)
    return precision, recall

# %%
def mean(values):
    return values[~np.isnan(values)].mean() if not np.isnan(values).all() else np.nan


def twelve(gt, results, ranges):
    """COCO's numbers in the official order."""
    areas = [ranges[name] for name in ("all", "small", "medium", "large")]
    precision, recall = curves(gt, results, areas)
    ap, ap_small, ap_medium, ap_large = (mean(p) for p in precision)
    ap50, ap75 = mean(precision[0, 0]), mean(precision[0, 5])
    ar1, ar10 = (mean(curves(gt, results, areas[:1], limit)[1]) for limit in (1, 10))
    return [ap, ap50, ap75, ap_small, ap_medium, ap_large, ar1, ar10, *(mean(r) for r in recall)]

# %% [markdown]
# **Test (a), by hand.** The toy image again, with a crowd in its lower right corner, a small object, and two more
# detections: one inside the crowd, one on the small object. We call `pycocotools` directly and compare.

# %%
from contextlib import redirect_stdout
from io import StringIO

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def official_twelve(gt, results, ranges):
    gt = json.loads(json.dumps(gt))
    for n, annotation in enumerate(gt["annotations"], 1):
        annotation["id"] = n                            # the tool reads a match with id 0 as "no match"
    with redirect_stdout(StringIO()):                   # it prints as it goes
        truth = COCO()
        truth.dataset = gt
        truth.createIndex()
        tool = COCOeval(truth, truth.loadRes(json.loads(json.dumps(results))), "bbox")
        tool.params.areaRng = [list(ranges[name]) for name in ("all", "small", "medium", "large")]
        tool.evaluate(), tool.accumulate(), tool.summarize()
    return np.where(tool.stats < 0, np.nan, tool.stats)  # it says -1 where there is nothing to find

# %%
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
COCO_RANGES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2),
               "large": (96**2, 1e10)}
first = toy["annotations"][0]
fuller = {**toy, "annotations": [
    *toy["annotations"], {**first, "id": 4, "bbox": [60, 60, 50, 40], "area": 1500, "iscrowd": 1},
    {**first, "id": 5, "bbox": [100, 5, 10, 10], "area": 90}]}
more = as_records(np.array([[70, 70, 90, 95], [100, 6, 110, 16]]), score=[0.8, 0.3])
ours, theirs = (score(fuller, toy_results + more, COCO_RANGES) for score in (twelve, official_twelve))
np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
table(pd.DataFrame([ours, theirs], ["this notebook", "pycocotools"], NAMES), "The toy image", digits=4)

# %% [markdown]
# B used to be a false positive; now it lies in the crowd and no longer counts. There is no large object, so
# APl and ARl are undefined.
#
# **Test (b), a data set.** Detections for all images, from the noise model. It sees 85% of the objects, some more than
# once. Boxes are off by about a tenth of their sides, and one label in ten is wrong. Each image also gets about three
# boxes of nothing.

# %%
results = made_detections(gt, SEED)
ours, theirs = (score(gt, results, data.area_ranges) for score in (twelve, official_twelve))
np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
library = coco_metrics(gt, results)
np.testing.assert_allclose(ours, [library[name] for name in NAMES], rtol=0, atol=1e-12)
rows = [ours, theirs, [library[name] for name in NAMES]]
frame = 100 * pd.DataFrame(rows, ["this notebook", "pycocotools", "paperlib"], NAMES)
table(frame, f"{data.name}, made detections, percent; equal to twelve decimals", digits=2)

# %% [markdown]
# You have now written COCO's evaluation. From here on we use the library's, which is some forty times faster than
# `pycocotools` on a set of COCO's size and is held to it, bit for bit, by the tests.
#
# Back to the question from the start: fifty junk boxes in every image, all scored lower than any good box.

# %%
predict("AP without the junk is in the table above, in percent. What is it with the junk?", "junk", guess=None)

# %%
rng = np.random.default_rng(SEED)
last = min(r["score"] for r in results) / 2
sorts = [c["id"] for c in gt["categories"]]


def junk_box(image):
    x, y = (rng.uniform(0, 0.8, 2) * [image["width"], image["height"]]).tolist()
    return {"image_id": image["id"], "category_id": sorts[rng.integers(len(sorts))], "score": last,
            "bbox": [x, y, image["width"] / 5, image["height"] / 5]}


junk = [junk_box(image) for image in gt["images"] for _ in range(50)]
reveal("junk", round(100 * coco_metrics(gt, results + junk)["AP"], 2), within=0.02,
       because="Precision at a recall level looks only at the ranking above it, and the junk is\n"
               "  below every level that the detector reaches. (Now and then a junk box even hits.)")

# %% [markdown]
# AP forgives low-scored junk because it judges the ranking and nothing else. Whoever shows boxes to people must still
# choose a threshold.
#
# The curves behind one category: a stricter IoU lowers the whole curve, and a score threshold cuts off its end.

# %%
names = {c["id"]: c["name"] for c in gt["categories"]}
common = pd.Series([names[a["category_id"]] for a in gt["annotations"]]).value_counts().index[0]
picture = pictures.curve_explorer(gt, results)
explore(picture, "Precision-recall curves of one category", size=(5, 3.4), slow=True,
        category=[common, *sorted({*names.values()} - {common})], threshold=(0.5, 0.95, 0.05, 0.5),
        score=(0.0, 0.9, 0.05, 0.0))

# %%
def of_common(ax, threshold, score):
    picture(ax, common, threshold, score)


states = [{"threshold": t, "score": s} for t, s in ((0.5, 0.5), (0.75, 0.0), (0.9, 0.0))]
show(frames(of_common, states, size=(3.1, 2.6)),
     f"Three states of the widget for {common}. At IoU .5, with detections below score .5 dropped, "
     "the curve stops early; at IoU .75 and .9 the whole curve sinks.")

# %% [markdown]
# ## 7. Average recall, for proposals
#
# Proposals are boxes that *may* hold an object of any category. They are not ranked against each other across a data
# set, and precision hardly matters, as a later stage will discard the bad ones. What matters is which objects are found
# at all by the best $k$ boxes of each image, and how tightly:
#
# $$\mathrm{AR}^k = \frac{1}{10} \sum_{\tau = .5}^{.95} \mathrm{recall}_\tau(k).$$
#
# Categories are ignored. The thesis (Sec. 3.5) gives AR at 10, 100 and 1000 boxes and AUC, the mean of AR over
# $k$; it does not say how $k$ is spaced. A logarithmic axis from 1 to 1000 agrees with the other columns of its
# Table 3.3. So the library integrates over the logarithm of $k$, from 1 to the largest $k$ asked for: 100 in this table.

# %%
proposals = made_detections(gt, SEED + 1, recall=0.95, copies=4, jitter=0.2, background=60, **sure)
anything = {**gt, "categories": [{"id": 1, "name": "object"}],
            "annotations": [{**a, "category_id": 1} for a in gt["annotations"]]}
flat = [{**p, "category_id": 1} for p in proposals]
scores_of = average_recall(gt, proposals, k=(1, 10, 100))
recall_at = {k: curves(anything, flat, [(0, 1e10)], k)[1][0, :, 0] for k in (10, 100)}
for k in (10, 100):
    assert abs(recall_at[k].mean() - scores_of[f"AR{k}"]) < 1e-12
shown = ["AR1", "AR10", "AR100", "AUC", "AUCs", "AUCm", "AUCl"]
table(pd.DataFrame({name: [100 * scores_of[name]] for name in shown}, ["made proposals"]),
      "Average recall of class-agnostic proposals, percent; AUC from 1 to 100 boxes")

# %%
counts = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]
swept = average_recall(gt, proposals, k=counts)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for suffix, name in (("", "all"), ("l", "large"), ("m", "medium"), ("s", "small")):
    axes[0].plot(counts, [swept[f"AR{k}{suffix}"] for k in counts], label=name)
axes[0].set(xscale="log", xlabel="proposals an image, k", ylabel="average recall", ylim=(0, 1.02))
axes[0].set_xticks([1, 10, 100], ["1", "10", "100"])
axes[0].legend(title="objects")
for k, values in recall_at.items():
    axes[1].plot(THRESHOLDS, values, "o-", ms=3, label=f"k = {k}: mean {np.mean(values):.2f}")
axes[1].set(xlabel="IoU threshold", ylabel="recall")
axes[1].legend()
show(fig, "Left: average recall rises with the number of proposals and is highest for large objects. "
          "Right: recall falls as the IoU threshold rises; AR is the mean of the ten points.")

# %% [markdown]
# ## 8. Which mistakes? And what would mending them gain?
#
# One number hides *how* a detector fails. R-CNN (Sec. 3.4, Fig. 5) sorts false positives with the analysis of Hoiem and
# colleagues, and every paper after it argues with the result. With two thresholds, .5 for a hit and .1 for "something to
# do with this object", each detection is the first of these that applies:
#
# | kind | meaning |
# |---|---|
# | **Cor** | correct: it takes an object |
# | **Loc** | the right category, badly placed (IoU from .1 to .5), or a double |
# | **Sim** | IoU of .1 or more with an object of a *similar* category, one of the same super-category |
# | **Oth** | the same with any other category |
# | **BG** | background: nothing of the kind |

# %%
kinds, blamed = error_types(gt, results)
index = {image["id"]: n for n, image in enumerate(data.images)}


def clear(n):
    """Large enough to see; a badly placed box, no mere double, for Loc; a well placed one for Sim and Oth."""
    well_placed = blamed[n] >= 0 and iou_slow(results[n]["bbox"], gt["annotations"][blamed[n]]["bbox"]) > 0.45
    return min(results[n]["bbox"][2:]) >= 30 and well_placed == (kinds[n] in ("Sim", "Oth"))


made = [kind for kind in KINDS[1:] if (kinds == kind).any()]  # a set of one class has no mistaken names
fig, axes = plt.subplots(1, len(made), figsize=(9, 2.6))
for ax, kind in zip(axes, made):
    n = max(np.flatnonzero(kinds == kind), key=lambda n: (clear(n), results[n]["score"]))
    hurt = [gt["annotations"][blamed[n]]] if blamed[n] >= 0 else []
    boxes_on(ax, data.image(index[results[n]["image_id"]]), corners(hurt), colors=PALETTE["yellow"])
    boxes_on(ax, None, corners([results[n]]), colors=PALETTE["vermillion"], linestyle="--")
    on = "".join(f" on {names[a['category_id']]}" for a in hurt)
    ax.set_title(f"{kind}: “{names[results[n]['category_id']]}”{on}", fontsize=10)
show(fig, "One high-scoring false positive of each kind, dashed, with the label that it claims; the object that it was confused "
          "with is solid yellow. " + "; ".join(ax.get_title() for ax in axes) + ". The background error has no object.")

# %% [markdown]
# `clear` has picked clear cases. Not every Sim or Oth error is a wrong name on a good box. About half of the Oth errors overlap
# the object that they are charged to by an IoU of less than .3.
#
# Counting the kinds is half of the story. A hundred errors at the bottom of the ranking cost nothing, as we saw, and ten
# at the top cost much. So we *mend* one kind at a time and score again. A Loc, Sim or Oth error gets the box and label
# of the object it was confused with, if nothing else has found that object; otherwise it is removed. A BG error is
# removed. The gain is AP50 after minus AP50 before.

# %%
gains = {kind: 100 * gain for kind, gain in fix_gains(gt, results).items()}
counted = {kind: int((kinds == kind).sum()) for kind in KINDS}
fig, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for ax, values, form, title in ((axes[0], counted, "%.0f", "number of detections"),
                                (axes[1], gains, "%+.1f", "points of AP50 gained by mending")):
    colours = [PALETTE["blue" if kind == "Cor" else "vermillion"] for kind in values]
    ax.bar_label(ax.bar(list(values), list(values.values()), color=colours), fmt=form)
    ax.set(title=title, yticks=[])
    ax.margins(y=0.15)
    ax.grid(False)
show(fig, "Left, detections: " + ", ".join(f"{kind} {n}" for kind, n in counted.items())
     + ". Right, points of AP50: " + ", ".join(f"{kind} {gain:+.1f}" for kind, gain in gains.items()) + ".")

# %% [markdown]
# Gains do not add up to what is missing: a mended error may need two repairs, and a missed object has no detection that
# could be mended.
#
# ## 9. Eleven bugs, and what each does to AP
#
# Most reports of "AP is 0" or "two points below the paper" are about evaluation or its inputs. Here are the usual
# suspects, each applied to the *same* detections. PASCAL marks objects that are hard even for people as `difficult`,
# to be ignored; this set has no such marks, so for this section we set them on the smallest tenth of its objects.

# %%
annotations = gt["annotations"]
tiny = np.quantile([a["area"] for a in annotations], 0.1)
hard = [{**a, "difficult": int(a["area"] < tiny)} for a in annotations]
marked = {**gt, "annotations": hard}
results = made_detections(marked, SEED)                 # difficult objects are seen half as often
right = coco_metrics(marked, results)


def changed(edit, annotations=hard, **options):
    """Scores after `edit(record)` has given new fields to each result."""
    edited = [{**r, **edit(r)} for r in results]
    return coco_metrics({**gt, "annotations": annotations}, edited, **options)


def of_image(image):
    """Scores of one image alone."""
    truth, found = ([r for r in group if r["image_id"] == image["id"]] for group in (hard, results))
    return coco_metrics({**gt, "images": [image], "annotations": truth}, found)

# %%
def box(side=lambda start, length: length, scale=1):
    """An edit of the box: other sides, or all of it scaled."""
    def edit(r):
        x, y, w, h = r["bbox"]
        return {"bbox": [scale * v for v in (x, y, side(x, w), side(y, h))]}
    return edit


ids = sorted(names)
following = dict(zip(ids, ids[1:] + ids[:1]))
falling = iter(np.linspace(1, 0, len(results)))
alone = [of_image(image) for image in gt["images"]]

# %%
bugs = {
    "labels off by one": changed(lambda r: {"category_id": following[r["category_id"]]}),
    "corners in the place of width, height": changed(box(lambda start, length: start + length)),
    "boxes left in an input of 4/5 size": changed(box(scale=0.8)),
    "widths and heights + 1": changed(box(lambda start, length: length + 1)),
    "ranked in file order": changed(lambda r: {"score": next(falling)}),
    "scored per image, then averaged": {
        key: np.nanmean([m[key] for m in alone]) for key in ("AP", "AP50", "AP75")},
    "crowds counted as objects": changed(dict, [{**a, "iscrowd": 0} for a in hard]),
    "difficult objects not ignored": changed(dict, annotations),
    "every image scored twice": coco_metrics(marked, results + results),
    "scores below .5 thrown away": coco_metrics(marked, [r for r in results if r["score"] >= 0.5]),
    "maxDets 1": changed(dict, max_dets=(1,)),
}

# %%
predict("Two processes score all images, and both write their results: every detection occurs twice.\n"
        "  Which share of AP is left?", "twice", guess=None)

# %%
reveal("twice", bugs["every image scored twice"]["AP"] / right["AP"],
       because="Each hit is followed by its double, which is wrong, and each error by another one: half\n"
               "  the precision. Only a category's first hits come before any double, so rare ones lose less.")

# %%
columns = ["AP", "AP50", "AP75"]
frame = 100 * pd.DataFrame({"(no bug)": right, **bugs}, columns).T
frame["delta AP"] = frame["AP"] - frame["AP"]["(no bug)"]
table(frame.sort_values("AP"), f"{data.name}, one bug at a time, percent")

# %%
ranked = frame.drop("(no bug)").sort_values("AP", ascending=False)["AP"]
fig, ax = plt.subplots(figsize=(8, 3.8))
ax.barh(ranked.index, ranked, color=PALETTE["sky"])
ax.axvline(100 * right["AP"], color=PALETTE["black"], lw=1.2)
ax.set_title(f"line: no bug, {100 * right['AP']:.1f}", fontsize=10)
for y, value in enumerate(ranked):
    ax.text(value + 0.3, y, f"{value:.1f}", va="center", fontsize=9,
            bbox={"facecolor": "white", "pad": 1, "linewidth": 0})
ax.set(xlabel="AP, percent")
ax.invert_yaxis()
ax.grid(False)
show(fig, f"AP under each bug, with a line at the right AP of {100 * right['AP']:.1f}: "
     + "; ".join(f"{name} {value:.1f}" for name, value in ranked.items()) + ".")

# %% [markdown]
# How to read it as a diagnosis:
#
# - **Near zero:** labels off by one, or boxes in the wrong form or scale. Draw ten detections on their images before
#   anything else.
# - **About half:** something is counted twice, or the ranking is lost. Samplers that repeat images to fill their last
#   batch count twice, too.
# - **A few points low:** a threshold meant for showing boxes was left in; a limit is too small; crowds or difficult objects
#   are counted as misses. (Crowds are one annotation in a hundred here, so they cost little.)
# - **AP75 low, AP50 as it should be:** boxes are slightly off, as by the old "+ 1" (VOC's pixel indices, by which a box
#   from 3 to 3 is one pixel wide). On small objects one pixel is much.
# - **Too high:** averaging per image. An image without objects of a category drops out of the mean, together with the false
#   positives in it, and scores need no longer be comparable between images. A bug that flatters is the hardest to find.
#
# ## 10. What AP does not tell
#
# AP weighs a category with ten objects like one with ten thousand, which makes it noisy on small sets; rare categories
# deserve an interval. It ignores calibration, since any increasing change of the scores leaves it the same. It is not the
# accuracy at any threshold that one would deploy. And numbers compare only under the same rules: VOC's 11 points, VOC's
# area and COCO's AP50 differ on the very same detections, COCO's AP is another quantity altogether, and an AP on drawn
# scenes says nothing about COCO's photographs.

# %%
rules = {"VOC 2007, 11 points": voc_ap(marked, results, 2007)["mAP"],
         "VOC 2010, area": voc_ap(marked, results, 2010)["mAP"],
         "COCO AP50, 101 points": right["AP50"], "COCO AP": right["AP"]}
table(100 * pd.DataFrame({"percent": rules}), "The same detections, four rules")

# %% [markdown]
# ## 11. Exercises
#
# **1, predict.** Each image holds four objects of one category. A detector draws a single box per image, always perfect.
# What is its COCO AP, to three decimals? (It is not .25.)

# %%
predict("COCO AP of one perfect box per image, with four objects in each", "quarter", guess=None)

# %%
row = np.array([[20 * n, 0, 20 * n + 10, 10.0] for n in range(4)])
four = {**toy, "annotations": as_records(row, id=range(4))}
reveal("quarter", coco_metrics(four, as_records(row[:1], score=[0.9]))["AP"], within=0.001,
       because="Precision is 1 at the levels 0, .01, ..., .25, and these are 26 of 101.")

# %% [markdown]
# **2, implement.** VOC 2007's average from a list of hits, best score first, and the number of objects.

# %% tags=["exercise"]
def my_voc_2007(hits, total):
    ...

# %%
def spec(hits, total):
    tp = np.cumsum(hits)
    return float(voc_2007(tp / np.arange(1, len(hits) + 1), tp / total))


check("VOC 2007", my_voc_2007, spec,
      [([1, 0, 1, 0, 1], 3), ([1], 4), ([0, 0], 2), ([0, 1, 1, 1], 3), ([1] * 7, 10)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_voc_2007(hits, total):
#     best = [0.0] * 11
#     for n in range(1, len(hits) + 1):
#         tp = sum(hits[:n])
#         for level in range(11):
#             if tp / total >= level / 10:
#                 best[level] = max(best[level], tp / n)
#     return sum(best) / 11
# ```
#
# The best precision at a recall of at least the level is the maximum over all places in the ranking that reach it.
# </details>
#
# **3, implement.** The overlap that COCO uses for a crowd, for two boxes `[x, y, width, height]`: which share of the
# detection lies inside the crowd?

# %% tags=["exercise"]
def my_coverage(detection, crowd):
    ...

# %%
def spec(detection, crowd):
    return float(official.iou([detection], [crowd], [1])[0, 0])


check("crowd overlap", my_coverage, spec,
      [([0, 0, 10, 10], [5, 0, 50, 50]), ([0, 0, 4, 4], [0, 0, 100, 100]), ([0, 0, 4, 4], [9, 9, 1, 1]), ([20, 10, 8, 6], [22, 0, 30, 30])])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_coverage(detection, crowd):
#     (x, y, w, h), (cx, cy, cw, ch) = detection, crowd
#     inside_w = min(x + w, cx + cw) - max(x, cx)
#     inside_h = min(y + h, cy + ch) - max(y, cy)
#     return max(inside_w, 0) * max(inside_h, 0) / (w * h)
# ```
#
# A face that fills a hundredth of an audience has an IoU of .01 with it, and a coverage of 1.
# </details>
#
# **4, investigate.** Loosen the boxes and leave everything else alone: `made_detections(gt, SEED, jitter=j)`. Return the
# ratio AP75 / AP50 for the jitters .02, .1 and .3. Which kind of error takes over, and why does AP50 fall later than AP75?

# %% tags=["exercise"]
def my_ratios(jitters):
    ...

# %%
def spec(jitters):
    scored = [coco_metrics(gt, made_detections(gt, SEED, jitter=j)) for j in jitters]
    return [m["AP75"] / m["AP50"] for m in scored]


check("tightness", my_ratios, spec, [([0.02, 0.1, 0.3],)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_ratios(jitters):
#     ratios = []
#     for jitter in jitters:
#         results = made_detections(gt, SEED, jitter=jitter)
#         kinds = error_types(gt, results)[0]
#         metrics = coco_metrics(gt, results)
#         print(jitter, {kind: int((kinds == kind).sum()) for kind in KINDS})
#         ratios.append(metrics["AP75"] / metrics["AP50"])
#     return ratios
# ```
#
# Loc takes over. A box has to move by a fifth of its side in both directions to fall below IoU .5, and by a
# thirteenth to fall below .75. So the ratio tells you how tight the boxes are. It is the first thing to look at when a new
# box head is compared with an old one.
# </details>

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("02_scoring")

# %% [markdown]
# ## In three lines
#
# - Greedy matching by score turns boxes into a ranking of hits and errors; AP is the mean height of its filled
#   precision-recall curve, and the ten IoU thresholds of COCO ask for tight boxes.
# - What is ignored (crowds, difficult objects, other sizes, boxes over the limit) matters as much as what is counted.
# - Look at the kinds of error and at what mending them would gain before you change a model, and suspect the evaluation
#   before the model when a number surprises you.
#
# **Next:** 03, R-CNN, where the error analysis of section 8 comes back.
#
# **References.** T.-Y. Lin, thesis (2017): Sec. 3.5, average recall, AUC and object sizes, Table 3.3;
# Sec. 4.5.1 and 4.5.2, AR and AP by size. R. Girshick et al., *Rich feature hierarchies*, arXiv 1311.2524v5: Sec. 3.4 and Fig. 5. D. Hoiem et
# al., *Diagnosing error in object detectors*, ECCV 2012. M. Everingham et al., *The PASCAL VOC challenge*, IJCV 2010:
# interpolated precision. J. Hosang et al., *What makes for effective detection proposals?*, PAMI 2015: average recall.
