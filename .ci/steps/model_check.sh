#!/usr/bin/env bash
# Interleavings of the limiter: a workspace of its own, with its own target folder.
set -euo pipefail

cargo fmt --manifest-path tests/model_check/Cargo.toml --check
workspace=(--manifest-path tests/model_check/Cargo.toml --target-dir target/model_check)
cargo clippy "${workspace[@]}" --lib --test limiter -- -D warnings
cargo test "${workspace[@]}"
