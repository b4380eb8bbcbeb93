# Two targets do all the set-up on a fresh Debian machine: image and test.

PYTHON ?= python3
KILN := .venv/bin/kiln

.PHONY: image test test-long test-magento check unit format setup clean bench bench-swap bench-scale

image: setup ## Build the sample shop and push it to the local registry.
	$(KILN) --project tests/store build --push

test: setup ## All tests, with real parts.
	.venv/bin/python -m tests.install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	# Most of the time these wait for containers: three files at once take two cores.
	.venv/bin/pytest --numprocesses 3 --dist loadfile -m "not long and not magento"

test-long: setup ## What takes minutes a test: a kill at every step of a release, measured swaps.
	.venv/bin/python -m tests.install
	.venv/bin/pytest -m long

test-magento: setup ## A real Magento at MAGENTO_SOURCE: built, installed, swapped under load.
	.venv/bin/python -m tests.install
	.venv/bin/pytest -m magento -rP

check: .venv/.made ## Format, lint, types and unit tests, in seconds.
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/pytest tests/unit

format: .venv/.made
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: setup ## Build a shop change by change, with Kiln and with what is used today; on an idle machine.
	.venv/bin/python -m benchmarks.build $(BENCH)

bench-swap: setup ## Swap the sample shop under load, with Kiln and with what is used today.
	.venv/bin/python -m benchmarks.swap $(BENCH_SWAP)

bench-scale: setup ## From 1 to 8 web containers on a swarm of three engines.
	.venv/bin/python -m benchmarks.scale $(BENCH_SCALE)

setup: .venv/.made ## Whatever is missing: an engine, a registry, a base image.
	$(KILN) --project tests/store setup

.venv/.made: pyproject.toml scripts/make-venv
	scripts/make-venv $(PYTHON)
	touch $@

clean:
	rm -rf .venv
