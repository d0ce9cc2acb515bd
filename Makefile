# make serve     installs, makes the model files, starts the router on this machine (Linux, Python 3.11, no root)
# make install   .venv, every version pinned         make models   the model files, in a cache outside the tree
# make test      every test, with coverage           make check    format, lint, types
# make faults    what goes wrong around a router under load, each for 20 s, and the table of what was lost
# make bench     this router beside LiteLLM and Portkey (needs nginx, wrk, Node.js)
# make fuzz      10,000 hostile requests, and 5 minutes of whatever the OpenAPI document allows
# make benchmark-routing DATA=folder   what the decision engine saves on outcome files (see tests/bench/README.md)
# make clean     removes .venv and tool caches; the model files stay
#
# PYTHON, LLM_ROUTER_CACHE and pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are honoured.

PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CONSTRAINTS := configs/constraints.txt
TORCH_CPU := torch==2.13.0+cpu
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
HARDWARE := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

.PHONY: serve install models test fuzz faults check bench benchmark-routing clean install-cpu install-gpu
.DEFAULT_GOAL := serve

serve: models
	$(BIN)/python -m deployments.launch serve_config.yaml

install: .venv/.installed

models: install
	@$(BIN)/python -m app.artifacts

test: models
	$(BIN)/python -m pytest --cov=app --cov=deployments --cov=train --cov-report=term:skip-covered

faults: models
	FAULT_SECONDS=20 $(BIN)/python -m pytest tests/cluster/faults tests/cluster/test_faults.py tests/cluster/test_serve_without_llama.py

fuzz: models
	FUZZ_BODIES=10000 FUZZ_SECONDS=300 $(BIN)/python -m pytest -s tests/cluster/test_hostile.py tests/cluster/test_schema.py

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: models
	RAY_ADDRESS=local $(BIN)/python -m tests.bench.gateways

benchmark-routing: models
	@test -d "$(DATA)" || { echo "error: make benchmark-routing DATA=folder: the folder with the outcome files, see tests/bench/README.md"; exit 1; }
	RAY_ADDRESS=local $(BIN)/python -m tests.bench.routing --data "$(DATA)" --plot routing.png --json routing.json

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .coverage *.egg-info

.venv/.installed: pyproject.toml $(CONSTRAINTS)
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or give its path: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "==> virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@$(MAKE) --no-print-directory install-$(HARDWARE)
	@# Python runs this file at each start in the venv, so plain `serve run` phones nobody either.
	@echo 'import os; [os.environ.setdefault(k, v) for k, v in (("RAY_USAGE_STATS_ENABLED", "0"), ("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1"))]' > .venv/lib/python3.11/site-packages/no_telemetry.pth
	@touch $@

# torch without CUDA is not on PyPI: PyTorch's index is asked as well, once, for this line only. A machine that cannot
# reach it finds the wheel in its own index or PIP_FIND_LINKS.
install-cpu:
	@echo "==> [1/2] torch for CPUs (about 200 MB)"
	$(PIP) install --no-deps --retries 0 --timeout 15 --extra-index-url $(TORCH_CPU_INDEX) "$(TORCH_CPU)"
	@echo "==> [2/2] everything else (about 1 GB)"
	$(PIP) install -c $(CONSTRAINTS) -e ".[cpu,dev]"
	@# They come along with vLLM, built against another torch: transformers fails on them, and nothing here uses them.
	@$(PIP) uninstall -q -y torchvision torchaudio torchcodec

# For machines with an NVIDIA driver: ray[llm] brings its own vLLM and torch, so the pins for CPUs do not fit.
# Never run by the project's CI, which has no GPU.
install-gpu:
	@echo "==> [1/1] everything, with vLLM for GPUs (several GB)"
	$(PIP) install -e ".[gpu,dev]"
