"""Progress bars, which a test or a script can switch off."""
import os
import sys

from tqdm.auto import tqdm

from paperlib.distributed import ranks


def progress(iterable=None, **kwargs) -> tqdm:
    """A tqdm bar for terminals and notebooks; silent if PAPERLIB_PROGRESS=0, and in ranks after the first."""
    kwargs.setdefault("leave", False)
    kwargs.setdefault("file", sys.stdout)
    silent = os.environ.get("PAPERLIB_PROGRESS") == "0" or ranks()[0] > 0
    return tqdm(iterable, disable=silent, **kwargs)
