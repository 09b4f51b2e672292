"""Progress bars, which a test or a script can switch off."""
import os
import sys

from tqdm.auto import tqdm


def progress(iterable=None, **kwargs) -> tqdm:
    """A tqdm bar for terminals and notebooks; silent if PAPERLIB_PROGRESS=0, and in ranks after the first."""
    kwargs.setdefault("leave", False)
    kwargs.setdefault("file", sys.stdout)
    # torchrun tells each rank its number; to ask torch would cost every process that draws its import
    silent = os.environ.get("PAPERLIB_PROGRESS") == "0" or int(os.environ.get("RANK", "0")) > 0
    return tqdm(iterable, disable=silent, **kwargs)
