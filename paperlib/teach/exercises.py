"""Exercises that check themselves: compare a function with its slow spec, and predict before you look.

An exercise is three cells: a code cell tagged `exercise` with a stub, a code cell that calls `check`, and a markdown
cell whose solution is a fenced python block folded into <details>. Nothing here raises on a wrong answer, so a notebook
runs from top to bottom before any exercise is solved. `results` holds the outcome by name.
"""
import copy
import inspect
import math
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

WIDTH = 96  # characters of a printed line: longer ones break in mid-word on a page
results: dict[str, bool] = {}
_guesses: dict[str, tuple[str, object]] = {}


def check(name: str, yours: Callable, spec: Callable, cases: Sequence, tolerance: float = 1e-5) -> None:
    """Print whether `yours` equals `spec` on every case, or the first case on which it does not.

    A case is a tuple of positional arguments, a dict of keyword arguments, or a single argument; each function gets its
    own copy. Numbers agree within `tolerance`, absolute or relative; shapes, lengths and keys must be equal.
    """
    results[name] = False
    if not callable(yours) or not len(cases):
        raise ValueError(f"check({name!r}) needs a function and at least one case; got {yours!r}, {len(cases)} cases")
    for i, case in enumerate(cases, 1):
        expected = _call(spec, case)
        try:
            got = _call(yours, case)
        except Exception as error:  # whatever a learner's code raises is shown, not thrown
            print(f"✗ {name}: case {i} of {len(cases)} stopped with {type(error).__name__}: {error}")
            print(f"  {_place(error, yours)}")
            return _show_case(case, spec)
        if got is None or got is Ellipsis:
            print(f"… {name}: nothing returned yet. Fill in the function above and run both cells again.")
            return None
        if difference := _difference(got, expected, tolerance):
            print(f"✗ {name}: case {i} of {len(cases)} differs: {difference}")
            _show_case(case, spec)
            print(f"  yours:    {_short(got)}\n  expected: {_short(expected)}")
            return None
    results[name] = True
    print(f"✓ {name}: equal to the spec on {len(cases)} cases")


def score() -> None:
    """Print how many of this notebook's checks pass, and which do not yet."""
    left = [name for name, passed in results.items() if not passed]
    print(f"{len(results) - len(left)} of {len(results)} exercises pass" + f"; left: {', '.join(left)}" * bool(left))


def predict(question: str, key: str, guess=None) -> None:
    """Ask `question` and remember `guess` under `key`, for `reveal` to compare; the learner edits the guess."""
    _guesses[key] = (question, guess)
    _say(question, "? ")
    print("  Write your guess as guess=... in this cell before you read on." if guess is None
          else f"  Your guess: {_plain(guess)}")


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
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _short(value)


def _place(error: Exception, yours: Callable) -> str:
    """The last line of the learner's own file that the error passed through."""
    file = getattr(getattr(yours, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or [frames[-1]]
    return f"in {own[-1].name}, line {own[-1].lineno}: {own[-1].line}"


def _grade(guess, answer, within: float) -> str:
    if _difference(guess, answer, tolerance=within) == "":
        return "right" if _difference(guess, answer, tolerance=1e-9) == "" else f"within {within:.0%}"
    if isinstance(guess, (int, float)) and isinstance(answer, (int, float)) and guess and answer:
        factor = abs(guess / answer)
        return f"too {'large' if factor > 1 else 'small'}, by a factor of {max(factor, 1 / factor):.3g}"
    return "not so"


def _call(function: Callable, case):
    case = copy.deepcopy(case)
    if isinstance(case, Mapping):
        return function(**case)
    return function(*case) if isinstance(case, tuple) else function(case)


def _difference(got, expected, tolerance: float) -> str:
    """How two values differ, in words; empty when they agree."""
    if isinstance(expected, (torch.Tensor, np.ndarray)):
        return _array_difference(got, expected, tolerance)
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            return f"expected a dict with keys {sorted(map(str, expected))}"
        parts = ((f"[{key!r}]", got[key], expected[key]) for key in expected)
    elif isinstance(expected, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            return f"expected {len(expected)} items, got {len(got) if hasattr(got, '__len__') else type(got).__name__}"
        parts = ((f"[{i}]", a, b) for i, (a, b) in enumerate(zip(got, expected)))
    elif isinstance(expected, (int, float, np.number)) and not isinstance(expected, bool):
        try:
            got = float(got)
        except (TypeError, ValueError, RuntimeError):
            return f"expected a number, got {type(got).__name__}"
        same = math.isclose(got, expected, rel_tol=tolerance, abs_tol=min(tolerance, 1e-5))
        return "" if same or (math.isnan(got) and math.isnan(expected)) else "the values are not the same"
    else:
        return "" if np.shape(got) == () and bool(got == expected) else "the values are not the same"
    return next((where + " " + text for where, a, b in parts if (text := _difference(a, b, tolerance))), "")


def _array_difference(got, expected, tolerance: float) -> str:
    kind = "tensor" if isinstance(expected, torch.Tensor) else "array"
    if not isinstance(got, (torch.Tensor, np.ndarray)):
        return f"expected a {kind}, got {type(got).__name__}"
    got, expected = (np.asarray(v.detach().cpu() if hasattr(v, "detach") else v) for v in (got, expected))
    if got.shape != expected.shape:
        return f"expected shape {expected.shape}, got {got.shape}"
    close = np.isclose(got.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)
    if close.all():
        return ""
    where = ", ".join(map(str, np.argwhere(~close)[0])) if close.ndim else ""
    return f"{int((~close).sum())} of {close.size} entries, the first at [{where}]"


def _show_case(case, spec: Callable) -> None:
    given = case if isinstance(case, tuple) else (case,)
    named = case.items() if isinstance(case, Mapping) else zip(inspect.signature(spec).parameters, given)
    for name, value in named:
        print(f"  {name} = {_short(value)}")


def _short(value) -> str:
    """A value on one line, rounded and cut, so that two can be compared by eye."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        text = np.array2string(array, precision=4, threshold=40, edgeitems=4, separator=", ", suppress_small=True)
        return f"{' '.join(text.split())}  shape {tuple(array.shape)}"
    text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
