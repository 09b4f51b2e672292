"""Notes on the notebooks: hints, wrong answers that must fail, right ones that must pass, questions that add up."""
import math
import re
from pathlib import Path

import pytest

from paperlib.course import exercise_cells, twins
from paperlib.teach import course_files, exercises

NOTED = course_files.names()
NOTEBOOKS = {name: twins.read_twin(name) for name in NOTED}
EXERCISES = [(name, cells) for name in NOTED for cells in exercise_cells.exercises(NOTEBOOKS[name])]
IDS = [f"{name} {cells.name}" for name, cells in EXERCISES]


@pytest.fixture(autouse=True)
def clean():
    exercises.results.clear()


def passes(notebook: str, cells, answer: str) -> bool:
    """Whether the check of an exercise accepts an answer, in a world of only what the exercise needs."""
    world = {"__name__": "exercise"}
    exec(exercise_cells.standalone(NOTEBOOKS[notebook], cells), world)
    exec(f"{cells.stub}\n{answer}", world)
    exec(cells.check, world)
    return exercises.results[cells.name]


def test_every_notebook_with_exercises_has_notes():
    assert len(NOTED) >= 11
    assert set(NOTED) <= set(twins.names())


@pytest.mark.parametrize("notebook, cells", EXERCISES, ids=IDS)
def test_the_solution_passes_and_wrong_answers_fail(notebook, cells, capsys):
    notes = course_files.exercise(cells.name)
    assert notes in course_files.read(notebook).exercise, f"no notes on the exercise {cells.name!r} of {notebook}"
    assert passes(notebook, cells, cells.solution), capsys.readouterr().out
    for wrong in notes.wrong:
        capsys.readouterr()
        accepted = passes(notebook, cells, wrong.code)
        printed = capsys.readouterr().out
        assert not accepted, f"passes, though {wrong.why}"
        assert "differs" in printed, f"{wrong.why}\n{printed}"  # wrong, not broken or empty


@pytest.mark.parametrize("notebook", NOTED)
def test_notes_fit_their_notebook(notebook):
    notes, source = course_files.read(notebook), NOTEBOOKS[notebook]
    named = [cells.name for cells in exercise_cells.exercises(source)]
    assert [note.name for note in notes.exercise] == named
    lines = "\n".join(cell.source for cell in source.cells).splitlines()
    headings = {line.removeprefix("## ") for line in lines if line.startswith("## ")}
    assert [moment.at for moment in notes.teaching.moments if moment.at not in headings] == []
    assert 8 <= len(notes.question) <= 10
    assert any(f'quiz("{notebook}")' in cell.source for cell in source.cells)


def test_names_of_exercises_are_unique():
    names = [cells.name for _, cells in EXERCISES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("notebook", NOTED)
def test_numbers_that_are_answers_can_be_reckoned(notebook):
    known = vars(math) | {"__builtins__": {}}
    for question in course_files.read(notebook).question:
        if question.value is not None:
            reckoned = eval(question.reckon, known)
            assert abs(reckoned - question.value) <= question.within, question.ask


@pytest.mark.parametrize("notebook", NOTED)
def test_sentences_are_short(notebook):
    for question in course_files.read(notebook).question:
        for text in (question.ask, question.because, *(answer.because for answer in question.answers)):
            for sentence in text.replace("?", ".").split(". "):
                assert len(sentence.split()) <= 30, sentence


def test_the_right_answer_has_no_place_of_its_own():
    places = [[answer.right for answer in question.choices].index(True) for notebook in NOTED
              for question in course_files.read(notebook).question if question.answers]
    shares = [places.count(place) / len(places) for place in range(3)]
    assert min(shares) > 0.2, shares


GUIDE = Path(course_files.FOLDER / "guide.md").read_text(encoding="utf-8")


def test_the_guide_has_the_minutes_and_numbers_of_every_notebook():
    row = re.compile(r"^\| \[\d\d [^|]*notebooks/(\w+)\.ipynb\)" + r" \| (\d+)" * 4 + r" \|$", re.MULTILINE)
    rows = row.findall(GUIDE)
    assert [name for name, *_ in rows] == NOTED
    for name, *numbers in rows:
        notes = course_files.read(name)
        minutes = sum(moment.minutes for moment in notes.teaching.moments)
        expected = [minutes, notes.teaching.home_minutes, len(notes.exercise), len(notes.question)]
        assert [int(number) for number in numbers] == expected, name


def test_the_points_of_the_assignments_add_up():
    rows = re.findall(r"^\| \d [A-Z][^|]*\| ([\d, ]+) \| (\d+) \|$", GUIDE, re.MULTILINE)
    assert len(rows) == 4
    for numbers, points in rows:
        names = [name for name in NOTED if name.split("_")[0] in numbers.split(", ")]
        assert int(points) == sum(note.points for name in names for note in course_files.read(name).exercise)
    assert f"together they have {sum(int(points) for _, points in rows)} points" in GUIDE
