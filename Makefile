# rfscore: `make` lists the targets. Needs Python >= 3.11 and a package index; everything else goes into ./.venv.
# All paths are relative and quoted in the recipes, so the folder may have spaces in its name.

PYTHON ?= python3
JOBS   ?= 2
ARGS   ?=
VENV   := .venv/bin/python

# Nothing of the caller's Python set-up may leak in, and nothing may be written outside ./.venv.
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_CONSTRAINT
export PYTHONNOUSERSITE := 1
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# One BLAS thread per pytest worker: the workers already fill the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# A file stays with one worker, which prepares and compiles what its tests share once.
BY_FILE := --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup check reproduce figures test test-slow bench docs clean

help:
	@echo "make reproduce  set up ./.venv, then compute theory, exact finite size and real data side by side (about 4 minutes)"
	@echo "                ARGS='--full' for the paper's sizes; ARGS='--help' for all options"
	@echo "make figures    set up ./.venv, then rebuild the figures of the paper into paper_figs/ (under 20 minutes); make fig05: one"
	@echo "make test       set up ./.venv, then run the tests"
	@echo "make test-slow  set up ./.venv, then run the long ones, which stand apart"
	@echo "make check      set up ./.venv, then style, types and dead code, in seconds"
	@echo "make bench      set up ./.venv, then measure speed and print the tables of docs/about/performance.md"
	@echo "make docs       set up ./.venv, then build the site into build/docs, every example run (some minutes)"
	@echo "make setup      only create or update ./.venv (pinned versions of constraints.txt)"
	@echo "make clean      remove ./.venv, caches and build products; results are kept"
	@echo "Variables: PYTHON=python3.12 to choose the interpreter (>= 3.11), JOBS=2 test workers."

# The stamp .venv/rfscore-setup holds what the environment was made from: the folder (an environment does not survive a
# move), both files' checksums and the Python version. It is removed before and written after an installation, so an
# interrupted one is repeated; an environment that does not run here, or has another Python, is made anew.
setup:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "error: '$(PYTHON)' not found; install Python >= 3.11 or say: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $$("$(PYTHON)" --version 2>&1) is too old; rfscore needs Python >= 3.11:" \
	       "make $(MAKECMDGOALS) PYTHON=python3.11 (or newer)" >&2; exit 2; }
	@set -e; \
	python_of() { "$$1" -c 'import sys; print(*sys.version_info[:3], sep=".")' 2>/dev/null || true; }; \
	wanted=$$("$(PYTHON)" -c 'import sys, os, hashlib; \
	  print(sys.version.split()[0], *(hashlib.sha256(open(f, "rb").read()).hexdigest()[:16] \
	  for f in ("pyproject.toml", "constraints.txt")), os.getcwd())'); \
	here=$$(pwd -P); \
	if [ -x "$(VENV)" ] && [ "$$(cat .venv/rfscore-setup 2>/dev/null)" = "$$wanted" ] \
	   && "$(VENV)" -c 'import rfscore' 2>/dev/null; then \
	  echo "setup: ./.venv is up to date (Python $$(python_of "$(VENV)"))"; exit 0; \
	fi; \
	rm -f .venv/rfscore-setup; \
	if [ -e .venv ] && { [ "$$(python_of "$(VENV)")" != "$$(python_of "$(PYTHON)")" ] \
	   || ! grep -qsF -- "$$here/.venv" .venv/bin/activate || ! "$(VENV)" -m pip --version >/dev/null 2>&1; }; then \
	  echo "setup: ./.venv belongs to another Python or another folder; making it anew"; \
	  "$(PYTHON)" -m venv --clear .venv; \
	elif [ ! -e .venv ]; then \
	  echo "setup: creating ./.venv with $$("$(PYTHON)" --version)"; \
	  "$(PYTHON)" -m venv .venv; \
	fi; \
	echo "setup: installing the pinned packages of constraints.txt into ./.venv (a minute or two the first time)"; \
	"$(VENV)" -m pip install --quiet --constraint constraints.txt hatchling; \
	"$(VENV)" -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'; \
	printf '%s\n' "$$wanted" > .venv/rfscore-setup; \
	echo "setup: done"

reproduce: setup
	@echo "reproduce: rfscore reproduce $(ARGS)"
	@"$(VENV)" -m rfscore reproduce $(ARGS)

figures: setup
	@echo "figures: python -m paper_figs $(ARGS)"
	@"$(VENV)" -m paper_figs $(ARGS)

fig% beyond_%: setup
	@"$(VENV)" -m paper_figs $@ $(ARGS)

check: setup
	@echo "check: ruff, mypy, vulture"
	@"$(VENV)" -m ruff check --quiet . && "$(VENV)" -m ruff format --quiet --check .
	@"$(VENV)" -m mypy --no-error-summary
	@unused=$$("$(VENV)" -m vulture | grep -v '^claims/'); \
	if [ -n "$$unused" ]; then echo "$$unused"; echo "check: nothing uses these; delete them" >&2; exit 1; fi

test: setup
	@echo "test: the suite on $(JOBS) workers (make test-slow runs the long part)"
	@$(ONE_THREAD) "$(VENV)" -m pytest -n $(JOBS) $(BY_FILE) -m "not slow" $(ARGS)

test-slow: setup
	@echo "test-slow: the long part on $(JOBS) workers"
	@$(ONE_THREAD) JAX_DISABLE_MOST_OPTIMIZATIONS=0 "$(VENV)" -m pytest -n $(JOBS) $(BY_FILE) -m slow $(ARGS) || [ $$? -eq 5 ]  # 5: none selected

# Formulas are derived anew when a derivation changed; every example of the site runs in every build.
build/derivations/derivations.html: $(wildcard derivations/*.py)
	@echo "docs: deriving every formula"
	@"$(VENV)" -m derivations --output build/derivations >/dev/null

docs: setup
	@$(MAKE) --no-print-directory build/derivations/derivations.html
	@echo "docs: building the site; a warning, a failing example or a dead link stops it"
	@$(ONE_THREAD) "$(VENV)" -m sphinx --fail-on-warning --keep-going --jobs $(JOBS) -q docs build/docs $(ARGS)
	@"$(VENV)" docs/_pages/dead_links.py build/docs
	@echo "docs: open build/docs/index.html"

bench: setup
	@echo "bench: measuring ratios in one run; close other programs"
	@"$(VENV)" -m benchmarks $(ARGS)

clean:
	@echo "clean: removing ./.venv, caches and build products"
	@rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
