SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
DEMO_ARGS ?=
SERVE_ARGS ?=
PYTEST_ARGS ?=
BENCH_SECONDS ?= 30
LOCK_ARGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole system on loopback, real calls, checked from outside (DEMO_ARGS=--keep, --json)
	@scripts/setup.sh demo
	@$(BIN)/offhook demo $(DEMO_ARGS)

.PHONY: serve
serve: ## run it (SERVE_ARGS="-c my.yaml")
	@scripts/setup.sh demo
	@$(BIN)/offhook serve $(SERVE_ARGS)

.PHONY: test
test: lint types ## everything that CI runs: lint, types, import rules, all tests
	@scripts/test.sh $(PYTEST_ARGS)

.PHONY: lint
lint: setup ## ruff, its formatter and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

.PHONY: types
types: setup ## mypy --strict
	@$(BIN)/mypy

.PHONY: format
format: setup ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: bench
bench: setup ## every claim of speed, one JSON line each (BENCH_SECONDS=30 for each)
	@$(BIN)/python -m bench.sip --seconds $(BENCH_SECONDS)
	@$(BIN)/python -m bench.media --seconds $(BENCH_SECONDS)
	@$(BIN)/python -m bench.calls --seconds $(BENCH_SECONDS)

.PHONY: setup
setup: ## .venv and Debian packages for development; fast when done
	@scripts/setup.sh test

.PHONY: lock
lock: setup ## write the lock files anew from pyproject.toml (LOCK_ARGS=--upgrade)
	@scripts/lock.sh $(LOCK_ARGS)

.PHONY: secrets
secrets: ## passwords for compose.yaml, in secrets/ (never committed)
	@scripts/secrets.sh

.PHONY: image
image: ## the container image offhook:latest
	@docker build --tag offhook:latest .

.PHONY: clean
clean: ## remove what the other targets made
	@rm -rf .venv .setup.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
