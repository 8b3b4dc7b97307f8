# The whole set-up on a fresh Debian machine: `make demo`, `make test`. Needs python3, python3-venv, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint servers servers-all campaign mutants bench clean lock

help:  ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]' --constraint constraints.txt
	@touch $@

demo: $(STAMP)  ## Build a playground and tell the support@ story on it
	$(BIN)/syncd demo playground

lint: $(STAMP)  ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

servers:  ## Install the servers that `make test` starts (Debian, as root)
	tests/servers/install.sh

servers-all: $(STAMP)  ## Install Samba and 389 Directory Server too, and the driver mysqlclient
	PYTHON=$(BIN)/python tests/servers/install.sh all
	-$(BIN)/python -m pip install --quiet mysqlclient --constraint constraints.txt

test: $(STAMP) servers  ## Unit, contract and end-to-end tests with OpenLDAP, MariaDB, Dovecot and Prometheus
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not (campaign or samba or ds389 or mysqlclient)"

test-all: lint servers-all  ## What CI runs: all tests, with Active Directory and 389 Directory Server too
	$(BIN)/python -m pytest -n 2 --dist loadgroup
	tests/other_pythons.sh

campaign: $(STAMP) servers  ## Break connections, kill runs at every moment, feed it garbage; takes more than an hour
	SYNCD_FUZZ=long $(BIN)/python -m pytest -n 2 tests/fuzz
	$(BIN)/python -m pytest -m campaign
	@cat build/campaign/faults.txt build/campaign/machine.txt

mutants: $(STAMP)  ## Change the core in 2,700 places and see whether its unit tests notice; takes ten minutes
	$(BIN)/python -m pip install --quiet --editable '.[mutants]' --constraint constraints.txt
	$(BIN)/python -m tests.mutants

bench: $(STAMP) servers-all  ## Measure against raw reads; starts its own servers, prints a table
	$(BIN)/python -m tests.bench

lock: $(STAMP)  ## Write constraints.txt anew from what is installed and tested
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:  ## Remove the virtual environment and the playground
	rm -rf $(VENV) .venv-* playground build dist mutants *.egg-info
