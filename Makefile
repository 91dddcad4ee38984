# Everything a newcomer needs: `make run`, `make test`. Each sets up what it uses, once.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
# Else every process of cargo would warn that it cannot share the jobs of make.
OWN_JOBS := env -u MAKEFLAGS -u MFLAGS
CARGO := $(OWN_JOBS) cargo --locked
NATIVE := --manifest-path sfu/native/Cargo.toml
CONFIG ?= configs/dev.toml

RUST_SOURCES := $(shell find sfu/native -name target -prune -o \( -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock \) -print)

.PHONY: help run test lint fmt bench docs fuzz clean
help:
	@echo 'make run    set up what is missing and start the service (CONFIG=$(CONFIG)); Ctrl-C stops it'
	@echo 'make test   set up what is missing and run every test, browsers included'
	@echo 'make lint   formatting, lints, types, import rules'
	@echo 'make fmt    format everything'
	@echo 'make bench  measure the bars, print the table, write var/bench.json'
	@echo 'make docs   write the generated parts of docs/ again'
	@echo 'make fuzz   fuzz every parser (SECONDS_EACH=20)'

run: .venv/native assets
	exec $(BIN)/synedrion serve --config $(CONFIG)

# --- set-up ---------------------------------------------------------------------------------------
.PHONY: system system-test system-bench assets
system:
	@.ci/debian.sh run
system-test:
	@.ci/debian.sh test
system-bench:
	@.ci/debian.sh bench

.venv/python: requirements.lock | system
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

.venv/native: .venv/python pyproject.toml $(RUST_SOURCES)
	$(OWN_JOBS) VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --quiet --release --locked
	touch $@

# The load agent, for tests of the load tester, for `synedrion loadtest` and for the bench.
.venv/bin/load-agent: .venv/python $(RUST_SOURCES)
	$(CARGO) build $(NATIVE) --quiet --release -p load-agent
	install sfu/native/target/release/load-agent $@

node_modules/.installed: package.json package-lock.json | system
	npm ci --silent --legacy-peer-deps
	touch $@

assets: signaling/web/static/vendor/.installed
signaling/web/static/vendor/.installed: node_modules/.installed signaling/web/assets.py
	$(PYTHON) -m signaling.web.assets
	touch $@

# --- tests ----------------------------------------------------------------------------------------
.PHONY: test-native test-web test-pages test-forms test-every-page test-with-media test-browsers test-media \
	test-load test-judge set-up-tests
# Two at a time. Browsers with media have the machine to themselves, but for what only takes the time that they leave:
# compilers. Tests of load and of media without browsers mostly wait.
test: system-test
	$(MAKE) --jobs=2 set-up-tests
	$(MAKE) --jobs=2 test-every-page test-pages test-forms test-web
	$(MAKE) --jobs=2 test-with-media test-native

test-with-media:
	$(MAKE) test-browsers
	$(MAKE) --jobs=3 test-media test-load test-judge

set-up-tests: .venv/native .venv/bin/load-agent assets

IDLE := chrt --idle 0
# What it needs of what the server needs is there already.
INTEROP := --manifest-path sfu/native/interop/Cargo.toml --target-dir sfu/native/target
# Tests are run apart from compilers: some ask for the scheduling they have.
test-native:
	$(IDLE) $(CARGO) test $(NATIVE) --workspace --quiet --no-run
	nice $(CARGO) test $(NATIVE) --workspace --quiet
	$(IDLE) $(CARGO) test $(INTEROP) --quiet --no-run
	nice $(CARGO) test $(INTEROP) --quiet
	$(IDLE) $(OWN_JOBS) sfu/native/fuzz/run.sh 2

test-web: node_modules/.installed
	node --test tests/web/*.test.mjs

# Python without media: rules, pages, databases. `pytest` alone runs these and all that follow.
PAGES := $(addprefix tests/,unit contract architecture simulation) \
	$(addprefix tests/integration/,accounts api helpdesk kep scheduling)
# Real browsers without media.
FORMS := $(addprefix tests/browser/test_,accounts.py desk.py kep_booking.py)
EVERY_PAGE := tests/browser/test_every_page.py
JUDGE := tests/integration/test_load_judge.py
LOAD := $(filter-out $(JUDGE),$(wildcard tests/integration/test_load*.py))
PYTEST := PYTHONASYNCIODEBUG=1 .ci/postgresql.sh $(BIN)/pytest

test-pages: set-up-tests
	$(PYTEST) $(PAGES)

test-forms: set-up-tests
	$(PYTEST) $(FORMS)

test-every-page: set-up-tests
	$(PYTEST) $(EVERY_PAGE)

test-browsers: set-up-tests
	$(PYTEST) $(addprefix --ignore=,$(FORMS) $(EVERY_PAGE)) tests/browser

test-load: set-up-tests
	$(PYTEST) $(LOAD)

test-judge: set-up-tests
	$(PYTEST) $(JUDGE)

test-media: set-up-tests
	$(PYTEST) $(addprefix --ignore=,$(PAGES) tests/browser $(JUDGE) $(LOAD))

fuzz:
	sfu/native/fuzz/run.sh $(or $(SECONDS_EACH),20)

# --- style ----------------------------------------------------------------------------------------
.PHONY: lint-native lint-python lint-web
lint: system
	$(MAKE) --jobs=2 lint-native lint-python lint-web

lint-native:
	cargo fmt $(NATIVE) --all --check
	$(CARGO) clippy $(NATIVE) --workspace --all-targets --quiet -- -D warnings

lint-python: .venv/native
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sfu._engine --allowlist sfu/native/engine-py/stubtest-allowlist.txt
	$(BIN)/lint-imports --no-cache

lint-web: node_modules/.installed
	npx tsc --project signaling/web

fmt: .venv/native
	cargo fmt $(NATIVE) --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- measurements and documents -------------------------------------------------------------------
bench: system-bench .venv/native .venv/bin/load-agent assets
	$(CARGO) build $(NATIVE) --quiet --release -p bench
	$(CARGO) build $(NATIVE) --quiet --release -p engine-io --example raw_limit
	$(BIN)/python -m tests.bench

docs: .venv/native
	$(BIN)/python -m tests.support.write_docs

clean:
	rm -rf .venv node_modules var sfu/native/target sfu/native/fuzz/target sfu/*.so signaling/web/static/vendor
