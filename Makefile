# `make notebooks` and `make test` do everything on a fresh machine that has Python >= 3.11 and make.
# Without make, run the commands below by hand with the Python of an environment of your own (see README).
BUDGET ?= mini
JOBS ?= 2
VENV ?= .venv
PYTHON ?= $(if $(filter Windows_NT,$(OS)),python,python3)
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
UV = $(shell uv --version >/dev/null 2>&1 && echo uv || echo $(PY) -m uv)
READY := $(VENV)/.ready
# One thread for each process: as many processes as cores, and the same numbers on every machine.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.PHONY: setup notebooks test test-browser lab tables bench gpu site lock lint clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python >= 3.11 is needed: make setup PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(UV) --version || $(PY) -m pip install --quiet uv
	$(UV) pip install --python $(PY) --require-hashes -r requirements.lock
	$(UV) pip install --python $(PY) --no-deps -e .
	$(PY) -c "import pathlib, paperlib; pathlib.Path('$(READY)').touch()"

notebooks: $(READY)
	$(PY) -m paperlib notebooks run --budget $(BUDGET) --jobs $(JOBS)
	$(PY) -m paperlib scorecard

test: $(READY)
	$(PY) -m pytest tests
	$(PY) -m paperlib notebooks check --budget smoke --jobs $(JOBS)

# In a real browser and a real JupyterLab, which runs every notebook or those of NOTEBOOKS="00_start_here ..."; the packages are not in the lock, as nothing else needs them.
test-browser: $(READY)
	$(UV) pip install --quiet --python $(PY) --group browser
	$(PY) -c "import shutil, subprocess, sys; shutil.which('chromium') or subprocess.run([sys.executable, '-m', 'playwright', 'install', '--with-deps', 'chromium'], check=True)"
	PAPERLIB_BROWSER=1 PAPERLIB_BROWSER_NOTEBOOKS="$(NOTEBOOKS)" $(PY) -m pytest tests/test_browser.py

lab: $(READY)
	$(PY) -m paperlib notebooks lab
	$(PY) -m jupyterlab work

tables: $(READY)
	$(PY) -m paperlib table all --budget $(BUDGET) --jobs $(JOBS)
	$(PY) -m paperlib notebooks readme

bench: $(READY)
	$(PY) -m paperlib bench --picture data/bench.png
	$(PY) -m paperlib notebooks readme

gpu: $(READY)
	$(PY) -m paperlib gpu

site: $(READY)
	$(PY) -m paperlib notebooks site

lint: $(READY)
	$(PY) -m ruff check
	$(PY) -c "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
	$(PY) -m pytest tests/test_clarity.py tests/test_house.py -m "not slow"
	$(PY) -m paperlib notebooks lint

lock:
	uv pip compile --universal --upgrade --quiet --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --extra cluster pyproject.toml -o requirements.lock

clean:
	rm -rf build .pytest_cache .ruff_cache .hypothesis data/minicoco data/minivoc data/mininet
