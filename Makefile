# Two commands matter: `make run` and `make test`. Everything they need they install themselves (Debian 12, root).
CARGO ?= cargo
DATA  ?= ./data

.PHONY: run test build bench tools test-tools lint clean chaos fuzz

run: build
	sh ops/scripts/demo "$(DATA)"

build: tools
	$(CARGO) build --workspace --bins

test: test-tools
	$(CARGO) build --workspace --bins
	$(CARGO) nextest run --workspace

# BENCH="--quick", "--full", "--only cpu": see tests/bench/README.md
bench: tools
	@sh ops/scripts/install bench
	$(CARGO) build --release --workspace --bins
	$${CARGO_TARGET_DIR:-target}/release/bench $(BENCH)

# Kills, power cuts, full and failing disks and clock steps under load, and a million forged packets, for minutes; as root.
# CHAOS_SEED repeats a run.
chaos: test-tools
	$(CARGO) build --workspace --bins
	CHAOS_KILLS=$${CHAOS_KILLS:-200} CHAOS_CUTS=$${CHAOS_CUTS:-20} FORGED_PACKETS=$${FORGED_PACKETS:-1000000} \
		$(CARGO) test -p recorder-tests --test chaos --test disk --test clock --test forged -- --nocapture --test-threads=1

# Every parser: 10,000,000 seeded mutations (FUZZ_COUNT, FUZZ_SEED), every shared vector cut at every octet, and libFuzzer
# with the address sanitizer for FUZZ_SECONDS a target. What it finds stands in tests/fuzz/libfuzzer/artifacts.
fuzz: tools
	@sh ops/scripts/install fuzz
	CARGO=$(CARGO) sh ops/scripts/fuzz

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

tools:
	@sh ops/scripts/install build

test-tools: tools
	@sh ops/scripts/install test

clean:
	$(CARGO) clean
