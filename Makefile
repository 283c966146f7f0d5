# Everything is made in .venv from this tree; nothing outside it is touched. `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
KILLS ?= 1000

help:
	@echo "make demo         a folder here becomes the same folder there, through a real Kafka, in about a minute"
	@echo "make test         all tests, against a real Kafka on this machine"
	@echo "make test-images  the image, containers, compose and units of systemd, on a real Docker engine (.ci/engine start has one)"
	@echo "make check        style, types, layering"
	@echo "make bench        figures for this machine, as ratios"
	@echo "make campaign     KILLS=1000: programs and broker killed at random points"
	@echo "make interop      our programs and those of the published OpenMSIStream together (a part of make test)"
	@echo "make test-lowest  the tests with the oldest libraries that are supported"
	@echo "make clean        remove what these targets made"

$(VENV)/ready: pyproject.toml requirements/ci.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements/ci.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/ready
	@$(BIN)/openmsistream demo

test: $(VENV)/ready
	$(BIN)/python -m pytest

test-images: $(VENV)/ready
	$(BIN)/python -m pytest tests/images

check: $(VENV)/ready
	$(BIN)/ruff check openmsistream tests benchmarks examples
	$(BIN)/ruff format --check openmsistream tests benchmarks examples
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks

campaign: $(VENV)/ready
	$(BIN)/python -m pytest -m campaign --override-ini addopts=-q tests/campaign --kills $(KILLS)

interop: $(VENV)/ready
	$(BIN)/python -m pytest tests/interop

test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements/lowest.txt --editable ".[broker,test]"
	$(VENV)-lowest/bin/python -m pytest

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check --upgrade ".[broker,check,test]" hatchling editables
	$(VENV)-lock/bin/python -m pip freeze --exclude openmsistream > requirements/ci.txt

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help demo test test-images check bench campaign interop test-lowest lock clean
