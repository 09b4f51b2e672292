"""What a system was trained on: the names of its labels, by which sets meet it, its image size, its sets."""
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import is_drawn
from paperlib.world.set_names import SetName

NAMED = 6  # classes that a message names; of more it gives the number


@dataclass(frozen=True)
class Trained:
    """The facts of a training that detection needs again; weights keep them in their header."""

    classes: tuple[str, ...] = ()  # label k is classes[k-1]; (): nobody has said
    size: tuple[int, ...] | None = None  # px, as in Recipe; None: images as stored
    data: str = ""  # set that was trained on; "": nobody has said
    train: str | None = None  # its split
    # set, split and first n images (None: all) scored on
    test: tuple[str, str | None, int | None] = ("", None, None)

    @property
    def sides(self) -> dict[str, int]:
        """`size` as `evaluate` and `detect_all` take it."""
        return sides_of(self.size)


def sides_of(size: tuple[int, ...] | None) -> dict[str, int]:
    """A size as in Recipe, as `evaluate` and `detect_all` take it."""
    return dict(zip(("short", "long"), size or ()))


def sides_for(system: nn.Module, short: int | None, long: int | None) -> tuple[int | None, int | None]:
    """(short, long) px as they are asked for; without both, those that the system was trained at."""
    if short is not None or long is not None:
        return short, long
    sides = trained(system).sides
    return sides.get("short"), sides.get("long")


def trained(system: nn.Module) -> Trained:
    """What a system says of its training; nothing for one that was made by hand."""
    return system.trained or Trained()


def to_header(facts: Trained) -> dict[str, str]:
    """The facts as texts for a file's header."""
    return {"classes": json.dumps(facts.classes), "size": json.dumps(facts.size), "data": facts.data,
            "train": json.dumps(facts.train), "test": json.dumps(facts.test)}


def from_header(header: dict[str, str], num_classes: int) -> Trained:
    """What a header says.

    One of earlier versions names neither classes nor size, but the drawn sets have one list of classes.
    Errors: ValueError naming the entry that is none of ours.
    """
    classes = _entry(header, "classes", lambda v: _all(str, v) and len(v) in (0, num_classes),
                     f"{num_classes} names")
    size = _entry(header, "size", lambda v: v is None or (_all(int, v) and 1 <= len(v) <= 2 and min(v) > 0))
    split = _entry(header, "train", lambda v: isinstance(v, str | None))
    test = _entry(header, "test", lambda v: [type(x) for x in v[:1]] == [str] and isinstance(v[1], str | None)
                  and isinstance(v[2], int | None) and len(v) == 3)
    facts = Trained(tuple(classes or ()), size and tuple(size), header.get("data", ""), split,
                    tuple(test or ("", None, None)))
    return facts if facts.classes else replace(facts, classes=_drawn(facts.data, num_classes))


def _all(kind: type, values) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _entry(header: dict[str, str], key: str, fits, expected: str = "what paperlib writes"):
    if key not in header:
        return None
    try:
        if fits(value := json.loads(header[key])):
            return value
    except (ValueError, TypeError, IndexError, RecursionError):
        pass
    raise ValueError(f"its header's {key!r} is {header[key][:80]!r}, expected {expected}")


def _drawn(data: str, num_classes: int) -> tuple[str, ...]:
    """The classes of a drawn set by label, without drawing it; () for another set or another number."""
    if not is_drawn(data):
        return ()
    from paperlib.world import catalogue, drawn_sets  # late: drawing needs OpenCV

    name = SetName.parse(data).chain[-1].top
    names = tuple(category.name for category in catalogue.CATEGORIES[: drawn_sets.world_of(name).categories])
    if name.startswith("minivoc"):
        names = tuple(sorted(names))  # as its reader numbers them
    return names if len(names) == num_classes else ()


def tells_classes(system) -> bool:
    """Whether a system, or its class, tells classes apart; a proposal method finds objects of any."""
    return system.scored_by not in ("recall", "segments")


def category_ids(system: nn.Module, dataset: DetectionSet) -> list[int | None]:
    """For each label 1..K of a system the category of the set that has its name; None where there is none.

    A system that names no classes is taken at its numbers.
    One that finds objects of any class says label 1 for all.
    Errors: ValueError if not one class is common, or if the numbers cannot fit.
    """
    ids, names = [category["id"] for category in dataset.categories], trained(system).classes
    if not tells_classes(system):
        return ids[:1] or [0]
    if names:
        compare(names, dataset)
        by_name = dict(zip(dataset.classes, ids))
        return [by_name.get(name) for name in names]
    known = system.cfg.num_classes
    if known != len(ids):
        raise ValueError(f"the system knows {known} classes and does not name them; {dataset.name} has "
                         f"{_named(dataset.classes)}")
    return ids


def compare(classes: Sequence[str], dataset: DetectionSet, these: str = "the weights know") -> str:
    """One line for a set with other classes than `these`, else ""; the order of a list is no difference.

    Errors: ValueError, the same line, if there is no class that both have.
    """
    lost = [name for name in dataset.classes if name not in classes]
    unused = [name for name in classes if name not in dataset.classes]
    if not lost and not unused:
        return ""
    line = f"{these} {_named(classes)}; {dataset.name} has {_named(dataset.classes)}"
    if len(unused) == len(classes):
        raise ValueError(f"{line}: expected a class that both have")
    effects = []
    if lost:
        effects.append(f"{some_of(lost)} cannot be found")
    if unused:
        effects.append(f"what is found of {some_of(unused)} does not count")
    return f"{line}: {', '.join(effects)}"


def nothing_in(dataset: DetectionSet, purpose: str) -> str:
    """One line for a set without an object, crowds left out, which is no use for `purpose`; else ""."""
    crowds = [bool(annotation["iscrowd"]) for annotation in dataset.every_annotation()]
    if not all(crowds):
        return ""
    but = f" but {len(crowds)} crowd region{'s' * (len(crowds) != 1)}" if crowds else ""
    return f"{dataset.name}: nothing to {purpose}: no object in {len(dataset)} images{but}"


def lacks_masks(system, dataset: DetectionSet) -> str:
    """One line for a system, or its class, that needs masks and a set in which objects have none; else ""."""
    if not system.needs_masks:
        return ""
    total = bare = 0
    for annotation in dataset.every_annotation():
        segmentation = annotation.get("segmentation", [])
        total += 1
        bare += segmentation is not None and not segmentation  # None: dropped on load, and left out
    if not bare:
        return ""
    kind = system if isinstance(system, type) else type(system)
    return (f"{dataset.name}: {bare} of {total} objects have no segmentation, and {kind.__name__} is about "
            "masks: expected polygons or run lengths for every object")


def scored_on_itself(train: DetectionSet, test: DetectionSet) -> str:
    """One line for a test set of which pictures are trained on, which makes scores too good; else ""."""
    common = len(set(train.files) & set(test.files))
    if not common:
        return ""
    share = "all" if common == len(test) else f"{common} of the"
    return (f"{test.name}: {share} {len(test)} pictures that are scored are trained on too, so scores are "
            "too good; `paperlib data split FOLDER --out NEW` makes a train and a val")


def _named(names: Sequence[str]) -> str:
    return f"{len(names)} class{'es' * (len(names) != 1)} ({some_of(names)})"


def some_of(names: Sequence[str]) -> str:
    """The first NAMED names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"
