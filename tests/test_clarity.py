"""Clarity: a room reads line by line. What is counted, its limits, and the rooms that do not meet them yet.

`python tests/test_clarity.py` prints what every room counts today, and the entries of ROOM_LIMITS that follow.
"""
import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "paperlib"
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
VAGUE = {"found", "own", "there", "given", "told", "seen", "what", "thing", "things", "stuff", "mine", "theirs"}
WIDTH = 110
# Of every 100 lines that are not blank: comprehensions and conditional expressions. The others are plain counts.
LIMITS = {"comprehensions": 4.0, "conditionals": 2.0, "nested_comprehensions": 0, "nested_conditionals": 0,
          "walrus_in_comprehensions": 0, "vague_arguments": 0, "wide_lines": 0}
RATES = ("comprehensions", "conditionals")
# Rooms that were written before these limits, with what they count today. Entries only shrink: a room that has become
# better than its entry (by more than SLACK) must have the entry tightened, and one that meets LIMITS has none.
SLACK = {"comprehensions": 0.3, "conditionals": 0.3}  # and 0 for plain counts
ROOM_LIMITS: dict[str, dict[str, float]] = {
    # Recorded timings are known by the text of what was timed (`timing.identity`): `against_torchvision.beside`,
    # `against_pycocotools.scorer`, `drawing.world_on_all_cores`, `scaling.growth` stay as they were measured.
    "bench": {"nested_comprehensions": 1, "vague_arguments": 1, "wide_lines": 7},
    # So do the races of `claims/<paper>/timed.py` and the networks of `claims/timed_nets.py`.
    "claims": {"nested_comprehensions": 1, "vague_arguments": 1, "wide_lines": 19},
    # So do probes that are recorded: `world._pair`, `depth`, `examples`, `proposals.left_by_nms`,
    # `coco_margins.union`.
    "studies": {"nested_comprehensions": 2, "wide_lines": 6},
}


def holds(node: ast.AST, kinds) -> bool:
    """Whether a node of one of these kinds lies inside `node`, itself not counted."""
    return any(isinstance(inner, kinds) for inner in ast.walk(node) if inner is not node)


def argument_names(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[str]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    return [argument.arg for argument in every if argument]


def counted(text: str) -> dict[str, int]:
    """How often one file does each thing of LIMITS, and its lines that are not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    counts = dict.fromkeys(LIMITS, 0) | {"lines": len(lines), "wide_lines": sum(len(line) > WIDTH for line in lines)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, COMPREHENSIONS):
            counts["comprehensions"] += 1
            counts["nested_comprehensions"] += len(node.generators) > 1 or holds(node, COMPREHENSIONS)
            counts["walrus_in_comprehensions"] += holds(node, ast.NamedExpr)
        elif isinstance(node, ast.IfExp):
            counts["conditionals"] += 1
            counts["nested_conditionals"] += holds(node, ast.IfExp)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            counts["vague_arguments"] += len(VAGUE.intersection(argument_names(node)))
    return counts


def measured(texts: list[str]) -> dict[str, float]:
    """The measures of LIMITS over the files of one room."""
    files = [counted(text) for text in texts]
    totals = {name: sum(file[name] for file in files) for name in [*LIMITS, "lines"]}
    return {name: round(100 * totals[name] / totals["lines"], 1) if name in RATES else totals[name] for name in LIMITS}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else "top"


def rooms() -> dict[str, list[str]]:
    """{room: texts of its files}; `top` is the package's own folder."""
    texts = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        texts.setdefault(room_of(path), []).append(path.read_text(encoding="utf-8"))
    return texts


def faults(measures: dict[str, float], entry: dict[str, float]) -> list[str]:
    """What is above its limit, and what of a room's entry has become too generous."""
    listed = []
    for name, limit in LIMITS.items():
        allowed = entry.get(name, limit)
        if measures[name] > allowed:
            listed.append(f"{name}: {measures[name]}, at most {allowed}")
        elif name in entry and measures[name] < allowed - SLACK.get(name, 0):
            listed.append(f"{name}: {measures[name]} is better than its entry {allowed}: tighten ROOM_LIMITS")
    return listed


@pytest.mark.parametrize("room", sorted(rooms()))
def test_room_reads_line_by_line(room):
    assert not faults(measured(rooms()[room]), ROOM_LIMITS.get(room, {}))


def test_entries_name_rooms_and_measures_and_are_above_the_limits():
    assert set(ROOM_LIMITS) <= set(rooms())
    for room, entry in ROOM_LIMITS.items():
        assert set(entry) <= set(LIMITS), room
        assert [name for name, value in entry.items() if value <= LIMITS[name]] == [], f"{room}: no entry is needed"


PLANTED = {
    "comprehensions": "a = [x for x in y]",
    "conditionals": "a = 1 if b else 2",
    "nested_comprehensions": "a = [x for row in y for x in row]",
    "nested_conditionals": "a = 1 if b else 2 if c else 3",
    "walrus_in_comprehensions": "a = [z for x in y if (z := x)]",
    "vague_arguments": "def f(*, found): pass",
    "wide_lines": "a = " + "1 + " * 30 + "1",
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_planted_fault_is_seen(name):
    plain = "b = 0\n" * 15
    assert not faults(measured([plain]), {})
    faulty = measured([plain, PLANTED[name]])
    assert f"{name}: " in " ".join(faults(faulty, {}))
    assert not faults(faulty, faulty)


@pytest.mark.parametrize("text, name", [
    ("a = {k: [v for v in w] for k, w in b}", "nested_comprehensions"),
    ("a = (1 if b else 2) if c else 3", "nested_conditionals"),
    ("def f(what, /): pass", "vague_arguments"),
    ("async def f(*stuff): pass", "vague_arguments"),
    ("a = lambda **mine: 0", "vague_arguments"),
])
def test_other_forms_of_a_fault_are_seen(text, name):
    assert counted(text)[name] == 1


def test_an_entry_that_is_too_generous_is_a_fault():
    clean = measured(["b = 0\n"])
    assert faults(clean, {"wide_lines": 1}) and faults(clean, {"comprehensions": 4.4})


def today() -> None:
    """Print what every room counts, and the entries of ROOM_LIMITS that it would need."""
    for room, texts in rooms().items():
        measures = measured(texts)
        print(f'    "{room}": ', {name: value for name, value in measures.items() if value > LIMITS[name]}, ",", sep="")


if __name__ == "__main__":
    today()
