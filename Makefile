# Each target sets up what it needs: `make quickstart` on a fresh machine is one command.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= runs/quickstart

.PHONY: quickstart test lint report clean

$(BIN)/llmrec: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(BIN)/llmrec
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

quickstart: $(BIN)/llmrec  ## fetch the embedded model and data, train, compare, explain, report
	$(BIN)/llmrec quickstart --out $(OUT)

test: $(VENV)/.dev  ## the default tests: under five minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry llmrec

report: $(VENV)/.dev  ## eval/REPORT.md from eval/results/, and its pages with figures: eval/html/index.html
	$(BIN)/python eval/report.py write
	$(BIN)/python eval/report.py html

clean:
	rm -rf $(VENV) build dist eval/html .pytest_cache .mypy_cache .ruff_cache
