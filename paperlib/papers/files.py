"""Reading the typed files of `data/published`, `data/claims` and `data/dials.toml`: a wrong key is named."""

import re
import tomllib
import typing
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from paperlib.papers.names import PAPERS

CITE = re.compile(r"(\d{3}):(\d+)(?:-(\d+))?")
Kind = TypeVar("Kind", bound=msgspec.Struct)


def citations(line: str) -> list[tuple[str, int, int]]:
    """Split "002:192-198; 001:7" into [("002", 192, 198), ("001", 7, 7)].

    Errors: ValueError naming the part that is not "<text>:<line>" or "<text>:<first>-<last>".
    """
    cited = []
    for part in line.split(";"):
        match = CITE.fullmatch(part.strip())
        if not match:
            raise ValueError(
                f'line {line!r}: expected "<text>:<line>" parts joined by "; ", found {part.strip()!r}')
        text, first, last = match[1], int(match[2]), int(match[3] or match[2])
        if last < first:
            raise ValueError(f"line {line!r}: the range ends before it starts")
        cited.append((text, first, last))
    return cited


class Cited(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What was read from a paper: `line` is where in its text. No other keys than its fields are allowed."""

    line: str | None = None

    def __post_init__(self):
        if self.line is not None:
            citations(self.line)


def typed(kind: type[Kind], record: dict, where: str) -> Kind:
    """`record` as a `kind`.

    Errors: ValueError of one line: `where`, the key, what was found and what was expected.
    """
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {_explained(str(error), record, kind)}") from None


def _explained(message: str, record: dict, kind: type[msgspec.Struct]) -> str:
    """A message of msgspec, such as "Expected `str`, got `int` - at `$.label`", with the file's value."""
    reason, _, place = message.replace("`", "").partition(" - at ")
    path = place.removeprefix("$").removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field (.*)", reason):
        if path:
            return f"lacks {path}.{missing[1]}"
        return f"lacks {', '.join(_lacking(record, kind))}"
    if unknown := re.fullmatch(r"Object contains unknown field (.*)", reason):
        if path:
            return f"unknown key {unknown[1]!r}; {path} holds it"
        return f"unknown key {unknown[1]!r}; known are {', '.join(kind.__struct_fields__)}"
    if path not in record:
        return f"{path}: {reason}".removeprefix(": ")
    if reason.startswith("Invalid enum value"):
        reason = f"expected one of {', '.join(map(repr, _choices(typing.get_type_hints(kind)[path])))}"
    return f"{path} = {record[path]!r} has the wrong type or value: {reason}"


def _choices(hint) -> list:
    """The values of a Literal, also of one that may be missing."""
    choices = []
    for option in typing.get_args(hint):
        if typing.get_origin(option) is Literal:
            choices += typing.get_args(option)
        elif option is not type(None):
            choices.append(option)
    return choices


def _lacking(record: dict, kind: type[msgspec.Struct]) -> list[str]:
    """The keys that a record of the kind must have and this one has not."""
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    return [name for name in required if name not in record]


def paper_files(folder: Path) -> list[Path]:
    """The files <paper>.toml of a folder, in the papers' order. Errors: ValueError for a file of no paper."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; the published numbers belong to the repository")
    files = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    if strange := sorted(set(files) - set(PAPERS)):
        raise ValueError(f"{files[strange[0]]}: not one of the papers {', '.join(PAPERS)}")
    return [files[paper] for paper in PAPERS if paper in files]


def read_toml(file: Path) -> dict:
    """What a TOML file holds. Errors: ValueError naming the file that is none."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not valid TOML: {error}") from None


def read_paper(file: Path, kind: type[Kind]) -> Kind:
    """A paper's file as a `kind`, whose `paper` must be the file's name."""
    record = read_toml(file)
    if record.get("paper") != file.stem:
        raise ValueError(f'{file}: paper = {record.get("paper")!r}, expected "{file.stem}"')
    return typed(kind, record, str(file))
