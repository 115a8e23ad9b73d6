# Everything sets itself up: Python 3.11 (on Debian with python3-venv) is all that must be there.
PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_HOME := $(CURDIR)/dagster_home
# The invented company has a folder of its own, so that it never mixes with real data.
DEMO_HOME := $(CURDIR)/demo
SANDBOX_PORT ?= 8010

.PHONY: demo dev test lint

# An invented company's data in DuckDB, and what to ask it.
demo: .venv/installed demo/dagster.yaml
	@DAGSTER_HOME=$(DEMO_HOME) $(BIN)/python -m recruit_assets.demo

# The Dagster UI on http://127.0.0.1:3000: on the API that .env names, else on the sandbox.
dev: .venv/installed demo/dagster.yaml
	@if grep -qs '^RECRUIT_API_BASE_URL=.' .env; then \
	  exec $(BIN)/dagster dev -w workspace.yaml; \
	fi; \
	echo "No API in .env: this is the invented company of the sandbox."; \
	$(BIN)/python -m recruit_assets.sandbox --port $(SANDBOX_PORT) --requests-per-10s 0 & \
	trap "kill $$!" EXIT; \
	export RECRUIT_API_BASE_URL=http://127.0.0.1:$(SANDBOX_PORT)/v1/ RECRUIT_API_KEY=sandbox-key \
	  RECRUIT_API_REQUESTS_PER_10S=0 RECRUIT_DATABASE=$(DEMO_HOME)/demo.duckdb \
	  DAGSTER_HOME=$(DEMO_HOME); \
	cd demo && $(CURDIR)/$(BIN)/dagster dev -w $(CURDIR)/workspace.yaml

demo/dagster.yaml: dagster_home/dagster.yaml
	@mkdir -p demo && cp $< $@

test: .venv/installed-dev
	$(BIN)/python -m pytest

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
