"""Seven object-detection papers, from R-CNN to RetinaNet, on one small set of parts."""
import re
from importlib import metadata

__version__ = "0.1.0"


def _check_torchvision() -> None:
    """Stop with one clear message where torch and torchvision were not built for each other.

    Reads installed metadata only, which is quick; imports torchvision, to be sure, where they disagree.
    Errors: ImportError naming both versions and the remedy.
    """
    remedy = "install them together: `make setup`, or `uv pip install --upgrade torch torchvision`"
    try:
        torch, vision = metadata.version("torch"), metadata.version("torchvision")
    except metadata.PackageNotFoundError as error:
        missing = f"paperlib needs torch and torchvision, and {error.name} is missing; {remedy}"
        raise ImportError(missing) from None
    requirements = "\n".join(metadata.requires("torchvision") or [])
    pinned = re.search(r"^torch\s*\(?==\s*([\d.]+)", requirements, re.MULTILINE)
    (release, _, build), vision_build = torch.partition("+"), vision.partition("+")[2]
    if build == vision_build and (pinned is None or pinned[1] == release):
        return
    try:
        import torchvision  # noqa: F401
    except (RuntimeError, ImportError, OSError) as error:
        unfit = f"torch {torch} and torchvision {vision} do not fit each other ({error}); {remedy}"
        raise ImportError(unfit) from None


_check_torchvision()
