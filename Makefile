# Two commands: `make run` shows a talking video and opens the app, `make test` passes the tests.
# Both set themselves up from the lock (locks/), and say so. Variables, on the command line:
#   PYTHON=python3.12   another Python than the newest one found
#   VENV=folder         another place for the environment than .venv
#   OUTPUTS=folder      another place for finished videos than outputs
#   TORCH_INDEX=url     where torch comes from, for a CPU or CUDA build that pip does not find by itself
# No path is used as a target, so that all of them may contain spaces.
ifndef PYTHON
PYTHON := $(shell for python in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
endif
VENV ?= .venv
OUTPUTS ?= outputs
TORCH_INDEX ?=
BIN = $(VENV)/bin
INSTALL = "$(PYTHON)" tools/install.py --venv "$(VENV)" --torch-index "$(TORCH_INDEX)"

.PHONY: run test setup setup-dev update newest clean python

run: setup
	mkdir -p "$(OUTPUTS)"
	"$(BIN)/imtalker" animate --portrait assets/portraits/ada.jpg --audio assets/speech/welcome.wav -o "$(OUTPUTS)/hello.mp4"
	"$(BIN)/python" app.py

test: setup-dev
	"$(BIN)/ruff" check .
	"$(BIN)/pyright" --pythonpath "$(BIN)/python"
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2

setup: python
	@$(INSTALL)

setup-dev: python
	@$(INSTALL) --dev

update: python
	"$(PYTHON)" -m tools.lock
	"$(MAKE)" test

newest: python
	"$(PYTHON)" -m tools.lock --report

python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found: install it, or name it: make run PYTHON=/path/to/python"; exit 2; }

clean:
	rm -rf .venv outputs runs build
