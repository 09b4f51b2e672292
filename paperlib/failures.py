"""What the command line says of an error: one line, and for one that nobody wrote also its kind and place."""

import linecache
import os
import traceback
from types import TracebackType

HERE = os.path.dirname(__file__)
EXPECTED = (ValueError, KeyError, OSError, FloatingPointError)  # kinds that bad input raises
UNEXPECTED_STATUS = 3          # of a command that met an error that nobody wrote


def message_of(error: BaseException) -> object:
    """What an error says: a KeyError without quotes, the system's word on a file behind the file's name."""
    if isinstance(error, KeyError) and error.args:
        return error.args[0]
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return error


def is_written(error: BaseException) -> bool:
    """Whether an error's message was written for a reader: by a line of ours, or by the system for a file.

    A library's ValueError, or the KeyError of a dictionary, is none: alone it would say next to nothing.
    What comes out of another process has lost its place, and is believed.
    """
    if not isinstance(error, EXPECTED):
        return False
    last = _last(error.__traceback__)
    is_remote = type(error.__cause__).__name__ == "_RemoteTraceback"
    if last is None or is_remote or (isinstance(error, OSError) and error.filename):
        return True
    file = last.tb_frame.f_code.co_filename
    return file.startswith(HERE) and _is_raise(file, last.tb_lineno)


def line_of(error: BaseException) -> str:
    """One line for an error: its message and, where nobody wrote that, its kind and place in our code."""
    text = " ".join(str(message_of(error)).split())
    if is_written(error):
        return text
    advice = "unexpected: please report it with what --debug prints"
    return f"{type(error).__name__} at {_place(error)}: {text or 'no message'} ({advice})"


def _last(trace: TracebackType | None) -> TracebackType | None:
    """The innermost place that a traceback names."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _is_raise(file: str, line: int) -> bool:
    return linecache.getline(file, line).lstrip().startswith("raise ")


def _place(error: BaseException) -> str:
    """The innermost line of this package that an error came through."""
    place = "an unknown place"
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(HERE):
            place = f"paperlib{frame.filename.removeprefix(HERE)}:{frame.lineno}"
    return place
