# Tutti's commands. `make help` lists them. Everything comes from the package
# registries (Go tool directives pin versions in tools/go.mod and proto/go.mod);
# nothing has to be installed by hand but Go and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MODULES := audio bench cmd/tutti deploy e2e platform proto sendspin \
	services/discovery services/management services/pairing services/session-gateway services/stream tools
PKGS := $(addprefix ./,$(addsuffix /...,$(filter-out tools,$(MODULES))))
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# -p 2: the suites start servers and browsers of their own; more at once only
# makes each slower on a small machine. The timeout is that of one package, and only
# for what hangs: services/stream plays in real time, minutes of it.
TESTFLAGS ?= $(RACE) -p 2 -timeout 30m
# SQLite is C that was translated to Go, and works on memory that the race detector knows
# nothing of: there it finds nothing, and costs ten times SQLite's own time.
RACE := -race -gcflags=modernc.org/...=-race=false
T ?= .

.PHONY: help
help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## start Tutti with three virtual rooms and music (embedded NATS and SQLite)
	go run ./cmd/tutti serve --demo

.PHONY: build
build: ## static binary for this machine: bin/tutti
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tutti ./cmd/tutti

.PHONY: build-opus
build-opus: ## bin/tutti with Opus: needs cgo, pkg-config and libopus (Debian: libopus-dev)
	CGO_ENABLED=1 go build -tags opus -trimpath -ldflags '$(LDFLAGS)' -o bin/tutti ./cmd/tutti

.PHONY: dist
dist: ## static binaries for linux amd64 and arm64: dist/
	for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -ldflags '$(LDFLAGS)' -o dist/tutti-linux-$$arch ./cmd/tutti; \
	done

.PHONY: test
test: test-go test-console ## all tests: Go modules and the console (starts PostgreSQL, NATS and Chromium by itself)

.PHONY: test-go
test-go: ## all tests of all Go modules with the race detector
	go run ./services/pairing/pgtest/cmd/pgtest -- \
		go tool gotestsum --format pkgname-and-test-fails -- $(TESTFLAGS) -run '$(T)' $(PKGS)

.PHONY: test-short
test-short: ## the same without the race detector and the slow suites: for the edit loop
	go run ./services/pairing/pgtest/cmd/pgtest -- \
		go tool gotestsum --format pkgname-and-test-fails -- -short -p 2 -run '$(T)' $(PKGS)

# npm ci is skipped when what is installed is what package-lock.json says.
console/node_modules/.package-lock.json: console/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Debian's packages nodejs and npm (the console's tests need them; building Tutti does not)"; exit 1; }
	cd console && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: test-console
test-console: console/node_modules/.package-lock.json ## types, unit tests and browser tests of the console
	cd console && npm run --silent check && npm run --silent unit && npm run --silent e2e

.PHONY: console
console: console/node_modules/.package-lock.json ## build the console into the folder that is embedded
	cd console && npm run --silent build

.PHONY: check-console
check-console: console ## fail when the embedded console is not what its source gives
	@git diff --exit-code --stat -- services/management/internal/console/dist && test -z "$$(git status --porcelain -- services/management/internal/console/dist)" \
		|| { echo "the embedded console is stale: run 'make console' and commit"; exit 1; }

.PHONY: screenshots
screenshots: console/node_modules/.package-lock.json ## take the pictures of docs/screenshots anew
	cd console && SCREENSHOTS=1 npm run --silent e2e

.PHONY: test-opus
test-opus: ## vet and tests of what the build tag opus changes (needs what build-opus needs)
	@pkg-config --exists opus || { echo "libopus is missing: install Debian's libopus-dev and pkg-config"; exit 1; }
	CGO_ENABLED=1 go vet -tags opus ./audio/... ./services/stream/... ./cmd/tutti/...
	CGO_ENABLED=1 go test -tags opus -p 2 -timeout 14m ./audio/encode ./audio/decode ./services/stream/internal/rendition

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tidy modules
	@files=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	go vet $(PKGS)
	go tool staticcheck $(PKGS)
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff >/dev/null) || { echo "$$m: go.mod is not tidy: cd $$m && go mod tidy"; exit 1; }; done

.PHONY: modules
modules: ## every module builds on its own, without the workspace
	@for m in $(MODULES); do (cd $$m && GOWORK=off go build ./...) || { echo "$$m does not build with GOWORK=off"; exit 1; }; done

.PHONY: generate
generate: ## regenerate protobuf code
	cd proto && GOWORK=off go run ./internal/gen

.PHONY: check-generated
check-generated: generate ## fail when committed generated code is stale
	@git diff --exit-code --stat -- proto || { echo "generated code is stale: run 'make generate' and commit"; exit 1; }

.PHONY: fuzz
FUZZTIME ?= 30s
fuzz: ## run every fuzz target for FUZZTIME (default 30s)
	@for m in $(MODULES); do (cd $$m && for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' . 2>/dev/null | xargs -r -n1 dirname | sort -u); do \
		for fn in $$(grep -hoE '^func (Fuzz[A-Za-z0-9_]+)' $$f/*_test.go | awk '{print $$2}'); do \
			echo "== $$m/$$f $$fn"; go test -run '^$$' -fuzz "^$$fn$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$$f; done; done); done

.PHONY: bench
bench: ## the numbers of bench/README.md on this machine
	go run ./bench/cmd/tuttibench

.PHONY: soak
SOAK ?= 2m
soak: ## long end-to-end run: SOAK=20m make soak
	TUTTI_SOAK=$(SOAK) go test $(RACE) -count=1 -timeout 60m -run Soak ./e2e/...

.PHONY: test-cluster
test-cluster: ## three hosts, 60 players, every fault, clocks (20 minutes, root): writes docs/failover.md and a plot
	TUTTI_FAILOVER_REPORT=$(CURDIR)/docs/failover.md TUTTI_CLUSTER_PLOTS=$(CURDIR)/docs/img \
		go test -count=1 -timeout 60m -v -run 'TestCluster$$|TestClockOverHosts' ./e2e/cluster

.PHONY: clean
clean: ## remove what make built
	rm -rf bin dist console/node_modules
