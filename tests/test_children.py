"""No worker outlives the command that started it, however that ends."""
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paperlib import children

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

BUSY = """
import os, sys, time
from pathlib import Path
from paperlib import children
from paperlib.course import run
from paperlib.tables import workers
from paperlib.world import write_pictures
folder = Path(sys.argv[1])

def busy(*number):
    (folder / str(os.getpid())).touch()
    time.sleep(100)

def table():
    list(workers.results(busy, {n: (n,) for n in range(4)}, 2))

def data():
    write_pictures.CHUNK = 1
    list(write_pictures.draw_pictures(busy, "mininet", {"train": 4}, 2))

def notebooks():
    (folder / "endless.py").write_text(
        "import os, pathlib, time\\npathlib.Path(os.getenv('HERE'), str(os.getpid())).touch()\\ntime.sleep(100)\\n")
    os.environ |= {"HERE": str(folder), "PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])}
    run.run_all({name: children.command("endless") for name in "abcd"}, 2, "smoke")
"""


def _alive(pid: int) -> bool:
    """Whether a process runs; one that ended, and whose new parent has not asked yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(true, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc which processes run")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda s: s.name)
@pytest.mark.parametrize("work", ["table", "data", "notebooks"])
def test_workers_end_with_the_command_that_started_them(tmp_path, work, end):
    program = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{BUSY}\n{work}()"
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=env, stderr=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, start_new_session=True)

    def workers() -> list[int]:
        return [int(file.name) for file in tmp_path.iterdir() if file.name.isdigit()]

    try:
        assert _until(lambda: len(workers()) == 2, 120) and all(map(_alive, workers()))
        run.send_signal(end)                                               # to this one process, not to its group
        run.wait(30)
        assert _until(lambda: not any(map(_alive, workers())), 20)
        assert len(workers()) == 2                                         # and none was started meanwhile
    finally:
        for pid in [run.pid, *workers()]:
            if _alive(pid):
                os.kill(pid, signal.SIGKILL)
        run.wait(30)


def test_a_process_whose_parent_had_gone_before_it_looked_ends(tmp_path):
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(100)\n")
    python, m, name, mine, module = children.command("endless")
    assert int(mine) == os.getpid()
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])}
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert subprocess.run([python, m, name, str(gone.pid), module], env=env, timeout=60).returncode == 1


def test_a_command_hands_on_arguments_and_exit_status(tmp_path):
    (tmp_path / "echo.py").write_text("import sys\nprint(__name__, *sys.argv[1:])\nsys.exit(3)\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])}
    done = subprocess.run(children.command("echo", "-x", "a b"), env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("__main__ -x a b\n", 3)


def test_the_main_process_watches_nobody(monkeypatch):
    monkeypatch.setattr(children, "watch", lambda _: pytest.fail("this process was started by no pool"))
    children.end_with_parent.__wrapped__()
