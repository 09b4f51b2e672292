"""The house: dependencies in step, files within their limits, floors that only point down, commands that exist."""
import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from paperlib.commands.arguments import NOTEBOOKS
from paperlib.course import readme_sections, twins
from paperlib.course.commands import COMMANDS

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "opencv-contrib-python-headless": "opencv"}
NOT_IN_CONDA = {"hotcoco", "ziamath"}  # paperlib works without
SELF_EVIDENT = ("sketches/", "computed", "timed", "scenes", "backgrounds")  # many functions named for what they make
LISTS = ("_parser",)  # functions that are one long list: the command line's arguments
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
ORDER, CIRCLES = "Rooms: imports only point down this list", "No circle among modules or folders, late imports counted"
MODULES = sorted((ROOT / "paperlib").rglob("*.py"))
SMALL, FUNCTION, FORWARD, FOLDER, LARGEST = 220, 40, 25, 16, 2_000_000


def dependencies() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {canonicalize_name(r.name): r for r in map(Requirement, project["dependencies"])}


def locked() -> dict[str, list[tuple[str, int]]]:
    """{name: [(version, number of hashes)]} of the lock file."""
    found = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8")):
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", block):
            found.setdefault(canonicalize_name(match[1]), []).append((match[2], block.count("--hash=sha256:")))
    return found


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_lock_satisfies_the_project_with_a_hash_for_every_package():
    lock = locked()
    for name, requirement in dependencies().items():
        assert name in lock, f"{name} is not locked: make lock"
        assert any(requirement.specifier.contains(version) for version, _ in lock[name]), f"{requirement}: {lock[name]}"
    assert all(hashes for versions in lock.values() for _, hashes in versions)


def test_lock_names_no_registry():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text and "index-url" not in text and "find-links" not in text


def test_conda_environment_is_in_step_with_the_project():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    needed = {name: r for name, r in dependencies().items() if name not in NOT_IN_CONDA}
    ours = {CONDA_NAMES.get(name, name) + str(r.specifier) for name, r in needed.items()}
    assert set(conda) - {"python>=3.11", "pip"} == ours


def test_make_targets_and_the_modules_that_they_call_exist():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert targets >= {"setup", "notebooks", "test", "lab", "tables", "bench", "site", "clean"}
    assert set(re.findall(r"paperlib notebooks (\w+)", text)) <= set(NOTEBOOKS) == set(COMMANDS)


def test_files_beside_the_modules_are_installed_with_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["paperlib"]
    kinds = {path.suffix for path in (ROOT / "paperlib").rglob("*") if path.is_file()} - {".py", ".pyc"}
    assert kinds == {pattern.removeprefix("**/*") for pattern in patterns}


def test_ci_runs_the_tests_and_then_the_notebooks_quickly():
    script = ROOT / ".ci" / "run"
    calls = re.findall(r"^(?:timeout .* \d+ )?(make .+)", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert calls == ["make setup", "make test", "make notebooks BUDGET=smoke",
                     "make test-browser NOTEBOOKS=00_start_here"]
    assert os.name == "nt" or os.access(script, os.X_OK)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = [step.get("run") for step in workflow["jobs"]["locked"]["steps"]]
    assert "make test" in steps and "make notebooks BUDGET=smoke" in steps


@pytest.mark.slow
def test_readme_list_of_notebooks_is_current():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for made in (readme_sections.README_LIST, readme_sections.README_CLAIMS):
        assert made.search(text), f"README.md lost the markers {made.pattern}"
    assert readme_sections.filled_readme(text) == text, "run: paperlib notebooks readme"


def test_the_badges_say_what_the_files_behind_them_say():
    said = {}
    for file in (ROOT / "data/badges").glob("*.svg"):
        said[file.stem] = ElementTree.parse(file).getroot().get("aria-label").partition(": ")[2]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    systems = {"Linux": "ubuntu-", "macOS": "macos-", "Windows": "windows-"}
    assert said["ci"] == ", ".join(name for name, runner in systems.items() if runner in workflow)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert said["python"] == project["requires-python"].replace(">=", "≥ ") and said["licence"] == project["license"]
    assert (ROOT / said["cite"]).is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\(data/badges/(\w+)\.svg\)", readme)) == set(said)


def test_links_in_the_documents_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{name} links to {target}"


def test_the_map_names_every_room_from_the_ground_up():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = {folder.parent.name for folder in (ROOT / "paperlib").glob("*/__init__.py")}
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where things are")[2]
    lines = dict(re.findall(r"^\| `([\w/*.]+)` \| (.+) \|$", text.partition("\n## ")[0], re.MULTILINE))
    named = [name for name in lines if name in rooms]
    assert set(lines) - {"paperlib/*.py"} == rooms
    assert named == [layer for line in reversed(layers) for layer in line.split(" | ") if layer in rooms]
    top = {path.stem for path in (ROOT / "paperlib").glob("*.py")} - {"__init__"}
    assert {name for name in top if f"`{name}`" not in lines["paperlib/*.py"]} == set()


def test_the_files_that_the_guide_sends_to_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## To change X")[2].partition("\n## ")[0]
    paths = {path for path in re.findall(r"`([\w/]+\.(?:py|toml))`", text) if "NN" not in path and "15_" not in path}
    assert len(paths) > 12
    where = [ROOT, ROOT / "paperlib", ROOT / "paperlib" / "data", ROOT / "paperlib" / "claims" / "fast_rcnn"]
    assert [path for path in paths if not any((folder / path).is_file() for folder in where)] == []


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    """Check the contracts of `pyproject.toml` on the package in `folder`."""
    env = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-c", LINT_IMPORTS], cwd=folder, env=env, capture_output=True,
                          encoding="utf-8", errors="replace")


def test_imports_point_down_and_never_round_in_circles():
    """The contracts of `pyproject.toml`: the order of the rooms, and no circle, late imports counted."""
    done = lint_imports(ROOT)
    assert done.returncode == 0 and "2 kept, 0 broken" in done.stdout, done.stdout


@pytest.mark.parametrize("path, line, broken", [
    ("parts/boxes.py", "from paperlib.papers import names", {ORDER}),
    ("parts/boxes.py", "def late():\n    from paperlib.papers import names", {ORDER}),
    ("parts/boxes.py", "from paperlib.parts import heads\nfrom paperlib.parts import planted", {CIRCLES}),
    ("parts/boxes.py", "def late():\n    from paperlib.parts import planted", {CIRCLES}),
    ("tables/planted.py", "from paperlib.claims import planted", {ORDER, CIRCLES}),
    ("a_new_room/__init__.py", "", {ORDER}),
], ids=["upward", "late upward", "circle", "late circle", "circle of folders", "a room without a place"])
def test_a_planted_import_breaks_its_contract(tmp_path, path, line, broken):
    shutil.copytree(ROOT / "paperlib", tmp_path / "paperlib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "paperlib" / "parts" / "planted.py").write_text("from paperlib.parts import boxes\n")
    (tmp_path / "paperlib" / "claims" / "planted.py").write_text("from paperlib.tables import planted\n")
    (tmp_path / "paperlib" / "tables" / "planted.py").write_text("")
    changed = tmp_path / "paperlib" / path
    changed.parent.mkdir(exist_ok=True)
    with changed.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert {contract for contract in (ORDER, CIRCLES) if f"{contract} BROKEN" in done.stdout} == broken, done.stdout


BRANCHES = "def f(a):\n" + "    if a:\n        a = g(a)\n" * 12
ARGUMENTS = f"def f({', '.join(f'a{i}' for i in range(11))}):\n    pass\n"


@pytest.mark.parametrize("code, rule", [(BRANCHES, "C901"), (ARGUMENTS, "PLR0913")], ids=["branches", "arguments"])
def test_a_planted_tangle_is_seen_by_ruff(code, rule):
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", "paperlib/planted.py", "-"]
    done = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True)
    assert done.returncode == 1 and rule in done.stdout, done.stdout


def test_folders_hold_few_modules():
    modules = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert {folder.name: n for folder, n in modules.items() if n > FOLDER} == {}


def too_long(text: str) -> list[str]:
    """The file, and each of its functions, that is longer than its limit."""
    listed = [f"file: {len(text.splitlines())} lines"] if len(text.splitlines()) > SMALL else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            limit = FORWARD if node.name == "forward" else FUNCTION
            if lines > limit and node.name not in LISTS:
                listed.append(f"{node.name}: {lines} lines without its docstring")
    return listed


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_module_is_small(path):
    assert too_long(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name, limit", [("forward", FORWARD), ("long", FUNCTION)])
def test_a_long_function_is_seen(name, limit):
    line = "    a = 0\n"
    assert too_long(f'def {name}():\n    """Says what."""\n' + limit * line) == []
    assert too_long(f"class A:\n    def {name}(self):\n" + (limit + 1) * f"    {line}") != []
    assert too_long(SMALL * "a = 0\n") == [] and too_long((SMALL + 1) * "a = 0\n") != []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_module_and_its_public_functions_say_what_they_are(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "no module docstring"
    if not any(name in path.as_posix() for name in SELF_EVIDENT):
        public = [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
        assert [n.name for n in public if not ast.get_docstring(n)] == []


def test_tracked_files_are_small_and_hold_no_local_path():
    local = re.compile(rb"(?<![\w.])/(?:home|root|Users)/\w+|/tmp/\w+/")
    for path in tracked():
        content = path.read_bytes()
        assert len(content) <= LARGEST, f"{path.name}: {len(content):,} bytes"
        if path.suffix in {".py", ".md", ".toml", ".json", ".jsonl", ".yml", ".lock"} and path.parent != ROOT / "tests":
            assert not (found := local.search(content)), f"{path.relative_to(ROOT)}: {found[0]!r}"


def test_every_notebook_has_a_twin_and_every_twin_a_notebook():
    twin_names = {p.stem for p in (twins.NOTEBOOKS / "text").glob("*.py")}
    assert {p.stem for p in twins.NOTEBOOKS.glob("*.ipynb")} == twin_names


def fake(tmp_path, requires: str, code: str) -> subprocess.CompletedProcess:
    """Import paperlib beside a torchvision that needs `requires` and runs `code` when imported."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(code)
    (tmp_path / "torchvision-0.1.dist-info").mkdir()
    (tmp_path / "torchvision-0.1.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torchvision\nVersion: 0.1\nRequires-Dist: {requires}\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    return subprocess.run([sys.executable, "-c", "import paperlib"], env=env, capture_output=True, text=True)


def test_a_torchvision_for_another_torch_is_one_clear_message(tmp_path):
    done = fake(tmp_path, "torch==1.0.0", "raise RuntimeError('operator torchvision::nms does not exist')")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: torch ") and "torchvision 0.1" in last
    assert "torchvision::nms does not exist" in last and "make setup" in last


def test_a_torchvision_that_works_is_taken_whatever_its_metadata_say(tmp_path):
    assert fake(tmp_path, "torch==1.0.0", "").returncode == 0


SLOW = {"torch", "pandas", "scipy", "matplotlib", "nbformat", "jupytext", "IPython"}  # a second or more each
LOADED = f"import sys; sys.exit(', '.join(sorted({SLOW} & sys.modules.keys())) or 0)"


def test_importing_paperlib_imports_nothing_slow():
    code = f"import paperlib; {LOADED}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["notebooks", "--help"], ["train", "--help"], ["train"]], ids=" ".join)
def test_help_and_a_wrong_call_import_nothing_slow(words):
    code = (f"from paperlib.__main__ import main\ntry:\n    main({words})\n"
            f"except SystemExit:\n    {LOADED}\nraise SystemExit('no help was printed')")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
