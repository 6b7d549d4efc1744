#!/usr/bin/env bash
# Runs every example of the engine to its end: each is an example of one idea, offline.
set -euo pipefail

# With the options that the tests are built with, so that nothing is compiled again.
cargo build --quiet --workspace --all-features --examples
for source in engine/examples/*.rs; do
    lines=$(wc -l <"$source")
    if [ "$lines" -gt 60 ]; then
        echo "$source has $lines lines; an example shows one idea in at most 60"
        exit 1
    fi
    name=$(basename "$source" .rs)
    echo "-- $name"
    "target/debug/examples/$name"
done
