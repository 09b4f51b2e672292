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
from paperlib.paths import DATA, REPOSITORY, results_folder, weights_folder

DRAWN = ("smoke", "mini")  # budgets whose sets are drawn: photographs on disk are not looked at here
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "opencv-contrib-python-headless", "pycocotools", "hotcoco")


def judged(plan: str) -> list[Verdict]:
    """`verdicts.judged(plan)`, computed anew only where code, registers, records, weights or versions have changed.

    Errors: as `verdicts.judged`.
    """
    file, key = results_folder() / f".judged-{plan}.json", everything()
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if plan in DRAWN and kept["key"] == key:
            return restored(json.dumps(kept["lines"]))
    except (OSError, ValueError, LookupError, TypeError):
        pass  # nothing is kept, or not what was written: judge
    from paperlib.claims.verdicts import judged as judge  # late: this imports torch

    with warnings.catch_warnings(record=True) as notes:
        lines = judge(plan)
    for note in notes:  # such as a torn record: to be said each time, so not kept
        warnings.warn_explicit(note.message, note.category, note.filename, note.lineno)
    if not notes and plan in DRAWN:
        _write(file, {"key": key, "lines": export(lines)})
    return lines


def everything() -> str:
    """Digest of what verdicts follow from: package, registers, records, weights, versions, PAPERLIB_ settings."""
    sha = hashlib.sha256(platform.python_version().encode())
    for name in LIBRARIES:
        sha.update(f"{name} {_version(name)}\n".encode())
    for name in sorted(os.environ):
        if name.startswith("PAPERLIB_"):
            sha.update(f"{name} {os.environ[name]}\n".encode())
    for folder, pattern in ((REPOSITORY / "paperlib", "**/*.py"), (REPOSITORY / "paperlib", "**/*.toml"),
                            (DATA, "*.toml"), (DATA / "published", "*.toml"), (DATA / "claims", "*.*"),
                            (DATA / "results", "identities.json"), (results_folder(), "**/*.jsonl"),
                            (weights_folder(), "*.safetensors")):
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
