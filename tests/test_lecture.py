"""The numbers of the first lecture, in JavaScript, against the package's own."""
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from torchvision.ops import roi_pool

from paperlib.course.site import lecture
from paperlib.parts import boxes, losses
from paperlib.scoring.coco_metrics import coco_metrics, voc_ap
from paperlib.teach.scoring_pictures import FOUND, OBJECTS, SCORES, ranked_hits

RUN = """
import * as lecture from "./detection.mjs";
import { readFileSync } from "node:fs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const answers = cases.map(([name, args]) => lecture[name](...args));
console.log(JSON.stringify(answers));
"""


@pytest.fixture
def answers(tmp_path):
    """What the page's functions say of (name, arguments), by Node."""
    if not shutil.which("node"):
        pytest.skip("Node is not here; tests/test_browser.py runs the page itself")
    shutil.copy(lecture.HERE / "detection.js", tmp_path / "detection.mjs")
    (tmp_path / "run.mjs").write_text(RUN)

    def ask(cases: list[tuple[str, list]]) -> list:
        done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, input=json.dumps(cases), capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def random_boxes(rng, n: int) -> np.ndarray:
    corner = rng.uniform(0, 60, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(5, 40, (n, 2))], 1)


def test_overlaps_and_suppression(answers):
    rng = np.random.default_rng(0)
    b, scores = random_boxes(rng, 30), rng.uniform(size=30)
    expected = boxes.iou(torch.tensor(b), torch.tensor(b)).flatten().tolist()
    cases = [("iou", [x, y]) for x in b.tolist() for y in b.tolist()]
    assert np.allclose(answers(cases), expected, atol=1e-12)
    thresholds = (0.1, 0.3, 0.5, 0.7)
    kept = answers([("nms", [b.tolist(), scores.tolist(), t]) for t in thresholds])
    for threshold, stays in zip(thresholds, kept):
        assert stays == boxes.nms(torch.tensor(b), torch.tensor(scores), None, threshold).tolist()


def records(corner_boxes, **columns) -> list[dict]:
    listed = []
    for i, (x1, y1, x2, y2) in enumerate(corner_boxes.tolist()):
        more = {name: values[i] for name, values in columns.items()}
        listed.append({"image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": 0, **more})
    return listed


@pytest.mark.parametrize("shift, c_score", [(0, 0.75), (12, 0.75), (0, 0.99), (25, 0.1)])
def test_matching_and_average_precision(answers, shift, c_score):
    moved, scores = FOUND.copy(), SCORES.copy()
    moved[2, [0, 2]] += shift
    scores[2] = c_score
    (hit,) = answers([("hits", [moved.tolist(), scores.tolist(), OBJECTS.tolist(), 0.5])])
    assert hit == ranked_hits(moved, scores, 0.5).tolist()
    (points,) = answers([("curve", [hit, scores.tolist(), 3])])
    area, eleven, coco = answers([("areaUnder", [points]), ("atLevels", [points, 11]), ("atLevels", [points, 101])])
    areas = (OBJECTS[:, 2:] - OBJECTS[:, :2]).prod(1).tolist()
    gt = {"images": [{"id": 1, "height": 120, "width": 130}], "categories": [{"id": 1, "name": "cat"}],
          "annotations": records(OBJECTS, id=[1, 2, 3], area=areas)}
    results = records(moved, score=scores.tolist())
    assert area == pytest.approx(voc_ap(gt, results, 2010)["mAP"], abs=1e-12)
    assert eleven == pytest.approx(voc_ap(gt, results, 2007)["mAP"], abs=1e-12)
    assert coco == pytest.approx(coco_metrics(gt, results)["AP50"], abs=1e-9)


def test_focal_loss(answers):
    cases, expected = [], []
    for x in (-40.0, -3.0, 0.0, 0.5, 8.0):
        for label in (0, 1):
            for gamma, alpha in ((0.0, None), (2.0, 0.25), (5.0, None)):
                cases.append(("focal", [x, label, gamma, alpha]))
                logit = torch.tensor(x, dtype=torch.float64)
                expected.append(float(losses.focal(logit, torch.tensor(float(label)), gamma, alpha)))
    assert np.allclose(answers(cases), expected, rtol=1e-9, atol=1e-300)


def test_roi_pooling(answers):
    rng = np.random.default_rng(1)
    features = rng.uniform(size=(9, 11))
    rois = random_boxes(rng, 25) / 8
    cases = [("roiPool", [features.tolist(), roi.tolist(), 2]) for roi in rois]
    inclusive = torch.tensor(np.concatenate([np.zeros((25, 1)), rois - [0, 0, 1, 1]], 1))
    expected = roi_pool(torch.tensor(features)[None, None], inclusive, 2, 1.0)[:, 0]
    assert np.allclose(answers(cases), expected.numpy())


def test_the_page_is_one_file():
    page = lecture.page()
    assert "src=" not in page and page.count("<script") == 1 and "url(\"math.ttf\")" in page
    assert all(f'id="{name}-said"' in page for name in ("iou", "match", "nms", "loss", "roi"))
