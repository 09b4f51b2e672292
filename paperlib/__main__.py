"""The command line: `python -m paperlib COMMAND`, also installed as `paperlib`."""

import os
import signal
import sys
import traceback
import warnings

from paperlib import failures
from paperlib.commands.arguments import parser

USUAL = warnings.formatwarning
HERE = os.path.dirname(__file__)


def main(argv: list[str] | None = None) -> int:
    """Run one command. Bad input ends with one line on stderr and exit status 2; an interrupt with 130.

    An error that nobody foresaw is one line as well, with its kind and place, and status 3; `--debug` shows
    the whole traceback of either.
    """
    _speak_plainly()
    if argv is None:
        _end_as_by_ctrl_c()
    args = parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except KeyboardInterrupt as stop:  # a command that keeps something says where
        print("; ".join(["interrupted", *map(str, stop.args)]), file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"paperlib: {failures.line_of(error)}", file=sys.stderr)
        return 2 if failures.is_written(error) else failures.UNEXPECTED_STATUS


def _speak_plainly() -> None:
    """Our own warnings in one line; characters that a terminal or file cannot show are escaped."""
    warnings.formatwarning = _note
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _end_as_by_ctrl_c() -> None:
    """What `kill`, a cluster or a container sends, and a terminal that closes, loses no more than Ctrl-C.

    Not under `torchrun`: a process that waits for the others answers to no signal but the usual one.
    """
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        number = getattr(signal, name, None)
        if number and "RANK" not in os.environ and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number, frame) -> None:
    at_ctrl_c = signal.getsignal(signal.SIGINT)
    if not callable(at_ctrl_c):  # ignored by a script's background jobs
        raise KeyboardInterrupt
    at_ctrl_c(signal.SIGINT, frame)


def _note(message, category, filename, *rest, **more) -> str:
    if filename.startswith(HERE):
        return f"paperlib: note: {message}\n"
    return USUAL(message, category, filename, *rest, **more)


if __name__ == "__main__":
    sys.exit(main())
