"""The scoring pictures: what they write on the axes is what the library computes, in every corner of their sliders."""
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from paperlib.parts import boxes
from paperlib.scoring.coco_metrics import coco_metrics, voc_ap
from paperlib.scoring.simulated_detector import made_detections, made_truth
from paperlib.teach import scoring_pictures as pictures


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def written(ax) -> str:
    return "\n".join(t.get_text() for a in (ax, *ax.child_axes) for t in a.texts)


@pytest.mark.parametrize("right, down, wider", list(itertools.product((-40, 0, 40), (-40, 0, 40), (-30, 0, 30))))
def test_iou_picture(ax, right, down, wider):
    pictures.iou_picture(ax, right, down, wider)
    b = torch.tensor([[20 + right, 20 + down, 60 + right + wider, 60 + down]], dtype=torch.float64)
    want = float(boxes.iou(torch.tensor([[20, 20, 60, 60]], dtype=torch.float64), b))
    assert f"IoU {want:.2f}" in written(ax)


@pytest.mark.parametrize("shift, score, threshold",
                         list(itertools.product((0, 13, 40), (0, 0.5, 1), (0.1, 0.5, 0.75, 0.95))))
def test_ranking_picture_shows_the_librarys_ap(ax, shift, score, threshold):
    pictures.ranking_picture(ax, shift, score, threshold)
    found, scores = pictures.FOUND.copy(), pictures.SCORES.copy()
    found[2, [0, 2]] += shift
    scores[2] = score

    def records(corners, **more):
        return [{"image_id": 1, "category_id": 1, "bbox": [x, y, u - x, v - y], **{k: c[n] for k, c in more.items()}}
                for n, (x, y, u, v) in enumerate(corners.tolist())]
    gt = {"images": [{"id": 1, "height": 200, "width": 200}], "categories": [{"id": 1, "name": "a"}],
          "annotations": records(pictures.OBJECTS, id=[1, 2, 3])}
    ap = voc_ap(gt, records(found, score=scores.tolist()), 2010, threshold)["mAP"]
    assert f"AP {ap:.3f}" in written(ax)


def test_curve_explorer_shows_the_librarys_ap(ax):
    gt = made_truth(20, seed=1, categories=3, size=(96, 128))
    results = made_detections(gt, seed=2)
    picture = pictures.curve_explorer(gt, results)
    picture(ax, "class 1", 0.5, 0.6)
    kept = [r for r in results if r["score"] >= 0.6]
    want = [coco_metrics({**gt, "annotations": [a for a in gt["annotations"] if a["category_id"] == 1]},
                         [r for r in group if r["category_id"] == 1])["AP50"] for group in (results, kept)]
    labels = [line.get_label() for line in ax.lines]
    assert [f"AP {v:.2f}" in label for v, label in zip(want, labels)] == [True, True]
    assert np.all(np.asarray(ax.lines[1].get_ydata()) <= np.asarray(ax.lines[0].get_ydata()) + 1e-12)
