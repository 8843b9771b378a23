# Everything a newcomer needs: `make demo`, `make test`. Nothing else by hand.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Modules are compiled when they are first imported; compiling all takes as long as unpacking them.
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile
DEMO   ?= demo
SMALL  ?= small-test
SAMPLE := pepland_data/resources/sample.csv

.PHONY: demo small-test test unit test-all test-gpu check lint types docs notebooks format bench tables clean

# The virtual environment, made again when the dependencies change.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch --constraint constraints.txt
	$(PIP) --editable ".[dev]" --constraint constraints.txt
	touch $@

demo: $(VENV)/.installed  ## SMILES in, trained PharmHGT out, in a few minutes on any machine
	$(BIN)/pepland-data build $(SAMPLE) --out $(DEMO)/store --rows-per-shard 200
	$(BIN)/pepland-data info $(DEMO)/store
	$(BIN)/pepland-train --shards $(DEMO)/store --out $(DEMO)/run --max-steps 60 --batch-size 64 --eval-every 20

small-test: $(VENV)/.installed  ## the small test of the published resource estimate
	$(BIN)/pepland-data synth $(SMALL)/peptides.csv --count 11000
	$(BIN)/pepland-data build $(SMALL)/peptides.csv --out $(SMALL)/store --dedup
	$(BIN)/pepland-data split $(SMALL)/store --by similarity --fractions train=0.9090909,valid=0.0909091
	$(BIN)/pepland-train --shards $(SMALL)/store --out $(SMALL)/run --epochs 5 --batch-size 512 --eval-every 20
	$(BIN)/python -m benchmarks.small_test $(SMALL)/run

check: lint types  ## linters, import contracts and types only

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed
	$(BIN)/mypy

test: lint  ## linters, types, the site and all tests that end within minutes
	$(MAKE) --jobs=2 types docs unit

unit: $(VENV)/.installed
	$(BIN)/pytest -n 2 -m "not slow"

test-all: check  ## also the long campaigns: kills, bit flips, every tripeptide
	$(BIN)/pytest -n 2

test-gpu:  ## what needs a CUDA device; torch, numpy, pyarrow, safetensors, click, pytest and hypothesis are enough
	$(PYTHON) -m pytest -m cuda $$(grep -l "@pytest.mark.cuda" --include='test_*.py' -r tests)

docs: $(VENV)/.installed  ## the documentation as a site, site/index.html; fails on a broken link or a name without docstring
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

notebooks: $(VENV)/.installed  ## execute examples/notebooks and save them with what they give
	$(BIN)/python -m examples.notebooks.execute

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## the figures of docs/benchmarks.md
	$(BIN)/python -m benchmarks.bench_featurize
	$(BIN)/python -m benchmarks.bench_loader
	$(MAKE) tables

tables: $(VENV)/.installed  ## the tables of docs/benchmarks.md and docs/gpu.md, made from benchmarks/results
	$(BIN)/python -m benchmarks.page_tables

clean:
	rm -rf $(VENV) $(DEMO) $(SMALL) build site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
