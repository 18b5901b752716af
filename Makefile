# Everything a person or a machine runs: see README.md.
.PHONY: test
test:
	cargo test --workspace
