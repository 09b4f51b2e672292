"""Measured once for the claims: proposals of trained systems, and how they change with their settings."""
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from paperlib.config import digest
from paperlib.data import selective_search
from paperlib.data.batches import pad_images
from paperlib.data.given_proposals import with_proposals
from paperlib.data.named_sets import load
from paperlib.parts import boxes
from paperlib.parts.proposals import ProposalSource, propose
from paperlib.paths import weights_folder
from paperlib.scoring.coco_metrics import evaluate
from paperlib.training.weights import load_weights
from paperlib.world import drawn_sets

TABLE = "proposals"  # of their records
STORED = "faster_rcnn.safetensors"  # the detector that the two probes below look at
GROUPS, IMAGES = 5, 500  # parts of the test images, which stand in for seeds
LEARNT_FROM = 1000  # of trainval's images, whose proposals are counted
# Proposals as in Fig. 4 and Table 2: what is changed in the settings, and how many are kept.
LISTS = {"RPN": ({}, (10, 30, 100, 200)),
         "no NMS": ({"nms": None}, (600,)), "no cls": ({"scored": False}, (10, 30, 100)),
         "no reg": ({"regressed": False}, (30, 100)), "selective search": (None, (30, 100, 200))}


def _looked_at(share: float):
    """The stored detector and the parts of MiniVOC's test images, `share` of IMAGES in all."""
    dataset = load("minivoc", "test", limit=max(GROUPS, round(share * IMAGES)))
    parts = [dataset.subset(range(k, len(dataset), GROUPS)) for k in range(GROUPS)]
    return load_weights(weights_folder() / STORED), parts


@torch.no_grad()
def made(system, dataset, how: dict, keep: int) -> list[Tensor]:
    """Proposals (P, 4) px of every image by the detector's training settings, changed by `how`."""
    images = pad_images([dataset.image(i) for i in range(len(dataset))])
    sizes = torch.tensor([[image["height"], image["width"]] for image in dataset.images])
    rule = replace(system.cfg.rpn.train, keep=keep, **how)
    proposals = propose(*system.predict_levels(images), sizes, rule)
    return [one_image["boxes"] for one_image in proposals]


def left_by_nms(*_, share: float = 1.0) -> dict[str, list[float]]:
    """Proposals an image that suppression at IoU 0.7 leaves of all anchors, and their share of the anchors."""
    system, parts = _looked_at(share)
    anchors = sum(len(a) for a in system.predict_levels(parts[0].image(0)[None])[2])
    counts = [float(np.mean([len(b) for b in made(system, part, {"pre_nms": anchors}, anchors)])) for part in parts]
    return {"number": counts, "share": [count / anchors for count in counts]}


def loose_proxy(*_, share: float = 1.0) -> dict[str, list[float]]:
    """Rank correlation of average recall and mAP over LISTS, given to one detector; both means as well."""
    from scipy import stats  # here, as it takes a second to import

    system, parts = _looked_at(share)
    system.cfg = replace(system.cfg, test_on="given")
    out = {}
    for part in parts:
        searched = with_proposals(part, ProposalSource()).proposals
        scores = {}
        for name, (how, counts) in LISTS.items():
            for n in counts:
                given = [b[:n] for b in searched] if how is None else made(system, part, how, n)
                found = evaluate(system, replace(part, proposals=given), torch.device("cpu"))
                scores[f"{name} {n}"] = found["given_AR"], found["mAP"]
        for key, pair in scores.items():
            for kind, value in zip(("AR", "mAP"), pair):
                out.setdefault(f"{kind} {key}", []).append(value)
        out.setdefault("correlation", []).append(float(stats.spearmanr(*zip(*scores.values())).statistic))
    return out


def positives(*_, share: float = 1.0) -> dict[str, list[float]]:
    """Of each training image: objects, proposals of selective search, and those that overlap one by half."""
    dataset = load("minivoc", "trainval", limit=max(GROUPS, round(share * LEARNT_FROM)))
    dataset = with_proposals(dataset, ProposalSource())
    out: dict[str, list[float]] = {"objects": [], "proposals": [], "positives": []}
    for i, proposals in enumerate(dataset.proposals):
        objects = dataset.target(i)["boxes"]
        positive = (boxes.iou(proposals, objects) >= 0.5).any(1)
        out["objects"].append(len(objects))
        out["proposals"].append(len(proposals))
        out["positives"].append(int(positive.sum()))
    return out


def identity(name: str) -> str:
    """A hash of what a probe measures: its kind, the drawings, the stored detector or the search."""
    if name in COUNTED:
        search = [selective_search.FAST, selective_search.SMALL]
        return digest([name, drawn_sets.version("minivoc"), LEARNT_FROM, *search])
    stored = (weights_folder() / STORED).read_bytes().hex()
    return digest([name, drawn_sets.version("minivoc"), IMAGES, sorted(LISTS), stored])


COUNTED = {"rcnn-positives": positives}
PROBES = {"faster-nms-2000": left_by_nms, "faster-recall-loose-proxy": loose_proxy, **COUNTED}
