# Each target sets up what it needs: `make quickstart` on a fresh machine is one command.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= runs/quickstart
FLOORS ?= .venv-floors
# What stands on the libraries: files, tokenizers, weights, networks, training, tables.
FLOOR_TESTS = tests/test_artifact.py tests/test_config.py tests/test_metrics.py tests/prompting tests/resources tests/llm \
  tests/models/test_contract.py tests/models/baselines tests/models/llm/test_recommender.py tests/data \
  tests/evaluation tests/reasons/test_explain.py tests/training

.PHONY: quickstart test test-slow test-floors lint report docs pages wheel clean

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
	$(BIN)/python -m pytest -n 2 --dist loadscope

test-slow: $(VENV)/.dev  ## the tests that take many seconds each: processes, benchmarks, trainings of the real base
	POLARS_MAX_THREADS=2 $(BIN)/python -m pytest -n 2 --dist loadscope -m slow

test-floors:  ## the oldest version of each dependency that pyproject.toml allows, and the tests that stand on them
	$(PYTHON) -m venv $(FLOORS)
	$(PYTHON) tests/floors.py > $(FLOORS)/floors.txt
	$(FLOORS)/bin/python -m pip install --quiet -c constraints.txt -r $(FLOORS)/floors.txt -e .
	$(FLOORS)/bin/python -m pytest -m "not wheel and not slow" $(FLOOR_TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry llmrec

report: $(VENV)/.dev  ## eval/REPORT.md from eval/results/, and its pages with figures: eval/html/index.html
	$(BIN)/python eval/report.py write
	$(BIN)/python eval/report.py html

docs: $(VENV)/.dev  ## the documentation as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -f docs/site/mkdocs.yml

pages: $(VENV)/.dev  ## what README and docs/ take from results and code: tables, outputs, recipes, the picture of imports
	$(BIN)/python eval/readme.py write
	$(BIN)/python docs/site/blocks.py write
	$(BIN)/python docs/site/picture.py write

wheel: $(VENV)/.dev  ## dist/: sdist and wheel, and the wheel tried in an empty environment
	rm -rf dist build/wheel
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	cd build && wheel/bin/llmrec recipes > /dev/null && wheel/bin/llmrec doctor

clean:
	rm -rf $(VENV) $(FLOORS) build dist eval/html .pytest_cache .mypy_cache .ruff_cache
