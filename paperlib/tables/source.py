"""Whether the code that decides numbers has changed since a record was made: a note, never a verdict."""

import ast
import hashlib
import platform
from functools import cache
from pathlib import Path

from paperlib.paths import REPOSITORY

ROOMS = ("parts", "systems", "training", "scoring")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def source_digest(package: Path = REPOSITORY / "paperlib") -> str:
    """Digest of the source of ROOMS; comments, docstrings and layout do not count."""
    sha = hashlib.sha256()
    for room in ROOMS:
        for file in sorted((package / room).rglob("*.py")):
            sha.update(f"{file.relative_to(package).as_posix()}\n{_code(file)}\n".encode())
    return sha.hexdigest()[:12]


def _code(file: Path) -> str:
    """A module's code as Python writes it back, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def changed_since(record: dict) -> bool:
    """Whether a record was made by other source than today's.

    Early records do not say which, and count as not changed.
    Another release of Python may write the same code in another way, so its digests are not compared.
    """
    made_by = record["provenance"]
    if "source" not in made_by or _release(made_by.get("python", "")) != _release(platform.python_version()):
        return False
    return made_by["source"] != source_digest()


def _release(version: str) -> list[str]:
    """["3", "11"] of "3.11.7"."""
    return version.split(".")[:2]
