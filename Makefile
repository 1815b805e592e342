# Two commands matter: `make run` and `make test`. Everything they need they install themselves (Debian 12, root).
CARGO ?= cargo
DATA  ?= ./data

.PHONY: run test build tools test-tools lint clean

run: build
	sh ops/scripts/demo "$(DATA)"

build: tools
	$(CARGO) build --workspace --bins

test: test-tools
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

tools:
	@sh ops/scripts/install build

test-tools: tools
	@sh ops/scripts/install test

clean:
	$(CARGO) clean
