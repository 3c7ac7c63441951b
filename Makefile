# SPDX-License-Identifier: Apache-2.0
# Sealtail: every job, for people and machines alike. The help below is made from the ## comments.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

RELEASE := .build/release/sealtail
DEBUG := .build/debug/sealtail
PYTEST := .build/venv/bin/python -B -m pytest -p no:cacheprovider -ra

## The jobs you need first
.PHONY: help setup build test demo
help: ## print this help
	@awk 'BEGIN { FS = ":.*## " } \
	    /^## / { printf "\n%s\n", substr($$0, 4) } \
	    /^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages (root only for apt), Python tools under .build
	@scripts/setup.sh packages
	@scripts/setup.sh python
	@scripts/setup.sh canaille

build: ## set up, then build .build/release/sealtail with the Swift runtime inside
	@scripts/setup.sh packages
	swift build -c release --static-swift-stdlib --product sealtail

test: setup ## set up, build, then run every test: Swift and end to end
	swift build --build-tests
	@status=0; \
	swift test || status=1; \
	SEALTAIL="$(CURDIR)/$(DEBUG)" $(PYTEST) Tests/EndToEnd || status=1; \
	exit $$status

demo: build ## a log line goes in, a sealed event comes out, one flipped byte is caught
	@scripts/demo.sh $(RELEASE)

## While you work
.PHONY: unit e2e check fmt parse-update clean
unit: ## the Swift tests alone
	@scripts/setup.sh packages
	swift test

e2e: setup ## the end-to-end tests alone; ONLY=test_rotation.py picks some
	swift build --product sealtail
	SEALTAIL="$(CURDIR)/$(DEBUG)" $(PYTEST) $(if $(ONLY),Tests/EndToEnd/$(ONLY),Tests/EndToEnd)

check: ## format and house rules, as machines can see them
	swift format lint --strict --parallel --recursive Package.swift Sources Tests
	swift test --filter TidyTests

fmt: ## format every Swift file in place
	swift format --in-place --parallel --recursive Package.swift Sources Tests

parse-update: build ## write the expected halves of the parsers' fixtures anew; read the diff
	$(RELEASE) parsers test --update

clean: ## remove everything that was built
	rm -rf .build

## For numbers and for doubt
.PHONY: bench soak sabotage
bench: build ## events per CPU-second of the whole agent; LINES=300000 SEED=1
	@scripts/setup.sh python
	@.build/venv/bin/python -B Tests/Bench/bench.py --agent $(RELEASE) \
	    $(if $(LINES),--lines $(LINES)) $(if $(SEED),--seed $(SEED))

soak: build setup ## kill -9 fifty times, rotate for minutes; KILLS=50 SEED=…
	SEALTAIL="$(CURDIR)/$(RELEASE)" KILLS="$(or $(KILLS),50)" SOAK=1 \
	    $(PYTEST) -s Tests/EndToEnd/test_kill.py Tests/EndToEnd/test_rotation.py

sabotage: setup ## build the agent broken on purpose, three ways; each must fail the kill test
	@Tests/EndToEnd/sabotage/run.sh
