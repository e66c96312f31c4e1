# The two commands are `make demo` and `make test`; both set the environment up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK := 1

TARGETS := $(basename $(notdir $(wildcard edgewright/targets/*.yaml)))
BENCHMARKS := fresh models reproduce caching clone kills prefect targets tinpu swap \
	aq aq-block aq-memory aq-resume aq-activations aq-foreign gq gq-memory

.PHONY: demo test lint setup clean $(addprefix bench-,$(BENCHMARKS))

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

# The long runs behind the claims; each prints its figures and exits with 1 where one does not hold.
bench-fresh: $(INSTALLED)      # clone, make demo twice, make test: times
	@python -m benchmarks.fresh_clone
bench-models: $(INSTALLED)     # ResNet-20, ResNet-8, ToyCar, stories260k: drop and delegation of the classifiers
	@python -m benchmarks.more_models
bench-reproduce: $(INSTALLED)  # two runs from empty caches, other threads, seeds, folders: equal bytes
	@python -m benchmarks.reproduce
bench-caching: $(INSTALLED)    # what reruns after which change, and what does not
	@python -m benchmarks.caching
bench-clone: $(INSTALLED)      # push, clone, pull: nothing computed
	@python -m benchmarks.clone
bench-kills: $(INSTALLED)      # kill -9 at 20 random moments
	@python -m benchmarks.kills
bench-prefect: $(INSTALLED)    # a local server, a scheduled run, a cancelled flow
	@pytest tests/flows -m slow
bench-aq: $(INSTALLED)         # weight quantization against the reference packages, side by side; hours, and goes on when ended
	@python -m benchmarks.aq --table docs/aq-benchmark.md
bench-aq-block: $(INSTALLED)   # one block of a 1B-class Llama through every method, and the forecast for 1B, 8B, 30B
	@python -m benchmarks.aq.block
bench-aq-memory: $(INSTALLED)  # peak memory against the number of blocks
	@python -m benchmarks.aq.memory
bench-aq-resume: $(INSTALLED)  # kill -9 at a block, go on there, equal bytes
	@python -m benchmarks.aq_resume
bench-aq-activations: $(INSTALLED)  # what smoothquant and quarot gain in 8- and 4-bit activation quantization
	@python -m benchmarks.aq_activations
bench-aq-foreign: $(INSTALLED) # a GPTQ checkpoint that gptqmodel wrote, compiled with its integers untouched
	@python -m benchmarks.aq.foreign
bench-gq: $(INSTALLED)         # int8, w4a8, mixed precision and latency against other toolchains, side by side; goes on when ended
	@failed=0; python -m benchmarks.gq --table docs/gq-benchmark.md || failed=1; \
	python -m benchmarks.gq.mixed --table docs/mixed-benchmark.md || failed=1; \
	python -m benchmarks.gq.latency --table docs/latency-benchmark.md || failed=1; exit $$failed
bench-gq-memory: $(INSTALLED)  # peak memory against the number of calibration samples
	@python -m benchmarks.calibration_memory
bench-fail-fast: $(INSTALLED)  # every scheme that a target cannot do, refused in less than two seconds
	@python -m benchmarks.fail_fast
bench-swap: $(INSTALLED)       # the language model through every algorithm by editing one field
	@python -m benchmarks.swap
bench-tinpu: $(INSTALLED)      # tinpu's integer ONNX against int64 arithmetic on 1,000 inputs, bit for bit; top-1 of the ResNets
	@python -m benchmarks.tinpu_integers
bench-targets: $(INSTALLED)    # every line of every capability map against its toolchain
	@failed=0; for name in $(TARGETS); do edgewright targets probe $$name || failed=4; done; exit $$failed

clean:
	rm -rf $(VENV) .edgewright
