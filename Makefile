# Every target sets up what it needs; nothing but Debian, root and the package registries is assumed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dind-operator
# The environment is cached by what it is made from, so that a fresh clone reuses it.
VENV_KEY := $(shell { sed -n '/^dependencies/,/^]/p;/^\[dependency-groups]/,/^]/p' pyproject.toml; cat tests/cluster/venv.sh; python3 --version; } | sha256sum | cut -c1-16)
VENV := $(CACHE)/venv-$(VENV_KEY)
PY := PYTHONPATH=operator:. $(VENV)/bin/python
PYTEST := $(PY) -m pytest
CLUSTER ?= embedded
export CLUSTER
# host, or host,vm: a second, virtual node with cgroup version 2 and AppArmor beside the first.
NODES ?= host
export NODES
BOTH := host,vm
# Programs that the machine lacks are built and linked here (kubectl, where there is none or an old one).
export PATH := $(CACHE)/bin:$(PATH)

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: venv
venv: $(VENV)/.done ## Create the Python environment (cached by pyproject.toml)

$(VENV)/.done: pyproject.toml
	@tests/cluster/venv.sh "$(VENV)" >&2

.PHONY: lint
lint: setup ## Check format, lint, types, import layers and shell scripts
	$(PY) -m ruff format --check operator tests
	$(PY) -m ruff check operator tests
	MYPY_CACHE_DIR=$(CACHE)/mypy $(PY) -m mypy
	PYTHONPATH=operator $(VENV)/bin/lint-imports
	shellcheck .ci/run image/apparmor/loader image/daemon/build node/build node/check tests/cluster/*.sh tests/cluster/vm/*.sh

.PHONY: crds
crds: venv ## Generate crds/ from the models (a test fails when they differ)
	@mkdir -p crds
	@$(PY) -m dind_operator crds >crds/.new && mv crds/.new crds/dind.dev_dindenvironments.yaml

.PHONY: docs
docs: venv ## Generate docs/api.md from the models, and the permissions in docs/security.md from the chart (tests fail when they differ)
	@$(PY) -c 'import sys; from dind_operator.crd.reference import api_markdown; sys.stdout.write(api_markdown())' >docs/.new && mv docs/.new docs/api.md
	@home=$$(mktemp -d); $(PY) -m tests.rights "$$home"; rm -r "$$home"

.PHONY: chart-crds
chart-crds: ## Copy crds/ into the chart (a test fails when they differ)
	cp crds/dind.dev_dindenvironments.yaml charts/dind-operator/files/

.PHONY: chart-apparmor
chart-apparmor: ## Copy the AppArmor profile into the chart (a test fails when they differ)
	cp image/apparmor/dind charts/dind-operator/files/apparmor-dind

.PHONY: setup cluster cluster-down cluster-status kubeconfig images tools
setup: venv ## Install the Debian packages that are missing
	@$(PY) -m tests.cluster setup

cluster: venv ## Start a Kubernetes cluster on this machine (CLUSTER=current: use the cluster of KUBECONFIG; NODES=host,vm: two nodes)
	@$(PY) -m tests.cluster up

cluster-down: venv ## Stop the embedded cluster and remove all of it
	@$(PY) -m tests.cluster down

cluster-status: venv ## Print which parts of the embedded cluster are running
	@$(PY) -m tests.cluster status

kubeconfig: venv ## Print the path of the cluster's kubeconfig
	@$(PY) -m tests.cluster kubeconfig

images: venv ## Build the project's images and import those that changed into the cluster
	@$(PY) -m tests.cluster images

tools: setup ## Build Kubernetes, containerd, runc, CoreDNS, Helm and a policy engine from Go modules (cached)
	@$(PY) -m tests.cluster tool kubenode containerd runc coredns helm4 policyengine >/dev/null

# The tiers of tests. Each may be run alone; `test` runs all of them, cheapest first.
# Each remembers its failures in a folder of its own: they may run beside each other.
DURATIONS := --durations=8 --durations-min=2
TIER = $(PYTEST) -o cache_dir=.pytest_cache/$@ $(DURATIONS)

# Unit tests need no root, no program that is built and no package of Debian; one worker for each core.
# System tests wait more than they compute, so there are more workers than cores.
.PHONY: unit node system integration e2e e2e-serial e2e-vm e2e-vm-short test
unit: venv ## Run the unit tests: without root, network and built tools (DIND_TEST_THOROUGH=1: more examples of each property)
	$(TIER) $(or $(TESTS),tests/unit) -q --numprocesses=auto --maxprocesses=4 --dist=worksteal

# FUZZTIME=10000000x: so many inputs for each fuzz target.
node: setup ## Run the Go tests of dind-node, the program of the pod, and its fuzz targets with 100,000 inputs each
	@node/check

system: setup ## Run the tests of the scripts, dind-node, the AppArmor profile and the chart (root, Go, Helm; no cluster)
	@$(PY) -m tests.cluster tool helm4 >/dev/null
	$(TIER) $(or $(TESTS),tests/system -m "not matrix") -q --numprocesses=10 --dist=worksteal

# Most of a test is waiting, so there are more workers than cores. Each has an API server of its own. A file whose fixtures cost
# much is one worker's (xdist_group); the tests of all others go to whoever is free.
WORKERS := -n 6 --dist loadgroup --no-loadscope-reorder
integration: setup ## Run the operator in the test process with a real API server (TESTS=PATH: only these tests)
	@$(PY) -m tests.cluster tool kubenode helm4 >/dev/null
	$(TIER) $(or $(TESTS),tests/integration -m "not matrix" $(WORKERS)) -q

# Most tests wait rather than compute, so more run at a time than there are cores. TESTS=PATH runs those alone, one at a time:
# with a cluster that is up, a test starts within seconds.
E2E_WORKERS ?= 6
e2e: cluster images ## Run the end-to-end tests: the operator as a pod, a real kubelet, nested builds (TESTS=PATH: only these tests)
	$(TIER) $(if $(TESTS),$(TESTS),tests/e2e -n $(E2E_WORKERS) --dist loadgroup --no-loadscope-reorder -m "not serial and not matrix") -v

e2e-serial: cluster images ## Run the end-to-end tests that disturb the node, the operator or the installation, one at a time
	$(TIER) tests/e2e -m "serial and not matrix" -v

# A test waits for one emulated process after another, and leaves one of the guest's two processors idle: two workers.
e2e-vm e2e-vm-short: export NODES = $(BOTH)
e2e-vm: cluster images ## Run all tests that need cgroup v2 and AppArmor, on the virtual node (an hour on an idle machine)
	$(TIER) $(or $(TESTS),tests/vm) -v

e2e-vm-short: cluster images ## Run those tests on the virtual node that `make test` includes (TESTS=PATH: only these tests)
	$(TIER) $(or $(TESTS),tests/vm -n 2 --dist loadgroup --no-loadscope-reorder) -v -m "not thorough"

.PHONY: test-harness
test-harness: setup ## Run the tests of the embedded cluster itself (`make test` runs them when their inputs have changed)
	@$(PY) -m tests.cluster tool kubenode containerd runc coredns >/dev/null
	@$(PY) -m tests.harness run

# On both nodes, unless the caller says otherwise.
test: export NODES := $(if $(filter file,$(origin NODES)),$(BOTH),$(NODES))
test: venv ## Run all tests that CI runs, and print the duration of each part (NODES=host: without the virtual node)
	@$(PY) -m tests.gate

.PHONY: vulnerabilities
vulnerabilities: venv ## Known vulnerabilities of Docker's programs in the image daemon
	@$(PY) -m tests.cluster.vulnerabilities

.PHONY: matrix
ONLY ?=
matrix: tools ## Run tests of other versions and long tests, and update docs/versions.md (ONLY="helm3 busy": single parts; NODES=host,vm: with the virtual node)
	@$(PY) -m tests.matrix $(if $(ONLY),--only $(ONLY))

# The short run of the integration tier, and then on. The seed is printed: with it the same objects come again.
.PHONY: fuzz
OBJECTS ?= 10000
SECONDS ?= 3600
SEED ?= $(shell shuf -i 1-999999999 -n 1)
fuzz: setup ## Create random environments with a running operator (OBJECTS=10000 SECONDS=3600 SEED=number)
	@$(PY) -m tests.cluster tool kubenode helm4 >/dev/null
	DIND_FUZZ_OBJECTS=$(OBJECTS) DIND_FUZZ_SECONDS=$(SECONDS) DIND_FUZZ_SEED=$(SEED) \
		$(TIER) tests/integration/environments/test_fuzz.py -q -s

.PHONY: demo bench bench-short
EXAMPLE ?= examples/builder.yaml
demo: venv ## Start a cluster, install the operator and build an image in an environment (EXAMPLE=file)
	@$(PY) -m tests.demo $(EXAMPLE)

bench: venv ## Run all benchmarks and update docs/benchmarks.md (half an hour on an idle machine)
	@$(PY) -m tests.bench

bench-short: venv ## Run a few rounds of each benchmark and compare them with wide margins (minutes)
	$(TIER) tests/bench -v
