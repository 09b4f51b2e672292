"""The tables that the papers print, from `data/published`."""
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from paperlib.papers.files import Cited, paper_files, read_paper, typed
from paperlib.paths import DATA

NOT_PRINTED, UNREADABLE = "-", "?"


class PrintedFile(Struct, forbid_unknown_fields=True, frozen=True):
    """A file of `data/published`."""

    paper: str
    title: str
    table: list[dict]


class Table(Cited, frozen=True, kw_only=True):
    """A table as it stands in the file."""

    id: str
    caption: str
    place: str
    line: str
    data: str
    columns: list[dict]
    row: list[dict]
    thesis: str | None = None
    baseline: str | None = None  # label of the row, or name of the column, that deltas are taken to
    version: str | None = None
    note: str | None = None
    in_source: bool | None = None  # False: not in the text that we have
    run: dict | None = None  # the system and recipe by which this project runs the table
    variants: Literal["columns"] | None = None  # the paper prints variants as columns
    measures: dict | None = None  # {printed metric: the metric of ours that measures it}


class Column(Struct, forbid_unknown_fields=True, frozen=True):
    """A column of a table."""

    name: str
    unit: str
    better: Literal["", "higher", "lower"]
    ours: bool | None = None
    set: dict | None = None
    system: str | None = None  # of another paper than the table's; else the system of `run`


class Row(Cited, frozen=True, kw_only=True):
    """A row of a table: a value for each column."""

    label: str
    values: list
    ours: bool
    settings: str | None = None
    unit: str | None = None
    version: str | None = None
    note: str | None = None
    in_source: bool | None = None
    set: dict | None = None  # what the row changes of the system and its training
    better: str | None = None
    see: str | None = None
    system: str | None = None  # of another paper than the table's; else the system of `run`
    recipe: str | None = None  # by which the row is run, where it is not that of its system
    measures: dict | None = None  # {printed metric: the metric of ours}, before those of the table


def published(folder: Path | str | None = None) -> dict[str, dict]:
    """Every published table by id, in the papers' order.

    Source: `data/published/<paper>.toml`.
    Units:  a table is its TOML record plus "paper" and "title". Its "rows" hold "values",
            {column: number or None}, and "unreadable", the columns that our copy of the paper lacks.
            Treat the records as read-only.
    Errors: ValueError naming file, table and row.
    """
    return _published(Path(folder or DATA / "published"))


def published_json() -> dict[str, dict]:
    """What `paperlib published --json` prints: each table's columns, their units and directions, its rows."""
    return {name: _table_json(table) for name, table in published().items()}


def _table_json(table: dict) -> dict:
    as_json = dict(table)
    for key in ("id", "columns", "rows"):
        del as_json[key]
    units, better = {}, {}
    for column in table["columns"]:
        units[column["name"]] = column["unit"]
        better[column["name"]] = column["better"]
    return {**as_json, "columns": list(units), "units": units, "better": better, "rows": table["rows"]}


def by_variant(table: dict) -> dict:
    """The table with one row per variant: as it is, or turned where the paper prints variants as columns."""
    if table.get("variants") != "columns":
        return table
    metrics = []
    for row in table["rows"]:
        metrics.append({"name": row["label"], "unit": row["unit"], "better": row["better"]})
    rows = [_column_as_row(column, table["rows"]) for column in table["columns"]]
    return {**table, "variants": "rows", "columns": metrics, "rows": rows}


def _column_as_row(column: dict, printed_rows: list[dict]) -> dict:
    row = {"label": column["name"]}
    for key in ("ours", "set", "system"):
        if key in column:
            row[key] = column[key]
    row["values"] = {printed["label"]: printed["values"][column["name"]] for printed in printed_rows}
    return row


def _names(columns: list[dict], where: str) -> list[str]:
    names = []
    for column in columns:
        names.append(typed(Column, column, f"{where}, column {column.get('name')!r}").name)
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: two columns share a name in {names}")
    return names


def _row(record: dict, names: list[str], where: str) -> dict:
    where = f"{where}, row {record.get('label')!r}"
    row = typed(Row, record, where)
    if len(row.values) != len(names):
        raise ValueError(f"{where}: {len(row.values)} values, expected {len(names)} ({', '.join(names)})")
    values, unreadable = {}, []
    for name, value in zip(names, row.values):
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[name] = value
            continue
        if value not in (NOT_PRINTED, UNREADABLE):
            raise ValueError(
                f'{where}: {name} = {value!r}, expected a number, "-" (not printed) or "?" (unreadable)')
        values[name] = None
        if value == UNREADABLE:
            unreadable.append(name)
    return {**record, "values": values, "unreadable": unreadable}


def _table(record: dict, file: Path, head: PrintedFile) -> dict:
    where = f"{file}: table {record.get('id')!r}"
    table = typed(Table, record, where)
    if not table.id.startswith(f"{file.stem}/"):
        raise ValueError(f'{where}: the id must start with "{file.stem}/"')
    names = _names(table.columns, where)
    rows = [_row(row, names, where) for row in table.row]
    labels = [row["label"] for row in rows]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"{where}: two rows are called {label!r}")
    variants = labels
    if table.variants == "columns":
        variants = names
    if table.baseline is not None and table.baseline not in variants:
        raise ValueError(f"{where}: baseline {table.baseline!r} is none of the rows {variants}")
    checked = {"paper": head.paper, "title": head.title, **record, "rows": rows}
    del checked["row"]
    return checked


@cache
def _published(folder: Path) -> dict[str, dict]:
    tables = {}
    for file in paper_files(folder):
        head = read_paper(file, PrintedFile)
        for record in head.table:
            table = _table(record, file, head)
            if table["id"] in tables:
                raise ValueError(f"{file}: table {table['id']!r} is in the files twice")
            tables[table["id"]] = table
    return tables
