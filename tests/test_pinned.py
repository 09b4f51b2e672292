"""The numbers of every system, pinned: three steps of training, and detections on two scenes after them.

No hash sees a draw that moved or a tie that is broken otherwise. Where this test turns red and the change is meant,
raise the `revision` of the systems concerned (their records then show as stale) and write the file again:
`python tests/test_pinned.py`.
"""
import json
import sys
from pathlib import Path

import pytest
import torch
from torchvision.ops import box_convert

from paperlib.config import override
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.world.world import World, draw_scene

FILE = Path(__file__).with_name("pinned.json")
CASES = {  # name: (system, preset, changes)
    "retinanet": ("retinanet", "tiny", {}),
    "retinanet by batch, hard examples": ("retinanet", "tiny", {"loss.normaliser": "batch", "loss.kind": "ohem_1_3"}),
    "rpn, one map": ("rpn", "small", {}),
    "rpn, pyramid": ("rpn", "tiny", {}),
    "fast_rcnn, one map": ("fast_rcnn", "small", {}),
    "fast_rcnn, pyramid": ("fast_rcnn", "tiny", {}),
    "faster_rcnn, one map": ("faster_rcnn", "small", {}),
    "faster_rcnn, pyramid": ("faster_rcnn", "tiny", {}),
    "rcnn": ("rcnn", "small", {"crop.context": 4.0}),
    "rcnn, all windows alike": ("rcnn", "tiny", {"sample.biased": False, "crop.kind": "square"}),
    "deepmask": ("deepmask", "scale", {"window.scales": [-0.5, 0.5]}),
    "sharpmask": ("sharpmask", "scale", {"window.scales": [-0.5, 0.5], "propose.keep": 100}),
    "fpn_masks": ("fpn_masks", "scale", {"propose.keep": 100}),
    "faster_rcnn, exact": ("faster_rcnn", "small", {"training": "exact", "roi.kind": "warp"}),
}
STEPS, CLASSES = 3, 20


def scenes() -> tuple[torch.Tensor, list[dict]]:
    """Three drawn scenes of 128 px with what is in them, and proposals: the objects moved by up to 8 px."""
    images, targets = [], []
    for seed in (3, 8, 11):
        image, things = draw_scene(World(categories=CLASSES), seed)
        bboxes = torch.tensor([thing["bbox"] for thing in things], dtype=torch.float32)
        boxes = box_convert(bboxes, "xywh", "xyxy")
        moves = torch.randint(-8, 9, (12, len(boxes), 4), generator=torch.Generator().manual_seed(seed))
        proposals = (boxes + moves).reshape(-1, 4).clamp(0, 128)
        sides = proposals[:, 2:] - proposals[:, :2]
        images.append(torch.from_numpy(image).permute(2, 0, 1))
        targets.append({"boxes": boxes, "labels": torch.tensor([thing["category"] for thing in things]),
                        "crowd": torch.tensor([bool(thing["crowd"]) for thing in things]), "image_id": seed,
                        "masks": torch.stack([torch.from_numpy(thing["mask"]) for thing in things]),
                        "size": torch.tensor(image.shape[:2]), "proposals": proposals[(sides >= 4).all(1)]})
    return torch.stack(images), targets


def measured(name: str, preset: str, changes: dict) -> dict:
    """{"losses": [{part: value} of each step], "detections": [{"count", "scores", "first"} of each scene]}."""
    torch.manual_seed(0)
    any_score = {"detect.score": 0.0}  # after three steps no score is high
    if name in ("rpn", "deepmask", "sharpmask", "fpn_masks"):
        any_score = {}
    system = SYSTEMS[name](override(PRESETS[name][preset](CLASSES), changes | any_score)).train()
    optimiser = torch.optim.SGD([p for p in system.parameters() if p.requires_grad], 0.002, 0.9)
    images, targets = scenes()
    losses = []
    for step in range(STEPS):
        first, second = step, (step + 1) % STEPS  # another pair of scenes in every step
        batch = images[[first, second]]
        parts = system.losses(batch, system.observe(batch, [targets[first], targets[second]]))
        losses.append({part: round(value.item(), 6) for part, value in parts.items()})
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
    system.eval()
    images, targets = images[:2], targets[:2]
    given = ([target["proposals"] for target in targets],) if name in ("fast_rcnn", "rcnn") else ()
    sizes = torch.stack([target["size"] for target in targets])
    found = system.detect(images, sizes, *given)
    return {"losses": losses, "detections": [summary(each) for each in found]}


def summary(detections: dict) -> dict:
    return {"count": len(detections["boxes"]), "scores": round(detections["scores"].sum().item(), 4),
            "first": [round(x, 2) for x in detections["boxes"][0].tolist()]}


@pytest.mark.parametrize("case", CASES)
def test_losses_and_detections_are_as_pinned(case):
    pinned, now = json.loads(FILE.read_text(encoding="utf-8"))[case], measured(*CASES[case])
    for before, after in zip(pinned["losses"], now["losses"], strict=True):
        assert after == pytest.approx(before, rel=1e-3, abs=1e-5)
    for before, after in zip(pinned["detections"], now["detections"], strict=True):
        assert after["count"] == pytest.approx(before["count"], abs=1)  # another processor may turn one near tie
        assert after["scores"] == pytest.approx(before["scores"], rel=2e-3)
        assert after["first"] == pytest.approx(before["first"], abs=0.1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(f"{FILE}\n")
    FILE.write_text(json.dumps({case: measured(*CASES[case]) for case in CASES}, indent=1) + "\n", encoding="utf-8")
