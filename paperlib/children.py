"""Processes that end with the one that started them, even if it is killed: no worker outlives its command."""
import multiprocessing
import os
import runpy
import sys
import threading
import time
from functools import cache

EVERY = 0.5  # seconds between two looks at the parent


@cache
def end_with_parent() -> None:
    """In a worker of joblib's own pool: end soon after the process that started it, even if that was killed.

    Elsewhere nothing happens: in the main process, on Windows, on a cluster (its workers have other parents).
    """
    parent = multiprocessing.parent_process()
    if os.name == "posix" and parent and multiprocessing.current_process().name.startswith("Loky"):
        watch(parent.pid)


def watch(parent: int) -> None:
    """End this process as soon as its parent is no longer the process `parent`."""
    threading.Thread(target=_wait, args=(parent,), daemon=True, name="watch the parent").start()


def _wait(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY)
    os._exit(1)  # at once: whatever it still does, nobody waits for it


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a Python module in a process that ends with this one."""
    return [sys.executable, "-m", __name__, str(os.getpid()), module, *arguments]


if __name__ == "__main__":
    if os.name == "posix":
        watch(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
