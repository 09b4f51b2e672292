"""Five sentences about a drawn scene, each from another template: the stand-in for COCO's human captions."""
from collections import Counter

from paperlib.world.world import Drawing

PLURALS = {"person": "people", "sheep": "sheep", "bus": "buses", "bench": "benches", "aeroplane": "aeroplanes"}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEMPLATES = ("{some} {where}.", "A picture of {some}, {where}.", "There {are} {some} {where}.", "{where}: {main}.",
             "Here we see {main}{rest} {where}.", "A scene {where} with {some}.", "{main}{rest}, seen {where}.")


def captions(drawing: Drawing, number: int) -> list[str]:
    """Five sentences; `number` (the image's id) decides which templates, so that images differ.

    Counts above nine are told as "many"; at most three categories are named.
    """
    counts = Counter()
    for thing in drawing.instances:
        counts[thing["name"]] += 10 if thing["crowd"] else 1
    where = drawing.scene.where
    if not counts:
        return [f"{start} {where}." for start in ("Nothing", "An empty scene", "Nobody", "A quiet place", "No object")]
    named = [_phrase(name, n) for name, n in counts.most_common(3)]
    some = named[0] if len(named) == 1 else ", ".join(named[:-1]) + " and " + named[-1]
    rest = f" beside {named[1]}" if len(named) > 1 else ""
    are = "is" if counts.most_common(1)[0][1] == 1 else "are"
    lines = [TEMPLATES[(number + j) % len(TEMPLATES)].format(some=some, where=where, main=named[0], rest=rest, are=are)
             for j in range(5)]
    return [line[0].upper() + line[1:] for line in lines]


def _phrase(name: str, count: int) -> str:
    if count == 1:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"{NUMBERS[count] if count < len(NUMBERS) else 'many'} {PLURALS.get(name, name + 's')}"
