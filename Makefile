# make demo   set up and run the whole method on the miniature world (CPU, offline, no key)
# make test   set up and run every test that this machine can
# make check  lint, types and unit tests: before every commit
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RUN_DIR ?= runs/demo

.PHONY: demo test check install
demo: $(INSTALLED)
	$(BIN)/python -m reset_pl fit --config configs/mini/reset.yaml --trainer.default_root_dir $(RUN_DIR)

# Two workers with one thread each: torch would otherwise start a thread for every core in both.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m integration

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not integration"

install: $(INSTALLED)

# The constraints name every version that is known to work together, torch exactly (see constraints.txt).
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
