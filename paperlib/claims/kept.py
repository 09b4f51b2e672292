"""The judged claims, kept beside the records as long as nothing that they follow from has changed.

Judging imports torch and torchvision, which takes most of its seconds; reading what is kept imports neither.
"""
import hashlib
import json
import os
import platform
import warnings
from importlib import metadata
from pathlib import Path

from paperlib.claims.tally import Verdict, export, restored
from paperlib.papers.register import claims
from paperlib.paths import DATA, REPOSITORY, results_folder, weights_folder

DRAWN = ("smoke", "mini")  # budgets whose sets are drawn: photographs on disk are not looked at here
RECORDED = ("trend", "ratio")  # kinds of claims that follow from records
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "opencv-contrib-python-headless", "pycocotools", "hotcoco")


def judged(plan: str) -> list[Verdict]:
    """`verdicts.judged(plan)`, computed anew only where code, registers, records, weights or versions have changed.

    Computed claims follow from no record: where only records have changed they are as they were.
    Errors: as `verdicts.judged`.
    """
    file, code = results_folder() / f".judged-{plan}.json", of_code()
    key, facts = f"{code} {of_records()}", []
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        lines = restored(json.dumps(kept["lines"]))
        if plan in DRAWN and kept["key"] == key:
            return lines
        if kept["key"].split()[0] == code:
            facts = [line for line in lines if line.kind not in RECORDED]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass  # nothing is kept, or not what was written: judge
    with warnings.catch_warnings(record=True) as notes:
        lines = _judged_beside(facts, plan)
    for note in notes:  # such as a torn record: to be said each time, so not kept
        warnings.warn_explicit(note.message, note.category, note.filename, note.lineno)
    if not notes and plan in DRAWN:
        _write(file, {"key": key, "lines": export(lines)})
    return lines


def _judged_beside(facts: list[Verdict], plan: str) -> list[Verdict]:
    """All claims in their order, those of `facts` as they are."""
    from paperlib.claims.verdicts import judged as judge  # late: this imports torch

    if not facts:
        return judge(plan)
    by_id = {line.id: line for line in [*facts, *judge(plan, kinds=RECORDED)]}
    return [by_id[claim["id"]] for claim in claims() if claim["id"] in by_id]


def of_code() -> str:
    """Digest of what verdicts follow from besides records: package, registers, versions, PAPERLIB_ settings."""
    sha = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        sha.update(f"{name} {_version(name)}\n".encode())
    for name in sorted(os.environ):
        if name.startswith("PAPERLIB_"):
            sha.update(f"{name} {os.environ[name]}\n".encode())
    package = REPOSITORY / "paperlib"
    return _of_files(sha, [(package, "**/*.py"), (package, "**/*.toml"), (DATA, "*.toml"),
                           (DATA / "published", "*.toml"), (DATA / "claims", "*.*"),
                           (DATA / "results", "identities.json"), (weights_folder(), "*.safetensors")])


def of_records() -> str:
    """Digest of all records."""
    return _of_files(hashlib.sha256(), [(results_folder(), "**/*.jsonl")])


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
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
