"""The tables that the papers print, from `data/published`."""
from functools import cache
from pathlib import Path

from paperlib.papers.files import _files, _keys, _read
from paperlib.paths import DATA

NOT_PRINTED, UNREADABLE = "-", "?"

TABLE_NEEDS = {"id": str, "caption": str, "place": str, "line": str, "data": str, "columns": list, "row": list}
TABLE_MAY = {"thesis": str, "baseline": str, "version": str, "note": str, "in_source": bool, "run": dict,
             "variants": str, "measures": dict}
ROW_NEEDS = {"label": str, "values": list, "ours": bool}
ROW_MAY = {"settings": str, "line": str, "unit": str, "version": str, "note": str, "in_source": bool, "set": dict,
           "better": str, "see": str}


def published(folder: Path | str | None = None) -> dict[str, dict]:
    """Every published table by id, in the papers' order.

    Source: `data/published/<paper>.toml`.
    Units:  a table is its TOML record plus "paper" and "title"; its "rows" hold "values" {column: number or None} and
            "unreadable" (the columns that our copy of the paper lacks). Treat the records as read-only.
    Errors: ValueError naming file, table and row.
    """
    return _published(Path(folder or DATA / "published"))


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
