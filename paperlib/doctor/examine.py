"""The doctor: what is wrong with a data set, or with a model for it, before hours are spent on training."""
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from paperlib.data.detection_set import DetectionSet
from paperlib.data.set_checks import inspect
from paperlib.doctor.anchor_coverage import Coverage, anchor_coverage, proposal_coverage
from paperlib.doctor.finding import Finding
from paperlib.doctor.model_scale import examine_scale, model_scale
from paperlib.doctor.overfit import Trial, overfit
from paperlib.parts.matching import MatchConfig
from paperlib.systems.presets.retinanet import tiny
from paperlib.training.trained import compare, nothing_in

OPENED = 1000                  # images that are opened at most
SMALL = 4                      # px at the training size: less than a cell of the finest feature map
ENOUGH = 0.9                   # share of objects that anchors should reach; AP50 of a batch learnt by heart


def doctor(dataset: DetectionSet, system_cfg=None, size=None, system: str = "retinanet", steps: int = 120,
           device: torch.device | None = None, report: Callable[[str], None] | None = print,
           known: Sequence[str] = ()) -> list[Finding]:
    """Examine a data set, and a model for it; print what was found and what to do about it.

    In turn: records and pixels (`check.inspect`), classes, whether anchors (or given proposals) reach the objects
    at the training `size` (as in `Batches`), whether the model is as fine for them as the papers' are for
    photographs, and whether `steps` iterations on one batch of four images teach the system these images by heart
    (steps=0 leaves that out). Without `system_cfg` the tiny RetinaNet is examined. `known` are the classes of
    stored weights that the set is meant for.
    Errors: ValueError for a set without images.
    """
    if not len(dataset):
        raise ValueError(f"{dataset.name}: found no image record; expected at least one")
    cfg = tiny(len(dataset.classes)) if system_cfg is None else system_cfg
    findings = []

    def tell(new: list[Finding]) -> None:
        findings.extend(new)
        for finding in new if report else ():
            report(str(finding))
    if report:
        objects = sum(map(len, dataset.annotations.values()))
        report(f"{dataset.name}: {len(dataset)} images, {objects} objects, {len(dataset.classes)} classes; "
               f"training size {size or 'as stored'}")
    tell(examine_records(dataset))
    tell(examine_known(dataset, known) if known else examine_classes(dataset, cfg.num_classes))
    broken = any(f.topic == "images" and f.level == "bad" for f in findings)
    if nothing_in(dataset, "learn"):
        return findings
    cfg = replace(cfg, num_classes=len(dataset.classes))
    trained, covers = cfg.trained_anchors(), []
    if trained:
        cover, rule = anchor_coverage(dataset, trained.anchors, size, border=trained.border,
                                      scale=trained.scale), trained.match
        covers.append(cover)
        _show(report, cover, f"an anchor of IoU >= {rule.hi:g}", rule.hi)
        tell(examine_anchors(cover, rule, dataset.classes))
    given = cfg.needs_proposals(training=True) or cfg.needs_proposals()
    if given and not broken:                               # a search for proposals opens the images
        cover = proposal_coverage(dataset, cfg.proposals, size)
        covers.append(cover)
        _show(report, cover, f"a given proposal of IoU >= {cfg.sample.hi:g}", cfg.sample.hi)
        tell(examine_proposals(cover, cfg.sample.hi, dataset.classes))
    tell(examine_scale(model_scale(dataset, cfg, size), system))
    if steps and not broken and any(len(cover.best) for cover in covers):
        tell(examine_model(overfit(dataset, cfg, size, system, steps, device)))
    return findings


def _show(report: Callable[[str], None] | None, cover: Coverage, region: str, threshold: float) -> None:
    if report and len(cover.best):
        report(f"objects with {region}, percent, by side at the training size and by shape:\n"
               + cover.table(threshold))


def examine_records(dataset: DetectionSet) -> list[Finding]:
    """What loading dropped or clipped, and what `check.inspect` sees in (at most OPENED) images."""
    sample = dataset.subset(range(0, len(dataset), -(-len(dataset) // OPENED)))
    faults, found = inspect([sample]), []
    for action, kept in (("dropped", dataset.skipped), ("clipped", dataset.clipped)):
        if kept:
            found.append(Finding("boxes", "look", f"{len(kept)} records were {action} on load; first: "
                                 f"{replace(kept[0], file=Path(kept[0].file).name)}"))
    for fatal in (True, False):
        group = [f for f in faults if f.fatal == fatal]
        if group:
            kind = "cannot be used" if fatal else "deserve a look"
            lines = "".join(f"\n         {replace(f, file=Path(f.file).name)}" for f in group[:5])
            found.append(Finding("images", "bad" if fatal else "look", f"{len(group)} records {kind}:{lines}",
                                 "`paperlib data check` lists all of them" if len(group) > 5 else ""))
    empty = sum(not dataset.annotations[image["id"]] for image in dataset.images)
    if empty * 2 > len(dataset):
        found.append(Finding("images", "look", f"{empty} of {len(dataset)} images have no object",
                             "meant as background? Else the annotations are incomplete"))
    return found or [Finding("boxes", "ok", f"{len(sample)} images opened, every record in order")]


def examine_classes(dataset: DetectionSet, num_classes: int) -> list[Finding]:
    """Label range against the configuration, classes without objects, imbalance."""
    names = {c["id"]: c["name"] for c in dataset.categories}
    counts = Counter(dict.fromkeys(names.values(), 0))
    for annotations in dataset.annotations.values():
        counts.update([names[a["category_id"]] for a in annotations if not a["iscrowd"]])
    found = []
    if num_classes != len(names):
        found.append(Finding("classes", "bad", f"labels run 1..{len(names)}, the configuration has num_classes "
                             f"{num_classes}", f"set num_classes={len(names)}; background is not counted"))
    if absent := [name for name, n in counts.items() if not n]:
        found.append(Finding("classes", "look", f"{len(absent)} of {len(names)} classes have no object: "
                             + ", ".join(absent[:8]), "they can only cost AP; wrong split or wrong names?"))
    there = [(name, n) for name, n in counts.most_common() if n]
    if there:
        (most, top), (least, low), few = there[0], there[-1], sum(n < 10 for _, n in there)
        level = "look" if top > 100 * low or few else "ok"
        found.append(Finding("classes", level, f"{most} has {top} objects, {least} has {low}; {few} classes have "
                             "fewer than 10", "AP of rare classes is mostly chance" if few else ""))
    else:
        text = nothing_in(dataset, "learn").removeprefix(f"{dataset.name}: ")
        found.append(Finding("classes", "bad", f"no object at all: {text}", "is this a test set without labels?"))
    return found


def examine_known(dataset: DetectionSet, known: Sequence[str]) -> list[Finding]:
    """The classes of stored weights against the set's, then the set's own as `examine_classes` sees them."""
    try:
        line = compare(known, dataset)
        told = [Finding("classes", "look", line)] if line else []
    except ValueError as error:
        told = [Finding("classes", "bad", str(error), "train anew, or rename the classes")]
    return told + examine_classes(dataset, len(dataset.classes))


def examine_anchors(cover: Coverage, rule: MatchConfig, classes: list[str]) -> list[Finding]:
    """Which objects no anchor fits, by size, shape and class, and what would help."""
    if not len(cover.best):
        return []
    good, some, tiny_share = cover.share(rule.hi), cover.share(rule.lo), float((cover.side < SMALL).float().mean())
    within = cover.share(min(rule.hi, 0.5))                # what overlaps by half can be found: its best anchor learns
    found = [Finding("anchors", "ok" if good >= ENOUGH else "look" if within >= 0.5 else "bad",
                     f"{100 * good:.0f}% of {len(cover.best)} objects have an anchor of IoU >= {rule.hi:g}, "
                     f"{100 * some:.0f}% of IoU >= {rule.lo:g} ({cover.anchors:.0f} anchors an image)",
                     "" if good >= ENOUGH else "the others are learnt, if at all, from their one best anchor")]
    if tiny_share > 0.05:
        found.append(Finding("anchors", "look", f"{100 * tiny_share:.0f}% of the objects are under {SMALL} px",
                             "train at a larger size: no anchor will make them visible"))
    low, high = cover.sides
    missed, thin = cover.best < rule.hi, (cover.ratio < 0.4) | (cover.ratio > 2.5)
    for where, name, advice in (
            (cover.side < low, f"smaller than the smallest anchor ({low:.0f} px)",
             "larger images, a finer level, or a smaller anchors.size_per_stride"),
            (cover.side > high, f"larger than the largest anchor ({high:.0f} px)", "a coarser level in anchors.levels"),
            (thin & (cover.side >= low) & (cover.side <= high), "of an anchor's size but longer than 2.5 to 1",
             "a ratio of 0.33 and of 3 in anchors.ratios")):
        count, share = int((missed & where).sum()), cover.share(rule.hi, where)
        if count >= 0.02 * len(missed) and share < ENOUGH:
            text = f"{count} of the missed are {name}: {100 * share:.0f}% of that kind are reached"
            found.append(Finding("anchors", "look", text, advice))
    return found + _reached_least("anchors", cover, rule.hi, classes)


def _reached_least(topic: str, cover: Coverage, threshold: float, classes: list[str]) -> list[Finding]:
    worst = [f"{name} {100 * share:.0f}% of {n}" for name, share, n in cover.worst(threshold, classes)
             if share < ENOUGH]
    return [Finding(topic, "look", "reached least: " + ", ".join(worst))] if worst else []


def examine_proposals(cover: Coverage, least: float, classes: list[str]) -> list[Finding]:
    """How many objects the given proposals reach: what they miss, such a system never finds."""
    if not len(cover.best):
        return []
    good = cover.share(least)
    text = (f"{100 * good:.0f}% of {len(cover.best)} objects have a given proposal of IoU >= {least:g} "
            f"({cover.anchors:.0f} proposals an image, first {cover.images} images)")
    advice = "" if good >= ENOUGH else ("the others are never found: larger images, proposals.kind=quality, more of "
                                        "them (proposals.keep), or a system that makes its own, faster_rcnn")
    level = "ok" if good >= ENOUGH else "look" if good >= 0.5 else "bad"
    return [Finding("proposals", level, text, advice), *_reached_least("proposals", cover, least, classes)]


def examine_model(trial: Trial) -> list[Finding]:
    """What `overfit` showed: a system that cannot learn four images by heart will not learn a data set."""
    found = []
    if trial.frozen:
        level = "ok" if trial.pretrained else "bad"
        found.append(Finding("model", level, f"{len(trial.frozen)} parameters are frozen: "
                             + ", ".join(trial.frozen[:4]), "" if trial.pretrained
                             else "they are random: load trunk.weights, or freeze nothing (trunk.frozen_stages=0)"))
    if trial.silent:
        found.append(Finding("model", "bad", f"{len(trial.silent)} parameters get no gradient: "
                             + ", ".join(trial.silent[:4]), "a layer that the losses do not reach, or dead units"))
    if trial.unread:
        found.append(Finding("model", "look", f"no region of the batch is read from {len(trial.unread)} parameters: "
                             + ", ".join(trial.unread[:4]), "their maps are for larger objects than these images have"))
    if trial.error:
        return [*found, Finding("model", "bad", trial.error, "lower lr; look for boxes of absurd size")]
    level = "ok" if trial.ap50 >= ENOUGH else "bad" if trial.last > 0.5 * trial.first else "look"
    advice = {"ok": "", "look": "see the missed objects; then try more steps" if trial.missed else "try more steps",
              "bad": "wrong labels or boxes, lr, or parts that do not learn"}[level]
    found.append(Finding("model", level, f"after {trial.steps} steps on one batch of {trial.images} the loss went "
                         f"{trial.first:.3g} -> {trial.last:.3g}, {trial.measure} of these images is {trial.ap50:.2f} "
                         f"(expected {ENOUGH} or more)", advice))
    if trial.missed and level != "ok":
        found.append(Finding("model", "look", "not learnt: " + "; ".join(trial.missed)))
    return found
