# `make demo` and `make test` are all that a newcomer needs: both make their own .venv from the hash-pinned requirements.lock.
# `make` alone lists the rest. The rule: a target says what takes long, and leaves what it did not make alone (runs/ is yours).

PYTHON ?= python3
BIN := .venv/bin
LOCKED := .venv/.locked
READY := .venv/.ready
RIGS := .conformance
PEERS := .peers
PIP_FLAGS := --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint types bench bench-peers conformance wheel-check lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

demo: $(READY) ## the main job on three simulated candidates: scorecard here, report.html in runs/latest
	@code=0; $(BIN)/signoff run scenarios/claims_triage || code=$$?; \
	if [ $$code -eq 99 ]; then echo "(exit code 99: a candidate missed one of its objectives, as the scorecard says)"; code=0; fi; \
	exit $$code

test: lint types ## lint, types and tests
	@$(BIN)/python -m pytest

test-slow: $(READY) ## the tests that take minutes
	@$(BIN)/python -m pytest -m slow

lint: $(READY) ## ruff: rules and format
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && echo "ruff: clean"

types: $(READY) ## mypy --strict over harness/
	@$(BIN)/mypy

bench: $(READY) ## cost and honesty of the hot path, as ratios within one run; the better part of an hour
	@$(BIN)/python -m tests.benchmarks

# --------------------------------------------------------------------------------------------------------------- environments

define need_python
@command -v "$(PYTHON)" >/dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "signoff needs Python 3.11 or newer and $(PYTHON) is $$("$(PYTHON)" -V 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
endef

$(LOCKED): requirements.lock
	$(need_python)
	@echo "Making .venv from requirements.lock; this takes a minute or two and 800 MB, once."
	@"$(PYTHON)" -m venv --clear .venv
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements.lock
	@touch $@

$(READY): pyproject.toml $(LOCKED)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e .
	@touch $@

# uv writes no index address unless asked to, and keeps the pins that still fit: `make lock UV_FLAGS=--upgrade` renews them all.
lock: ## pin the dependencies of pyproject.toml again, with hashes
	$(need_python)
	@echo "Resolving with uv, in an environment of its own."
	@"$(PYTHON)" -m venv --clear build/uv
	@build/uv/bin/python -m pip install $(PIP_FLAGS) uv
	@build/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --all-extras $(UV_FLAGS) pyproject.toml -o requirements.lock
	@echo "requirements.lock is written; the next make installs it."

wheel-check: $(READY) ## the wheel in an environment that holds the locked packages and nothing of this checkout
	@echo "Installing requirements.lock a second time, into build/wheel-env; this takes a minute or two."
	@"$(PYTHON)" -m venv --clear build/wheel-env
	@build/wheel-env/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements.lock
	@SIGNOFF_WHEEL_ENV=build/wheel-env $(BIN)/python -m pytest tests/packaging

# ---------------------------------------------------------------------------------------------- real servers, see tests/conformance

conformance: $(READY) $(RIGS)/litellm/.ready $(RIGS)/transformers/.ready $(RIGS)/tiny-llama/.ready ## signoff against a real gateway and a real inference server
	@$(BIN)/python -m tests.conformance

$(RIGS)/%/.ready: tests/conformance/%.txt
	$(need_python)
	@echo "Installing $* into $(RIGS)/$*; this takes minutes and about 1 GB, once."
	@"$(PYTHON)" -m venv --clear $(RIGS)/$*
	@$(RIGS)/$*/bin/python -m pip install $(PIP_FLAGS) -r $<
	@touch $@

$(RIGS)/tiny-llama/.ready: tests/conformance/tiny_llama.py $(RIGS)/transformers/.ready
	@HF_HUB_OFFLINE=1 $(RIGS)/transformers/bin/python $< $(@D)
	@touch $@

# --------------------------------------------------------------------------------- other tools on the same work, see tests/benchmarks

bench-peers: $(READY) $(PEERS)/vllm/.ready $(PEERS)/aiperf/.ready $(PEERS)/guidellm/.ready ## signoff beside other tools on the same work; 5 GB once, then most of an hour
	@$(BIN)/python -m tests.benchmarks peers --markdown

$(PEERS)/%/.ready: tests/benchmarks/peers/%.txt
	$(need_python)
	@echo "Installing $* into $(PEERS)/$*; this takes minutes and one to two GB, once."
	@"$(PYTHON)" -m venv --clear $(PEERS)/$*
	@$(PEERS)/$*/bin/python -m pip install $(PIP_FLAGS) -r $<
	@[ ! -e tests/benchmarks/peers/$*-alone.txt ] || $(PEERS)/$*/bin/python -m pip install $(PIP_FLAGS) --no-deps -r tests/benchmarks/peers/$*-alone.txt
	@touch $@

$(PEERS)/vllm/.ready: tests/benchmarks/peers/vllm-alone.txt

clean: ## remove what make made: environments, caches, builds (never runs/)
	@rm -rf .venv $(RIGS) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
