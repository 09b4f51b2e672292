"""What to try: a size, anchors and levels under which a model reaches the objects, and the command for it."""
import math
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from paperlib.config import override
from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.anchor_coverage import anchor_coverage
from paperlib.doctor.finding import ENOUGH, Finding, graded
from paperlib.doctor.model_findings import SMALL
from paperlib.doctor.model_scale import least, model_scale
from paperlib.doctor.training_size import resized_objects
from paperlib.progress import progress

IOU = 0.5                      # an anchor of this overlap answers for an object
IMAGES = 20                    # that each setting is tried on
LARGER = (1.0, 1.5, 2.0, 3.0)  # sizes that are tried, times the present one
SIZES = (1.0, 0.75, 0.5, 1.5, 2.0)  # sides of the anchors, times the present ones
LONG = (1 / 3, 0.5, 1.0, 2.0, 3.0)  # shapes for long objects
FINEST = 2                     # level below which a pyramid has no map to read


@dataclass(frozen=True)
class Setting:
    """One way to train, and how well it reaches the objects."""

    size: tuple[int, ...] | None
    changes: dict[str, object]  # of the configuration
    reached: float             # share of the objects with an anchor of IoU >= .5
    fine: bool                 # no measure of `model_scale` is too low, and few objects are too small to see

    @property
    def good(self) -> bool:
        """Whether nothing is left to be wished."""
        return self.reached >= ENOUGH and self.fine


def suggestion(dataset: DetectionSet, cfg, size, system: str) -> tuple[Setting, Setting] | None:
    """(the present setting, the least departure from it that is good, or else the best of those tried).

    Sizes from the present one up to the stored one are tried, smaller first, each with the present anchors
    first, on IMAGES images at even distances; where none of these shows an object, on the first that do.
    None for a system without anchors of its own, or without objects.
    """
    if cfg.trained_anchors() is None:
        return None
    picks = np.linspace(0, len(dataset) - 1, min(IMAGES, len(dataset))).round().astype(int).tolist()
    if not _showing(dataset, picks):
        picks = _showing(dataset, range(len(dataset)))[:IMAGES]
    if not picks:
        return None
    few = dataset.subset(picks)
    tried = []
    for each in progress(list(_settings(few, cfg, size)), desc="suggest", unit="setting"):
        tried.append(_measured(few, cfg, system, *each))
        if tried[-1].good:
            return tried[0], tried[-1]
    return tried[0], max(tried, key=lambda setting: setting.reached)


def _showing(dataset: DetectionSet, places: Iterable[int]) -> list[int]:
    """Those of some images that show an object, crowds and difficult ones left out."""
    return [i for i in places if len(resized_objects(dataset, i, None)[1])]


def _settings(dataset: DetectionSet, cfg, size) -> Iterator[tuple[tuple[int, ...] | None, dict]]:
    """Sizes and changes in the order in which they are tried."""
    for larger in _sizes(dataset, size):
        for changes in _changes(cfg):
            yield larger, changes


def _sizes(dataset: DetectionSet, size) -> list[tuple[int, ...] | None]:
    """The present size and larger ones, in steps of 32 px, as far as the pictures go."""
    if size is None:
        return [None]
    sides = (size,) if isinstance(size, int) else tuple(size)
    stored = float(np.median([min(height_width) for height_width in dataset.sizes]))
    sizes = [size]
    for factor in LARGER[1:]:
        larger = tuple(32 * math.ceil(factor * side / 32) for side in sides)
        if larger[0] <= max(stored, sides[0]):
            sizes.append(larger)
    return sizes


def _changes(cfg) -> list[dict]:
    """Changes of the anchors: none, then their size, then their shapes, then a finer level, then all."""
    field = anchors_field(cfg)
    anchors = cfg.trained_anchors().anchors
    of_size = {"": {}}
    if anchors.sizes is None:
        for factor in SIZES[1:]:
            side = round(anchors.size_per_stride * factor, 3)
            of_size[f"{factor}"] = {f"{field}.size_per_stride": side}
    changes = list(of_size.values())
    if max(anchors.ratios) < max(LONG):
        ratios = tuple(round(ratio, 2) for ratio in LONG)
        changes += [{**of_sides, f"{field}.ratios": ratios} for of_sides in of_size.values()]
    levels = anchors.levels
    if len(levels) > 1 and min(levels) > FINEST and anchors.sizes is None:
        finer = tuple(level - 1 for level in levels)
        moved = {"pyramid.levels": finer, f"{field}.levels": finer}
        changes += [{**of_sides, **moved} for of_sides in of_size.values()]
    return changes


def anchors_field(cfg) -> str:
    """Where a configuration has the anchors that it learns from."""
    if hasattr(cfg, "anchors"):
        return "anchors"
    return "rpn.anchors"


def _measured(dataset: DetectionSet, cfg, system: str, size, changes: dict) -> Setting:
    """How well a setting reaches the objects."""
    changed = override(cfg, changes)
    trained = changed.trained_anchors()
    cover = anchor_coverage(dataset, trained.anchors, size, border=trained.border, scale=trained.scale)
    if not len(cover.best):
        return Setting(size, changes, math.nan, True)
    reached = cover.share(min(trained.match.hi, IOU))
    visible = float((cover.side < SMALL).float().mean()) <= 0.05
    fine = visible and reached >= ENOUGH and _to_scale(dataset, changed, size, system)
    return Setting(size, changes, reached, fine)


def _to_scale(dataset: DetectionSet, cfg, size, system: str) -> bool:
    """Whether the anchors are as fine for the objects as `least` asks, which asks more of RoIs."""
    scale, bounds = model_scale(dataset, cfg, size), least(system)
    # nan, for what a model does not have, is below no bound
    return not any(getattr(scale, name) < bounds.get(name, 0) for name in ("large_fit", "positives"))


def visible_size(dataset: DetectionSet, size, side: int = 16) -> tuple[int, ...] | None:
    """The size at which nine objects of ten have `side` px; for systems on given proposals."""
    if size is None:
        return None
    sides = []
    for i in range(min(len(dataset), 200)):
        boxes, _ = resized_objects(dataset, i, None)
        sides.append((boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt().numpy())
    sides = np.concatenate(sides)
    smallest = float(np.quantile(sides, 0.1)) if len(sides) else math.inf
    stored = float(np.median([min(height_width) for height_width in dataset.sizes]))
    wanted = 32 * math.ceil(stored * side / max(smallest, 1e-9) / 32)
    if wanted <= np.min(size):
        return size
    return (min(wanted, 32 * math.ceil(stored / 32)),)


def examine_suggestion(dataset: DetectionSet, cfg, size, system: str, command: str = "") -> list[Finding]:
    """One finding: what to try, and the command line; `command` is how it begins."""
    both = suggestion(dataset, cfg, size, system)
    if both is None:
        chosen = visible_size(dataset, size)
        text = "nine objects of ten are 16 px or larger"
        if chosen != size:
            text = f"at {_size(chosen)} nine objects of ten are 16 px or larger, or the pictures have no more"
        return [Finding("try", graded(chosen == size, True), text, command_line(command, chosen, {}))]
    present, chosen = both
    text = f"{present.reached:.0%} of the objects have an anchor of IoU >= {IOU:g} at {_size(present.size)}"
    if chosen is not present:
        text += f", {chosen.reached:.0%} with what follows"
        if not chosen.good:
            text += " (nothing that was tried is as fine as the papers' networks on photographs)"
    return [Finding("try", graded(present.good, True), text,
                    command_line(command, chosen.size, chosen.changes))]


def _size(size) -> str:
    if size is None:
        return "the stored size"
    return " x ".join(map(str, np.atleast_1d(size).tolist())) + " px"


def command_line(command: str, size, changes: dict) -> str:
    """The command with a size and changes, quoted as a shell wants them."""
    words = [command] if command else []
    if size is not None:
        words += ["--size", *map(str, np.atleast_1d(size).tolist())]
    for name, value in changes.items():
        words += ["--set", shlex.quote(f"{name}={value}")]
    return " ".join(words)
