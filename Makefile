# Everything sets itself up: Python 3.11 (on Debian with python3-venv) is all that must be there.
PYTHON ?= python3
VENV ?= .venv
LOWEST ?= .venv-lowest
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP) -c constraints.txt
# Each worker starts with neighbours, which share what is slow to make, and helps the others later.
PYTEST := -m pytest -n auto --dist worksteal
export DAGSTER_HOME := $(CURDIR)/dagster_home
# Each process would compile all anew, and pytest rewrite each assertion: half the time of a start.
export PYTHONDONTWRITEBYTECODE :=
# The invented company has a folder of its own, so that it never mixes with real data.
DEMO := DAGSTER_HOME="$(CURDIR)/demo" $(BIN)/python -m recruit_assets.demo

.PHONY: setup demo dev test-fast test test-all test-lowest test-lake lint bench pictures

setup: $(VENV)/installed

# An invented company's data in DuckDB, and what to ask it.
demo: setup demo/dagster.yaml
	@env $(DEMO)

# The Dagster UI on http://127.0.0.1:3000: on the API of the settings, else on the sandbox.
dev: setup demo/dagster.yaml
	@if { env; cat .env 2>/dev/null; } | grep -qE '^(export )?RECRUIT_(.*_)?API_BASE_URL *=.'; then \
	  exec $(BIN)/dagster dev -w workspace.yaml; \
	else \
	  echo "No API in .env or the environment, so this is the sandbox."; \
	  exec env $(DEMO) --ui workspace.yaml; \
	fi

# What starts no browser and no other process: under a minute on two cores.
test-fast: $(VENV)/installed-dev
	RING=1 $(BIN)/python $(PYTEST)

# Everything, each real part once: under seven minutes.
test: $(VENV)/installed-dev
	RING=2 $(BIN)/python $(PYTEST)

# Everything at full size, then with the lowest versions, and with lakes: under 40 minutes.
test-all: $(VENV)/installed-dev
	RING=3 $(BIN)/python $(PYTEST)
	$(MAKE) test-lowest
	$(MAKE) test-lake

# All but the browser, with the lowest versions that pyproject.toml allows.
test-lowest: $(LOWEST)/installed
	RING=2 $(LOWEST)/bin/python $(PYTEST) -p no:cacheprovider \
	  $(addprefix --ignore recruit_assets_tests/, test_ui.py marts/test_report.py lake)

# What matters of the load and the marts, with lakes in place of files; needs PostgreSQL.
test-lake: $(LOWEST)/installed
	DESTINATION=lake RING=1 $(LOWEST)/bin/python $(PYTEST) -p no:cacheprovider \
	  $(addprefix recruit_assets_tests/, load/test_current.py load/test_history.py \
	    load/test_kill.py load/test_merge.py load/test_tables.py test_complete.py)
	DESTINATION=lake RING=2 $(LOWEST)/bin/python $(PYTEST) -p no:cacheprovider \
	  $(addprefix recruit_assets_tests/, \
	    marts/test_truth.py test_history.py test_interrupted_readings.py)
	RING=3 $(LOWEST)/bin/python $(PYTEST) -p no:cacheprovider recruit_assets_tests/lake

# The screenshots of README and docs, as the tests see them; needs Chromium.
pictures: $(VENV)/installed-dev
	RING=3 $(BIN)/python -m pytest recruit_assets_tests/test_ui.py recruit_assets_tests/cli/test_doctor.py \
	  recruit_assets_tests/marts/test_report.py --pictures docs

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Half an hour, on a machine that does nothing else; writes docs/performance.md and its plot.
bench: $(VENV)/installed-dev
	$(INSTALL) -e '.[bench]'
	$(BIN)/python -m recruit_assets_tests.benchmarks.speed

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): this takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[dg]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) -e '.[dev]'
	@touch $@

$(LOWEST)/installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python $(PIP) -c constraints-lowest.txt -e '.[lake-test]'
	@touch $@

demo/dagster.yaml: dagster_home/dagster.yaml
	@mkdir -p demo && cp $< $@
