#!/usr/bin/env bash
# What does the engine spend on a rollout, now and at an earlier commit? Builds `engine_overhead` of both with
# the same compiler and runs them in turn. Prints the least and the median of each, in microseconds of processor
# time per rollout, for archives of 100, 1 000 and 10 000 candidates with whole rows.
#
# bench/engine_before_after.sh [COMMIT] [REPETITIONS]; eac876d is the last commit before the crates were rebuilt.
set -euo pipefail
cd "$(dirname "$0")/.."
before=${1:-eac876d}
repetitions=${2:-5}
RUSTUP_TOOLCHAIN=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
export RUSTUP_TOOLCHAIN
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/source"; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/source" "$before"

build() {
    (cd "$1" && cargo build --quiet --locked --release -p gepa-bench --example engine_overhead)
    cp "$CARGO_TARGET_DIR/release/examples/engine_overhead" "$work/$2"
}
build "$work/source" before
build "$PWD" now

for ((i = 0; i < repetitions; i++)); do
    for side in before now; do
        # The program of now names the kind of rows; that of before has whole rows only.
        "$work/$side" | awk -v side="$side" '
            $1 != "memory" && $1 != "sqlite" { next }
            $2 == "Growing" { next }
            { at = $2 == "Full" ? 3 : 2; print $1, $at, side, $(at + 1), $(at + 2), $(at + 3) }'
    done
done | sort | python3 -c '
import statistics, sys
times = {}
for line in sys.stdin:
    store, scores, side, *costs = line.split()
    times.setdefault((store, scores, side), []).append([float(cost) for cost in costs])
heads = ("100", "1 000", "10 000")
print("store    scores       side    ", *(f"{head:>16}" for head in heads))
for (store, scores, side), runs in times.items():
    cells = (f"{min(costs):6.2f} /{statistics.median(costs):6.2f}" for costs in zip(*runs))
    print(f"{store:8} {scores:12} {side:8}", *(f"{cell:>16}" for cell in cells))
'
echo "load: $(cut -d' ' -f1-3 /proc/loadavg)"
