# pynq-bnn: set up what is needed, then do it. `make` alone lists the targets.
PYTHON ?= python3
PHOTOS ?= notebooks/photos

DEMO := .venv-demo
TEST := .venv-test
PYNQ := .venv-pynq-3.0
PIP  := -m pip install --quiet --disable-pip-version-check

ENGINE := pynq_bnn/engine/engine.c pynq_bnn/engine/kernels.c
# An editable installation builds the engine; it is to be the one of these sources.
BUILT  := setup.py pynq_bnn/version.py $(ENGINE) pynq_bnn/engine/engine.h

.PHONY: help demo test lint synth tests module-tests pynq-tests sanitize arm test-env clean
help:
	@echo "make demo      classify the photos in $(PHOTOS) and draw demo.png (no board needed)"
	@echo "make test      set up the test environment, lint, synthesize the accelerator and run all tests"
	@echo "make lint      ruff, mypy --strict and Verilator -Wall alone"
	@echo "make sanitize  the compiled engine's tests under AddressSanitizer and UBSan (GCC)"
	@echo "make arm       the compiled engine on emulated ARM processors, and instructions counted (cross GCC, qemu-user)"
	@echo "make clean     remove what the other targets made"
	@echo "variables: PYTHON=python3.11, PHOTOS=my/pictures"

demo: $(DEMO)/ready
	$(DEMO)/bin/pynq-bnn classify $(PHOTOS)
	$(DEMO)/bin/pynq-bnn show $(PHOTOS) --output demo.png

test: $(TEST)/ready lint
	$(MAKE) --no-print-directory -j2 tests module-tests synth pynq-tests

# Two beside each other, the long ones first.
synth: $(TEST)/ready
	$(MAKE) --no-print-directory -C hw synth PYTHON=../$(TEST)/bin/python

tests: $(TEST)/ready
	$(TEST)/bin/python -m pytest --ignore tests/hw

module-tests: $(TEST)/ready
	$(TEST)/bin/python -m pytest tests/hw

# The driver once more, with the pynq of the boards' image 3.0.1.
pynq-tests: $(PYNQ)/ready
	$(PYNQ)/bin/python -m pytest tests/board tests/test_wheel.py

# Arrays come from the preloaded allocator too, so that the engine is caught reading or writing beyond their ends.
sanitize: $(TEST)/ready
	mkdir -p build
	$(CC) -std=c11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -fPIC -shared \
	    $(ENGINE) -o build/engine-sanitized.so
	PYNQ_BNN_TEST_LIBRARY=$(CURDIR)/build/engine-sanitized.so ASAN_OPTIONS=detect_leaks=0 \
	    LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	    $(TEST)/bin/python -m pytest tests/engine --ignore tests/engine/test_build.py

# The same C on ARM: on that of the boards (a Cortex-A9, with NEON and without) and on the 64-bit one, emulated.
# apt-get install gcc-arm-linux-gnueabihf gcc-aarch64-linux-gnu libc6-dev-armhf-cross libc6-dev-arm64-cross qemu-user
REPLAY := -std=c11 -O3 -static -Ipynq_bnn/engine $(ENGINE) tests/engine/replay.c
# Instructions that the board's processor executes for some images of cnv-cifar10, case 1.
COUNT  := qemu-arm -cpu cortex-a9 -plugin build/count.so build/replay-arm build/cases.bin 1

arm: $(TEST)/ready
	mkdir -p build
	PYTHONPATH=tests $(TEST)/bin/python tests/engine/replay.py build/cases.bin
	arm-linux-gnueabihf-gcc $(REPLAY) -o build/replay-arm
	aarch64-linux-gnu-gcc $(REPLAY) -o build/replay-aarch64
	qemu-arm -cpu cortex-a9 build/replay-arm build/cases.bin
	qemu-arm -cpu cortex-a9,neon=off build/replay-arm build/cases.bin
	qemu-aarch64 build/replay-aarch64 build/cases.bin
	$(CC) -std=c11 -O2 -shared -fPIC -DINTERFACE=1 tests/engine/count.c -o build/count.so
	@for set in neon portable; do \
	    none=$$($(COUNT) 0 $$set 2>&1 >/dev/null) && nine=$$($(COUNT) 9 $$set 2>&1 >/dev/null) || exit 1; \
	    echo "cnv-cifar10 on a Cortex-A9, $$set: $$(((nine - none) / 9)) instructions an image"; \
	done

lint: $(TEST)/ready
	$(TEST)/bin/ruff check pynq_bnn tests hw setup.py
	$(TEST)/bin/mypy
	$(MAKE) -C hw lint PYTHON=../$(TEST)/bin/python

test-env: $(TEST)/ready

$(DEMO)/ready: $(BUILT)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) --editable .
	@touch $@

$(TEST)/ready: $(BUILT) tests/constraints.txt
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/python $(PIP) --constraint tests/constraints.txt --editable '.[train,test,hw,board]'
	@touch $@

$(PYNQ)/ready: $(BUILT)
	$(PYTHON) -m venv $(PYNQ)
	$(PYNQ)/bin/python $(PIP) 'pynq==3.0.1' --editable '.[sim,test]'
	@touch $@

clean:
	rm -rf $(DEMO) $(TEST) $(PYNQ) demo.png pynq_bnn/engine/*.so build hw/build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
