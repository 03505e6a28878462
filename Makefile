# make demo    a sample application behind the gate, on this machine alone
# make build   the binary, ./foregate
# make test    everything; installs what the tests need where it is missing
# make check   formatting, vet, module files: quick
# make bench   figures beside a bare proxy and nginx
# make example-NAME   a deployment of examples/ with real servers around it: careplan, formulary, homewatch, trialbase, wardwatch
# make soak    a day in the life of the five deployments, and 500 people at two replicas, ten minutes each, with faults; SOAK=1m is shorter
# make deb     a Debian package, ./foregate_VERSION_ARCH.deb
# make fuzz    each fuzz target for FUZZTIME

GO       ?= go
FUZZTIME ?= 60s
SOAK     ?= 10m
export GOFLAGS = -mod=readonly -trimpath

.PHONY: demo build deb test check bench soak fuzz needs clean

demo:
	$(GO) run . demo

build:
	CGO_ENABLED=0 $(GO) build -ldflags="-s -w" -o foregate .

NFPM = github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4

deb: build
	DEB_ARCH=$$($(GO) env GOARCH) VERSION=$$(./foregate version | cut -d' ' -f2 | cut -d+ -f1 | cut -d- -f1) GOFLAGS= $(GO) run $(NFPM) package -f deploy/deb/nfpm.yaml -p deb

test: needs check
	./test/run

needs:
	./test/needs

check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt -w these:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(GO) mod tidy -diff
	cd test/h2spec && $(GO) vet . && $(GO) mod verify && $(GO) mod tidy -diff

bench: build
	$(GO) run ./bench

soak: needs
	FOREGATE_SOAK=$(SOAK) $(GO) test ./test/replicas -count=1 -timeout 45m -v -run 'DayInTheLife|SE16|FM1Redis'

example-%:
	./test/needs
	$(GO) run ./test/example $*

fuzz:
	./test/fuzz $(FUZZTIME)

clean:
	rm -rf foregate foregate_*.deb test/node_modules test/wheels
