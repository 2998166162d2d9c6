.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
UV := .venv/bin/uv
UV_VERSION := 0.13.9
COMPILE := $(UV) pip compile --quiet --python-version 3.11 --generate-hashes --custom-compile-command "make lock" pyproject.toml

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	python3.11 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: requirements.txt pyproject.toml | $(UV)
	$(UV) pip sync --quiet --require-hashes --compile-bytecode requirements.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: .venv/.synced  ## Set up, then run the segmentation pipeline on this machine
	.venv/bin/sightline run segmentation

test: .venv/.synced  ## Set up, then run every test
	$(PY) -m pytest -n 2 --dist loadgroup

coverage: .venv/.synced  ## Run every test with coverage, and name what no test reaches
	$(PY) -m pytest -n 2 --dist loadgroup --cov --cov-report=json:coverage.json --cov-report=term:skip-covered
	$(PY) -m tests.coverage_gaps coverage.json

check: .venv/.synced  ## Format, lint, types, import layers: what CI runs first
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/basedpyright
	.venv/bin/lint-imports

bench: .venv/.synced  ## Run every benchmark; each prints a table and its ratio
	for file in $(wildcard benchmarks/[a-z]*.py); do $(PY) -m benchmarks.$$(basename $$file .py) || exit 1; done

lock: | $(UV)  ## Compile the requirement files from pyproject.toml
	$(COMPILE) --all-extras --output-file requirements.txt
	$(COMPILE) --output-file requirements-trainer.txt

pipelines: .venv/.synced  ## Compile the pipelines' YAML from their code and recipes
	$(PY) -m pipelines.compile

reference: .venv/.synced  ## Write the tables of docs/recipes.md, and the recipes' JSON Schema, from the config
	$(PY) -m pipelines.reference
	.venv/bin/sightline config --schema > docs/recipe.schema.json

clean:  ## Remove outputs and caches, not the environment
	rm -rf outputs .sightline .pytest_cache .ruff_cache .import_linter_cache build dist

.PHONY: help run test coverage check bench lock pipelines reference clean
