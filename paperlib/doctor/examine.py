"""The doctor: what is wrong with a data set, or with a model for it, before hours are spent on training."""
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from paperlib.data.detection_set import DetectionSet
from paperlib.data.given_proposals import SEARCHED
from paperlib.data.selective_search import LACKING, REMEDY, can_search
from paperlib.doctor.anchor_coverage import Coverage, anchor_coverage, proposal_coverage
from paperlib.doctor.data_findings import examine_classes, examine_known, examine_records
from paperlib.doctor.duplicates import examine_duplicates
from paperlib.doctor.finding import Finding
from paperlib.doctor.model_findings import examine_anchors, examine_model, examine_proposals
from paperlib.doctor.model_scale import examine_scale, model_scale
from paperlib.doctor.overfit import overfit, reads_proposals
from paperlib.doctor.suggest import examine_suggestion
from paperlib.doctor.windows import examine_windows
from paperlib.systems.presets.retinanet import tiny
from paperlib.systems.registry import SYSTEMS
from paperlib.training.trained import nothing_in

STEPS = 120                    # on one batch of four images
# of a system that looks at every window by itself; proposed masks have no test by heart
FEW_STEPS = {"rcnn": 40, "deepmask": 0, "sharpmask": 0, "fpn_masks": 0}
Report = Callable[[str], None]                             # what is done with a line: print it


def doctor(dataset: DetectionSet, system_cfg=None, size=None, system: str = "retinanet",
           steps: int | None = None, device: torch.device | None = None, report: Report | None = print,
           known: Sequence[str] = (), others: Sequence[DetectionSet] = (),
           command: str = "") -> list[Finding]:
    """Examine a data set, and a model for it; report what is wrong and what to do about it.

    In turn: records and pixels, classes, whether anchors (or given proposals) reach the objects at the
    training `size` (as in `Batches`), whether the model is as fine for them as the papers' are for
    photographs, and whether `steps` iterations on one batch of four images teach the system these images by
    heart (None: STEPS; 0 leaves that out). Without `system_cfg` the tiny RetinaNet is examined. `known` are
    the classes of stored weights that the set is meant for. Pictures that the set holds twice, or with one of
    `others` (its other splits), are named. At last comes what to try, as a command line that begins with
    `command`. `report` gets each line as soon as it is known; None: nothing is said.
    Errors: ValueError for a set without images.
    """
    if not len(dataset):
        raise ValueError(f"{dataset.name}: found no image record; expected at least one")
    report = report or _silent
    if system_cfg is None:
        system_cfg = tiny(len(dataset.classes))
    records = sum(map(len, dataset.annotations.values()))
    report(f"{dataset.name}: {len(dataset)} images, {records} objects, {len(dataset.classes)} classes; "
           f"training size {size or 'as stored'}")
    findings = _reported(examine_records(dataset), report)
    readable = not any(finding.serious for finding in findings)
    if known:
        findings += _reported(examine_known(dataset, known), report)
    else:
        findings += _reported(examine_classes(dataset, system_cfg.num_classes), report)
    findings += _reported(examine_duplicates(dataset, others), report)
    if nothing_in(dataset, "learn"):
        return findings
    cfg = replace(system_cfg, num_classes=len(dataset.classes))
    if SYSTEMS[system].needs_masks:
        of_windows, objects = examine_windows(dataset, cfg, size, SYSTEMS[system])
        findings += _reported(of_windows, report)
    else:
        of_regions, objects = _examine_regions(dataset, cfg, size, readable, report)
        findings += of_regions
    findings += _reported(examine_scale(model_scale(dataset, cfg, size), system), report)
    if steps is None:
        steps = FEW_STEPS.get(system, STEPS)
    if steps and readable and objects:
        trial = overfit(dataset, cfg, size, system, steps, device)
        findings += _reported(examine_model(trial), report)
    if objects and not known:                              # stored weights are as they are
        findings += _reported(examine_suggestion(dataset, cfg, size, system, command), report)
    return findings


def _examine_regions(dataset: DetectionSet, cfg, size, readable: bool,
                     report: Report) -> tuple[list[Finding], int]:
    """Whether anchors and given proposals reach the objects, and how many objects were asked about.

    Proposals are left out where images are not `readable`: a search opens them.
    """
    findings, objects = [], 0
    trained = cfg.trained_anchors()
    if trained:
        cover = anchor_coverage(dataset, trained.anchors, size, border=trained.border, scale=trained.scale)
        objects += len(cover.best)
        _report_table(cover, "an anchor", trained.match.hi, report)
        findings += _reported(examine_anchors(cover, trained.match, dataset.classes), report)
    unsearchable = reads_proposals(cfg) and cfg.proposals.kind in SEARCHED and not can_search()
    if unsearchable:
        findings += _reported([Finding("proposals", "bad", LACKING, REMEDY)], report)
    if reads_proposals(cfg) and readable and not unsearchable:
        cover = proposal_coverage(dataset, cfg.proposals, size)
        objects += len(cover.best)
        _report_table(cover, "a given proposal", cfg.sample.hi, report)
        findings += _reported(examine_proposals(cover, cfg.sample.hi, dataset.classes), report)
    return findings, objects


def _report_table(cover: Coverage, region: str, threshold: float, report: Report) -> None:
    """The share of the objects that a region reaches, by their size and shape."""
    if len(cover.best):
        report(f"objects with {region} of IoU >= {threshold:g}, percent, by side at the training size and by "
               f"shape:\n{cover.table(threshold)}")


def _silent(line: str) -> None:
    """The report that nobody reads."""


def _reported(findings: list[Finding], report: Report) -> list[Finding]:
    """The same findings, each reported as a line."""
    for finding in findings:
        report(str(finding))
    return findings
