# SPDX-License-Identifier: Apache-2.0
# Sealtail: every job, for people and machines alike. The help below is made from the ## comments.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

RELEASE := .build/release/sealtail
DEBUG := .build/debug/sealtail
# The Swift runtime inside, the C libraries where Debian has them and nowhere else, and tables of
# addresses that cannot be written once the program runs.
BUILD_RELEASE := swift build -c release --static-swift-stdlib --disable-local-rpath \
    -Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now --product sealtail
PYTHON := .build/venv/bin/python -B
PYTEST := $(PYTHON) -m pytest -p no:cacheprovider -ra
FUZZ_TESTS := Mutation|Fuzz|Model|CrashMatrix
# Swift keeps tags in references, so the leak check takes what constants hold for leaked.
ADDRESSES := ASAN_OPTIONS=detect_leaks=0

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
	@scripts/setup.sh prometheus

build: ## set up, then build .build/release/sealtail with the Swift runtime inside
	@scripts/setup.sh packages
	$(BUILD_RELEASE)

test: setup ## set up, build, then run every test: Swift and end to end
	swift build --build-tests
	@status=0; \
	swift test || status=1; \
	SEALTAIL="$(CURDIR)/$(DEBUG)" $(PYTEST) Tests/EndToEnd || status=1; \
	exit $$status

demo: build ## a log line goes in, a sealed event comes out, one flipped byte is caught
	@scripts/demo.sh $(RELEASE)

## While you work
.PHONY: unit e2e check fmt parse-update coverage schema contract siem clean
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

coverage: build ## write docs/coverage.md anew from the parsers
	$(RELEASE) parsers list --markdown > docs/coverage.md

schema: build ## write docs/schema.md and docs/schema.json anew from the tables
	$(RELEASE) schema --markdown > docs/schema.md
	$(RELEASE) schema --json > docs/schema.json

contract: ## write the table of the sinks' contract in docs/adding-a-sink.md anew
	WRITE_CONTRACT=1 swift test --filter theManualSaysHowEachSinkKeepsEachClause

siem: ## write packaging/elasticsearch, packaging/splunk and the pipelines of Sigma anew
	python3 -B scripts/siem

clean: ## remove everything that was built
	rm -rf .build

## The Debian package
.PHONY: deb deb-test reproducible
deb: build ## .build/deb/sealtail_….deb, with manual pages, completions and a bill of materials
	@scripts/setup.sh packaging
	@scripts/deb $(RELEASE)

deb-test: deb ## install, upgrade, remove and purge it in a clean Debian; lintian; as root
	@scripts/setup.sh packaging-python
	@.build/packaging-venv/bin/python -B -m pytest -p no:cacheprovider -ra Tests/Packaging

reproducible: ## build the last commit in two folders; program and package must be the same bytes
	@scripts/reproducible

## For numbers and for doubt
.PHONY: bench bench-parsers corpus limits systemd-test page-test soak soak-memory sabotage asan tsan fuzz
bench: build ## events per CPU-second, and line to durable at 1,000 a second; LINES=300000 SEED=1 SINK=… LATENCY=20
	@scripts/setup.sh python
	@$(PYTHON) Tests/Bench/bench.py --agent $(RELEASE) \
	    $(if $(LINES),--lines $(LINES)) $(if $(SEED),--seed $(SEED)) $(if $(SINK),--sink $(SINK)) \
	    $(if $(LATENCY),--latency $(LATENCY))
	@$(PYTHON) Tests/Bench/latency.py --agent $(RELEASE)

bench-parsers: build ## what a record costs in each parser, also without machine code for patterns
	@scripts/setup.sh python
	@$(RELEASE) parsers bench
	@echo "as under MemoryDenyWriteExecute:"
	@$(PYTHON) Tests/Bench/hardened.py $(RELEASE) parsers bench

corpus: build ## what the parsers make of a folder of real logs, and where others say otherwise; CORPUS=…
	@scripts/corpus $(CORPUS) --agent $(RELEASE)

limits: build ## a start on a large ledger, ten thousand quiet files; GIGABYTES=10 FILES=10000
	@scripts/setup.sh python
	@$(PYTHON) Tests/Bench/reopening.py --agent $(RELEASE) \
	    --gigabytes $(or $(GIGABYTES),10) --files $(or $(FILES),10000)

systemd-test: deb ## as root: the unit under a systemd booted for it, each promise shown; IDLE=180 ONLY=…
	@scripts/setup.sh packaging
	@scripts/setup.sh python
	@$(PYTHON) Tests/Packaging/systemd_unit.py .build/deb/*.deb \
	    $(if $(IDLE),--idle $(IDLE)) $(if $(ONLY),--only "$(ONLY)")

page-test: setup ## the status page in a headless Chromium, which is installed if it is missing
	@scripts/setup.sh browser
	swift build --product sealtail
	SEALTAIL="$(CURDIR)/$(DEBUG)" $(if $(PICTURES),PICTURES="$(PICTURES)") $(PYTEST) \
	    Tests/EndToEnd/test_status_browser.py

soak: build setup ## kill -9 under rotation and faults of every kind, all receivers away; KILLS=200 SEED=…
	SEALTAIL="$(CURDIR)/$(RELEASE)" KILLS="$(or $(KILLS),200)" SOAK=1 $(PYTEST) -s \
	    Tests/EndToEnd/test_kill.py Tests/EndToEnd/test_rotation.py \
	    Tests/EndToEnd/test_full_disk.py Tests/EndToEnd/test_outage.py

soak-memory: build ## an hour of steady load: memory must not grow; DURATION=3600 RATE=5000
	@scripts/setup.sh python
	@$(PYTHON) Tests/Bench/soak_memory.py --agent $(RELEASE) \
	    --duration $(or $(DURATION),3600) --rate $(or $(RATE),5000)

sabotage: setup ## build the agent broken on purpose, five ways; each must fail its test
	@Tests/EndToEnd/sabotage/run.sh

asan: ## the Swift tests under the address sanitizer
	@scripts/setup.sh packages
	$(ADDRESSES) swift test --sanitize=address --scratch-path .build/asan

tsan: ## the Swift tests under the thread sanitizer
	@scripts/setup.sh packages
	swift test --sanitize=thread --scratch-path .build/tsan

fuzz: ## the seeded mutation tests for long, address sanitizer on; FUZZ_SECONDS=60 SEED=…
	@scripts/setup.sh packages
	FUZZ_SECONDS="$(or $(FUZZ_SECONDS),60)" $(if $(SEED),SEED="$(SEED)") $(ADDRESSES) swift test \
	    --sanitize=address --scratch-path .build/asan --filter '$(FUZZ_TESTS)'
