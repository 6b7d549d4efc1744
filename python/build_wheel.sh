#!/usr/bin/env bash
# Builds the wheel with the `gepa` command in it. Usage: build_wheel.sh FOLDER [PROFILE] [MATURIN] [GEPA] [PYTHON],
# where GEPA is a binary to take in place of one that is built here. PYTHON is the interpreter that the wheel is for,
# which counts only for a free-threaded one: all others share a wheel.
set -euo pipefail
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
profile="${2:-release}"
maturin="${3:-maturin}"
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
built=${4:-}
if [ -z "$built" ]; then
    cargo build --quiet --package gepa-cli --features parquet,otel --profile "$profile"
    case "$profile" in dev) built="$target/debug/gepa" ;; *) built="$target/$profile/gepa" ;; esac
    [ -f "$built" ] || built="$built.exe"
fi
scripts=python/gepa_engine.data/scripts
mkdir -p "$scripts"
cp "$built" "$scripts/"
strip "$scripts/$(basename "$built")" 2>/dev/null || true
"$maturin" build --quiet --manifest-path python/Cargo.toml --profile "$profile" --out "$folder" \
    ${5:+--interpreter "$5"}
