# `make` alone lists the targets. Each sets up what it needs first, once.
.DEFAULT_GOAL := help
.PHONY: help setup up demo test check parity bench bench-peers chaos soak clean

PATH := $(CURDIR)/.venv/bin:$(PATH)
export PATH

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv with the command thrice in it, from pins with hashes
	@sh scripts/setup.sh runtime

up: setup ## Serve on http://127.0.0.1:4566 until Ctrl-C
	@exec thrice up

demo: setup ## Run the main job on real input and check that nothing was lost
	@thrice demo

test: ## Run the tests
	@sh scripts/setup.sh dev
	@pytest -n 2 --dist loadgroup

check: ## Lint, types, import contracts, formatting
	@sh scripts/setup.sh dev
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo

parity: ## Write docs/parity.md from the catalogue and the tests' marks
	@sh scripts/setup.sh dev
	@python -m tests.parity

bench: ## Measure thrice beside stock Celery, in some ten minutes, and print the figures
	@sh scripts/setup.sh runtime
	@python -m benchmarks

bench-long: ## The same with more repetitions, in half an hour
	@sh scripts/setup.sh runtime
	@python -m benchmarks --long

bench-peers: ## Measure thrice beside eight peers, in half an hour; installs them below build/peers
	@sh scripts/setup.sh runtime
	@python -m benchmarks.peers

chaos: ## A million random steps against a model, then 200 kills under load: make chaos STEPS=1000000 KILLS=200 SEED=1
	@sh scripts/setup.sh dev
	@FUZZ_STEPS=$(or $(STEPS),1000000) $(if $(SEED),FUZZ_SEED=$(SEED)) pytest -s tests/transport/test_fuzz.py tests/worker/test_fuzz.py
	@CHAOS_KILLS=$(or $(KILLS),200) $(if $(SEED),CHAOS_SEED=$(SEED)) pytest tests/chaos

soak: ## A bad night: everything dies, stands still and is filled up under load: make soak MINUTES=10 SEED=1
	@sh scripts/setup.sh dev
	@python -m tests.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

clean: ## Remove .venv and everything that was built; data in .thrice stays
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
