#!/usr/bin/env bash
# Builds the static binary of the image and runs it in an empty root directory, as a user without rights. Needs
# root for `chroot`. Usage: static.sh [PROFILE]; with `dist` its size is checked as well.
set -euo pipefail
cd "$(dirname "$0")/../.."
profile=${1:-dev}
target=$(uname -m)-unknown-linux-musl
if [ "$(id -u)" -ne 0 ]; then
    echo "SKIPPED: the static binary is not tried, because chroot needs root"
    exit 0
fi
rustup target add "$target"
command -v musl-gcc >/dev/null || { apt-get update -q && apt-get install -qy musl-tools; }
# Debug information would make the build and the binary several times as large.
CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet --locked --package gepa-cli --profile "$profile" --target "$target"
folder=$profile
[ "$profile" != dev ] || folder=debug
binary=${CARGO_TARGET_DIR:-target}/$target/$folder/gepa

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# The user has to pass through it.
chmod 755 "$root"
mkdir -p "$root/work/data"
install -m 755 "$binary" "$root/gepa"
cp configs/heart_disease.toml "$root/work/"
cp configs/data/heart_disease.csv "$root/work/data/"
chown -R 65532:65532 "$root/work"
inside() { chroot --userspec=65532:65532 "$root" /gepa "$@"; }
# The user's folder is the root directory, which it may not write to; the store lies in /work.
inside --version
inside run /work/heart_disease.toml --store sqlite:///work/gepa.db --set budget.max_rollouts=600 2>&1 | tail -n 5
inside doctor latest --store sqlite:///work/gepa.db
if inside init /elsewhere 2>/dev/null; then
    echo "the user may write to the root directory"
    exit 1
fi
size=$(stat -c %s "$root/gepa")
echo "static binary: $((size / 1000000)) MB ($profile)"
if [ "$profile" = dist ] && [ "$size" -gt $((20 << 20)) ]; then
    echo "the shipped binary is larger than 20 MiB; CONTRIBUTING.md says what its size consists of"
    exit 1
fi
