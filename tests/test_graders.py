"""One assignment through nbgrader and Otter themselves, on a right and a wrong answer: PAPERLIB_GRADERS=1 asks for it.

They are installed for the test alone, into an environment of their own that also sees this one's packages;
`test_exports.py` imitates them without any of this.
"""
import ast
import json
import os
import re
import shutil
import site
import subprocess
import sys

import nbformat
import pytest

from paperlib.course import assignments, exercise_cells, twins
from paperlib.paths import REPOSITORY
from paperlib.teach import course_files

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not os.environ.get("PAPERLIB_GRADERS"),
    reason="PAPERLIB_GRADERS=1 installs nbgrader and Otter from the package index and grades with them")]
NAME, STUDENTS = "02_scoring", ("right", "wrong")
READ = """
import json, sys
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({one.student.id: [one.score, one.max_score] for one in book.assignment_submissions(sys.argv[1])}))
"""


@pytest.fixture(scope="module")
def graders(tmp_path_factory):
    """run(folder, *words): a program of the environment with both graders; its output."""
    home = tmp_path_factory.mktemp("graders")
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, home / "venv"], check=True)
    bin_ = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", bin_ / "python", "nbgrader>=0.9", "otter-grader>=7"],
                   check=True)
    packages = subprocess.run([bin_ / "python", "-c", "import site; print(site.getsitepackages()[0])"], check=True,
                              capture_output=True, text=True).stdout.strip()
    seen = "\n".join([*site.getsitepackages(), str(REPOSITORY)])
    with open(os.path.join(packages, "course.pth"), "w", encoding="utf-8") as file:
        file.write(seen)
    env = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "PAPERLIB_PROGRESS": "0",
           **{f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}}
    env.pop("PYTHONPATH", None)

    def run(folder, *words):
        done = subprocess.run([bin_ / words[0], *map(str, words[1:])], cwd=folder, env=env, capture_output=True,
                              text=True, timeout=900)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout
    return run


@pytest.fixture(scope="module")
def source():
    return twins.read_twin(NAME)


def answers(source, student: str) -> dict[str, str]:
    """The code that a student hands in for each function of the assignment."""
    handed_in = {}
    for cells in exercise_cells.exercises(source):
        code = cells.solution if student == "right" else course_files.exercise(cells.name).wrong[0].code
        handed_in[ast.parse(cells.stub).body[-1].name] = code
    return handed_in


def hand_in(notebook, handed_in: dict[str, str]):
    """A copy of what a student was given, with the functions filled in: as many as there are answers."""
    filled = 0
    for cell in notebook.cells:
        match = re.search(r"^def (my_\w+)\(", cell.source, re.MULTILINE)
        if cell.cell_type == "code" and match:
            cell.source, filled = handed_in[match[1]], filled + 1
    assert filled == len(handed_in)
    return notebook


def points(source) -> int:
    return sum(course_files.exercise(cells.name).points for cells in exercise_cells.exercises(source))


def test_nbgrader_gives_all_points_to_the_right_answer_and_none_to_the_wrong_one(graders, source, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'course'\n")
    (tmp_path / f"source/{NAME}").mkdir(parents=True)
    nbformat.write(assignments.grader(NAME, source), tmp_path / f"source/{NAME}/{NAME}.ipynb")
    graders(tmp_path, "nbgrader", "generate_assignment", NAME)
    given = tmp_path / f"release/{NAME}/{NAME}.ipynb"
    text = given.read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text
    for student in STUDENTS:
        (tmp_path / f"submitted/{student}/{NAME}").mkdir(parents=True)
        answer = hand_in(nbformat.read(given, 4), answers(source, student))
        nbformat.write(answer, tmp_path / f"submitted/{student}/{NAME}/{NAME}.ipynb")
    graders(tmp_path, "nbgrader", "autograde", NAME, "--create")
    graded = json.loads(graders(tmp_path, "python", "-c", READ, NAME))
    assert graded == {"right": [points(source)] * 2, "wrong": [0, points(source)]}


def test_otter_gives_all_points_to_the_right_answer_and_none_to_the_wrong_one(graders, source, tmp_path):
    nbformat.write(assignments.otter(NAME, source), tmp_path / f"{NAME}.ipynb")
    graders(tmp_path, "otter", "assign", f"{NAME}.ipynb", "dist", "--no-run-tests", "--no-pdfs")
    given = tmp_path / f"dist/student/{NAME}.ipynb"
    assert "BEGIN SOLUTION" not in given.read_text(encoding="utf-8")
    (autograder,) = (tmp_path / "dist/autograder").glob("*.zip")
    for student, reached in zip(STUDENTS, (points(source), 0)):
        (tmp_path / student).mkdir()
        answer = hand_in(nbformat.read(given, 4), answers(source, student))
        nbformat.write(answer, tmp_path / student / f"{NAME}.ipynb")
        graders(tmp_path / student, "otter", "run", "-a", autograder, f"{NAME}.ipynb")
        results = json.loads((tmp_path / student / "results.json").read_text(encoding="utf-8"))
        assert sum(test["score"] for test in results["tests"] if "score" in test) == reached
