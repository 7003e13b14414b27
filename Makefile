# Two commands matter: `make demo` and `make test`. Each does all its own set-up on a machine with Python, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501

.PHONY: demo test check bench soak nannyml screenshots system lock audit clean

demo: $(VENV)/product.stamp
	$(BIN)/interlock demo --port $(PORT)

test: $(VENV)/dev.stamp system check
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/dev.stamp
	$(BIN)/python -m tests.bench

# Our estimates before labels beside NannyML's: an environment of its own (2 GB), made once.
nannyml: $(VENV)/dev.stamp .bench/nannyml/stamp
	INTERLOCK_NANNYML=$(CURDIR)/.bench/nannyml/bin/python $(BIN)/python -m pytest -s tests/contract/test_nannyml.py

.bench/nannyml/stamp:
	$(PYTHON) -m venv .bench/nannyml
	.bench/nannyml/bin/python -m pip install --quiet --disable-pip-version-check nannyml==0.13.1 statsmodels
	@touch $@

# The full product in the browser, every state of every page; pictures in artefacts/soak.
soak: $(VENV)/dev.stamp
	$(BIN)/python -m tests.soak

# Pictures of every main page in both themes, from a running demo.
screenshots: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.screenshots http://127.0.0.1:$(PORT)

# What pip cannot bring: browser, database, Prometheus, Java, from the distribution's packages.
system:
	@.ci/system

lock:
	.ci/lock

# Installed packages against the locks: versions, hashes, changed files, known vulnerabilities where the service answers.
audit: $(VENV)/dev.stamp
	$(BIN)/python .ci/audit

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/product.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

EXTRAS := $(addprefix requirements/,dev.lock spark.lock ray.lock kserve.lock)

$(VENV)/dev.stamp: $(VENV)/product.stamp $(EXTRAS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes $(addprefix -r ,$(EXTRAS))
	@touch $@
