# Everything a person types. `make run` and `make test` need nothing but Rust and, the first time,
# the network; missing system packages are named before they are installed, and none is removed.

CARGO ?= cargo
LISTEN ?= 127.0.0.1:8080

# Seconds each fuzz target runs for.
FUZZ_SECONDS ?= 10

# Files of the entropy path that `make mutants` changes; empty for all in .cargo/mutants.toml.
MUTATED ?=

.PHONY: help run test unit clients lab fuzz bench mutants check fmt install clean

help:
	@echo "make run     build, and serve randomness on $(LISTEN)"
	@echo "make test    every test: units, real sockets, fuzzing, the VM lab"
	@echo "make unit    the tests that need no virtual machine and no fuzzer"
	@echo "make clients run other people's clients, from their registries, against the service"
	@echo "make lab     boot a virtual machine with a USB camera and test the service in it"
	@echo "make fuzz    fuzz every parser for $(FUZZ_SECONDS) s each"
	@echo "make bench   measure, as ratios against named peers"
	@echo "make mutants change each function of the entropy path, and list what no unit test notices"
	@echo "make check   format, lints, documentation, dependencies"
	@echo "make install put the program, its unit and its udev rules in place (as root)"

run:
	@.ci/need gcc libc6-dev
	$(CARGO) build --release --locked
	target/release/lavawall serve --demo --listen $(LISTEN)

test: unit clients fuzz lab

unit:
	@.ci/need gcc libc6-dev libclang-dev libfaketime protobuf-compiler libprotobuf-dev etcd-server
	$(CARGO) test --locked --workspace --all-features

clients:
	@.ci/need gcc libc6-dev libclang-dev protobuf-compiler libprotobuf-dev curl iproute2 python3 python3-venv systemd util-linux xxd
	@command -v node > /dev/null && command -v npm > /dev/null || .ci/need nodejs npm
	$(CARGO) test --locked --all-features --test clients -- --ignored

lab:
	@.ci/need gcc libc6-dev libclang-dev protobuf-compiler libprotobuf-dev xz-utils python3
	hardware/lab/prepare
	$(CARGO) build --release --locked --all-features
	$(CARGO) test --locked --all-features --test lab -- --ignored --test-threads 1 --nocapture

fuzz:
	@.ci/need gcc g++ libc6-dev
	@command -v cargo-fuzz > /dev/null || { echo "installing cargo-fuzz"; $(CARGO) install --locked --debug cargo-fuzz; }
	.ci/fuzz $(FUZZ_SECONDS)

bench:
	@.ci/need gcc libc6-dev nginx-light wrk curl redis-server redis-tools etcd-server python3-venv
	$(CARGO) bench --locked

mutants:
	@.ci/need gcc libc6-dev
	@command -v cargo-mutants > /dev/null || { echo "installing cargo-mutants"; $(CARGO) install --locked cargo-mutants; }
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) mutants --package lavawall-entropy \
		$(if $(MUTATED),--no-config $(MUTATED:%=--file %)) --output target -- --lib

check:
	@.ci/need gcc libc6-dev libclang-dev protobuf-compiler libprotobuf-dev
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --all-features --no-deps --document-private-items
	@command -v cargo-deny > /dev/null || { echo "installing cargo-deny"; $(CARGO) install --locked --debug cargo-deny; }
	$(CARGO) deny --all-features check bans licenses sources

fmt:
	$(CARGO) fmt

install:
	$(CARGO) build --release --locked
	install -D -m 755 target/release/lavawall $(DESTDIR)/usr/local/bin/lavawall
	install -D -m 644 hardware/systemd/lavawall.service $(DESTDIR)/etc/systemd/system/lavawall.service
	install -D -m 644 hardware/systemd/lavawall-seed.service $(DESTDIR)/etc/systemd/system/lavawall-seed.service
	install -D -m 644 hardware/99-lavawall.rules $(DESTDIR)/etc/udev/rules.d/99-lavawall.rules

clean:
	$(CARGO) clean
