"""What the doctor says of a model for a data set: its anchors, its proposals, and what it learns by heart."""
from paperlib.doctor.anchor_coverage import Coverage
from paperlib.doctor.finding import ENOUGH, Finding, graded
from paperlib.doctor.overfit import Trial
from paperlib.parts.matching import MatchConfig

SMALL = 4                      # px at the training size: less than a cell of the finest feature map
NAMED = 4                      # parameters that a finding names
TOO_FEW = 40                   # steps under which a loss that has not fallen says nothing about labels


def examine_anchors(cover: Coverage, rule: MatchConfig, classes: list[str]) -> list[Finding]:
    """Which objects no anchor fits, by size, shape and class, and what would help."""
    if not len(cover.best):
        return []
    good = cover.share(rule.hi)
    within_reach = cover.share(min(rule.hi, 0.5))          # an RPN asks for .7, but each best anchor learns
    text = (f"{100 * good:.0f}% of {len(cover.best)} objects have an anchor of IoU >= {rule.hi:g}, "
            f"{100 * cover.share(rule.lo):.0f}% of IoU >= {rule.lo:g} ({cover.anchors:.0f} anchors an image)")
    advice = "" if good >= ENOUGH else "the others are learnt, if at all, from their one best anchor"
    findings = [Finding("anchors", graded(good >= ENOUGH, usable=within_reach >= 0.5), text, advice)]
    tiny = float((cover.side < SMALL).float().mean())
    if tiny > 0.05:
        findings.append(Finding("anchors", "look", f"{100 * tiny:.0f}% of the objects are under {SMALL} px",
                                "train at a larger size: no anchor will make them visible"))
    return [*findings, *_missed_kinds(cover, rule.hi), *_reached_least("anchors", cover, rule.hi, classes)]


def _missed_kinds(cover: Coverage, threshold: float) -> list[Finding]:
    """Kinds of objects of which many are missed: too small, too large, too long."""
    low, high = cover.sides
    small, large = cover.side < low, cover.side > high
    long = ((cover.ratio < 0.4) | (cover.ratio > 2.5)) & ~small & ~large
    kinds = [
        (small, f"smaller than the smallest anchor ({low:.0f} px)",
         "larger images, a finer level, or a smaller anchors.size_per_stride"),
        (large, f"larger than the largest anchor ({high:.0f} px)", "a coarser level in anchors.levels"),
        (long, "of an anchor's size but longer than 2.5 to 1", "a ratio of 0.33 and of 3 in anchors.ratios"),
    ]
    missed = cover.best < threshold
    findings = []
    for of_kind, name, advice in kinds:
        count, share = int((missed & of_kind).sum()), cover.share(threshold, of_kind)
        if count >= 0.02 * len(missed) and share < ENOUGH:
            text = f"{count} of the missed are {name}: {100 * share:.0f}% of that kind are reached"
            findings.append(Finding("anchors", "look", text, advice))
    return findings


def examine_proposals(cover: Coverage, threshold: float, classes: list[str]) -> list[Finding]:
    """How many objects the given proposals reach: what they miss, such a system never finds."""
    if not len(cover.best):
        return []
    good = cover.share(threshold)
    text = (f"{100 * good:.0f}% of {len(cover.best)} objects have a given proposal of IoU >= {threshold:g} "
            f"({cover.anchors:.0f} proposals an image, first {cover.images} images)")
    advice = ""
    if good < ENOUGH:
        advice = ("the others are never found: larger images, proposals.kind=quality, more of them "
                  "(proposals.keep), or a system that makes its own, faster_rcnn")
    summary = Finding("proposals", graded(good >= ENOUGH, usable=good >= 0.5), text, advice)
    return [summary, *_reached_least("proposals", cover, threshold, classes)]


def _reached_least(topic: str, cover: Coverage, threshold: float, classes: list[str]) -> list[Finding]:
    """The classes of which the smallest share is reached, in one finding; none if all are reached."""
    worst = []
    for name, share, objects in cover.worst(threshold, classes):
        if share < ENOUGH:
            worst.append(f"{name} {100 * share:.0f}% of {objects}")
    if not worst:
        return []
    return [Finding(topic, "look", f"reached least: {', '.join(worst)}")]


def examine_model(trial: Trial) -> list[Finding]:
    """What `overfit` showed: a system that cannot learn four images by heart will not learn a data set."""
    findings = _idle_parameters(trial)
    if trial.error:
        return [*findings, Finding("model", "bad", trial.error, "lower lr; look for boxes of absurd size")]
    has_fallen = trial.last <= 0.5 * trial.first
    level = graded(trial.ap50 >= ENOUGH, usable=has_fallen or trial.steps < TOO_FEW)
    text = (f"after {trial.steps} steps on one batch of {trial.images} the loss went "
            f"{trial.first:.3g} -> {trial.last:.3g}, {trial.measure} of these images is {trial.ap50:.2f} "
            f"(expected {ENOUGH} or more)")
    findings.append(Finding("model", level, text, _what_to_try(trial, level, has_fallen)))
    if trial.missed and level != "ok":
        findings.append(Finding("model", "look", f"not learnt: {'; '.join(trial.missed)}"))
    return findings


def _what_to_try(trial: Trial, level: str, has_fallen: bool) -> str:
    """The advice behind a trial's grade: labels are suspected only where steps were enough to learn them."""
    if level == "ok":
        return ""
    if level == "bad":
        return "wrong labels or boxes, lr, or parts that do not learn"
    if not has_fallen:
        return (f"{trial.steps} steps are too few to tell a slow start from wrong labels: give it "
                "--steps 120, or a smaller --size or --preset that allows as many")
    return "see the missed objects; then try more steps" if trial.missed else "try more steps"


def _idle_parameters(trial: Trial) -> list[Finding]:
    """Parameters that are frozen, that the losses do not reach, or whose maps no region is read from."""
    findings = []
    if trial.frozen:
        text = f"{len(trial.frozen)} parameters are frozen: {_first(trial.frozen)}"
        if trial.pretrained:
            findings.append(Finding("model", "ok", text))
        else:
            advice = "they are random: load trunk.weights, or freeze nothing (trunk.frozen_stages=0)"
            findings.append(Finding("model", "bad", text, advice))
    if trial.silent:
        text = f"{len(trial.silent)} parameters get no gradient: {_first(trial.silent)}"
        findings.append(Finding("model", "bad", text, "a layer that the losses do not reach, or dead units"))
    if trial.unread:
        text = f"no region of the batch is read from {len(trial.unread)} parameters: {_first(trial.unread)}"
        advice = "their maps are for larger objects than these images have"
        findings.append(Finding("model", "look", text, advice))
    return findings


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMED])
