#!/usr/bin/env bash
# Builds the wheel with the `gepa` command in it. Usage: build_wheel.sh FOLDER [PROFILE] [MATURIN]
set -euo pipefail
folder="$(mkdir -p "$1" && cd "$1" && pwd)"
profile="${2:-release}"
maturin="${3:-maturin}"
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --quiet --package gepa-cli --features parquet,otel --profile "$profile"
scripts=python/gepa_engine.data/scripts
mkdir -p "$scripts"
case "$profile" in dev) built="$target/debug/gepa" ;; *) built="$target/$profile/gepa" ;; esac
[ -f "$built" ] || built="$built.exe"
cp "$built" "$scripts/"
strip "$scripts/$(basename "$built")" 2>/dev/null || true
"$maturin" build --quiet --manifest-path python/Cargo.toml --profile "$profile" --out "$folder"
