# The two commands:
#   make demo        a picture and a sentence become a moving 3D scene; results in output/demo
#   make test        the tests; those that need a real ComfyUI say so and are skipped without COMFYUI_PATH
# Each makes .venv by itself the first time (Python 3.10 or newer is all it needs) and does nothing of that the second.
#
# More: make test-fast, make test-host COMFYUI_PATH=..., make test-clients (Blender, USD, Khronos), make fuzz (damaged files of
# every kind, for long), make lint, make bench, make setup, make clean
# make fuzz ARGS="-n 500 --seed 1 images" tries fewer; ARGS="--coverage cameras" lets atheris guide it (pip install atheris).
# make soak COMFYUI_PATH=...: the long trials: 100 kills of the command line, 20 runs in one process, the same in a real ComfyUI.
# make gpu: everything that needs a GPU, within MINUTES=8, most valuable first; results in output/gpu. Offline, with .venv if it is
# there, else with the torch of PYTHON. Then python -m benchmarks.gpu --fill output/gpu/gpu.json puts them into docs/performance.md
# Options: PYTHON=python3.12, OUT=folder, ARGS="more arguments for the program that is run",
#          TORCH_INDEX=https://download.pytorch.org/whl/cpu for the small, CPU-only torch

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo "$$p"; break; }; done)
OUT    ?= output/demo
PY     := .venv/bin/python
READY  := .venv/animate124-ready

# Threads that spin for long while they wait stall a busy machine many times over.
export GOMP_SPINCOUNT ?= 20000
export TORCH_INDEX COMFYUI_PATH

.PHONY: help setup demo test test-fast test-host test-clients fuzz soak lint bench gpu clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

$(READY): requirements-dev.txt tools/setup_env.py
	@command -v "$(firstword $(PYTHON))" >/dev/null 2>&1 || { \
		echo "setup: no Python 3.10 or newer was found. Install one, or name it: make demo PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) tools/setup_env.py

setup: $(READY)

demo: $(READY)
	$(PY) -m a124core demo --out "$(OUT)" $(ARGS)

KERNELS := .venv/animate124-kernels-ready

$(KERNELS): requirements-kernels.txt $(READY)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-kernels.txt
	@touch $@

# Several tests at a time, one thread each; those in a real ComfyUI one after the other.
WORKERS ?= auto
PARALLEL := --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal

test: $(READY) $(KERNELS)
	OMP_NUM_THREADS=1 $(PY) -m pytest $(PARALLEL) --ignore tests/host $(ARGS)
	$(if $(COMFYUI_PATH),$(PY) -m pytest tests/host,@echo "tests/host: skipped, because COMFYUI_PATH is not set")

test-fast: $(READY)
	OMP_NUM_THREADS=1 $(PY) -m pytest $(PARALLEL) -m "not slow and not host" $(ARGS)

test-host: $(READY)
	$(PY) -m pytest tests/host $(ARGS)

CLIENTS := .venv/clients/animate124-ready

$(CLIENTS): tests/clients/setup_clients.py $(READY)
	$(PY) tests/clients/setup_clients.py
	@touch $@

test-clients: $(READY) $(CLIENTS)
	$(PY) -m pytest tests/clients/*_checks.py $(ARGS)

fuzz: $(READY)
	$(PY) -m tests.fuzz.driver $(ARGS)

lint: $(READY)
	$(PY) -m ruff check .

bench: $(READY)
	$(PY) -m benchmarks $(ARGS)

# No set-up: a lent machine is bare and offline. PYTHON counts where it was named, OUT likewise.
MINUTES ?= 8
GPU_PY  = $(if $(filter file,$(origin PYTHON)),$(if $(wildcard $(PY)),$(PY),$(PYTHON)),$(PYTHON))
GPU_OUT = $(if $(filter file,$(origin OUT)),output/gpu,$(OUT))

gpu:
	$(GPU_PY) -m benchmarks.gpu --minutes "$(MINUTES)" --out "$(GPU_OUT)" $(ARGS)

soak: $(READY)
	$(PY) -m tools.soak --kills 100 $(ARGS)
	$(PY) -m tools.soak_memory
	if [ -n "$(COMFYUI_PATH)" ]; then $(PY) -m tools.soak_host; fi

clean:
	rm -rf .venv .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
