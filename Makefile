# The verbs of this repository; `make` alone lists them. Works with GNU Make 3.81 and later.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY     := $(BIN)/python
READY  := $(VENV)/.ready

# Every path here is relative to this folder, so its own name may hold spaces, umlauts or quotes.
# The story: the first two are independent, Compare reads what they leave behind.
FIRST   := $(wildcard VAE.ipynb GAN.ipynb)
LAST    := $(wildcard Compare.ipynb)
LABS    := $(wildcard labs/*.ipynb)
SCRATCH := build/test
# A warning inside Jupyter is not ours to fail on; `notebooks check` catches those in cells.
# What the notebooks write goes to build/test, so that committed files stay untouched.
NBVAL   := OMP_NUM_THREADS=1 FIVE_GAUSSIANS_OUT="$$PWD/$(SCRATCH)" $(PY) -m pytest -W default --nbval-lax --nbval-current-env --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout 1800

# One thread for each process: small models train fastest so, and two trainings share two cores.
export OMP_NUM_THREADS := 1
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help setup run report labs test test-fast lint unit notebooks labs-train runs evidence bench app format clean

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv and install what is needed (the other verbs do it by themselves)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info; v >= (3, 11) or sys.exit('Python %d.%d found, 3.11 or newer needed; name one, as in: make PYTHON=python3.12' % v[:2])"
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): a few minutes, once."
	$(PY) -m pip install --quiet --requirement requirements.txt --editable .
	@touch $(READY)

run: $(READY) ## train, render the notebooks in place, and sum up
	$(PY) -m helpers.study.notebooks render $(FIRST) $(LAST)
	@$(PY) -m helpers.study.notebooks summary

test: $(READY) lint unit notebooks ## everything: style, unit tests, and every notebook run anew
	@$(PY) tests/tally.py build/unit.xml $(if $(FIRST),build/first.xml) $(if $(LAST),build/last.xml) $(if $(LABS),build/labs.xml)

test-fast: $(READY) lint unit ## style and unit tests only

lint: $(READY) ## check style, format, the direction of imports, and that notebooks are as rendered
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(PY) -m helpers.study.notebooks check

unit: $(READY)
	$(PY) -m pytest -n 2 --dist loadfile --junitxml build/unit.xml tests

notebooks: $(READY) unit
	rm -rf $(SCRATCH)
	$(if $(FIRST),$(NBVAL) -n 2 --dist loadscope --junitxml build/first.xml $(FIRST))
	$(if $(LAST),$(NBVAL) --junitxml build/last.xml $(LAST))
	$(if $(LABS),FIVE_GAUSSIANS_PRESET=tiny $(NBVAL) -n 2 --dist loadscope --junitxml build/labs.xml $(LABS))

report: $(READY) ## the comparison as a paper, report.pdf, from the rendered notebooks
	$(PY) -m helpers.study.paper

labs-train: $(READY) ## train what the labs on images load where it is missing (hours; goes on where it was)
	$(PY) -m helpers labs $(LAB) $(if $(PRESET),--preset $(PRESET)) $(if $(DEVICE),--device $(DEVICE)) $(if $(ON),--on $(ON))

labs: $(READY) ## train what is missing and render the labs on images (minutes)
	$(PY) -m helpers.study.notebooks render $(LABS)

runs: $(READY) ## train the studies' recipes from seeds 0-4 again where recipe or training changed (an hour)
	$(PY) -m helpers sweep all --refresh

evidence: $(READY) ## train what the answers rest on where it is missing, and measure it (hours from nothing)
	$(PY) -m helpers evidence --train

bench: $(READY) ## measure the speed of training beside the usual loop (five minutes)
	$(PY) -m helpers bench

app: $(READY) ## train, generate and explore in the browser, at http://localhost:8501
	$(PY) -m helpers app

format: $(READY) ## put code and notebooks into the common format
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

clean: ## remove build products and caches; keeps .venv
	rm -rf build data/cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
