# The two commands: make serve, make test. Both begin with make setup.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup serve test lint tests bench soak clean

setup: $(STAMP)

$(STAMP): pyproject.toml .ci/constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[dev,fast,ocr]'
	@touch $(STAMP)

serve: setup
	$(BIN)/jingxiaowei serve

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Side by side: the linters keep one core busy while the tests wait for theirs.
test: setup
	@$(MAKE) --no-print-directory -j2 lint tests

tests: setup
	$(BIN)/jingxiaowei check
	$(BIN)/python -m pytest -n 3

bench: setup
	$(BIN)/python -m tests.bench

soak: setup
	$(BIN)/python -m tests.bench.soak

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
