# The human front of the build. Each target does all its own set-up and can be
# repeated; `make help` says what there is. Meson does the work.

PYTHON ?= python3
ARGS   ?=

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2] + "d" * hasattr(sys, "gettotalrefcount"))' 2>/dev/null)
VENV    := .venv-$(VERSION)

# What a shell has set up for another Python must not reach ours.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP

.PHONY: help demo test test-short test-all test-debug bench core asan tsan torture valgrind aarch64 i386 typing venv install wheels soak clean
.NOTPARALLEL:

help:
	@echo "make demo       see it work: an index of the standard library, a million tasklets, a world with 2,000 players"
	@echo "make test       all tests for one Python (C and Python); ends within ten minutes"
	@echo "make test-short the C tests, the regression tests and the core of the others"
	@echo "make test-all   the same for Python 3.11 to 3.15; fetches those that are not there (Debian)"
	@echo "make test-debug the same on a debug build of CPython, whose assertions and reference counts see more (Debian)"
	@echo "make bench      the figures, beside greenlet, asyncio and Go"
	@echo "make core       the C library alone, with its tests and examples; no Python inside"
	@echo "make asan       tests under the address and undefined-behaviour sanitizers"
	@echo "make torture    tests that evict at each switch and make allocations fail"
	@echo "make soak       a million HTTP chunks through worker threads, with SOAK=minutes (default 5) of repetition"
	@echo "make valgrind   C tests and a small set of Python tests under valgrind"
	@echo "make aarch64    cross-compile the core and run its tests under qemu"
	@echo "make i386       build the core with 32-bit pointers and run its tests"
	@echo "make typing     check the stubs against the modules, and the typing examples"
	@echo "make wheels     dist/: a wheel for each Python, and the source package, all tried out"
	@echo "make install    build and install into .venv-X.Y only"
	@echo "make clean      remove build/, dist/ and .venv-*/"
	@echo
	@echo "PYTHON=python3.13   which Python (now: $(PYTHON), $(if $(VERSION),version $(VERSION),not found))"
	@echo "ARGS='-k channel'   more arguments for pytest, the demo or the bench"

venv:
	@tools/setup-venv.sh $(PYTHON)

install: venv
	@tools/install.sh $(PYTHON)

demo: install
	@$(VENV)/bin/python -m gossamer demo index $(ARGS)
	@$(VENV)/bin/python -m gossamer demo world $(ARGS)

test: core install
	@tools/check.sh python $(PYTHON) $(ARGS)

test-short: core install
	@tools/check.sh short $(PYTHON) $(ARGS)

test-all:
	@tools/test-all.sh $(ARGS)

test-debug:
	@tools/test-debug.sh $(ARGS)

wheels:
	@tools/make-wheels.sh

core: venv
	@tools/build.sh core $(PYTHON)
	@tools/check.sh core $(PYTHON)

asan torture valgrind: venv
	@tools/build.sh $@ $(PYTHON)
	@tools/check.sh $@ $(PYTHON) $(ARGS)

tsan: venv
	@tools/build.sh $@ $(PYTHON)
	@tools/check.sh $@ $(PYTHON) $(ARGS)

aarch64 i386: venv
	@tools/build.sh $@ $(PYTHON)
	@tools/check.sh $@ $(PYTHON)

typing: install
	@tools/typing.sh $(PYTHON)

bench: install
	@tools/setup-venv.sh $(PYTHON) bench/requirements.txt
	@$(VENV)/bin/python bench/run.py $(ARGS)
	@$(if $(filter-out --quick,$(ARGS)),,$(VENV)/bin/python bench/lean.py $(ARGS))

soak: install
	@tools/soak.sh $(PYTHON) $(SOAK)

clean:
	rm -rf build dist .venv-3.*
