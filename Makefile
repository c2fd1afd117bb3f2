# Two commands: `make demo` opens the window on the sample dataset, `make test` runs all checks.
# They need Python (3.11 or newer), make and git, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check benchmarks screenshots sample clean

demo: $(VENV)/installed
	$(BIN)/demoscope demo

test: $(VENV)/installed-dev
	$(BIN)/python tools/check.py

check: test

benchmarks: $(VENV)/installed-dev
	$(BIN)/python -m tests.benchmarks

screenshots: $(VENV)/installed
	$(BIN)/python tools/screenshots.py

$(VENV)/installed: pyproject.toml
	$(PYTHON) packaging/system_libraries.py
	$(PYTHON) -c 'import sys; sys.exit("Demoscope needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PYTHON) packaging/system_libraries.py --tests
	$(BIN)/python -m pip install -q -e ".[dev]"
	SAM2_BUILD_CUDA=0 $(BIN)/python -m pip install -q --no-deps --no-build-isolation \
		-r packaging/without_dependencies.txt
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache
