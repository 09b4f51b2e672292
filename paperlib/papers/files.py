"""Reading the typed files of `data/published` and `data/claims`: every wrong key is named."""
import re
import tomllib
from pathlib import Path

from paperlib.papers.names import PAPERS

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
