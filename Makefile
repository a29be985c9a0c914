# Every way to run, test and check the service. Needs Python 3.11 or newer and nothing else.
.DEFAULT_GOAL := help
.PHONY: help run venv test check format bench bench-scale openapi lock

# Workers of the test run; each has a database of its own.
TEST_WORKERS ?= 2

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

run: ## Serve on http://127.0.0.1:8000 with an embedded database and the demo practice
	@.ci/venv run
	@.venv/bin/kat-fhir serve --demo

venv: ## Make .venv with everything that tests and checks need
	@.ci/venv dev

test: venv ## Run the whole test suite against an embedded database of its own
	@.venv/bin/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(TEST_ARGUMENTS)

check: venv ## Run what is checked before a merge, the tests apart
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .
	.venv/bin/kat-fhir openapi --check
	.venv/bin/python -m pytest -q tests/lints

format: venv ## Format the code and mend what can be mended
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: venv ## Measure CPU per request against the floor (four minutes)
	@PYTHONPATH=tests .venv/bin/python -m bench.run $(BENCH_ARGUMENTS)

bench-scale: venv ## Measure searches while a practice grows to 64,000 patients (up to an hour, 30 GB)
	@PYTHONPATH=tests .venv/bin/python -m bench.scale $(BENCH_ARGUMENTS)

openapi: venv ## Write openapi.yaml
	@.venv/bin/kat-fhir openapi

# The lock files name no index; hashes cover every platform.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: venv ## Resolve the lock files anew
	@.venv/bin/python -m pip install --quiet uv
	$(LOCK) pyproject.toml --upgrade -o requirements.lock
	$(LOCK) pyproject.toml --upgrade --group dev -c requirements.lock -o requirements-dev.lock
	sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml | $(LOCK) --upgrade - -o requirements-build.lock
