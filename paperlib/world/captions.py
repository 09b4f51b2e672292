"""Five sentences about a drawn scene, each from another template: the stand-in for COCO's human captions."""
from collections import Counter

from paperlib.world.world import Drawing

PLURALS = {"person": "people", "sheep": "sheep", "bus": "buses", "bench": "benches",
           "aeroplane": "aeroplanes"}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEMPLATES = ("{some} {where}.", "A picture of {some}, {where}.", "There {are} {some} {where}.",
             "{where}: {main}.", "Here we see {main}{rest} {where}.", "A scene {where} with {some}.",
             "{main}{rest}, seen {where}.")


def captions(drawing: Drawing, number: int) -> list[str]:
    """Five sentences; `number` (the image's id) decides which templates, so that images differ.

    A count above nine is "many"; at most three categories are named.
    """
    counts = Counter()
    for instance in drawing.instances:
        counts[instance["name"]] += 10 if instance["crowd"] else 1
    where = drawing.scene.where
    if not counts:
        return [f"{start} {where}."
                for start in ("Nothing", "An empty scene", "Nobody", "A quiet place", "No object")]
    named = [_phrase(name, n) for name, n in counts.most_common(3)]
    some, rest = named[0], ""
    if len(named) > 1:
        some, rest = f"{', '.join(named[:-1])} and {named[-1]}", f" beside {named[1]}"
    are = "is" if counts.most_common(1)[0][1] == 1 else "are"
    lines = []
    for j in range(number, number + 5):
        template = TEMPLATES[j % len(TEMPLATES)]
        line = template.format(some=some, where=where, main=named[0], rest=rest, are=are)
        lines.append(line[0].upper() + line[1:])
    return lines


def _phrase(name: str, count: int) -> str:
    plural = PLURALS.get(name, f"{name}s")
    if count >= len(NUMBERS):
        return f"many {plural}"
    if count > 1:
        return f"{NUMBERS[count]} {plural}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
