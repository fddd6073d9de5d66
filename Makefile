# Two commands: `make run` shows a talking video and opens the app, `make test` passes the tests.
# Both set themselves up; TORCH=cuda installs the GPU build of torch instead of the CPU one.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint setup setup-dev clean

run: setup
	mkdir -p outputs
	$(BIN)/imtalker animate --portrait assets/portraits/ada.jpg --audio assets/speech/welcome.wav -o outputs/hello.mp4
	$(BIN)/python app.py

test: setup-dev
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt constraints.txt pyproject.toml $(VENV)/bin/python
	$(BIN)/pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,train,evaluate]'
	touch $@

clean:
	rm -rf $(VENV) outputs runs build *.egg-info
