# The commands of the project. `make help` lists them. A set-up runs before whatever needs it and costs nothing when
# nothing changed.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := $(CURDIR)/.venv
# What the set-up builds on is found without what it built.
SETUP := PATH='$(PATH)' $(PYTHON) -m dev.setup

# Nothing of the caller's Ansible or Python settings may change what happens here.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV ANSIBLE_CONFIG ANSIBLE_INVENTORY
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.collections
export ANSIBLE_PYTHON_INTERPRETER := $(VENV)/bin/python
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export ANSIBLE_LOCALHOST_WARNING := False
# kubernetes.core keeps what it discovers of an API server in TMPDIR, by address: never share it with other clusters.
# Short, whatever the checkout's path: ansible-core 2.21 listens on a socket in it, whose path may have 107 characters.
export TMPDIR := $(shell d=$${TMPDIR:-/tmp}; \
  [ "$${d%/voice-*}" != "$$d" ] || d=$$d/voice-$$(id -u)-$$(printf %s '$(CURDIR)' | cksum | cut -d' ' -f1); \
  mkdir -p -m 700 "$$d" && echo "$$d")

## Use it
.PHONY: demo demo-unsafe cluster cluster-down
demo: setup ## deploy the voice services and the gate on a local cluster, and watch a night of it (1 min; first time 10 min)
	@python -m dev.demo

demo-unsafe: setup ## the same with a floor that is too low: see the refusal (1 min)
	@python -m dev.demo --unsafe

cluster: setup ## start the local cluster and leave its addresses in .cluster/env (10 s; first time up to 10 min)
	@python -m dev.cluster up

cluster-down: setup ## stop the local cluster and remove its data (5 s)
	@python -m dev.cluster down

## Check it
.PHONY: test lint unit sanity integration molecule packaging
test: setup ## set up and pass all tests (30 min; first time 38 min)
	@python -m dev.checks lint unit sanity packaging integration molecule

lint: setup ## style, types and documentation: ruff, mypy, yamllint, ansible-lint, shellcheck, antsibull-docs (30 s)
	@python -m dev.checks.lint

unit: setup ## unit tests, and again under the newer ansible-core where its Python is installed (2 min)
	@python -m dev.checks.unit

sanity: setup ## ansible-test sanity on the built collection, without Docker (1 min; first time 2 min)
	@python -m dev.checks.sanity

packaging: setup ## build the collection, install it in an empty path, use it from there (30 s)
	@pytest -q tests/packaging

integration: programs ## tests against a real API server and a real Prometheus, a few clusters at a time (21 min)
	@pytest -q -n 3 --dist loadfile --no-loadscope-reorder tests/integration

molecule: programs ## converge, repeat, verify on the local cluster, and on a real node where root may have one (4 min; first time 6 min)
	@python -m dev.checks.molecule

## Develop it
.PHONY: setup programs node-shell lock docs bench clean help
programs: setup ## have the local cluster's programs ready: found, downloaded or built (1 s; first time 8 min)
	@python -m dev.cluster fetch

node-shell: setup ## a shell in the namespaces of a real node, for root: molecule converge --scenario-name node (docs/testing.md)
	@python -m dev.node run sh

setup: ## tools in .venv, collections in .collections; every other command does this first (0.1 s; first time 1 min)
	@$(SETUP)

lock: setup ## pin the tools of pyproject.toml anew in dev/requirements.txt (10 s)
	@$(SETUP) lock

docs: setup ## write docs/faults.md and the generated parts of the README files (5 s)
	@python -m dev.docs

bench: setup ## measure, and write docs/benchmarks.md (2 h; `python -m dev.bench --help` for parts)
	@python -m dev.bench

clean: ## stop the local cluster and remove everything that git ignores here
	@if [ -f .cluster/env ]; then python -m dev.cluster down; fi
	@git -c core.excludesFile= clean -ffdXq
	@rm -rf '$(TMPDIR)'

help: ## this list
	@awk -F ':.*## ' '/^## /{print "\n" substr($$0, 4)} /^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
