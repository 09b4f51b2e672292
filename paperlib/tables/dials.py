"""The tables of notebook 13: one dial of the drawn world or of a system is turned, two systems compared."""

from functools import cache

from msgspec import Struct, field, to_builtins

from paperlib.papers.files import read_toml, typed
from paperlib.papers.register import claims
from paperlib.paths import DATA
from paperlib.spelling import did_you_mean

STRETCH = 0.5  # of the recipe's steps: the sets are small, and only differences count


class Side(Struct, forbid_unknown_fields=True, frozen=True):
    """One of the two systems that a dial compares, and what it sets."""

    label: str
    set: dict


class Dial(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One experiment of `data/dials.toml`."""

    id: str
    dial: str  # a field of the drawn world, or "part.field" of the system
    values: list
    title: str
    claim: str  # id of the paper's claim that it examines; "" for none
    system: str
    better: Side
    worse: Side
    run: dict = field(default_factory=lambda: {"data": "minicoco"})
    preset: str = "tiny"
    metric: str = "AP"
    also: list[dict] = []  # what goes with each value


class DialsFile(Struct, forbid_unknown_fields=True, frozen=True):
    """The file `data/dials.toml`."""

    dial: list[dict]


@cache
def dials() -> dict[str, dict]:
    """The experiments of `data/dials.toml` by id.

    Errors: ValueError naming the one with a wrong or missing key, an id or rows that are there already, or
            a claim that does not exist.
    """
    file, experiments = DATA / "dials.toml", {}
    for record in typed(DialsFile, read_toml(file), str(file)).dial:
        where = f"{file}: dial {record.get('id')!r}"
        dial = typed(Dial, record, where)
        also = dial.also or [{}] * len(dial.values)
        if len(also) != len(dial.values):
            expected = f"expected one a value, {len(dial.values)}"
            raise ValueError(f"{where}: {len(also)} entries of also, {expected}")
        if dial.id in experiments:
            raise ValueError(f"{where}: another dial has this id")
        experiments[dial.id] = to_builtins(dial) | {"also": also}
        _check(experiments[dial.id], where)
    return experiments


def _check(dial: dict, where: str) -> None:
    """Errors: ValueError for an unknown claim, for no value, and for two rows of one name."""
    known, labels = [claim["id"] for claim in claims()], set()
    if dial["claim"] and dial["claim"] not in known:
        near = did_you_mean(dial["claim"], known)
        raise ValueError(f"{where}: unknown claim {dial['claim']!r}{near}")
    if not dial["values"]:
        raise ValueError(f"{where}: no value; expected one or more")
    for value in dial["values"]:
        for side in ("better", "worse"):
            label = row_of(dial, value, side)
            if label in labels:
                raise ValueError(f"{where}: two rows are called {label!r}; each needs a name of its own")
            labels.add(label)


def set_name(dial: dict, value) -> str:
    """The drawn set with the dial at `value`; the usual one for a dial of the system ("part.field")."""
    if "." in dial["dial"]:
        return dial["run"]["data"]
    return f"minicoco?{dial['dial']}={value}".replace(" ", "")


def row_of(dial: dict, value, side: str) -> str:
    """The label of the row that runs `side` ("better" or "worse") at `value`."""
    return f"{dial['dial']} {say(value)}: {dial[side]['label']}"


def say(value) -> str:
    """A dial's value in a label: a pair as from-to."""
    if isinstance(value, (list, tuple)):
        return "-".join(map(str, value))
    return str(value)


@cache
def tables() -> dict[str, dict]:
    """The experiments as tables that `runner.run` can run, without published values."""
    return {name: _table(dial) for name, dial in dials().items()}


def _table(dial: dict) -> dict:
    rows = []
    for value, also in zip(dial["values"], dial["also"]):
        common = {"recipe.data": set_name(dial, value), "recipe.stretch": STRETCH}
        if "." in dial["dial"]:
            common[dial["dial"]] = value
        for side in ("better", "worse"):
            changes = {**common, **also, **dial[side]["set"]}
            rows.append({"label": row_of(dial, value, side), "values": {dial["metric"]: None}, "ours": True,
                         "set": {dial["preset"]: changes}})
    columns = [{"name": dial["metric"], "unit": "%", "better": "higher"}]
    return {"id": dial["id"], "caption": dial["title"], "columns": columns, "rows": rows,
            "baseline": rows[0]["label"], "run": {"system": dial["system"], **dial["run"]}}
