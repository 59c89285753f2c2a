# Every target runs on a fresh Debian or Ubuntu with Go and git.
GO       ?= go
PKGS     := ./...
FUZZTIME ?= 30s
LOADTIME ?= 5m
export CGO_ENABLED = 0

.PHONY: run build test test-packages check cross bench load fuzz agree soak clean

run: ## the demo, as a newcomer sees it
	$(GO) run ./cmd/yagura demo

build: ## the static binary, in bin/
	$(GO) build -trimpath -o bin/yagura ./cmd/yagura

test: test-packages ## everything that can fail in minutes
	@GO=$(GO) sh tools/postgres.sh sh tools/test.sh $(PKGS)

test-packages: ## what the tests talk to, from Debian's packages, when root and missing
	@sh tools/packages.sh

check: ## formatting, vet, staticcheck, and what the tree may contain
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet $(PKGS)
	$(GO) tool -modfile=tools/go.mod staticcheck $(PKGS)
	$(GO) run ./cmd/yagura rules lint --strict rules
	$(GO) run ./cmd/yagura rules test rules

cross: ## the other platforms build, too
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/yagura
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/yagura
	GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/yagura

bench: build ## every figure beside its baseline; needs YAGURA_CORPUS for the real logs
	sh tools/bench.sh

load: build test-packages ## 200 signed-in people for LOADTIME, on SQLite and on PostgreSQL
	$(GO) build -trimpath -o bin/yagura-load ./cmd/yagura-load
	@YAGURA_POSTGRES_DURABLE=1 sh tools/postgres.sh bin/yagura-load -for $(LOADTIME)

fuzz: ## every fuzz target for FUZZTIME
	@sh tools/fuzz.sh $(FUZZTIME)

agree: ## the Sigma matcher and the naive evaluator on every event and rule of YAGURA_CORPUS
	YAGURA_LONG=1 $(GO) test -timeout 120m -count=1 -v -run 'TestWholeCorpusAgrees' ./sigma

soak: ## the long crash and load runs
	YAGURA_LONG=1 $(GO) test -timeout 60m -count=1 -run 'Crash|Kill|Soak' ./internal/detect/pipeline ./internal/platform/spool ./internal/platform/ledger

clean:
	rm -rf bin
