# make demo    a sample application behind the gate, on this machine alone
# make build   the binary, ./foregate
# make test    everything; installs what the tests need where it is missing
# make check   formatting, vet, module files: quick
# make bench   figures beside a bare proxy and nginx
# make soak    500 people at two replicas for ten minutes, with faults; SOAK=1m is shorter
# make fuzz    each fuzz target for FUZZTIME

GO       ?= go
FUZZTIME ?= 60s
SOAK     ?= 10m
export GOFLAGS = -mod=readonly -trimpath

.PHONY: demo build test check bench soak fuzz needs clean

demo:
	$(GO) run . demo

build:
	CGO_ENABLED=0 $(GO) build -ldflags="-s -w" -o foregate .

test: needs check
	./test/run

needs:
	./test/needs

check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'gofmt -w these:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

bench: build
	$(GO) run ./bench

soak: needs
	FOREGATE_SOAK=$(SOAK) $(GO) test ./test/replicas -count=1 -timeout 30m -v -run 'SE16|FM1Redis'

fuzz:
	./test/fuzz $(FUZZTIME)

clean:
	rm -rf foregate test/node_modules
