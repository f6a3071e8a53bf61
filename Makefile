# SPDX-License-Identifier: MIT
# A thin front for Meson and tools/; `make help` lists what there is.

BUILD ?= build

# What this Makefile runs is one thing after another; Ninja does what can be done at once.
.NOTPARALLEL:
.PHONY: all setup demo check check-arm check-oracles check-page check-all onnxruntime bench-peers models \
	install clean format help

all: ## build the program, build/pique, with what is there
	@for tool in meson ninja pkg-config; do command -v $$tool >/dev/null || { \
		echo "$$tool is missing. Install what building needs with: make setup" >&2; exit 69; }; \
	done
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) || { \
		echo "If something is missing, install what building needs with: make setup" >&2; \
		rm -rf $(BUILD); exit 1; }
	@test -z "$(PREFIX)" || grep -q '"name": "prefix", "value": "$(PREFIX)",' \
		$(BUILD)/meson-info/intro-buildoptions.json || \
		meson configure --prefix="$(PREFIX)" $(BUILD)
	@ninja -C $(BUILD)

setup: ## install what is missing to build: Debian packages, modules of the page
	@tools/setup build
	@tools/page_modules

demo: ## everything from nothing to an upscaled picture
	@tools/setup build models demo
	-@tools/page_modules
	@$(MAKE) --no-print-directory all
	@tools/demo $(BUILD)

check: ## build three ways and run every test that needs nothing more
	@tools/setup build
	-@tools/page_modules
	@tools/check

check-arm: ## build the library for ARM and run its tests in an emulator
	@if [ "$$(uname -m)" = aarch64 ]; then echo "This is an ARM machine: make check is that"; \
	else tools/setup build arm && tools/arm_libraries && tools/check arm; fi

check-oracles: ## compare with other programs
	@tools/setup build oracle
	@$(MAKE) --no-print-directory onnxruntime
	@tools/check --oracles

onnxruntime:
	@test -d tests/oracles/onnxruntime/node_modules || ! command -v npm >/dev/null || { \
		echo "Getting ONNX Runtime from npm, to tests/oracles/onnxruntime (290 MB)"; \
		npm ci --ignore-scripts --prefix tests/oracles/onnxruntime; }

check-page: ## drive the page in a browser
	@tools/setup build page
	@tools/page_modules
	@test -d tests/page/node_modules || ! command -v npm >/dev/null || { \
		echo "Getting playwright-core and axe-core from npm, to tests/page (15 MB)"; \
		npm ci --ignore-scripts --prefix tests/page; }
	@$(MAKE) --no-print-directory all
	@meson test -C $(BUILD) --no-rebuild --suite page --print-errorlogs

check-all: check check-arm check-oracles check-page ## all tests

# What cannot be had is left out of the table, which says so.
MODEL ?= realesr-animevideov3
FRAME ?= -
ROUNDS ?= 9
bench-peers: ## measure pique beside oneDNN, ONNX Runtime and PyTorch: MODEL, FRAME, ROUNDS
	@tools/setup build oracle
	-@tools/setup peer
	-@tools/setup torch
	-@$(MAKE) --no-print-directory onnxruntime
	@test ! -f $(BUILD)/build.ninja || test -f $(BUILD)/bench/peer-onednn || \
		meson setup --reconfigure $(BUILD) >/dev/null # oneDNN may have come
	@$(MAKE) --no-print-directory all
	@$(BUILD)/pique models fetch "$(MODEL)" --yes >/dev/null 2>&1 || test -e "$(MODEL)" || { \
		echo "$(MODEL): no such model, and it cannot be fetched" >&2; exit 66; }
	@python3 bench/peers.py $(BUILD) "$(MODEL)" "$(FRAME)" "$(ROUNDS)"

models: ## get every model of the catalogue
	@tools/setup build models
	@$(MAKE) --no-print-directory all
	@$(BUILD)/pique models fetch --all --yes

# With sudo, the owner of the sources builds, not root; and the linker is told of a new library.
install: ## install below PREFIX, by default /usr/local
	@if [ -n "$$SUDO_USER" ] && [ ! -O . ]; then \
		sudo -u "$$SUDO_USER" $(MAKE) --no-print-directory all BUILD="$(BUILD)" PREFIX="$(PREFIX)"; \
	else $(MAKE) --no-print-directory all; fi
	@meson install -C $(BUILD) --no-rebuild
	@[ -O . ] || [ "$$(id -u)" != 0 ] || chown --reference=$(BUILD) $(BUILD)/meson-logs/install-log.txt
	@if [ "$$(id -u)" = 0 ] && [ -z "$$DESTDIR" ] && command -v ldconfig >/dev/null; then \
		ldconfig; fi

clean: ## remove what was built
	rm -rf $(BUILD) build-asan build-tsan build-arm build-arm-libraries

format: ## clang-format over the whole source
	clang-format -i $$(git ls-files '*.c' '*.h')

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16
