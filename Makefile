# gantry: a small front door to meson and ninja. `make help` lists what it does.
BUILD      ?= build
PREFIX     ?= /usr/local
DESTDIR    ?=
JOBS       ?= $(shell nproc)
PYTHON     ?= /usr/bin/python3
# More for meson, when it sets the build folder up; CI says -Dwerror=true.
MESON_ARGS ?=
export PYTHON BUILD JOBS

.DEFAULT_GOAL := all
.PHONY: all deps test check-all bench demo test-fresh test-vm install docs format clean help

all: $(BUILD)/build.ninja ## release build; the binary is build/gantry
	@ninja -C $(BUILD) -j$(JOBS)

$(BUILD)/build.ninja:
	@command -v meson >/dev/null || { echo "meson is missing: run 'make deps' first" >&2; exit 1; }
	meson setup $(BUILD) --buildtype=release -Doptimization=2 -Ddebug=true --prefix=$(PREFIX) \
	    $(MESON_ARGS)

deps: ## install the Debian packages of tools/deps.txt
	@tools/deps.sh

test: deps ## install what is missing, build, run unit, fuzz-corpus, api and system tests
	@$(MAKE) --no-print-directory all
	@tools/run-tests.sh

check-all: deps ## format, linters, includes, banned functions, licences, sanitizers, fuzzing
	@$(MAKE) --no-print-directory all
	@tools/check-all.sh

bench: ## the tables of docs/benchmarks.md, measured here (root; installs what it compares with)
	@tools/deps.sh build run demo test bench
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/bench/run.py

demo: ## the first five minutes: build an image, push it, run three tasks, call them (root)
	@tools/demo.sh

test-fresh: ## the README's commands in a new minimal Debian 12 (root)
	@tools/test-fresh.sh

test-vm: ## the system tests under QEMU with systemd and cgroup v2 (root)
	@tools/test-vm.sh

install: all ## install to $(DESTDIR)$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

docs: ## rewrite docs/api-coverage.md from the operation tables and the tests
	@$(PYTHON) -B tools/api_coverage.py

format: ## rewrite the C files in the house style
	@tools/check-format.sh --fix

clean: ## remove the build folders
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-check

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
