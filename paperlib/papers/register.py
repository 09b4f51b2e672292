"""The papers' claims, from `data/claims`."""
from functools import cache
from pathlib import Path

from paperlib.papers.files import _files, _keys, _read
from paperlib.papers.printed import by_variant, published
from paperlib.paths import DATA

CLAIM_NEEDS = {"id": str, "place": str, "line": str, "kind": str, "tier": int, "say": str,
               "published": (int, float, str, list), "unit": str, "judge": dict}
CLAIM_MAY = {"notebook": str, "note": str, "formula": str, "version": str}

JUDGES = {"exact": ("test",), "ratio": ("measure",), "trend": ("rows", "curve"), "external": ("external",)}
JUDGE_NEEDS = {"test": (), "measure": ("direction",), "rows": ("table", "better", "worse", "metric"),
               "curve": ("property",), "external": ("why",)}
JUDGE_MAY = {"measure": ("value", "low", "high"), "rows": ("margin", "share", "set_better", "set_worse", "rows"),
             "curve": ("figure", "table", "row", "rows", "parts")}


def claims(folder: Path | str | None = None) -> list[dict]:
    """Every claim of the papers, each with its "paper", in the papers' order.

    Source: `data/claims/<paper>.toml`.
    Errors: ValueError naming file and claim; a claim on two rows must name a table and metric that exist.
    """
    return _claims(Path(folder or DATA / "claims"))


def _judge(claim: dict, where: str) -> None:
    judge, by = claim["judge"], claim["judge"].get("by")
    if claim["kind"] not in JUDGES or by not in JUDGES[claim["kind"]]:
        raise ValueError(f"{where}: kind {claim['kind']!r} judged by {by!r}; known are {JUDGES}")
    allowed = {"by", *JUDGE_NEEDS[by], *JUDGE_MAY.get(by, ())}
    if set(judge) - allowed or set(JUDGE_NEEDS[by]) - set(judge):
        raise ValueError(f"{where}: judge {judge!r} needs {JUDGE_NEEDS[by]} and may have {JUDGE_MAY.get(by, ())}")
    if "table" not in judge:
        return
    table = published().get(judge["table"])
    if table is None:
        raise ValueError(f"{where}: no published table {judge['table']!r}")
    if by != "rows":
        return
    turned = by_variant(table)
    names = {column["name"] for column in turned["columns"]}
    known = {row["label"] for row in turned["rows"]} | (names if names != {"value"} else {judge["metric"]})
    for key in ("better", "worse", "metric"):
        if judge[key] not in known and not claim.get("note"):
            raise ValueError(f"{where}: {key} {judge[key]!r} is not in {judge['table']}; describe it in note")


@cache
def _claims(folder: Path) -> list[dict]:
    found = {}
    for file in _files(folder):
        for claim in _read(file)["claim"]:
            where = f"{file}: claim {claim.get('id')!r}"
            _keys(claim, CLAIM_NEEDS, CLAIM_MAY, where)
            _judge(claim, where)
            if claim["tier"] not in (1, 2) or (claim["kind"] == "exact") != ("formula" in claim):
                raise ValueError(f"{where}: tier is 1 or 2, and exact claims (no others) have a formula")
            if claim["id"] in found:
                raise ValueError(f"{where}: that id is there twice")
            found[claim["id"]] = {"paper": file.stem, **claim}
    return list(found.values())
