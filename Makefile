# What a developer and CI run. `make help` lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO       ?= go
TOOLS    := .ci/tools/bin
OPCLIENT := cmd/internal/opclient
BROWSER  := cmd/internal/browser
SBOM     := cmd/packaging/sbom
CHART    := cmd/packaging/helm/charttest
IMAGE    := cmd/packaging/docker/imagetest
TF       := cmd/packaging/terraform/filestest
PREFIX   ?= /usr/local
FUZZTIME ?= 60s
CRASHES  ?= 1000
ROUNDS   ?= 5
WINDOW   ?= 10s
DURATION ?= 60s
SOAK_REQUESTS ?= 86400
FLAMEGRAPH ?=
VULNDB   ?=

# Paths of the machine that builds stay out of the binary. The version comes
# from the build information that Go itself stamps.
GOBUILD := $(GO) build -trimpath

.DEFAULT_GOAL := help
.PHONY: run demo test race crash overload lint fuzz fuzz-short bench bench-peer soak flame vuln licences build cross install man deb release release-check packaging tools clefdirs clean help

run: build ## start a signer with an embedded vault and one account, for development
	bin/kvclef dev --approve-all $(ARGS)

demo: build $(TOOLS)/geth ## a private chain: a real geth sends a transfer signed with a vault key
	$(GOBUILD) -o bin/ ./cmd/kvclef-demo
	bin/kvclef-demo -kvclef bin/kvclef -geth $(TOOLS)/geth

test: $(TOOLS)/geth ## all tests, with a real geth, the OP stack's signer client, npm's clients and Chromium
	$(GO) test -timeout 15m ./...
	CGO_ENABLED=0 $(GO) test -timeout 5m ./backend
	cd $(OPCLIENT) && $(GO) test -count=1 -timeout 5m ./...
	cd $(BROWSER) && $(GO) test -count=1 -timeout 5m ./...
	cd $(SBOM) && $(GO) test -timeout 2m ./...

race: ## the tests that need no other program, under the race detector
	$(GO) test -race -short -timeout 15m ./...

crash: ## kill the signer CRASHES times (1000) under load, and look at what is left
	CRASHES=$(CRASHES) $(GO) test -count=1 -v -timeout 60m -run 'TestCrash|TestLedger|TestBooks' ./cmd/internal/crash

overload: ## offer a signer five times what its vault can sign, for DURATION (60s); five minutes
	DURATION=$(DURATION) $(GO) test -count=1 -v -timeout 60m -run TestOverload ./cmd/internal/overload

lint: $(TOOLS)/golangci-lint ## formatting, vet, linters, tidy modules
	$(GO) mod tidy -diff
	cd .ci/tools && $(GO) mod tidy -diff
	cd .ci/tools/clef && $(GO) mod tidy -diff
	cd $(OPCLIENT) && $(GO) mod tidy -diff
	cd $(BROWSER) && $(GO) mod tidy -diff
	cd $(SBOM) && $(GO) mod tidy -diff
	cd $(CHART) && $(GO) mod tidy -diff
	cd $(IMAGE) && $(GO) mod tidy -diff
	cd $(TF) && $(GO) mod tidy -diff
	$(TOOLS)/golangci-lint run ./...
	cd $(OPCLIENT) && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	cd $(BROWSER) && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	cd $(SBOM) && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	cd $(IMAGE) && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	cd $(TF) && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	$(TOOLS)/golangci-lint run --build-tags failpoint ./cmd/kvclef

fuzz: ## each fuzz target for FUZZTIME (60s), two at a time; half an hour
	FUZZTIME=$(FUZZTIME) .ci/fuzz

fuzz-short: ## each fuzz target for two seconds, from what is in testdata/fuzz and in the tests
	FUZZTIME=2s .ci/fuzz

bench: ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...

bench-peer: build $(TOOLS)/clef ## Clef and kvclef side by side, ROUNDS (5) windows of WINDOW (10s); half an hour
	$(GO) run ./cmd/internal/benchpeer -kvclef bin/kvclef -clef $(TOOLS)/clef -rounds $(ROUNDS) -window $(WINDOW) -json bin/bench-peer.json

soak: $(TOOLS)/geth ## SOAK_REQUESTS (86400, a day's at one a second) with a policy and with a rule file: nothing may grow but the audit log
	SOAK_REQUESTS=$(SOAK_REQUESTS) $(GO) test -count=1 -v -timeout 2h ./cmd/internal/soak

flame: build $(TOOLS)/clef ## docs/images/flame-*.svg: where Clef and kvclef spend their time; FLAMEGRAPH is a checkout of brendangregg/FlameGraph
	FLAMEGRAPH="$(FLAMEGRAPH)" GO="$(GO)" cmd/internal/benchpeer/flame.sh

vuln: $(TOOLS)/govulncheck ## known vulnerabilities in code that is reached (VULNDB: another database than the module proxy's)
	VULNDB="$(VULNDB)" TOOLCHAIN="$(TOOLCHAIN)" .ci/vuln

licences: ## all that is linked, on every system, has a licence that is permitted; bin/NOTICES.txt
	.ci/licences

build: ## bin/kvclef
	$(GOBUILD) -o bin/ ./cmd/kvclef

cross: ## whether it compiles for the systems on which CI does not run
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) vet ./cmd/kvclef
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) vet ./cmd/kvclef

install: build ## bin/kvclef to PREFIX/bin (/usr/local/bin)
	install -D -m 0755 bin/kvclef $(DESTDIR)$(PREFIX)/bin/kvclef

man: ## bin/man: the manual pages
	@mkdir -p bin/man
	$(GO) run -trimpath ./cmd/kvclef man >bin/man/kvclef.1
	cmd/packaging/configuration-man.sh >bin/man/kvclef.yaml.5

release: ## bin/release: archives for TARGETS (all six platforms), checksums, SPDX document
	TARGETS="$(TARGETS)" TOOLCHAIN="$(TOOLCHAIN)" cmd/packaging/release.sh

deb: ## bin/deb: the Debian package, of the work tree as it is
	DIRTY=1 TARGETS="linux/$$($(GO) env GOARCH)" TOOLCHAIN="$(TOOLCHAIN)" DIST=bin/deb cmd/packaging/release.sh

release-check: ## build the release of the last commit twice, in two places: it must be the same
	TARGETS="$(TARGETS)" TOOLCHAIN="$(TOOLCHAIN)" cmd/packaging/release-check.sh

# What these read is outside their modules, so that Go would not notice a change of it.
packaging: ## checks of the Helm chart, the Dockerfile, Terraform's files, the Debian package, and the release for this platform with the Go that is here
	cd $(CHART) && $(GO) test -count=1 -timeout 5m ./...
	cd $(IMAGE) && $(GO) test -count=1 -timeout 5m ./...
	cd $(TF) && $(GO) test -count=1 -timeout 5m ./...
	rm -rf bin/check
	TARGETS="linux/$$($(GO) env GOARCH)" TOOLCHAIN=local DIRTY=1 DIST=bin/check cmd/packaging/release.sh
	cmd/packaging/deb/check.sh bin/check/*.deb

tools: $(TOOLS)/geth $(TOOLS)/golangci-lint $(TOOLS)/govulncheck ## the programs that tests and linting use

clefdirs: $(TOOLS)/clef ## what tests have of Clef (cmd/kvclef/testdata/clef), made anew by Clef itself
	KVCLEF_MAKE_CLEFDIRS=1 $(GO) test -count=1 -run TestMakeClefDirs ./cmd/kvclef

clean: ## what was built
	rm -rf bin $(TOOLS)

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

# The tools module is apart so that go.mod holds only what the product needs.
$(TOOLS)/geth: PACKAGE := github.com/ethereum/go-ethereum/cmd/geth
$(TOOLS)/golangci-lint: PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(TOOLS)/govulncheck: PACKAGE := golang.org/x/vuln/cmd/govulncheck
$(TOOLS)/%: .ci/tools/go.mod .ci/tools/go.sum
	cd .ci/tools && $(GO) build -trimpath -o bin/ $(PACKAGE)
	@touch $@

# The last Clef has a module of its own: go-ethereum dropped it in v1.17.4, and
# geth above is newer.
$(TOOLS)/clef: .ci/tools/clef/go.mod .ci/tools/clef/go.sum
	cd .ci/tools/clef && $(GO) build -trimpath -o ../bin/ github.com/ethereum/go-ethereum/cmd/clef
	@touch $@
