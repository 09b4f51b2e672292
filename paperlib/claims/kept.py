"""The judged claims, kept beside the records as long as nothing that they follow from has changed.

Judging imports torch and torchvision, which takes most of its seconds; reading what is kept imports neither.
"""
import hashlib
import json
import os
import platform
import warnings
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from paperlib.claims.lines import line_of, on_rows
from paperlib.claims.tally import Verdict, export, restored, with_q
from paperlib.claims.trained import Trained
from paperlib.papers.register import claims
from paperlib.paths import DATA, REPOSITORY, file_digest, results_folder, weights_folder, written_whole
from paperlib.tables.records import path_of

DRAWN = ("smoke", "mini")  # budgets whose sets are drawn: photographs on disk are not looked at here
OF_OTHER_KINDS = ("bench", "products.jsonl")  # timings and probes; how exact the products of early runs were
RECORDED = ("trend", "ratio")  # kinds of claims that follow from records
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "opencv-contrib-python-headless",
             "pycocotools", "hotcoco")


def judged(plan: str) -> list[Verdict]:
    """`verdicts.judged(plan)`, anew only where code, registers, records, weights or versions have changed.

    Where only records have changed, only what follows from them is judged again: without torch, if all that
    do are claims on rows of tables.
    Errors: as `verdicts.judged`.
    """
    file, code, files = results_folder() / f".judged-{plan}.json", of_code(), of_records()
    kept = _read(file, code) if plan in DRAWN else None
    if kept is not None and kept["files"] == files:
        return kept["lines"]
    with warnings.catch_warnings(record=True) as notes:
        lines, keys = _judged_again(kept, files, plan)
    for note in notes:  # such as a torn record: to be said each time, so not kept
        warnings.warn_explicit(note.message, note.category, note.filename, note.lineno)
    if not notes and plan in DRAWN:
        _write(file, {"code": code, "files": files, "keys": keys, "lines": export(lines)})
    return lines


def _read(file: Path, code: str) -> dict | None:
    """What is kept, if it was made by today's code; None if nothing is, or not what was written."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["code"] != code:
            return None
        return {"files": kept["files"], "keys": kept["keys"], "lines": restored(json.dumps(kept["lines"]))}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _judged_again(kept: dict | None, files: dict[str, str], plan: str) -> tuple[list[Verdict], dict]:
    """All claims in their order, and the identities of today's runs; what is still right is not judged."""
    if kept is not None:
        lines = _by_rows(kept, files, plan)
        if lines is not None:
            return lines, kept["keys"]
    from paperlib.claims import verdicts  # late: this imports torch

    if kept is None:
        return verdicts.judged(plan), verdicts.keys(plan)
    by_id = {line.id: line for line in kept["lines"]}
    for line in verdicts.judged(plan, kinds=RECORDED):
        by_id[line.id] = line
    return [by_id[line.id] for line in kept["lines"]], kept["keys"]


def _by_rows(kept: dict, files: dict[str, str], plan: str) -> list[Verdict] | None:
    """The kept claims, those on rows of changed tables judged again; None where other kinds must be, too."""
    changed = {name for name, _ in files.items() ^ kept["files"].items()}
    trained, register = Trained(SimpleNamespace(name=plan), kept["keys"]), {}
    for claim in claims():
        register[claim["id"]] = claim
    if any(name.partition("/")[0] in OF_OTHER_KINDS for name in changed):
        return None
    lines = []
    for line in kept["lines"]:
        moved = False
        for table in line.tables:
            moved = moved or _file_of(table, plan) in changed
        if moved:
            claim = register[line.id]
            if claim["judge"]["by"] != "rows":
                return None
            line = line_of(claim, on_rows(claim, trained), plan)
        lines.append(line)
    return with_q(lines)


def _file_of(table: str, plan: str) -> str:
    """A table's file of records as `of_records` names it."""
    return path_of(table, plan).relative_to(results_folder()).as_posix()


def of_code() -> str:
    """Digest of what verdicts follow from besides records: package, registers, versions, settings."""
    sha = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        sha.update(f"{name} {_version(name)}\n".encode())
    for name in sorted(os.environ):
        if name.startswith("PAPERLIB_"):
            sha.update(f"{name} {os.environ[name]}\n".encode())
    package = REPOSITORY / "paperlib"
    return _of_files(sha, [(package, "**/*.py"), (package, "**/*.toml"), (DATA, "*.toml"),
                           (DATA / "published", "*.toml"), (DATA / "claims", "*.*"),
                           (DATA / "claims" / "expected", "*.toml"),
                           (DATA / "results", "identities.json"), (weights_folder(), "*.safetensors")])


def of_records() -> dict[str, str]:
    """A digest of each file of records, {its name in the folder: digest}."""
    folder, digests = results_folder(), {}
    for file in sorted(folder.glob("**/*.jsonl")):
        digests[file.relative_to(folder).as_posix()] = file_digest(file)
    return digests


def _of_files(sha, patterns: list[tuple[Path, str]]) -> str:
    for folder, pattern in patterns:
        for file in sorted(folder.glob(pattern)):
            sha.update(f"{file} {file.stat().st_size}\n".encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


def _version(library: str) -> str:
    """The installed version; empty where the library has another name, as with conda."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _write(file: Path, content: dict) -> None:
    """Whole or not at all; where nothing can be written nothing is kept."""
    with suppress(OSError), written_whole(file, f".{os.getpid()}") as part:
        part.write_text(json.dumps(content), encoding="utf-8")
