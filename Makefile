# Each target does its own set-up. `make demo` to try Parley, `make test` to test it.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
PORT ?= 8000
SANDBOX_PORT ?= 8001
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest -n auto --dist loadgroup

.PHONY: demo demo-reset test check lint types migrations deploy test-postgres browser smoke lock

demo: .venv/runtime
	@exec $(BIN)/python manage.py demo --port $(PORT) --sandbox-port $(SANDBOX_PORT)

demo-reset: .venv/runtime
	@exec $(BIN)/python manage.py demo --port $(PORT) --sandbox-port $(SANDBOX_PORT) --reset

test: .venv/development
	$(PYTEST) -m "not browser"

# What CI runs. `test` is the suite on SQLite.
check: lint types migrations deploy test test-postgres browser smoke

lint: .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/development
	$(BIN)/mypy .

migrations: .venv/development
	$(BIN)/python manage.py makemigrations --check --dry-run --settings tests.settings

deploy: .venv/development
	$(BIN)/python tools/check_deploy.py

test-postgres: .venv/development
	$(BIN)/python tools/with_postgres.py $(PYTEST) -m "not browser"

browser: .venv/development
	$(BIN)/python -m pytest -m browser
	$(BIN)/python tools/with_postgres.py $(BIN)/python -m pytest -m browser tests/browser/test_story.py tests/browser/test_log_in.py

smoke: .venv/runtime
	$(BIN)/python tools/smoke_demo.py

# Exact versions with the hashes of every file, and nothing about where they came from.
lock: .venv/development
	$(BIN)/python tools/lock.py

.venv/runtime: requirements.txt
	@$(call install,requirements.txt)

.venv/development: requirements-dev.txt
	@$(call install,requirements-dev.txt)
	@touch .venv/runtime

define install
[ -n "$(PYTHON)" ] || { echo "Parley needs Python 3.11 or newer with its venv module, and none was found." >&2; exit 1; }; \
[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || exit 1; \
echo "Installing $(1) into .venv ..."; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 1 --require-hashes -r $(1) >.venv/install.log 2>&1 || \
{ echo "The packages could not be installed: is there a network? What pip said is in .venv/install.log." >&2; exit 1; }; \
touch $@
endef
