# `make` alone lists the targets. `make test` is the check a change must pass, here
# and on the build machine (.ci/run).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# FUZZTIME is how long each fuzz target runs, BENCH the pattern of the benchmarks.
FUZZTIME ?= 10s
BENCH ?= .
BENCHTIME ?= 1s
COUNT ?= 1

# How many seeds soak runs of each simulator, and how many steps of each seed.
HUB_SOAK ?= -hub.seeds=1000 -hub.steps=2000
CONN_SOAK ?= -conn.seeds=60 -conn.steps=20000
CHAT_SOAK ?= -model-steps=1000000 -model-users=100
CHAT_POSTGRES_SOAK ?= -model-steps=200000 -model-users=100
ROUTE_SOAK ?= -openapi-fuzz=10m

# The packages whose figures bench/README.md keeps.
BENCH_PACKAGES := . ./auth ./dialect/... ./engine ./hub ./bus/natsbus ./store/sqlite ./store/postgres ./bench

# The packages that hold themselves to what they may allocate.
BUDGET_PACKAGES := . ./auth ./conn ./dialect/... ./engine ./httpd ./hub ./relay ./store/sqlite

# Tools that a check does not need. One place for their versions.
GOLANGCI_LINT := 2.15.0
GOVULNCHECK := v1.8.0

.PHONY: help build peers test race budgets postgres fmt-check vet fuzz soak bench lint fmt generate vuln cover run clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/parley
	go build -o bin/parley ./cmd/parley

peers: ## build bin/parley-bench-peers, what "parley bench" measures besides
	go build -C bench/peers -o $(CURDIR)/bin/parley-bench-peers .

test: postgres fmt-check vet race budgets ## the check: formatting, vet, all tests under the race detector, budgets

race: ## all tests under the race detector, in random order
	go test -race -shuffle=on -timeout 20m ./...

# Without the race detector, which allocates and computes on its own account.
budgets: ## hold hot paths to their allocations and instructions
	go test -count=1 -run '^(TestAllocationBudget|TestTheCodecAllocatesLittle)$$|^TestDialect$$/^nothing_is_allocated$$' $(BUDGET_PACKAGES)
	go run ./internal/instructions bench/instructions.txt

# Says in one line which PostgreSQL the tests use. As root on Debian it installs one
# where there is none. Elsewhere the tests that need it are skipped, unless CI=true.
postgres:
	@go run ./internal/pgtest/cmd/ensure

fmt-check:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then printf 'not formatted, run make fmt:\n%s\n' "$$files"; exit 1; fi

vet:
	go vet ./...

fuzz: ## run every fuzz target for FUZZTIME (10s) each
	@go test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ {t[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, t[i]; n = 0}' \
	| while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

soak: ## simulators of hub and conn, the chat's model, a fuzz from the API document: a million steps each
	go test -count=1 -timeout 20m -run '^TestHandOver$$' -v ./hub $(HUB_SOAK)
	go test -count=1 -timeout 20m -run '^TestWriters$$' -v ./conn $(CONN_SOAK)
	go test -count=1 -timeout 40m -run '^TestTheChatIsTheModel$$/^sqlite$$' -v ./httpd $(CHAT_SOAK)
	go test -count=1 -timeout 40m -run '^TestTheChatIsTheModel$$/^postgres$$' -v ./httpd $(CHAT_POSTGRES_SOAK)
	go test -count=1 -timeout 20m -run '^TestNoRouteFails$$' -v ./httpd $(ROUTE_SOAK)

bench: ## run the benchmarks: BENCH=pattern BENCHTIME=1s COUNT=1
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -benchmem $(BENCH_PACKAGES)

lint: ## golangci-lint at the version this file names
	@if golangci-lint version 2>/dev/null | grep -qF 'version $(GOLANGCI_LINT) '; then \
		golangci-lint run; \
	else \
		echo 'lint needs golangci-lint $(GOLANGCI_LINT):'; \
		echo '  go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_LINT)'; \
		exit 1; \
	fi

fmt: ## format the Go code
	gofmt -w .

generate: ## write the reference pages and the golden files anew; read the diff
	go test ./config ./dialect/{bot,chat,dialecttest,events,topics} ./httpd ./cmd/parley -update

vuln: ## known vulnerabilities in what the binary calls
	go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) ./...

cover: ## statement coverage of all packages by all tests, in cover.out
	go test -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -func=cover.out | tail -n 1

run: ## a server on ./parley-data
	go run ./cmd/parley serve

clean: ## remove what these targets built; ./parley-data stays
	rm -rf bin cover.out
