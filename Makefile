# All commands for developers and CI. Each target installs what it needs, and nothing is installed twice.
# Works with GNU make 3.81, the version of macOS.

.DEFAULT_GOAL := help
.PHONY: help run otel test test-reference test-clients test-recipes screenshots check format schema messages catalogues bench lock clean setup
.DELETE_ON_ERROR:
SHELL := /bin/sh

PY := .venv/bin/python
# --only-binary: no package runs code during the installation, and no compiler is needed.
LOCKED := --require-hashes --only-binary :all: -r
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# If the Python of .venv was upgraded or removed, .venv looks complete but does not work. Create it again.
BROKEN := $(shell test ! -e .venv/.uv || $(PY) -c '' 2>/dev/null || rm -f .venv/.uv)

CLIENTS := tests/clients/node_modules

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/.runtime .venv/bin/fullmakt .venv/.web ## Serve on http://127.0.0.1:8000 with its own database and demo data
	@FULLMAKT_ENV="$${FULLMAKT_ENV:-development}" .venv/bin/fullmakt serve

otel: .venv/.otel ## Install the packages for traces (OTEL_EXPORTER_OTLP_ENDPOINT)

# The tests run as two halves in parallel, each with its own PostgreSQL, to use two cores.
SECOND_HALF := tests/benchmarks tests/commands tests/database tests/executor tests/mailer tests/races tests/resolvers tests/schema tests/stateful

SECOND_REFERENCE_HALF := tests/resolvers tests/models/accounts tests/models/bureaus tests/models/people tests/models/sharing

# Line and branch coverage of the product's folders. Left out is what the tests run in processes of their own, where
# nothing measures it: the commands, the supervisor and its workers, traces with their optional packages, migrations.
PRODUCT := auth,database,executor,i18n,mailer,models,resolvers,schema,server,workspace
OTHER_PROCESSES := server/process.py,server/traces.py,server/workers.py,models/migrations/*,workspace/migrations/*
MIN_COVERAGE := 98
# The warning says that slipcover itself is not rewritten for assertions of tests, which is right.
COVERED := -m slipcover --branch --dont-wrap-pytest --source $(PRODUCT) --omit '$(OTHER_PROCESSES)' --json --out
PYTEST := -m pytest -W "ignore:Module already imported"

test: setup ## Run all tests on a real PostgreSQL, and measure coverage; ARGS="-k days" selects some
ifeq ($(ARGS),)
	@rm -rf .coverage.first .coverage.second
	@output=$$(mktemp); \
	$(PY) $(COVERED) .coverage.second $(PYTEST) $(SECOND_HALF) >"$$output" 2>&1 & second_pid=$$!; \
	$(PY) $(COVERED) .coverage.first $(PYTEST) $(SECOND_HALF:%=--ignore=%); first_status=$$?; \
	wait $$second_pid; second_status=$$?; \
	cat "$$output"; rm -f "$$output"; \
	exit $$((first_status || second_status))
	@$(PY) -m slipcover --branch --merge .coverage.first .coverage.second --skip-covered --fail-under $(MIN_COVERAGE) --out .coverage.merged
else
	$(PY) -m pytest $(ARGS)
endif

test-reference: setup ## Run the tests of the API with graphql-core as the executor
ifeq ($(ARGS),)
	@output=$$(mktemp); export TEST_EXECUTOR=reference; \
	$(PY) -m pytest $(SECOND_REFERENCE_HALF) >"$$output" 2>&1 & second_pid=$$!; \
	$(PY) -m pytest tests/models $(SECOND_REFERENCE_HALF:%=--ignore=%); first_status=$$?; \
	wait $$second_pid; second_status=$$?; \
	cat "$$output"; rm -f "$$output"; \
	exit $$((first_status || second_status))
else
	TEST_EXECUTOR=reference $(PY) -m pytest tests/models tests/resolvers $(ARGS)
endif

test-clients: setup $(CLIENTS)/.complete ## Run real clients, the HTTP audits, GraphiQL and the panel in Chromium on a real server
	$(PY) -m pytest tests/clients $(ARGS)

test-recipes: setup ## Apply the recipes of docs/recipes.md to copies of the repository, and check these
	$(PY) -m pytest tests/recipes $(ARGS)

screenshots: setup $(CLIENTS)/.complete ## Write the pictures of the panel to docs/screenshots
	$(PY) -m pytest tests/clients/screenshots.py

check: setup ## Check format, lint, types (two type checkers), architecture and packaging
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m basedpyright
	$(PY) -m pytest tests/architecture

format: .venv/.dev ## Format the code and apply the safe lint fixes
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

schema: setup ## Write the schema to schema/schema.graphql
	@.venv/bin/fullmakt schema > schema/schema.graphql.new
	@mv schema/schema.graphql.new schema/schema.graphql

messages: setup ## Write the texts to translate to i18n/messages.pot
	$(PY) -m babel.messages.frontend -q extract -F i18n/babel.cfg -k mark -k translate_plural:2,3 --omit-header --no-wrap --sort-by-file --add-location=file -o i18n/messages.pot .

catalogues: setup ## Update the translations from messages.pot, and print the missing ones
	@$(PY) -m i18n.update

bench: setup ## Run benchmarks and print a table of ratios; ARGS="--only execution" selects one
	$(PY) -m benchmarks.run $(ARGS)

lock: .venv/.uv ## Write the lock files; UPGRADE=--upgrade takes newer versions
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.lock
	$(COMPILE) $(UPGRADE) -c requirements.lock requirements-otel.in -o requirements-otel.lock
	$(COMPILE) $(UPGRADE) -c requirements.lock -c requirements-otel.lock requirements-dev.in -o requirements-dev.lock
	$(COMPILE) $(UPGRADE) -c requirements-dev.lock requirements-web.in -o requirements-web.lock
	$(COMPILE) $(UPGRADE) requirements-uv.in -o requirements-uv.lock
	$(PY) -m web.fetch --lock
	$(PY) -m web.packages --lock tests/clients

clean: ## Remove all installed and generated files; the data in var/ stays
	rm -rf .venv server/static/vendor $(CLIENTS) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: .venv/.dev .venv/bin/fullmakt .venv/.web

# The shim of a version manager can exist and fail, so each candidate is run.
.venv/.uv: requirements-uv.lock
	@python_path=; python_without_venv=; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then python_path="$$python"; break; fi; \
		python_without_venv="$$python"; \
	done; \
	if [ -z "$$python_path" ] && [ -n "$$python_without_venv" ]; then \
		echo "$$python_without_venv cannot create a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	elif [ -z "$$python_path" ]; then \
		echo "Fullmakt needs Python 3.11 or later, and none was found. Install it, or set its path: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Creating .venv with $$python_path"; \
	"$$python_path" -m venv --clear .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements-uv.lock
	@touch $@

# uv does not read pip's configuration. If uv fails because a mirror is configured for pip only, pip installs.
.venv/.runtime: .venv/.uv requirements.lock
	@echo "Installing from requirements.lock"
	@$(PY) -m uv pip install --quiet --python $(PY) $(LOCKED) requirements.lock \
		|| $(PY) -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements.lock
	@touch $@

.venv/.otel: .venv/.runtime requirements-otel.lock
	@echo "Installing from requirements-otel.lock"
	@$(PY) -m uv pip install --quiet --python $(PY) $(LOCKED) requirements-otel.lock \
		|| $(PY) -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements-otel.lock
	@touch $@

.venv/.dev: .venv/.uv requirements-dev.lock
	@echo "Installing from requirements-dev.lock"
	@$(PY) -m uv pip install --quiet --python $(PY) $(LOCKED) requirements-dev.lock \
		|| $(PY) -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements-dev.lock
	@touch .venv/.runtime $@

.venv/.web: .venv/.uv web/fetch.py web/packages.py web/files.sha256 web/package-lock.json
	@$(PY) -m web.fetch
	@touch $@

$(CLIENTS)/.complete: .venv/.uv web/packages.py tests/clients/package-lock.json
	@echo "Installing the clients"
	@$(PY) -m web.packages tests/clients
	@touch $@

# Runs cli.py by its path: the checkout is then first on sys.path, and no installed package can shadow its folders.
.venv/bin/fullmakt: .venv/.uv Makefile
	@printf '%s\n' \
		'#!/bin/sh' \
		'bin=$$(CDPATH= cd -- "$$(dirname -- "$$0")" && pwd) || exit 1' \
		'PYTHONSAFEPATH= exec "$$bin/python" "$$bin/../../cli.py" "$$@"' > $@
	@chmod +x $@
