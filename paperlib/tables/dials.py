"""The tables of notebook 13: one dial of the drawn world or of a system turned at a time, and two systems compared."""
import tomllib
from functools import cache

from paperlib.paths import DATA

NEEDS = {"id", "dial", "values", "title", "claim", "system", "run", "preset", "metric", "also", "better", "worse"}
USUAL = {"metric": "AP", "preset": "tiny", "run": {"data": "minicoco"}}
STRETCH = 0.5  # of the recipe's steps: the sets are small, and only differences count


@cache
def dials() -> dict[str, dict]:
    """The experiments of `data/dials.toml` by id. Errors: ValueError naming the one that lacks a key."""
    found = tomllib.loads((DATA / "dials.toml").read_text(encoding="utf-8"))["dial"]
    found = [{**USUAL, "also": [{}] * len(dial["values"]), **dial} for dial in found]
    for dial in found:
        if wrong := NEEDS ^ dial.keys():
            raise ValueError(f"dials.toml: dial {dial.get('id')!r} lacks or should not have {', '.join(sorted(wrong))}")
    return {dial["id"]: dial for dial in found}


def set_name(dial: dict, value) -> str:
    """The drawn set in which the dial stands at `value`; the usual one for a dial of the system ("part.field")."""
    return dial["run"]["data"] if "." in dial["dial"] else f"minicoco?{dial['dial']}={value}".replace(" ", "")


def row_of(dial: dict, value, side: str) -> str:
    """The label of the row that runs `side` ("better" or "worse") at `value`."""
    return f"{dial['dial']} {say(value)}: {dial[side]['label']}"


def say(value) -> str:
    """A dial's value in a label: a pair as from-to."""
    return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


@cache
def tables() -> dict[str, dict]:
    """The experiments as tables that `runner.run` can run, without published values."""
    return {name: _table(dial) for name, dial in dials().items()}


def _table(dial: dict) -> dict:
    def changes(value, side):
        turned = {dial["dial"]: value} if "." in dial["dial"] else {}
        turned |= dial["also"][dial["values"].index(value)]
        return {"recipe.data": set_name(dial, value), "recipe.stretch": STRETCH, **turned, **dial[side]["set"]}

    rows = [{"label": row_of(dial, value, side), "values": {dial["metric"]: None}, "ours": True,
             "set": {dial["preset"]: changes(value, side)}} for value in dial["values"] for side in ("better", "worse")]
    columns = [{"name": dial["metric"], "unit": "%", "better": "higher"}]
    return {"id": dial["id"], "caption": dial["title"], "columns": columns, "rows": rows, "baseline": rows[0]["label"],
            "run": {"system": dial["system"], **dial["run"]}}
