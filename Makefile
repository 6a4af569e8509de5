# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer, set-up included.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_OUTPUT ?= demo-output
HEADLESS := $(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname -s))),,--headless)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check docs notebooks bench reproduction screenshots clean

help:
	@echo "make demo    the main job on made data, into $(DEMO_OUTPUT)/, in minutes without a GPU"
	@echo "make test    every test, real napari windows and RELION comparisons included"
	@echo "make check   style, types, the one-way imports, the napari manifest"
	@echo "make docs    the site, into build/site"
	@echo "make notebooks   run the notebooks of docs/ and keep their pictures"
	@echo "make bench   the speed figures of docs/"
	@echo "make reproduction   the paper's tables and figures in our numbers: docs/reproduction.md"
	@echo "make screenshots   the pictures of docs/ and the README, from real runs in real windows"
	@echo "make clean   remove what the other targets made, $(VENV) included"

setup: $(READY)

# Made again when the pins or the project's settings change; instant otherwise.
$(READY): constraints.txt pyproject.toml scripts/setup.sh scripts/system_libraries.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh

demo: $(READY)
	@$(BIN)/napari-cryoorient demo $(HEADLESS) -o $(DEMO_OUTPUT)

test: $(READY)
	@scripts/with_screen.sh $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari_cryoorient
	$(BIN)/validate-pyproject pyproject.toml

# No page and no font comes from outside; what is out of place on a page is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebooks: $(READY)
	$(BIN)/jupyter execute --inplace docs/notebooks/*.ipynb

screenshots: $(READY)
	@scripts/with_screen.sh $(BIN)/python scripts/screenshots.py docs/images
	@scripts/with_screen.sh $(BIN)/python scripts/trust_pictures.py docs/images
	@scripts/with_screen.sh $(BIN)/python scripts/training_picture.py docs/images/training.gif
	@scripts/with_screen.sh $(BIN)/python scripts/inspecting_picture.py docs/images/plugin-inspecting.gif

bench: $(READY)
	@set -e; for script in $(filter-out benchmarks/reproduction.py,$(wildcard benchmarks/*.py)); do echo "# $$script"; $(BIN)/python $$script; done

# FULL=--full makes them at the paper's own size, which wants a GPU.
reproduction: $(READY)
	$(BIN)/python benchmarks/reproduction.py $(FULL) $(REPRODUCTION_ARGS)

clean:
	rm -rf $(VENV) $(DEMO_OUTPUT) build dist .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
