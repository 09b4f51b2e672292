# %% [markdown]
# # 14 · Your own pictures
#
# From a folder of pictures to a detector that you can look at: label, check, train, see where it fails, improve.
# **Before this:** notebook 00. What the numbers mean is in 02, what the detector does in 11.
#
# <!-- minutes -->reading: about 10 min; CPU: 1 min on 2 CPU cores; older CPU: not measured yet; GPU: not measured yet<!-- /minutes -->
# Everything here runs on a CPU and without a network. The twenty pictures are drawn at first; yours follow by their path.

# %% tags=["parameters"]
import os

BUDGET = os.environ.get("PAPERLIB_BUDGET", "mini")  # "smoke" runs every cell in seconds, and learns nothing
SEED = 0
DEVICE = None  # "cpu", "cuda", "mps"; None takes the best there is
DATA = "minicoco"  # twenty pictures of this drawn set; or the path of a folder of photographs of yours
CLASSES = ["person", "car", "dog"]  # what to find
SIZE = 128  # px of a picture's shorter side; 256 or more for photographs
RERUN = False  # not used: no table is shown here

# %%
import sys
if "google.colab" in sys.modules:  # fetch the course and what Colab lacks; leave Colab's own torch and NumPy alone
    address = os.environ.get("PAPERLIB_REPOSITORY") or input("Address of the repository of this notebook: ")
    # !git clone -q --depth 1 {address} course
    # %pip install -q pycocotools safetensors anywidget
    # %cd -q course/notebooks
    sys.path.insert(0, "..")

# %% [markdown]
# ## After this you can
#
# - put boxes and names on your own pictures, and know which file they are in;
# - find out *before* training whether labels, sizes and network fit each other;
# - train a detector on twenty pictures in a minute, and keep the best of it;
# - say what kind of mistake costs most, and what to do about it;
# - run the result on pictures that it has never seen.
#
# **A question before you read on.** Fourteen pictures to learn from, six to be tested on. How sure can a score from six pictures be?

# %%
import json
import shlex
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from paperlib.__main__ import main
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.teach import draw
from paperlib.teach.detections import report_page, try_detector
from paperlib.teach.exercises import check, predict, quiz, reveal
from paperlib.teach.labeller.labelling import Labelling
from paperlib.teach.twenty_pictures import contents, twenty_pictures
from paperlib.teach.widgets import explore, frames

# %%
draw.style()
seed_all(SEED)
device, smoke = pick_device(DEVICE), BUDGET == "smoke"
work = Path("../runs/your_own")  # all that this notebook writes
steps = 6 if smoke else 300


def paperlib(line):
    """Run one command of `paperlib`, as a terminal would."""
    print("$ paperlib", line)
    with redirect_stderr(sys.stdout):
        if main(shlex.split(line)) > 1:
            raise RuntimeError("the command could not be carried out; the line above says why")

# %% [markdown]
# Each step below is one line that you can type into a terminal instead; here, `paperlib("...")` runs the same line.
#
# ## 1. The pictures
#
# A folder of files is all that is needed. If you gave no path, we draw twenty small scenes into one, and pretend that somebody has
# labelled seventeen of them already.

# %%
by_hand = {}
folder = Path(DATA)
if DATA == "minicoco":
    folder = work / "pictures"
    by_hand = twenty_pictures(folder, CLASSES)
labelling = Labelling(folder, CLASSES)
print(f"{len(labelling)} pictures, {len(labelling.labelled)} of them labelled; still to do: "
      + ", ".join(labelling.pictures[i].name for i in range(len(labelling)) if i not in labelling.labelled))


def with_boxes(ax, i):
    boxes = np.array(labelling.boxes(i)).reshape(-1, 5)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]], 1)
    draw.boxes_on(ax, None, corners, boxes[:, 4].astype(int), classes=labelling.classes)


shown = list(range(len(labelling)))[:20]
draw.show(draw.grid([labelling.pixels(i) for i in shown], columns=7, size=1.5, on=with_boxes),
          f"{len(shown)} small pictures with coloured boxes around {', '.join(CLASSES)}; the first three have none yet.")

# %% [markdown]
# ## 2. Label three
#
# The labeller shows the first picture without labels. Drag a box around each object; press 1, 2 or 3 for its class; N accepts and goes
# on. All of it works by keyboard too: B makes a box, the arrows move it, and with Shift they change its size. Every change is written
# at once, into `instances.json` beside the pictures, in COCO's format. Ctrl+Z takes it back.
#
# Three rules save trouble later. Box *every* object of your classes, also the half hidden ones. Box what is visible, tightly. If a
# picture holds none, accept it empty: this, too, is something to learn from.

# %%
try:
    from paperlib.teach.labeller.widget import Labeller

    labeller = Labeller(labelling)
except ImportError:
    labeller = "The labeller needs anywidget: `pip install anywidget`, then restart."
labeller

# %% [markdown]
# If you have not touched it, the next cell does the three drawn ones in your place, with the boxes that the scenes were made from.

# %%
for i, boxes in by_hand.items():
    if i not in labelling.labelled:
        labelling.change(i, boxes)
if not smoke or DATA == "minicoco":
    print(f"{folder.name}: {contents(folder)}")
first = labelling.labelled[:3]
draw.show(draw.grid([labelling.pixels(i) for i in first], size=2.4, on=with_boxes),
          "The first three pictures, now with a box and a name on each object.")

# %% [markdown]
# **From other tools.** The labeller is meant for some dozens of pictures. For more, and for several people, there are tools whose
# files are read as they are:
#
# | you have | do there | then here |
# |---|---|---|
# | CVAT | *Export task dataset*, format "COCO 1.0" (or "YOLO") | unpack; `paperlib data check FOLDER` |
# | Label Studio | *Export*, format "COCO" (or "YOLO") | unpack; `paperlib data check FOLDER` |
# | Roboflow | *Download*, "COCO" or "YOLO" | unpack; `paperlib data check FOLDER` |
# | VOC's XML files, YOLO's text files | nothing | `paperlib data check FOLDER` |
#
# And back: `paperlib data convert FOLDER --to yolo --out OTHER` (or `coco`, `voc`).
#
# ## 3. Check
#
# Before anything is learnt from them, all records are looked at: boxes outside their picture, classes that nobody named, files that
# are missing or broken. A fault is printed with its file, its record, what was found, and what was expected.

# %%
paperlib(f"data check {folder}")

# %% [markdown]
# What would a fault look like? Let us make one on purpose: a copy whose first box is as wide as minus five pixels.

# %%
spoilt = work / "spoilt"
spoilt.mkdir(parents=True, exist_ok=True)
content = json.loads((folder / "instances.json").read_text())
content["annotations"][0]["bbox"][2] = -5
for image in content["images"]:
    Image.open(folder / image["file_name"]).save(spoilt / Path(image["file_name"]).name)
    image["file_name"] = Path(image["file_name"]).name
(spoilt / "instances.json").write_text(json.dumps(content))
paperlib(f"data check {spoilt}")

# %% [markdown]
# ## 4. Split
#
# A detector must be tested on pictures that it has not learnt from. The split is by chance, with a seed, and gives both parts their
# share of every class.

# %%
import shutil

shutil.rmtree(work / "set", ignore_errors=True)
paperlib(f"data split {folder} --shares train=0.7 val=0.3 --seed {SEED} --out {work / 'set'}")

# %% [markdown]
# ## 5. Ask the doctor
#
# Training that cannot work looks, for a long time, like training that has not worked *yet*. The doctor says beforehand whether the
# anchors reach the objects, whether the grid is fine enough, and how the classes are balanced. And it lets the network learn four
# pictures by heart. A network that cannot do this will learn nothing else.

# %%
if smoke:
    print("not in smoke: the doctor trains for a while")
else:
    paperlib(f"doctor {work / 'set'} --split train --size {SIZE}")

# %% [markdown]
# How to read it. The loss of the four pictures has fallen to next to nothing, so the network does learn. If its AP50 stays below what is expected, look
# at the lines above it: some objects have no anchor that fits them well. The last line proposes anchors that do. We train without
# them first. Add its `--set` to the line below, and compare.
#
# ## 6. Train
#
# One line. It says what it starts from: for pictures of your own that is the best that lies on your disk, torchvision's
# weights (`--start imagenet` or `--start coco` fetch them, once) or those of the course. On the way it is tested a few times; the best
# weights are kept, and a picture of the curves is written beside them. Press the stop button, and the same line goes on later.

# %%
predict("What AP (0 to 100) will it have on the six test pictures?", "first", guess=None)

# %%
trained = work / "first" / "retinanet.safetensors"
checks = 0 if smoke else 5
line = f"train retinanet --data {work / 'set'} --size {SIZE} --steps {steps} --batch 4 --checks {checks} --budget mini"
paperlib(f"{line} --seed {SEED} --device {device} --out {work / 'first'}")

# %%
from paperlib.training.weights import read_header

score = 100 * float(read_header(trained)["AP"])
reveal("first", score, "Twenty pictures are few. The next steps say what is missing.")
curves = plt.imread(trained.with_suffix(".png"))
fig, ax = plt.subplots(figsize=(8, 3.4))
ax.imshow(curves)
ax.axis("off")
draw.show(fig, f"The curves of the run: the loss of {steps} steps, which falls; beside it AP at the checks, of which the best, {score:.1f}, is kept.")

# %% [markdown]
# ## 7. Look
#
# A number alone hides everything. `detect` draws what was found, on any pictures: files, folders, patterns.

# %%
paperlib(f"detect {trained} {work / 'set' / 'images'} --threshold 0.3 --out {work / 'look'} --device {device}")
sheet = plt.imread(work / "look" / "contact_sheet.jpg")
fig, ax = plt.subplots(figsize=(9, 9 * sheet.shape[0] / sheet.shape[1]))
ax.imshow(sheet)
ax.axis("off")
draw.show(fig, "A contact sheet of all pictures with the boxes that the detector draws at a score above 0.3; the number of boxes stands "
               "under each.")

# %% [markdown]
# The threshold decides what you see. Move it: what goes first, the wrong boxes or the right ones?

# %%
found = json.loads((work / "look" / "results.json").read_text())
listed = json.loads((work / "look" / "images.json").read_text())["images"]
val = load(work / "set", "val")
numbers = {Path(image["file_name"]).name: image["id"] for image in listed}
numbers = [numbers[Path(image["file_name"]).name] for image in val.images]
sure = Counter(r["image_id"] for r in found if r["score"] >= 0.1)
pick = max(range(len(val)), key=lambda i: sure[numbers[i]])


def at_threshold(ax, threshold=0.3):
    kept = [r for r in found if r["image_id"] == numbers[pick] and r["score"] >= threshold]
    boxes = np.array([r["bbox"] for r in kept]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    draw.boxes_on(ax, val.image(pick), boxes, [r["category_id"] for r in kept], classes=val.classes)
    ax.text(2, val.image(pick).shape[-2] - 2, f"{len(kept)} boxes", fontsize=7, color="white",
            bbox={"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0})


explore(at_threshold, "Detections on one test picture above a threshold", size=(4, 4), threshold=(0.05, 0.95, 0.05, 0.3))

# %%
draw.show(frames(at_threshold, [{"threshold": t} for t in (0.05, 0.1, 0.3)]),
          "The same picture three times, with all boxes above 0.05, 0.1 and 0.3: fewer and fewer boxes.")

# %% [markdown]
# ## 8. Report
#
# The report is one page, to open in a browser or to send. It holds the twelve COCO numbers with intervals, each class, precision
# against recall, what is taken for what, and the best and the worst pictures beside the truth.

# %%
results, page = work / "results.json", work / "report.html"
paperlib(f"eval retinanet --weights {trained} --results {results} --report {page} --device {device}")
report_page(page)

# %% [markdown]
# Answer to the opening question: look at the intervals on the page. They are drawn by choosing test pictures with replacement, and with
# six of them they are wide. Before you believe that one detector is better than another, have dozens of test pictures, or compare the
# two on the same ones (`--compare OTHER.json`).
#
# ## 9. Improve
#
# Which mistakes cost most? For each kind, the gain in AP50 if all of that kind were mended, and what usually helps.

# %%
from paperlib.report.evidence import gathered
from paperlib.report.mending import mistakes

kinds = mistakes(gathered(val, json.loads(results.read_text())))
costs = pd.DataFrame([(kind.name, kind.count, 100 * kind.gain, kind.advice) for kind in kinds],
                     columns=["mistake", "how many", "points of AP50", "what helps"]).set_index("mistake")
draw.table(costs, "What mending each kind of mistake would gain", digits=1)

# %% [markdown]
# Most mistakes are loose boxes, boxes on background, or both a wrong name and a loose box: the network has not seen enough. More labels are the
# straightforward cure, and the detector that you have can suggest their boxes (`label(folder, system=...)` in
# `paperlib.teach.labeller.widget`), so that you correct rather than draw. The cheap one is to start from a network that has seen more.
# For photographs this is `--start coco`: a detector trained on 118,000 pictures, whose class outputs are taken over where the names are
# the same. Drawn pictures have such a detector too, the one that comes with the course.

# %%
predict("And with that start, as many steps?", "second", guess=None)

# %%
better = work / "second" / "retinanet.safetensors"
start = "../data/weights/retinanet.safetensors"
paperlib(f"{line} --seed {SEED} --device {device} --out {work / 'second'} --start {start}")
again = 100 * float(read_header(better)["AP"])
reveal("second", again, f"{again - score:+.1f} points for one word in the command.")

# %% [markdown]
# Is that more than luck? The two are compared on the same pictures, picture by picture; the page has the interval of the difference.

# %%
paperlib(f"eval retinanet --weights {better} --results {work / 'second.json'} --report {work / 'second.html'} --compare {results} --device {device}")

# %%
from paperlib.report import over_images

scores = [over_images.scored(gathered(val, json.loads(file.read_text()))) for file in (work / "second.json", results)]
gap = over_images.differences(*scores)[0]["AP"]
print(f"AP: {100 * gap.value:+.1f} points, 95% interval [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}] over test pictures")

# %% [markdown]
# ## 10. Use it
#
# A picture that neither training nor test has seen; any file of yours will do.

# %%
new = work / "new"
new.mkdir(exist_ok=True)
scene = load("minicoco", "val")
scene = scene.subset(range(len(scene) - 60, len(scene)))
place = max(range(len(scene)), key=lambda i: sum(scene.class_of(a) in CLASSES and a["area"] > 300 for a in scene.annotations[scene.images[i]["id"]]))
Image.fromarray(scene.image(place).permute(1, 2, 0).numpy()).save(new / "new.png")
paperlib(f"detect {better} {new / 'new.png'} --threshold 0.3 --out {work / 'found'} --device {device}")
seen = json.loads((work / "found" / "results.json").read_text())
kept = [r for r in seen if r["score"] >= 0.3]
corners = np.array([r["bbox"] for r in kept]).reshape(-1, 4)
corners[:, 2:] += corners[:, :2]
fig, ax = plt.subplots(figsize=(6, 6))
draw.boxes_on(ax, scene.image(place), corners, [r["category_id"] for r in kept], classes=val.classes)
draw.show(fig, "A new drawn scene with the boxes and names that the second detector gives it.")

# %% [markdown]
# Or without leaving the notebook: upload pictures of yours, choose among them, move the threshold.

# %%
try_detector(better, [new / "new.png"], device=device)

# %% [markdown]
# To hand the detector on: the file of weights holds its configuration, its classes and its size, so `paperlib detect` needs nothing else.
#
# ## Exercises
#
# **1. Implement** what every converter does: a line of YOLO's text format holds class (from 0), centre x, centre y, width and height,
# as shares of the picture's sides. Turn the four numbers into COCO's box (x, y, width, height) in pixels.

# %% tags=["exercise"]
def my_box(shares, width, height):
    ...


# %%
def box_spec(shares, width, height):
    x, y, w, h = shares
    return [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]


check("from YOLO to COCO", my_box, box_spec, [([0.5, 0.5, 1, 1], 640, 480), ([0.25, 0.5, 0.1, 0.2], 100, 50), ([0.9, 0.1, 0.2, 0.2], 333, 777)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_box(shares, width, height):
#     x, y, w, h = shares
#     return [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
# ```
# </details>
#
# **2. Find the fault.** Boxes that stick out of the picture are cut to it. `box` is (x, y, width, height) in pixels. The function below leaves some boxes outside, and
# the check of section 3 refuses them. Mend it.
#
# ```python
# def clipped_faulty(box, width, height):
#     x, y, w, h = box
#     return [max(x, 0), max(y, 0), min(w, width), min(h, height)]
# ```

# %% tags=["exercise"]
def my_clipped(box, width, height):
    ...


# %%
def clipped_spec(box, width, height):
    x, y, w, h = box
    left, right = np.clip([x, x + w], 0, width).tolist()
    top, bottom = np.clip([y, y + h], 0, height).tolist()
    return [left, top, right - left, bottom - top]


check("cut to the picture", my_clipped, clipped_spec, [([10, 10, 20, 20], 100, 50), ([-5, 40, 20, 20], 100, 50), ([90, 0, 30, 60], 100, 50)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_clipped(box, width, height):
#     x, y, w, h = box
#     left, top = max(x, 0), max(y, 0)
#     right, bottom = min(x + w, width), min(y + h, height)
#     return [left, top, right - left, bottom - top]
# ```
# </details>
#
# **3. Choose a threshold.** Your detector shall count apples, and nine of ten boxes should be right. Given scores and whether each box was a hit, return the lowest
# score at which, with all boxes that are at least as sure, the wanted precision is reached. (Some score always reaches it here.)

# %% tags=["exercise"]
def my_threshold(scores, hits, precision):
    ...


# %%
def threshold_spec(scores, hits, precision):
    order = np.argsort(scores)[::-1]
    share = np.cumsum(np.array(hits)[order]) / np.arange(1, len(hits) + 1)
    return float(np.array(scores)[order][share >= precision].min())


check("threshold", my_threshold, threshold_spec, [([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1], 0.75), ([0.2, 0.9, 0.5], [0, 1, 1], 0.9), ([0.9, 0.8, 0.3, 0.2], [1, 0, 1, 1], 0.7)])

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# def my_threshold(scores, hits, precision):
#     lowest = 1.0
#     for score in scores:
#         kept = [hit for hit, other in zip(hits, scores) if other >= score]
#         if sum(kept) / len(kept) >= precision:
#             lowest = min(lowest, score)
#     return lowest
# ```
# </details>
#
# **4. Investigate.** Leave one kind of object unlabelled in the training pictures and train again. Which line of the table of mistakes
# grows? Then set `SIZE` to 64 and to 256: what does the doctor say, and does the score agree with it?

# %% [markdown]
# ## Questions
#
# Open an answer: it says whether it is right, and why. The same questions can go into Moodle (`paperlib notebooks export questions`).

# %%
quiz("14_your_own_pictures")

# %% [markdown]
# ## In three lines
#
# Labels are checked before they are learnt from, and the doctor is asked before the hours are spent.
# Look at pictures before numbers, and at the kinds of mistakes before the next idea.
# What a network has seen before is worth more than a few hundred steps.
#
# **Next:** more pictures. Or notebook 02 for what the numbers mean, and 11 for what happened inside.
