# Everything sets itself up: Python 3.11 (on Debian with python3-venv) is all that must be there.
PYTHON ?= python3
BIN := .venv/bin
export DAGSTER_HOME := $(CURDIR)/dagster_home
SANDBOX_PORT ?= 8010

.PHONY: demo dev test lint

demo: .venv/installed  ## an invented company's data in DuckDB, and what to ask it
	@$(BIN)/python -m recruit_assets.demo

dev: .venv/installed  ## the Dagster UI on http://localhost:3000, on the API of .env or the sandbox
	@if grep -qs '^RECRUIT_API_BASE_URL=.' .env; then \
	  exec $(BIN)/dagster dev -w workspace.yaml; \
	fi; \
	$(BIN)/python -m recruit_assets.sandbox --port $(SANDBOX_PORT) --requests-per-10s 0 & \
	trap "kill $$!" EXIT; \
	export RECRUIT_API_BASE_URL=http://127.0.0.1:$(SANDBOX_PORT)/v1/ RECRUIT_API_KEY=sandbox-key \
	  RECRUIT_API_REQUESTS_PER_10S=0; \
	$(BIN)/dagster dev -w workspace.yaml

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
