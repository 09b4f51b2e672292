"""Checkpoints: the state of a run on disk, written whole or not at all, also when the run is left early."""
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from paperlib.distributed import ranks
from paperlib.paths import written_whole
from paperlib.training.weights import check_tensors

MINUTE = 60.0  # seconds after which what was done is written, however many steps it is


class Checkpoint:
    """The file that a run can go on from; without `path` nothing is written or read.

    It is written every `every` steps, every minute, at step `last`, and by `fit` when it is left early.
    Under `torchrun` the first process writes for all.
    """

    def __init__(self, path: Path | None, identity: dict, system: nn.Module, optimiser, every: int,
                 last: int):
        self.path, self.identity = path and Path(path), identity
        self.system, self.optimiser = system, optimiser
        self.every, self.last = every, last
        self.history, self.written, self.whole, self.clock = [], 0, True, time.monotonic()

    def resume(self, device: torch.device) -> list[dict]:
        """Load the file, if there is one, into system and optimiser; the records of its iterations.

        Errors: ValueError for a file that is no checkpoint, and for one of another run.
        """
        if self.path and self.path.exists():
            self.history = _read(self.path, self.system, self.optimiser, self.identity, device)
        self.written = len(self.history)
        return list(self.history)

    @contextmanager
    def step(self) -> Iterator[None]:
        """The block is one iteration: an interrupt waits for its end, a failure leaves no state to keep."""
        self.whole = False
        with uninterrupted():
            yield
            self.whole = True

    def write_if_due(self) -> None:
        """To be called after each step."""
        done = len(self.history)
        if done % self.every == 0 or done == self.last or time.monotonic() - self.clock > MINUTE:
            self.write()

    def write(self) -> None:
        """Write the state as it is, unless the file has it already."""
        if self.path and ranks()[0] == 0 and self.whole and len(self.history) > self.written:
            state = {"identity": self.identity, "history": self.history, "model": self.system.state_dict(),
                     "optimiser": self.optimiser.state_dict()}
            with written_whole(self.path) as part:
                torch.save(state, part)
            self.written, self.clock = len(self.history), time.monotonic()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C until the block is done; a second one is not held back."""
    before, came = signal.getsignal(signal.SIGINT), []
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def hold(number, frame):
        if came:
            before(number, frame)
        came.append(number)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(signal.SIGINT, None)


def steps_in(path: Path) -> int:
    """How many steps a checkpoint holds; 0 where there is none that can be read."""
    try:
        return len(torch.load(path, weights_only=True, mmap=True)["history"])
    except Exception:  # whatever a foreign file makes torch.load raise; `Checkpoint.resume` says what it is
        return 0


def _read(path: Path, system: nn.Module, optimiser, identity: dict, device) -> list[dict]:
    advice = "delete it to start afresh"
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError("parts are missing")
        stored, history = state["identity"], state["history"]
        json.dumps([stored, history])  # plain values, which can be compared
        counted = [record["step"] for record in history] == list(range(len(history)))
        complete = all({"loss", "seconds"} <= record.keys() for record in history)
        if not (counted and complete and isinstance(stored, dict) and {"model", "optimiser"} <= state.keys()):
            raise TypeError("parts are missing")
    except Exception as error:  # whatever a foreign file makes torch.load raise; it runs no code of the file
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ValueError(f"{path}: not a readable checkpoint of paperlib ({why}); {advice}") from None
    for key, want in identity.items():
        if stored.get(key) != want:
            difference = _difference(stored.get(key), want)
            raise ValueError(f"{path}: checkpoint of another run: its {key} is {difference}; "
                             "delete it or choose another folder")
    try:
        check_tensors(path, system, state["model"])
    except ValueError as error:
        raise ValueError(f"{error}; {advice}") from None
    system.load_state_dict(state["model"])
    if not _fill(optimiser, state["optimiser"]):
        raise ValueError(f"{path}: the optimiser's state does not fit the model; {advice}")
    return history


def _fill(optimiser, state: dict) -> bool:
    """Load an optimiser's state; False if it is that of other parameters."""
    try:
        optimiser.load_state_dict(state)
        for parameter, kept in optimiser.state.items():
            for value in kept.values():
                if value is not None and not _fits(value, parameter):
                    return False
        return True
    except Exception:  # whatever a foreign state makes of it
        return False


def _fits(value: torch.Tensor, parameter: torch.Tensor) -> bool:
    return value.shape in (parameter.shape, ()) and bool(torch.isfinite(value).all())


def _difference(stored, want, path: tuple[str, ...] = ()) -> str:
    """The first leaf at which two nested dictionaries differ, in words."""
    if isinstance(stored, dict) and isinstance(want, dict):
        for key in want:
            if stored.get(key) != want[key]:
                return _difference(stored.get(key), want[key], (*path, key))
    name = f"{'.'.join(path)} = " if path else ""
    return f"{name}{stored!r}, expected {want!r}"
