# Daily verbs. `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
VENV := .venv
# How many reports the store has over which `make bench` measures the screens.
REPORTS ?= 1000000
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test lint types imports check unit bench simulate samples pictures clean
.DEFAULT_GOAL := test

ifdef UV
install = uv venv -q --allow-existing --python $(PYTHON) $(VENV) && uv pip install -q --python $(BIN)/python
else
install = $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check
endif

$(VENV)/run: requirements.txt pyproject.toml
	$(install) -r requirements.txt -e .
	touch $@

$(VENV)/dev: requirements.txt requirements-dev.txt pyproject.toml
	$(install) -r requirements.txt -r requirements-dev.txt -e .
	touch $@ $(VENV)/run

demo: $(VENV)/run  ## the program on sample_reports/, in memory
	@$(BIN)/tlsrpt --as-of "$$(cat sample_reports/as-of.txt)" sample_reports/

test: $(VENV)/dev lint types imports unit  ## everything CI checks

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

imports: $(VENV)/dev
	$(BIN)/lint-imports

unit: $(VENV)/dev
	@$(BIN)/python --version
	@# Where Python is told to keep no bytecode, each process compiles the whole program anew.
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -q -n auto

bench: $(VENV)/dev  ## measure loading and questions against peers
	$(BIN)/python bench/run.py
	$(BIN)/python -m bench.screens --reports $(REPORTS)

simulate: $(VENV)/dev  ## verdicts on hundreds of histories of which the truth is known
	$(BIN)/python -m bench.simulate

samples: $(VENV)/dev  ## write sample_reports/ anew; git shows no change when nothing changed
	$(BIN)/python sample_reports/generate.py

pictures: $(VENV)/dev  ## draw the pictures in README.md and docs/ anew
	$(BIN)/pytest -q tests/test_docs.py --update-goldens
	$(BIN)/python docs/draw.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
