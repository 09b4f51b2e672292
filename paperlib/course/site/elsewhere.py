"""Where else a notebook can be opened: on Colab and Kaggle, once the repository has an address."""
import os
import re
import subprocess

from paperlib.paths import REPOSITORY

GITHUB = re.compile(r"github\.com[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?$")


def repository() -> str | None:
    """The repository as "owner/name", from PAPERLIB_REPOSITORY or origin; None if it is not on GitHub."""
    address = os.environ.get("PAPERLIB_REPOSITORY") or _origin()
    match = GITHUB.search(address)
    if not match:
        return None
    return f"{match['owner']}/{match['name']}"


def _origin() -> str:
    try:
        command = ["git", "remote", "get-url", "origin"]
        asked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # no git, as in a copy from an archive
        return ""
    return asked.stdout.strip()


def colab(name: str, place: str | None) -> str | None:
    """The address that opens a notebook of repository `place` on Colab; None where it has no place."""
    if place is None:
        return None
    return f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}.ipynb"


def kaggle(name: str, place: str | None) -> tuple[str, str] | None:
    """(the address that opens a notebook on Kaggle, the lines that its first cell needs there); None: no place.

    Kaggle knows no repository behind a notebook, and its sessions begin without a network.
    """
    if place is None:
        return None
    home = f"https://github.com/{place}"
    lines = (f"!git clone -q --depth 1 {home} course\n%pip install -q pycocotools safetensors\n"
             "%cd -q course/notebooks\nimport sys; sys.path.insert(0, \"..\")")
    return f"https://www.kaggle.com/kernels/welcome?src={home}/blob/main/notebooks/{name}.ipynb", lines
