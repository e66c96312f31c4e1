# The two commands are `make demo` and `make test`; both set the environment up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK := 1

.PHONY: demo test lint setup clean

demo: $(INSTALLED)
	@edgewright run

test: $(INSTALLED) lint
	@pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	@ruff check .
	@mypy

setup: $(INSTALLED)

# Not quiet: an installation of four minutes should show that it moves.
$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or set PYTHON"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --progress-bar off -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) .edgewright
