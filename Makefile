# Everything a person or CI runs here. Each target sets itself up; nothing is installed twice.
# Plain enough for GNU make 3.81, which is what macOS has.

.DEFAULT_GOAL := help
.PHONY: help run otel test test-reference test-clients check format schema messages catalogues bench lock clean setup
.DELETE_ON_ERROR:
SHELL := /bin/sh

PY := .venv/bin/python
# --only-binary: no package runs code at set-up, and no compiler is needed.
LOCKED := --require-hashes --only-binary :all: -r
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# A Python that went away (an upgrade, a removed version) leaves a folder that looks complete: make it anew.
BROKEN := $(shell test ! -e .venv/.uv || $(PY) -c '' 2>/dev/null || rm -f .venv/.uv)

CLIENTS := tests/clients/node_modules

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/.runtime .venv/bin/fullmakt .venv/.web ## Serve on http://127.0.0.1:8000 with an own database and demo data
	@FULLMAKT_ENV="$${FULLMAKT_ENV:-development}" .venv/bin/fullmakt serve

otel: .venv/.otel ## Install what traces need, for OTEL_EXPORTER_OTLP_ENDPOINT

# All of them as two halves side by side, each with a PostgreSQL of its own: a machine has two cores at least.
HALF := tests/benchmarks tests/commands tests/database tests/executor tests/mailer tests/races tests/resolvers tests/schema tests/stateful

test: setup ## Run all tests on a real PostgreSQL; ARGS="-k days" narrows them
ifeq ($(ARGS),)
	@said=$$(mktemp); \
	$(PY) -m pytest $(HALF) >"$$said" 2>&1 & half=$$!; \
	$(PY) -m pytest $(HALF:%=--ignore=%); one=$$?; \
	wait $$half; other=$$?; \
	cat "$$said"; rm -f "$$said"; \
	exit $$((one || other))
else
	$(PY) -m pytest $(ARGS)
endif

test-reference: setup ## Run the tests of the API through graphql-core instead of our executor
	TEST_EXECUTOR=reference $(PY) -m pytest tests/models tests/resolvers $(ARGS)

test-clients: setup $(CLIENTS)/.complete ## Run real clients, the HTTP audits and GraphiQL in Chromium against a real server
	$(PY) -m pytest tests/clients $(ARGS)

check: setup ## Format, lint, two strict type checkers, architecture and packaging
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m basedpyright
	$(PY) -m pytest tests/architecture

format: .venv/.dev ## Format the code and apply the safe lint fixes
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

schema: setup ## Print the schema to schema/schema.graphql
	@.venv/bin/fullmakt schema > schema/schema.graphql.new
	@mv schema/schema.graphql.new schema/schema.graphql

messages: setup ## Collect the texts to translate into i18n/messages.pot
	$(PY) -m babel.messages.frontend -q extract -F i18n/babel.cfg -k mark -k translate_plural:2,3 --omit-header --no-wrap --sort-by-file --add-location=file -o i18n/messages.pot .

catalogues: setup ## Bring the translations into the form of messages.pot, and print what they lack
	@$(PY) -m i18n.update

bench: setup ## Measure, and print a table of ratios; ARGS="--only execution" narrows it
	$(PY) -m benchmarks.run $(ARGS)

lock: .venv/.uv ## Resolve the dependencies again; UPGRADE=--upgrade takes newer versions
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.lock
	$(COMPILE) $(UPGRADE) -c requirements.lock requirements-otel.in -o requirements-otel.lock
	$(COMPILE) $(UPGRADE) -c requirements.lock -c requirements-otel.lock requirements-dev.in -o requirements-dev.lock
	$(COMPILE) $(UPGRADE) -c requirements-dev.lock requirements-web.in -o requirements-web.lock
	$(COMPILE) $(UPGRADE) requirements-uv.in -o requirements-uv.lock
	$(PY) -m web.fetch --lock
	$(PY) -m web.packages --lock tests/clients

clean: ## Remove everything that set-up made; the data in var/ stays
	rm -rf .venv server/static/vendor $(CLIENTS) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: .venv/.dev .venv/bin/fullmakt .venv/.web

# A version manager's shim can exist and fail, so a candidate counts when it runs.
.venv/.uv: requirements-uv.lock
	@found=; bare=; \
	for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		if "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then found="$$python"; break; fi; \
		bare="$$python"; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
		echo "$$bare cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	elif [ -z "$$found" ]; then \
		echo "Fullmakt needs Python 3.11 or later, and none was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Making .venv with $$found"; \
	"$$found" -m venv --clear .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements-uv.lock
	@touch $@

# uv does not read pip's configuration, so where only pip knows a mirror, pip does the work.
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

# Runs cli.py by its path: the checkout comes first on sys.path, so nothing installed can shadow a folder of ours.
.venv/bin/fullmakt: .venv/.uv Makefile
	@printf '%s\n' \
		'#!/bin/sh' \
		'bin=$$(CDPATH= cd -- "$$(dirname -- "$$0")" && pwd) || exit 1' \
		'PYTHONSAFEPATH= exec "$$bin/python" "$$bin/../../cli.py" "$$@"' > $@
	@chmod +x $@
