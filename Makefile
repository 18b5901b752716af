# Everything a person or a machine runs: see README.md.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
# Seconds that `make test` fuzzes each of the five targets at most.
FUZZ_SECONDS ?= 75
# Where every random test begins, so that a red run speaks of the change and not of the draw. `make test SEED=$$(date +%s)'
# draws anew; the hunts always do.
SEED ?= 1
export PROPTEST_RNG_SEED = $(SEED)
export XT_SEED = $(SEED)
export CONNTRACK_SEED = $(SEED)
export LAB_SEED = $(SEED)
export FUZZ_SEED = $(SEED)
# The second router of the 2,000 random cases; with `kernel' the comparison proves itself.
RANDOM_JUDGE ?= datapath

sbin = $(DESTDIR)$(PREFIX)/sbin
links = $(DESTDIR)$(PREFIX)/lib/xtables-rs
man8 = $(DESTDIR)$(PREFIX)/share/man/man8
share = $(DESTDIR)$(PREFIX)/share
units = $(DESTDIR)$(PREFIX)/lib/systemd/system
tables = iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore \
	iptables-xml iptables-apply ip6tables-apply iptables-translate iptables-restore-translate \
	ip6tables-translate ip6tables-restore-translate iptables-legacy iptables-legacy-save iptables-legacy-restore \
	ip6tables-legacy ip6tables-legacy-save ip6tables-legacy-restore

# What real programs are run through both routers.
programs = curl in.tftpd iperf3 nc.openbsd ngircd nmbd nmblookup ping pptp pptpd sipp snmpd snmpget tftp tnftp traceroute.db \
	vsftpd /usr/lib/usrsctp/tsctp

.PHONY: all demo test lint unit upstream managers compare programs bench fuzz fuzz-short hunt differ install alternatives needs-demo needs-test needs-programs

all:
	$(CARGO) build --release --workspace --bins

# A legacy firewall script, real traffic, and a list of what was proved: as started, and as root also rootless.
demo: needs-demo all
	target/release/demo
	@if [ "$$(id -u)" = 0 ]; then target/release/demo --rootless; fi

# Everything that must hold. Installs the tools it compares with when it may, and says what is missing when it may not.
test: needs-test lint unit compare fuzz-short

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

unit:
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace

# What upstream tests itself with: its rules and its expectations of the translators, from Debian's source package (needs the network).
upstream: needs-test
	iptables-rs/tests/upstream

# What drives iptables on real machines (ufw, docker, firewalld, ...) over the real tool and over ours (needs root and the network).
managers: all needs-test
	iptables-rs/tests/managers/run

# Our datapath against the kernel: the demo's claims on both, scenarios as root and rootless, random cases, real programs.
compare: all
	target/release/demo --judge kernel
	target/release/demo
	@if [ "$$(id -u)" = 0 ]; then target/release/demo --rootless; fi
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test scenarios
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test sequences
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test flows
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test tables
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test hooks
	LAB_JUDGE=$(RANDOM_JUDGE) XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test differential
	LAB_RIGHTS=rootless LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test scenarios
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) programs; else echo 'programs: not run, their servers need root'; fi

# Programs from Debian, through the kernel and through the datapath.
programs: needs-programs all
	LAB_JUDGE=datapath XT_BUILT=$(CURDIR)/target/release $(CARGO) test --package lab --test programs

# Ours and the kernel's side by side, then the engine alone: nanoseconds a packet.
bench: needs-test all
	target/release/bench
	$(CARGO) bench --quiet --package engine --bench packet --bench extensions --bench entries --bench helpers

# Coverage-guided fuzzing: a minute or so of each target, or all of them until one finds something.
fuzz-short:
	FUZZ_RUNS=1 fuzz/run $(FUZZ_SECONDS)

fuzz:
	FUZZ_SEED= fuzz/run 0

# Random cases through both routers until they differ.
hunt: needs-test all
	LAB_SEED= target/release/hunt

# Random command lines and restore files through the real tool and ours until they differ.
differ: needs-test
	$(CARGO) build --workspace --bins
	XT_SEED= XT_ENDLESS=1 $(CARGO) test --package iptables-rs --test differential -- --nocapture random::

needs-demo:
	datapath/lab/needs ip

needs-test:
	datapath/lab/needs ip iptables-legacy ip6tables-legacy iptables-legacy-restore iptables-translate conntrack nft ipset \
		groff zsh fish g++ python3

needs-programs: needs-test
	datapath/lab/needs $(programs)

# Plain names go into a folder of their own, so that nothing of the system is covered up; see `make alternatives`.
install: all
	install -d $(sbin) $(links) $(man8) $(units)
	install -m 755 target/release/xtables-rs-multi target/release/xt-datapath $(sbin)
	install -m 755 target/release/conntrack $(links)/conntrack
	for name in $(tables); do ln -sf ../../sbin/xtables-rs-multi $(links)/$$name; done
	install -m 644 man/*.8 $(man8)
	man/assemble > $(man8)/iptables-extensions.8
	install -d $(share)/bash-completion/completions $(share)/zsh/site-functions $(share)/fish/vendor_completions.d
	target/release/xtables-rs-multi complete bash > $(share)/bash-completion/completions/iptables
	target/release/xtables-rs-multi complete zsh > $(share)/zsh/site-functions/_iptables
	target/release/xtables-rs-multi complete fish > $(share)/fish/vendor_completions.d/iptables.fish
	for name in $(filter-out iptables,$(tables)); do \
		ln -sf iptables $(share)/bash-completion/completions/$$name; \
		ln -sf iptables.fish $(share)/fish/vendor_completions.d/$$name.fish; \
	done
	for unit in dist/*.service; do \
		sed 's|/usr/sbin/|$(PREFIX)/sbin/|g' $$unit > $(units)/$$(basename $$unit); \
	done

# Offers the commands to Debian's alternatives, at a priority that takes over nothing.
alternatives:
	update-alternatives --install /usr/sbin/iptables iptables $(PREFIX)/lib/xtables-rs/iptables 5 \
		--slave /usr/sbin/iptables-save iptables-save $(PREFIX)/lib/xtables-rs/iptables-save \
		--slave /usr/sbin/iptables-restore iptables-restore $(PREFIX)/lib/xtables-rs/iptables-restore
	update-alternatives --install /usr/sbin/ip6tables ip6tables $(PREFIX)/lib/xtables-rs/ip6tables 5 \
		--slave /usr/sbin/ip6tables-save ip6tables-save $(PREFIX)/lib/xtables-rs/ip6tables-save \
		--slave /usr/sbin/ip6tables-restore ip6tables-restore $(PREFIX)/lib/xtables-rs/ip6tables-restore
