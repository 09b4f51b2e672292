"""What the course knows of a notebook besides its cells: data/course/<notebook>.toml, read and checked.

Hints and wrong answers of its exercises, questions with explained answers, and notes for whoever teaches it.
"""
import hashlib
from functools import cache
from pathlib import Path

import msgspec

from paperlib.paths import DATA

FOLDER = DATA / "course"


class Wrong(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An answer that learners give: its code, and what is wrong with it."""

    code: str
    why: str


class Exercise(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Notes on one exercise, by the name that its `check` has.

    `context` is code that stands in for what the notebook has computed before;
    `points` count in an assignment.
    """

    name: str
    hints: tuple[str, str]
    wrong: tuple[Wrong, Wrong, Wrong]
    context: str = ""
    points: int = 2


class Answer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One answer to choose, and why it is right or not."""

    say: str
    because: str
    right: bool = False


class Question(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A question with answers to choose from, or with a number as its answer.

    `reckon` is the number as Python would compute it; a test compares the two.
    """

    ask: str
    answers: tuple[Answer, ...] = ()
    value: float | None = None
    within: float = 0.0
    reckon: str = ""
    because: str = ""

    def __post_init__(self):
        right = sum(answer.right for answer in self.answers)
        if self.value is None and (len(self.answers) < 3 or right != 1):
            raise ValueError(f"question {self.ask!r} has {len(self.answers)} answers, {right} of them right; "
                             "expected three or more with one right, or a value")
        if self.value is not None and (self.answers or not self.because or not self.reckon):
            raise ValueError(f"question {self.ask!r} has a value; expected `reckon` and `because`, "
                             "and no answers")

    @property
    def choices(self) -> list[Answer]:
        """The answers in an order that depends on their words alone, so that the right one has no place."""
        return sorted(self.answers, key=lambda answer: hashlib.sha256(answer.say.encode()).digest())


class Moment(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a lecturer does at a section, named by its heading: minutes, what to ask, what to say."""

    at: str
    minutes: int
    say: str
    predict: str = ""


class Teaching(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Notes on a whole notebook: minutes at home, reading in the papers, moments in class."""

    home_minutes: int
    reading: str
    moments: tuple[Moment, ...]
    goes_wrong: str = ""


class CourseFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All notes on one notebook."""

    teaching: Teaching
    exercise: tuple[Exercise, ...] = ()
    question: tuple[Question, ...] = ()


def names() -> list[str]:
    """The notebooks that have notes."""
    return sorted(path.stem for path in FOLDER.glob("[0-9]*.toml"))


@cache
def read(name: str) -> CourseFile:
    """The notes on one notebook. Errors: ValueError naming the file and what is wrong in it."""
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        raise ValueError(f"no notes on a notebook {name!r} in data/course; there are {names()}")
    return decoded(path)


def decoded(path: Path) -> CourseFile:
    """The notes in a file. Errors: ValueError naming the file and what is wrong in it."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=CourseFile)
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from None


def exercise(name: str) -> Exercise | None:
    """The notes on an exercise, whichever notebook it stands in; None where there are none."""
    for notebook in names():
        for notes in read(notebook).exercise:
            if notes.name == name:
                return notes
    return None
