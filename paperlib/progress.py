"""Progress bars, which a test or a script can switch off."""
import os
import sys

from tqdm.auto import tqdm


def progress(iterable=None, **kwargs) -> tqdm:
    """A tqdm bar for terminals and notebooks; silent if PAPERLIB_PROGRESS=0, and in ranks after the first."""
    kwargs.setdefault("leave", False)
    kwargs.setdefault("file", sys.stderr if _is_for_results(sys.stdout) else sys.stdout)
    silent = os.environ.get("PAPERLIB_PROGRESS") == "0" or _later_rank()
    return tqdm(iterable, disable=silent, **kwargs)


def _is_for_results(stream) -> bool:
    """Whether a command's output goes into a file or another program; a notebook's is a stream of its own."""
    return stream is sys.__stdout__ and not stream.isatty()


def _later_rank() -> bool:
    """Whether this process is not the first of several that train together; without torch none has joined."""
    if "torch" not in sys.modules:  # processes that draw need not wait for its import
        return False
    from paperlib.distributed import ranks

    return ranks()[0] > 0
