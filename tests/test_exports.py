"""Copies for students, teachers and graders, decks, and questions as files of learning systems."""
import json
import re
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest

from paperlib.__main__ import main
from paperlib.course import assignments, exercise_cells, exports, question_files, slides, twins
from paperlib.teach import course_files, exercises, questions

NAME = "02_scoring"


@pytest.fixture(scope="module")
def stored():
    """The twin of a notebook with one picture and one answered prediction as outputs."""
    notebook = twins.read_twin(NAME)
    shows = [cell for cell in notebook.cells if cell.cell_type == "code" and "show(" in cell.source]
    shows[0].outputs = [nbformat.v4.new_output("display_data", data={"image/png": "iVBO"},
                                               metadata={"image/png": {"alt": "Two boxes"}})]
    asked = [cell for cell in notebook.cells if cell.source.startswith("reveal(")]
    asked[0].outputs = [nbformat.v4.new_output("stream", text="? How many?\n  Answer: 3\n  Because.\n")]
    return notebook


def text_of(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells)


def test_student_copies_have_stubs_and_no_solutions(stored):
    copy = exports.student(NAME, stored)
    text = text_of(copy)
    for cells in exercise_cells.exercises(stored):
        assert cells.stub in text and cells.check in text
        assert cells.solution.strip() not in text
    assert "<details>" not in text and not any(cell.get("outputs") for cell in copy.cells)
    assert "## In three lines" in text  # what stands beside a solution stays
    nbformat.validate(copy)


def test_instructor_copies_tell_what_to_ask_and_what_goes_wrong(stored):
    copy, notes = exports.instructor(NAME, stored), course_files.read(NAME)
    text = text_of(copy)
    for moment in notes.teaching.moments:
        heading = next(i for i, cell in enumerate(copy.cells) if f"## {moment.at}" in cell.source)
        assert moment.say in copy.cells[heading + 1].source
    for note in notes.exercise:
        for wrong in note.wrong:
            assert wrong.code.strip() in text
    for cells in exercise_cells.exercises(stored):
        assert text.index(cells.solution.strip()) < text.index(course_files.exercise(cells.name).wrong[0].code.strip())
    statement = "**3, implement.** The overlap that COCO uses"  # in the cell of the solution before it
    assert text.index(notes.exercise[0].wrong[2].code.strip()) < text.index(statement)
    assert any(cell.get("outputs") for cell in copy.cells)


@pytest.mark.parametrize("answer, score", [("right", 1), ("wrong", 0), ("left open", 0)])
def test_an_assignment_grades_itself(stored, answer, score, capsys):
    """As nbgrader does: solutions cut out or replaced, then every cell, counting the tests that pass."""
    copy = assignments.grader(NAME, stored)
    notes = {note.name: note for note in course_files.read(NAME).exercise}
    region = re.compile(r"### BEGIN SOLUTION.*### END SOLUTION", re.DOTALL)
    names = iter(notes)
    world, points, reached = {"__name__": "assignment"}, 0, 0
    exercises.results.clear()
    for cell in copy.cells:
        if cell.cell_type != "code":
            continue
        marks, code = cell.metadata["nbgrader"], cell.source
        if marks["solution"]:
            name = next(names)
            assert region.search(code)
            if answer == "left open":
                code = region.sub("raise NotImplementedError", code)
            elif answer == "wrong":
                code = notes[name].wrong[0].code
        if not marks["grade"]:
            exec(code, world)
            continue
        points += marks["points"]
        try:
            exec(code, world)
            reached += marks["points"]
        except AssertionError:
            pass
    assert points == sum(note.points for note in notes.values()) and reached == score * points


def test_marks_of_nbgrader_are_complete_and_hide_the_checks(stored):
    copy = assignments.grader(NAME, stored)
    nbformat.validate(copy)
    marks = [cell.metadata["nbgrader"] for cell in copy.cells if cell.cell_type == "code"]
    identities = [mark["grade_id"] for mark in marks]
    assert len(set(identities)) == len(identities) == 9
    for cell in copy.cells:
        if cell.cell_type == "code" and cell.metadata["nbgrader"]["grade"]:
            hidden = re.sub(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", "", cell.source, flags=re.DOTALL)
            assert hidden.strip() == ""


def test_the_source_for_otter_tests_each_answer_by_a_hidden_function(stored, capsys):
    copy = assignments.otter(NAME, stored)
    nbformat.validate(copy)
    raw = [cell.source for cell in copy.cells if cell.cell_type == "raw"]
    assert raw[0].startswith("# ASSIGNMENT CONFIG") and sum(text.startswith("# BEGIN QUESTION") for text in raw) == 3
    assert [text.split()[1] for text in raw[1:]].count("BEGIN") == [text.split()[1] for text in raw[1:]].count("END")
    tests = [cell.source for cell in copy.cells if cell.source.startswith("# HIDDEN\n")]
    for cells, test in zip(exercise_cells.exercises(stored), tests, strict=True):
        for answer, accepted in ((cells.solution, True), (course_files.exercise(cells.name).wrong[0].code, False)):
            world = {}
            exec(exercise_cells.standalone(stored, cells), world)
            exec(answer, world)
            alone = {}  # Otter calls the test outside of the learner's notebook
            exec(test, alone)
            (name,) = [name for name in alone if name.startswith("test_")]
            given = world[next(name for name in world if name.startswith("my_"))]
            try:
                alone[name](given)
                assert accepted, cells.name
            except AssertionError:
                assert not accepted, cells.name


def test_a_deck_has_sections_pictures_and_questions_with_notes(stored):
    shown = slides.deck(NAME, stored)
    notes = course_files.read(NAME)
    assert shown[0].title.startswith("02 ·") and len(shown) < 45
    assert sum(slide.title.startswith("Question ") for slide in shown) == len(notes.question)
    assert any('alt="Two boxes"' in slide.body for slide in shown)
    assert any("<p class=\"ask\">How many?</p>" in slide.body and "3 Because." in slide.body for slide in shown)
    assert any("<math" in slide.body for slide in shown)
    spoken = " ".join(" ".join(slide.notes) for slide in shown)
    for moment in notes.teaching.moments:
        assert questions.words(moment.say) in spoken
    assert not any("def my_" in slide.body for slide in shown)


def test_tags_show_and_hide_cells(stored):
    notebook = twins.clean(stored)
    picture = next(cell for cell in notebook.cells if cell.get("outputs"))
    before = [slide.body for slide in slides.deck(NAME, notebook)]
    picture.metadata["tags"] = ["no-slide"]
    after = [slide.body for slide in slides.deck(NAME, notebook)]
    assert any("Two boxes" in body for body in before) and not any("Two boxes" in body for body in after)


@pytest.mark.parametrize("notebook", course_files.names())
def test_jupyterquiz_reads_back(notebook):
    asked = course_files.read(notebook).question
    listed = json.loads(question_files.jupyterquiz(asked))
    assert [one["question"] for one in listed] == [question.ask for question in asked]
    for one, question in zip(listed, asked):
        if one["type"] == "multiple_choice":
            assert [answer["correct"] for answer in one["answers"]] == [answer.right for answer in question.choices]
            assert all(answer["feedback"] for answer in one["answers"])
        else:
            low, high = one["answers"][0]["range"]
            assert one["type"] == "numeric" and low < question.value < high


@pytest.mark.parametrize("notebook", course_files.names())
def test_moodle_reads_back(notebook):
    asked = course_files.read(notebook).question
    category, *elements = ElementTree.fromstring(question_files.moodle(notebook, asked).encode())
    assert category.get("type") == "category" and len(elements) == len(asked)
    for element, question in zip(elements, asked):
        assert element.findtext("questiontext/text") == questions.words(question.ask)
        fractions = [float(answer.get("fraction")) for answer in element.findall("answer")]
        assert sum(fractions) == 100 and all(answer.findtext("feedback/text") for answer in element.findall("answer"))
        if question.value is not None:
            assert element.get("type") == "numerical"
            assert float(element.findtext("answer/text")) == pytest.approx(question.value)
            assert float(element.findtext("answer/tolerance")) == pytest.approx(question.within)
        else:
            assert element.get("type") == "multichoice" and element.findtext("single") == "true"


def test_hints_and_quizzes_are_folded_html():
    page = questions.hints("nms")._repr_html_()
    assert page.count("<details>") == 2 and "open" not in page
    assert repr(questions.hints("nms")) == "Two hints for nms, folded."
    assert questions.words("`a<b` *and* 2 * 3 * 4") == "<code>a&lt;b</code> <em>and</em> 2 * 3 * 4"
    quiz = questions.quiz("05_faster_rcnn")._repr_html_()
    assert quiz.count("✓ Right.") == sum(q.value is None for q in course_files.read("05_faster_rcnn").question)
    with pytest.raises(ValueError, match="no hints for 'unheard'"):
        questions.hints("unheard")
    with pytest.raises(ValueError, match="no notes on a notebook '99'"):
        questions.quiz("99")


def test_a_check_that_fails_offers_hints(monkeypatch, capsys):
    offered = []
    monkeypatch.setattr(exercises, "display", offered.append)
    exercises.check("octaves", lambda low, high: 0, lambda low, high: 1, [(1, 2)])
    exercises.check("octaves", lambda low, high: 1, lambda low, high: 1, [(1, 2)])
    exercises.check("a name of one's own", lambda x: 0, lambda x: 1, [1])
    assert [repr(one) for one in offered] == ["Two hints for octaves, folded."]


@pytest.mark.parametrize("edit, says", [
    ('home_minutes = 60', "home_minutes"),
    ('right = true', "right"),
    ('value = 6', "value"),
    ('hints = [', "hint"),
])
def test_a_fault_in_a_course_file_is_named(edit, says, tmp_path):
    text = (course_files.FOLDER / "04_fast_rcnn.toml").read_text(encoding="utf-8")
    path = tmp_path / "04_fast_rcnn.toml"
    path.write_text(text.replace(edit, "wrong" + edit[edit.index(" "):], 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"04_fast_rcnn\.toml: "):
        course_files.decoded(path)


def test_the_command_writes_each_kind(tmp_path, capsys):
    assert main(["notebooks", "export", "questions", "00", "--out", str(tmp_path)]) == 0
    assert {path.name for path in (tmp_path / "questions").iterdir()} == {"00_start_here.json", "00_start_here.xml"}
    assert main(["notebooks", "export", "student", "00", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "student" / "00_start_here.ipynb").exists()
    assert main(["notebooks", "export", "slides", "00", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "slides" / "00_start_here_slides.html").read_text(encoding="utf-8")
    assert "https:" not in re.sub(r"<a [^>]*>", "", page) and page.count("<section") > 10
    assert main(["notebooks", "export", "posters", "--out", str(tmp_path)]) == 2
    assert "expected one of student, instructor, slides, grader, otter, questions" in capsys.readouterr().err
    assert main(["notebooks", "export", "Students", "00"]) == 2
    assert "got Students 00; did you mean 'student'?" in capsys.readouterr().err


def test_a_copy_that_somebody_worked_in_is_kept_beside_the_new_one(tmp_path):
    command = ["notebooks", "export", "student", "00", "--out", str(tmp_path)]
    path = tmp_path / "student" / "00_start_here.ipynb"
    for _ in range(2):
        assert main(command) == 0
    assert not path.with_name(f"{path.name}~").exists()    # nothing was changed, so nothing is kept
    worked_in = path.read_bytes().replace(b'"cells": [', b'"cells": [ ', 1)
    path.write_bytes(worked_in)
    assert main(command) == 0
    assert path.with_name(f"{path.name}~").read_bytes() == worked_in and path.read_bytes() != worked_in


def test_a_copy_that_was_stopped_half_way_leaves_the_one_before(stored, tmp_path, monkeypatch):
    path = tmp_path / "copy.ipynb"
    twins.write(exports.student(NAME, stored), path)
    before = path.read_bytes()

    def torn(self, text, **options):
        with open(self, "w", encoding="utf-8") as file:
            file.write(text[:100])
        raise KeyboardInterrupt
    monkeypatch.setattr(type(path), "write_text", torn)
    with pytest.raises(KeyboardInterrupt):
        twins.write(exports.instructor(NAME, stored), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_copy_that_is_no_text_any_more_is_written_anew(stored, tmp_path):
    path = tmp_path / "copy.ipynb"
    path.write_bytes("Übung".encode("latin-1"))
    assert twins.write(exports.student(NAME, stored), path) and twins.read(path).cells
