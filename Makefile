# The commands of amf_ros. `make help` lists them.

PYTHON ?= python3
TORCH_INDEX ?=
SEED ?= 0
STRATEGY ?= amf_outcomes
OUT ?= runs/demo

SHELL := /bin/bash
ENV := source scripts/env.sh
PYTEST := python -m pytest -n 2 --dist loadgroup
export PYTHON TORCH_INDEX

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-all lint format clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PYTHON=$(PYTHON)  SEED=$(SEED)  STRATEGY=$(STRATEGY)  OUT=$(OUT)  TORCH_INDEX=$(TORCH_INDEX)  ROS_DISTRO=$(or $(ROS_DISTRO),jazzy)"

setup:  ## .venv, ROS 2, dependencies, built packages; a second run takes seconds
	@scripts/setup.sh

demo: setup  ## pre-train, then a session of chosen demonstrations in simulation; SEED, STRATEGY
	@$(ENV) && amf demo --seed "$(SEED)" --strategy "$(STRATEGY)" --out "$(OUT)"

lint: setup  ## ruff and mypy
	@$(ENV) && ruff check . && ruff format --check . && mypy

format: setup  ## let ruff format the code and mend what it can
	@$(ENV) && ruff check --fix . && ruff format .

test: lint  ## lint, then the tests, without those that are slow and rarely tell more
	@$(ENV) && $(PYTEST) -m "not slow"

test-slow: setup  ## what `make test` leaves out
	@$(ENV) && $(PYTEST) -m slow

test-all: lint  ## lint, then every test
	@$(ENV) && $(PYTEST)

clean:  ## remove what set-up, builds, tests and runs left
	rm -rf .venv build install log runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
