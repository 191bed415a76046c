# Everything a developer or CI does, by name. `make help` lists it; every target sets up what it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NAME ?= default
NODES ?= 4
ARGS ?=
FOCUS ?= \[Conformance\]
SKIP ?=
PROCS ?= 4
N ?= 2000
SEED ?= 1
WITH ?=

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^## / {print "\n" substr($$0, 4)} /^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Use it

.PHONY: up
up: $(VENV)/ready ## A real API server, our loops, a web application and a rolling update you can watch
	@$(BIN)/understudy up --name $(NAME) --nodes $(NODES) --demo $(ARGS)

.PHONY: demo
demo: $(VENV)/ready ## The show once more, on the running cluster
	@$(BIN)/understudy demo --name $(NAME) $(ARGS)

.PHONY: down
down: $(VENV)/ready ## End the cluster and leave nothing behind
	@$(BIN)/understudy down --name $(NAME) $(ARGS)

.PHONY: engine
engine: $(VENV)/ready ## Install and start Debian's container engine where none runs (root); engine-stop ends it
	@$(BIN)/understudy engine start --install $(ARGS)

.PHONY: engine-stop
engine-stop: $(VENV)/ready
	@$(BIN)/understudy engine stop

.PHONY: packages
packages: ## What the network tests and benches call: ip, nft, the CNI plugins, dnsperf (Debian, root)
	@command -v ip >/dev/null && command -v nft >/dev/null && command -v dnsperf >/dev/null && ls /usr/lib/cni/ptp /opt/cni/bin/ptp 2>/dev/null | grep -q ptp || \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends iproute2 nftables containernetworking-plugins dnsperf; }

.PHONY: kind-up
kind-up: $(VENV)/ready ## A real cluster by kind, our chart on it, our loops leading
	@$(BIN)/understudy up --provider kind $(ARGS)

.PHONY: kind-down
kind-down: $(VENV)/ready ## End it
	@$(BIN)/understudy down --provider kind $(ARGS)

.PHONY: toolchain
toolchain: $(VENV)/ready ## Find or build the pinned binaries (etcd, kube-apiserver, kubectl, kwok)
	@$(BIN)/understudy toolchain build $(ARGS)

## Check it

.PHONY: test
test: $(VENV)/ready ## Everything CI asks, with one summary, up to a real kind cluster (`make engine` if you have no Docker)
	@$(BIN)/python tests/run.py $(ARGS)

.PHONY: lint
lint: $(VENV)/ready ## ruff: style and format
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

.PHONY: types
types: $(VENV)/ready ## mypy --strict, tests too
	$(BIN)/mypy

.PHONY: contracts
contracts: $(VENV)/ready ## import-linter: who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: unit
unit: $(VENV)/ready ## Units, properties and scenarios in virtual time (no server)
	$(BIN)/pytest -q -n 2 tests/unit tests/scenarios examples/scheduler_plugin $(ARGS)

.PHONY: api
api: $(VENV)/ready ## On a real kube-apiserver and etcd: faults, failover, kubectl, the pytest plugin
	@$(BIN)/understudy toolchain build
	$(BIN)/pytest -q tests/api $(ARGS)

.PHONY: nightly
nightly: $(VENV)/ready ## Many more runs of the properties
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -q -n 2 -m "nightly or not nightly" tests/unit tests/scenarios $(ARGS)

.PHONY: bench
bench: $(VENV)/ready ## Ours and upstream's binaries side by side on one API server, with the ratio
	@$(BIN)/understudy toolchain build --for embedded --for upstream
	$(BIN)/python -m tests.bench $(ARGS)

.PHONY: bench-dns
bench-dns: $(VENV)/ready ## Our DNS server and CoreDNS, asked by dnsperf (`make packages` installs it)
	@$(BIN)/understudy toolchain build --for embedded --for dns
	$(BIN)/python -m tests.bench.dns.perf $(ARGS)

.PHONY: bench-proxy
bench-proxy: $(VENV)/ready packages ## Our service proxy and kube-proxy in a network namespace (root): ARGS='--size 1000'
	@$(BIN)/understudy toolchain build etcd kube-apiserver kwok kube-proxy
	$(BIN)/python -m tests.bench.proxy $(ARGS)

.PHONY: oracle
oracle: $(VENV)/ready ## The same user actions on upstream's controllers and on ours, and what differs
	@$(BIN)/understudy toolchain build --for embedded --for upstream
	$(BIN)/python -m tests.oracle $(ARGS)

.PHONY: oracle-scheduler
oracle-scheduler: $(VENV)/ready ## N=2000 drawn clusters and pods for upstream's scheduler plugins and ours, and what differs
	@$(BIN)/understudy toolchain build --for oracle
	$(BIN)/python -m tests.oracle_scheduler --count $(N) --seed $(SEED) $(ARGS)

.PHONY: oracle-dns
oracle-dns: $(VENV)/ready ## The same questions to CoreDNS and to our DNS server, and what differs
	@$(BIN)/understudy toolchain build --for embedded --for dns
	$(BIN)/python -m tests.oracle_dns $(ARGS)

.PHONY: chart
chart: $(VENV)/ready ## helm lint, what the templates render, and the chart on a real API server
	@$(BIN)/understudy toolchain build helm etcd kube-apiserver kubectl kwok
	$(BIN)/pytest -q tests/chart $(ARGS)

.PHONY: cluster
cluster: engine ## On a real kind cluster: install, storms, upgrade, uninstall (root, or a running Docker)
	@$(BIN)/understudy toolchain build --for kind
	$(BIN)/pytest -q tests/cluster $(ARGS)

.PHONY: cluster-storm
cluster-storm: engine ## The same with 20 killed leaders and 10 handovers
	UNDERSTUDY_KILLS=20 UNDERSTUDY_HANDOVERS=10 $(BIN)/pytest -q tests/cluster/test_storm_on_stage.py $(ARGS)

.PHONY: conformance
conformance: engine ## Upstream's e2e suite as the judge, upstream's loops moved away: FOCUS='\[sig-apps\]' SKIP= PROCS=4 WITH=service-proxy
	@$(BIN)/understudy toolchain build --for kind --for conformance
	@$(BIN)/understudy up --provider kind $(addprefix --with ,$(WITH))
	$(BIN)/python -m tests.conformance run --focus '$(FOCUS)' --skip '$(SKIP)' --procs $(PROCS) $(addprefix --,$(WITH)) $(ARGS)

.PHONY: netns
netns: $(VENV)/ready ## The pod network with real packets, in network namespaces of its own (root)
	$(BIN)/pytest -q tests/netns $(ARGS)

.PHONY: chart-rbac
chart-rbac: $(VENV)/ready ## Write the chart's RBAC rules anew from what the code declares
	$(BIN)/python -m understudy.rbac --write

.PHONY: image
image: $(VENV)/ready ## Build the product image if anything in it has changed
	@$(BIN)/understudy image build $(ARGS)

.PHONY: format
format: $(VENV)/ready ## Let ruff put the code in shape
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

## Keep it

.PHONY: lock
lock: $(VENV)/ready ## Pin what is installed now in requirements.lock
	$(BIN)/pip freeze --exclude-editable > requirements.lock

.PHONY: wheel
wheel: $(VENV)/ready ## Build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

.PHONY: clean
clean: ## Remove the virtual environment and every tool's cache in this folder
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "understudy needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --group dev --editable '.[cel,ingress]'
	@touch $@
