"""Exercises that check themselves: compare a function with its slow spec, and predict before you look.

An exercise is three cells: a code cell tagged `exercise` with a stub, a code cell that calls `check`, and a
markdown cell whose solution is a fenced python block folded into <details>. Nothing here raises on a wrong
answer, so a notebook runs from top to bottom before any exercise is solved. `results` holds the outcome by
name. Hints and questions are in data/course.
"""
import copy
import inspect
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from IPython.display import display

from paperlib.teach import course_files, questions
from paperlib.teach.arrays import as_array
from paperlib.teach.differences import difference

WIDTH = 96  # characters of a printed line: longer ones break in mid-word on a page
results: dict[str, bool] = {}
_guesses: dict[str, tuple[str, object]] = {}


def check(name: str, yours: Callable, spec: Callable, cases: Sequence, tolerance: float = 1e-5) -> None:
    """Print whether `yours` equals `spec` on every case, or the first case on which it does not.

    A case is a tuple of positional arguments, a dict of keyword arguments, or a single argument; each
    function gets a copy of it. Numbers agree within `tolerance`, absolute or relative; shapes, lengths and
    keys must be equal. Where the answer is not right yet, hints are offered, if the course has some.
    """
    results[name] = False
    results[name] = _agrees(name, yours, spec, cases, tolerance)
    if not results[name] and course_files.exercise(name):
        hint(name)


def hint(name: str) -> None:
    """Display the two hints of an exercise, folded. Errors: ValueError where the course has none."""
    display(questions.hints(name))


def quiz(notebook: str) -> None:
    """Display the questions of a notebook, such as "02_scoring"; each answer opens on its reason."""
    display(questions.quiz(notebook))


def _agrees(name: str, yours: Callable, spec: Callable, cases: Sequence, tolerance: float) -> bool:
    """Whether `yours` equals `spec` on every case; prints that, or the first case on which it does not."""
    if not callable(yours) or not len(cases):
        raise ValueError(
            f"check({name!r}) needs a function and at least one case; got {yours!r}, {len(cases)} cases")
    for i, case in enumerate(cases, 1):
        expected = _call(spec, case)
        try:
            got = _call(yours, case)
        except Exception as error:  # whatever a learner's code raises is shown, not thrown
            print(f"✗ {name}: case {i} of {len(cases)} stopped with {type(error).__name__}: {error}")
            print(f"  {_place(error, yours)}")
            _show_case(case, spec)
            return False
        if got is None or got is Ellipsis:
            print(f"… {name}: nothing returned yet. Fill in the function above and run both cells again.")
            return False
        if text := difference(got, expected, tolerance):
            print(f"✗ {name}: case {i} of {len(cases)} differs: {text}")
            _show_case(case, spec)
            print(f"  yours:    {_short(got)}\n  expected: {_short(expected)}")
            return False
    print(f"✓ {name}: equal to the spec on {len(cases)} cases")
    return True


def score() -> None:
    """Print how many of this notebook's checks pass, and which do not yet."""
    left = [name for name, passed in results.items() if not passed]
    line = f"{len(results) - len(left)} of {len(results)} exercises pass"
    if left:
        line += f"; left: {', '.join(left)}"
    print(line)


def predict(question: str, key: str, guess=None) -> None:
    """Ask `question` and keep `guess` under `key`, for `reveal` to compare; the learner edits the guess."""
    _guesses[key] = (question, guess)
    _say(question, "? ")
    if guess is None:
        print("  Write your guess as guess=... in this cell before you read on.")
    else:
        print(f"  Your guess: {_plain(guess)}")


def reveal(key: str, answer, because: str = "", within: float = 0.1) -> None:
    """Print the answer beside the guess; a number within the share `within` of the answer counts as right.

    Errors: KeyError when nothing was asked under `key`.
    """
    if key not in _guesses:
        raise KeyError(f"no prediction {key!r}; asked so far: {sorted(_guesses)}")
    question, guess = _guesses[key]
    _say(question, "? ")
    print(f"  Answer: {_plain(answer)}")
    if guess is not None:
        print(f"  Your guess: {_plain(guess)}, {_grade(guess, answer, within)}.")
    if because:
        _say(because, "  ")


def _say(text: str, first: str) -> None:
    """Print a sentence in lines that fit a page."""
    print(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=first, subsequent_indent="  "))


def _plain(value) -> str:
    """An answer as one would write it: words without quotes, thousands with a comma."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return _short(value)


def _place(error: Exception, yours: Callable) -> str:
    """The last line of the learner's own file that the error passed through."""
    file = getattr(getattr(yours, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    if last.filename == __file__:
        return "the check calls it with the arguments below"
    for frame in frames:
        if frame.filename == file:
            last = frame
    return f"in {last.name}, line {last.lineno}: {last.line}"


def _grade(guess, answer, within: float) -> str:
    """How near a guess is, in words."""
    if difference(guess, answer, tolerance=1e-9) == "":
        return "right"
    if difference(guess, answer, tolerance=within) == "":
        return f"within {within:.0%}"
    if isinstance(guess, (int, float)) and isinstance(answer, (int, float)) and guess and answer:
        factor = abs(guess / answer)
        if factor > 1:
            return f"too large, by a factor of {factor:.3g}"
        return f"too small, by a factor of {1 / factor:.3g}"
    return "not so"


def _call(function: Callable, case):
    case = copy.deepcopy(case)
    if isinstance(case, Mapping):
        return function(**case)
    if isinstance(case, tuple):
        return function(*case)
    return function(case)


def _show_case(case, spec: Callable) -> None:
    """Print the arguments of a case by their names in the spec."""
    if not isinstance(case, Mapping):
        values = case if isinstance(case, tuple) else (case,)
        case = dict(zip(inspect.signature(spec).parameters, values))
    for name, value in case.items():
        print(f"  {name} = {_short(value)}")


def _short(value) -> str:
    """A value on one line, rounded and cut, so that two can be compared by eye."""
    try:
        return _in_one_line(value)
    except Exception as error:  # a learner's value may be anything
        return f"{type(value).__name__}, which cannot be printed: {error}"


def _in_one_line(value) -> str:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = as_array(value)
        text = np.array2string(
            array, precision=4, threshold=40, edgeitems=4, separator=", ", suppress_small=True)
        return f"{' '.join(text.split())}  shape {tuple(array.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = repr(value)
    if len(text) > 200:
        return text[:197] + "..."
    return text
