"""The numbers and claims that the seven papers print, read from `data/published` and `data/claims`, and validated."""
import re
import tomllib
from functools import cache
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"
PAPERS = ("rcnn", "fast_rcnn", "faster_rcnn", "coco", "sharpmask", "fpn", "focal_loss")
NOT_PRINTED, UNREADABLE = "-", "?"

TABLE_NEEDS = {"id": str, "caption": str, "place": str, "line": str, "data": str, "columns": list, "row": list}
TABLE_MAY = {"thesis": str, "baseline": str, "version": str, "note": str, "in_source": bool, "run": dict,
             "variants": str, "measures": dict}
ROW_NEEDS = {"label": str, "values": list, "ours": bool}
ROW_MAY = {"settings": str, "line": str, "unit": str, "version": str, "note": str, "in_source": bool, "set": dict,
           "better": str, "see": str}
CLAIM_NEEDS = {"id": str, "place": str, "line": str, "kind": str, "tier": int, "say": str,
               "published": (int, float, str, list), "unit": str, "judge": dict}
CLAIM_MAY = {"notebook": str, "note": str, "formula": str, "version": str}

JUDGES = {"exact": ("test",), "ratio": ("measure",), "trend": ("rows", "curve"), "external": ("external",)}
JUDGE_NEEDS = {"test": (), "measure": ("direction",), "rows": ("table", "better", "worse", "metric"),
               "curve": ("property",), "external": ("why",)}
JUDGE_MAY = {"measure": ("value", "low", "high"), "rows": ("margin", "share", "set_better", "set_worse", "rows"),
             "curve": ("figure", "table", "row", "rows", "parts")}
CITE = re.compile(r"(\d{3}):(\d+)(?:-(\d+))?")


def citations(line: str) -> list[tuple[str, int, int]]:
    """Split "002:192-198; 001:7" into [("002", 192, 198), ("001", 7, 7)].

    Errors: ValueError naming the part that is not "<text>:<line>" or "<text>:<first>-<last>".
    """
    found = []
    for part in line.split(";"):
        match = CITE.fullmatch(part.strip())
        if not match:
            raise ValueError(f'line {line!r}: expected "<text>:<line>" parts joined by "; ", found {part.strip()!r}')
        text, first, last = match[1], int(match[2]), int(match[3] or match[2])
        if last < first:
            raise ValueError(f"line {line!r}: the range ends before it starts")
        found.append((text, first, last))
    return found


def published(folder: Path | str | None = None) -> dict[str, dict]:
    """Every published table by id, in the papers' order.

    Source: `data/published/<paper>.toml`.
    Units:  a table is its TOML record plus "paper" and "title"; its "rows" hold "values" {column: number or None} and
            "unreadable" (the columns that our copy of the paper lacks). Treat the records as read-only.
    Errors: ValueError naming file, table and row.
    """
    return _published(Path(folder or DATA / "published"))


def claims(folder: Path | str | None = None) -> list[dict]:
    """Every claim of the papers, each with its "paper", in the papers' order.

    Source: `data/claims/<paper>.toml`.
    Errors: ValueError naming file and claim; a claim on two rows must name a table and metric that exist.
    """
    return _claims(Path(folder or DATA / "claims"))


def published_json() -> dict[str, dict]:
    """What `paperlib published --json` prints: per table the column names, their units and directions, and the rows."""
    return {name: _table_json(table) for name, table in published().items()}


def _table_json(table: dict) -> dict:
    columns = table["columns"]
    return {
        **{k: v for k, v in table.items() if k not in ("id", "columns", "rows")},
        "columns": [c["name"] for c in columns],
        "units": {c["name"]: c["unit"] for c in columns},
        "better": {c["name"]: c["better"] for c in columns},
        "rows": table["rows"],
    }


def by_variant(table: dict) -> dict:
    """The table with one row per variant: as it is, or turned where the paper prints variants as columns."""
    if table.get("variants") != "columns":
        return table
    metrics = [{"name": r["label"], "unit": r["unit"], "better": r["better"]} for r in table["rows"]]
    rows = [{"label": c["name"], **{k: c[k] for k in ("ours", "set") if k in c},
             "values": {r["label"]: r["values"][c["name"]] for r in table["rows"]}} for c in table["columns"]]
    return {**table, "variants": "rows", "columns": metrics, "rows": rows}


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; the published numbers belong to the repository")
    found = {f.stem: f for f in sorted(folder.glob("*.toml"))}
    if strange := sorted(set(found) - set(PAPERS)):
        raise ValueError(f"{found[strange[0]]}: not one of the papers {', '.join(PAPERS)}")
    return [found[p] for p in PAPERS if p in found]


def _read(file: Path) -> dict:
    try:
        record = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not valid TOML: {error}") from None
    if record.get("paper") != file.stem:
        raise ValueError(f'{file}: paper = {record.get("paper")!r}, expected "{file.stem}"')
    return record


def _keys(record: dict, needs: dict, may: dict, where: str) -> None:
    """Refuse missing keys, unknown keys and wrong types, in one place for tables, rows and claims."""
    if missing := [k for k in needs if k not in record]:
        raise ValueError(f"{where}: lacks {', '.join(missing)}")
    if unknown := [k for k in record if k not in needs and k not in may]:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join([*needs, *may])}")
    for key, value in record.items():
        kind = needs.get(key) or may[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{where}: {key} = {value!r} has the wrong type")
    if "line" in record:
        try:
            citations(record["line"])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def _columns(columns: list, where: str) -> list[str]:
    for column in columns:
        if not isinstance(column, dict) or set(column) - {"ours", "set"} != {"name", "unit", "better"}:
            raise ValueError(f"{where}: column {column!r} needs exactly name, unit, better")
        if column["better"] not in ("", "higher", "lower"):
            raise ValueError(f'{where}: column {column["name"]}: better is "", "higher" or "lower"')
    names = [c["name"] for c in columns]
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: two columns share a name in {names}")
    return names


def _row(row: dict, names: list[str], where: str) -> dict:
    where = f"{where}, row {row.get('label')!r}"
    _keys(row, ROW_NEEDS, ROW_MAY, where)
    values = row["values"]
    if len(values) != len(names):
        raise ValueError(f"{where}: {len(values)} values, expected {len(names)} ({', '.join(names)})")
    for name, value in zip(names, values):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number and value not in (NOT_PRINTED, UNREADABLE):
            raise ValueError(f'{where}: {name} = {value!r}, expected a number, "-" (not printed) or "?" (unreadable)')
    return {**row, "values": {n: None if isinstance(v, str) else v for n, v in zip(names, values)},
            "unreadable": [n for n, v in zip(names, values) if v == UNREADABLE]}


def _table(record: dict, file: Path, head: dict) -> dict:
    where = f"{file}: table {record.get('id')!r}"
    _keys(record, TABLE_NEEDS, TABLE_MAY, where)
    if not record["id"].startswith(f"{file.stem}/"):
        raise ValueError(f'{where}: the id must start with "{file.stem}/"')
    names = _columns(record["columns"], where)
    rows = [_row(row, names, where) for row in record["row"]]
    labels = [row["label"] for row in rows]
    if twice := [n for n in labels if labels.count(n) > 1]:
        raise ValueError(f"{where}: two rows are called {twice[0]!r}")
    variants = names if record.get("variants") == "columns" else labels
    if "baseline" in record and record["baseline"] not in variants:
        raise ValueError(f"{where}: baseline {record['baseline']!r} is none of the rows {variants}")
    table = {k: v for k, v in record.items() if k != "row"}
    return {"paper": head["paper"], "title": head["title"], **table, "rows": rows}


@cache
def _published(folder: Path) -> dict[str, dict]:
    tables = {}
    for file in _files(folder):
        head = _read(file)
        for record in head["table"]:
            table = _table(record, file, head)
            if table["id"] in tables:
                raise ValueError(f"{file}: table {table['id']!r} is there twice")
            tables[table["id"]] = table
    return tables


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
