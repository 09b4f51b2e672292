"""What the bench times beside the detectors: the scorer, the drawings, and how time and memory grow."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from functools import partial

import joblib
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.data.build import WORLDS, seed_of
from paperlib.data.world import compose
from paperlib.experiments import records
from paperlib.experiments.configs import override
from paperlib.experiments.evaluate import coco_metrics
from paperlib.experiments.peers import batch, step
from paperlib.experiments.races import over
from paperlib.experiments.ratios import Race
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.faster_rcnn_configs import tiny as faster_tiny
from paperlib.systems.retinanet import RetinaNet
from paperlib.systems.retinanet_configs import tiny

IMAGES, OBJECTS, DETECTIONS, CLASSES = 5000, 7, 100, 80  # of the made case: images; of each image; COCO's classes


def made_case(images: int) -> tuple[dict, list[dict]]:
    """Ground truth and results in COCO's format: every detection is a shifted object, four in five of its class."""
    rng = np.random.default_rng(0)
    xy, wh = rng.uniform(0, 500, (images, OBJECTS, 2)), np.exp(rng.uniform(2, 5.5, (images, OBJECTS, 2)))
    category = rng.integers(1, CLASSES + 1, (images, OBJECTS))
    of = rng.integers(0, OBJECTS, (images, DETECTIONS))
    found = np.take_along_axis(np.concatenate([xy, wh], 2), of[..., None], 1)
    found = found + rng.normal(0, 0.1, found.shape) * found[..., 2:].repeat(2, 0).reshape(images, DETECTIONS, 4)
    found[..., 2:] = found[..., 2:].clip(1)
    named = np.take_along_axis(category, of, 1)
    named = np.where(rng.random(named.shape) < 0.8, named, rng.integers(1, CLASSES + 1, named.shape))
    score = rng.random(named.shape)
    objects = np.concatenate([xy, wh], 2).round(2).tolist()
    truth = [{"id": i * OBJECTS + j + 1, "image_id": i, "category_id": int(category[i, j]), "bbox": box, "iscrowd": 0,
              "area": box[2] * box[3]} for i in range(images) for j, box in enumerate(objects[i])]
    gt = {"images": [{"id": i, "height": 640, "width": 640, "file_name": ""} for i in range(images)],
          "annotations": truth, "categories": [{"id": k, "name": str(k)} for k in range(1, CLASSES + 1)]}
    return gt, [{"image_id": i, "category_id": k, "bbox": b, "score": s} for i in range(images)
                for k, b, s in zip(named[i].tolist(), found[i].round(2).tolist(), score[i].tolist())]


def by_pycocotools(gt: dict, results: list[dict]) -> list[float]:
    """The twelve numbers as pycocotools' own users get them."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = gt
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats)


def scorer(images: int, device, shrink) -> Race:
    """From dictionaries to COCO's twelve numbers; equal to 1e-9, which is asserted first."""
    gt, results = made_case(max(1, 4 * images // shrink**2))
    np.testing.assert_allclose(list(coco_metrics(gt, results).values()), by_pycocotools(gt, results), atol=1e-9)
    parts = {"theirs": lambda: by_pycocotools(gt, results), "paperlib": lambda: coco_metrics(gt, results)}
    return Race(parts, over("theirs", "paperlib"), f"{len(gt['images']):,} images, {len(results):,} detections.")


def draw(numbers) -> None:
    """Draw these pictures of MiniCOCO's training split."""
    for k in numbers:
        compose(WORLDS["minicoco"], seed_of("minicoco", "train", k))


def world(device, shrink) -> Race:
    """Drawing on one core."""
    number = 64 // shrink
    return Race({"images": lambda: draw(range(number))}, lambda s: number / s["images"],
                f"Images of MiniCOCO a core-second; {number} drawn.")


def world_on_all_cores(device, shrink) -> Race:
    """Drawing on every core of the machine."""
    cores, number = os.cpu_count() or 1, 128 // shrink
    work = [joblib.delayed(draw)(range(i, number, cores)) for i in range(cores)]
    return Race({"images": lambda: joblib.Parallel(n_jobs=cores)(work)}, lambda s: number / s["images"],
                f"Images of MiniCOCO a second, on {cores} processes beside whatever else ran.", clock=time.perf_counter)


BEFORE = "fd6801f4de"  # the last commit before training was made faster
WORKER = """
import sys, time, torch
from dataclasses import replace
from paperlib.experiments.configs import budget, system_config
from paperlib.experiments.fit import fit
from paperlib.systems import SYSTEMS
torch.set_num_threads(1)
recipe = replace(budget("mini").recipe("retinanet"), steps=10**6)
net = SYSTEMS["retinanet"](system_config("retinanet", recipe, 36))
made = torch.Generator().manual_seed(0)
def image():
    low, wh = (torch.rand(7, 2, generator=made) * 64 for _ in "ab")
    labels = torch.randint(1, 37, (7,), generator=made)
    return {"boxes": torch.cat([low, low + 4 + 0.9 * wh], 1), "labels": labels}
class Batches:
    def __getitem__(self, step):
        return (torch.randint(256, (recipe.batch, 3, 128, 128), dtype=torch.uint8, generator=made),
                [image() for _ in range(recipe.batch)])
run = fit(net, Batches(), recipe, torch.device("cpu"))
for line in sys.stdin:
    start = time.process_time()
    for _ in range(int(line) // recipe.batch):
        next(run)
    print(time.process_time() - start, flush=True)
"""


def before(device, shrink) -> Race:
    """RetinaNet's mini training, by its recipe of then and of now, each with its own code, in two processes in turn.

    Errors: ValueError where the repository's history is not at hand.
    """
    number, spent, old = 16 * max(1, 16 // shrink**2), [0.0], tempfile.TemporaryDirectory()
    kept = subprocess.run(["git", "archive", "-o", f"{old.name}/code.tar", BEFORE, "paperlib", "data/weights"],
                          cwd=records.REPOSITORY, capture_output=True, text=True)
    if kept.returncode:
        raise ValueError(f"commit {BEFORE}: expected it in this repository's history; git says {kept.stderr.strip()}")
    subprocess.run(["tar", "xf", "code.tar"], cwd=old.name, check=True)

    def part(root):
        worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=root, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)})

        def go():
            worker.stdin.write(f"{number}\n")
            worker.stdin.flush()
            spent[0] += float(worker.stdout.readline())
        return go

    parts = {"before": part(old.name), "paperlib": part(records.REPOSITORY)}
    note = f"{number} training images of RetinaNet-tiny, by commit {BEFORE} and now."
    return Race(parts, over("before", "paperlib"), note, clock=lambda folder=old: spent[0])  # keeps the folder


def train_step(device, cfg, side: int, number: int = 4):
    """One training step of a RetinaNet on a made batch."""
    net, (images, targets) = RetinaNet(cfg).to(device), batch(device, side, side, number)
    return step(net, lambda: net.losses(images, targets))


def growth(what: str, device, shrink) -> Race:
    """The tiny systems with more and more of one thing, all else as the tables train them."""
    side = 256 // shrink
    if what == "images":
        parts = {str(n): train_step(device, tiny(36), side, n) for n in (2, 4, 8, 16)}
        note = f"images of {side} px in a training step of RetinaNet-tiny"
    elif what == "anchors":
        cfgs = {s: override(tiny(36), {"anchors.scales": tuple(2 ** (i / s) for i in range(s))}) for s in (1, 2, 4, 8)}
        parts = {str(3 * s): train_step(device, cfg, side) for s, cfg in cfgs.items()}
        note = "anchors a position in a training step of RetinaNet-tiny, 4 images"
    elif what == "classes":
        parts = {str(k): train_step(device, tiny(k), side) for k in (20, 80, 320, 1280)}
        note = "classes in a training step of RetinaNet-tiny, 4 images"
    else:
        images, parts = batch(device, side, side)[0], {}
        for n in (50, 100, 200, 400):
            cfg = override(faster_tiny(36), {"rpn.test.pre_nms": 1000, "rpn.test.keep": n})
            parts[str(n)] = partial(FasterRCNN(cfg).to(device).eval().detect, images)
        note = "proposals an image in inference of Faster R-CNN tiny, 2 images"
    first, *_, last = parts
    return Race(parts, over(last, first), f"From {first} to {last} {note}.", memory=True)


GROWTH = {"scorer": partial(scorer, 200), "scorer full": partial(scorer, IMAGES), "world": world,
          "world all cores": world_on_all_cores, "before": before,
          **{f"growth {what}": partial(growth, what) for what in ("images", "anchors", "classes", "proposals")}}
