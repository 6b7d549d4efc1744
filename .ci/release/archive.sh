#!/usr/bin/env bash
# Builds the command for a target and packs it with licences, completions and man pages.
# Usage: archive.sh TARGET FOLDER [PROFILE]
set -euo pipefail
target=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
profile=${3:-dist}
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=gepa-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --locked --package gepa-cli --features parquet,otel --profile "$profile" --target "$target"
built=$profile
[ "$profile" != dev ] || built=debug
binary=${CARGO_TARGET_DIR:-target}/$target/$built/gepa
[ -f "$binary" ] || binary=$binary.exe
mkdir -p "$work/$name/completions"
cp "$binary" LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md "$work/$name/"
"$binary" man "$work/$name/man"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$work/$name/completions/gepa.$shell"
done
case $target in
    *windows*) (cd "$work" && python -c "import shutil; shutil.make_archive('$name', 'zip', '.', '$name')")
        mv "$work/$name.zip" "$folder/" ;;
    # The same content gives the same archive.
    *) tar --version 2>/dev/null | grep -q GNU && fixed=(--sort=name --owner=0 --group=0 --mtime=@0) || fixed=()
        tar -C "$work" "${fixed[@]}" -czf "$folder/$name.tar.gz" "$name" ;;
esac
echo "$name"
