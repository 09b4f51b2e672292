"""What can be wrong with a file or a record of it, and readers of files that say where they break off.

A fault either stops the load (`fatal`) or is dealt with and counted: the record is dropped, its box clipped,
a number or name mended, or it is kept and only pointed out. Dropped and clipped are the kinds that real COCO
and VOC files contain.
"""
import gc
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from paperlib.data.record_checks.hints import hint
from paperlib.data.record_checks.values import native


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one record of one file."""
    file: str
    record: str                # "annotation 1774", "object 3 (RBC)", "image 9", "line 12"
    found: str
    expected: str
    fatal: bool                # a fatal fault stops the load; the others say what was done instead
    action: str = "kept"       # "dropped" | "clipped" | "mended" | "kept", when not fatal

    def __str__(self) -> str:
        done = "error" if self.fatal else self.action
        line = (f"{self.file}: {self.record}: found {self.found}; expected {self.expected}"
                f"{self._advice} [{done}]")
        return " ".join(line.splitlines())                 # names in a file may hold line ends

    @property
    def hint(self) -> str:
        """How to mend it, in words; "" where nothing is to be said."""
        return hint(self.record, self.found, self.expected)

    @property
    def _advice(self) -> str:
        return f"; hint: {self.hint}" if self.hint else ""


def stop_if_fatal(faults: Iterable[Fault]) -> None:
    """Raise for the first fatal fault, with the number of the others.

    Errors: ValueError naming file, record, what was found and what was expected.
    """
    fatal = [fault for fault in faults if fault.fatal]
    if fatal:
        more = ""
        if len(fatal) > 1:
            more = f" (and {len(fatal) - 1} more: `paperlib data check` lists all)"
        raise ValueError(f"{str(fatal[0]).removesuffix(' [error]')}{more}")


def usable(dataset, faults: list[Fault], report: Callable[[str], None] | None = print):
    """The set that a reader gathered, if no fault is fatal; `report` gets one line on the others.

    Errors: as `stop_if_fatal`.
    """
    stop_if_fatal(faults)
    line = summary(faults)
    if report and line:
        report(f"{dataset.name}: {line}")
    return dataset


def summary(faults: list[Fault]) -> str:
    """One line that counts what was dropped and clipped, with the first case of each kind."""
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        if not fault.fatal and fault.action != "kept":
            kinds.setdefault((fault.action, fault.expected), []).append(fault)
    lines = []
    for (action, expected), alike in kinds.items():
        lines.append(f"{len(alike)} {action} (expected {expected}; first: {alike[0].record}, "
                     f"{alike[0].found})")
    return "; ".join(lines)


def parse_json(text: bytes) -> object:
    """As `json.loads`, and five times as fast where a text has no oddities: NaN, half characters, UTF-16.

    Errors: those of `json.loads`, and RecursionError.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return json.loads(text)


def read_json(file: Path) -> tuple[dict | None, list[Fault]]:
    """The parsed file, or None and the fault that says where it breaks off."""
    try:
        text = file.read_bytes()
        data = parse_json(text)
    except OSError as error:
        return None, [Fault(str(file), "file", str(error.strerror), "a file that can be read", True)]
    except (ValueError, RecursionError) as error:  # also numbers of 5,000 digits, and lists 10,000 deep
        where = "file"
        if isinstance(error, json.JSONDecodeError):
            where = f"line {error.lineno}"
        elif isinstance(error, UnicodeDecodeError):
            where = f"byte {error.start}"
        problem = f"{len(text)} bytes that are not complete JSON ({error})"
        return None, [Fault(str(file), where, problem, "a whole JSON document (was the copy cut short?)",
                            True)]
    if not isinstance(data, dict):
        return None, [Fault(str(file), "top level", f"a {type(data).__name__}", "a dict with 'images' ...",
                            True)]
    return data, []


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: it would look for cycles among millions of records, which hold none."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_lines(file: Path) -> tuple[list[str], list[Fault]]:
    """The lines of a list, without blank ones: a line is a name, spaces and all, in UTF-8 on any system."""
    try:
        text = file.read_text(encoding="utf-8-sig")        # Windows puts a mark in front
    except UnicodeDecodeError as error:
        return [], [Fault(str(file), f"byte {error.start}", f"a list that is not UTF-8 ({error.reason})",
                          "one name a line, in UTF-8", True)]
    except OSError as error:
        return [], [Fault(str(file), "file", str(error.strerror), "a file that can be read", True)]
    return [native(line.strip()) for line in text.splitlines() if line.strip()], []
