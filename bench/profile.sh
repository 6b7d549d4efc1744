#!/usr/bin/env bash
# Where do the instructions of a rollout go, and how often does it allocate? Counts of two runs of
# different length, subtracted, so that starting and ending a run is not in them. Needs valgrind and a C compiler.
#
# valgrind makes everything about fifty times slower. A rollout that takes no time would then seem slow and get a
# task of its own. So the program sees a clock that is fifty times slower as well; with the third argument
# `real` it sees the real clock, and each rollout has a task.
#
# bench/profile.sh [memory|sqlite] [PROGRAM] [slow|real]; PROGRAM is a built `engine_run`, by default that of this source.
set -euo pipefail
cd "$(dirname "$0")/.."
store=${1:-memory}
short=10000
long=30000
program=${2:-}
clock=${3:-slow}
if [ -z "$program" ]; then
    # Release builds are stripped; the list needs names.
    CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=1 \
        cargo build --release -q -p gepa-bench --example engine_run
    program=${CARGO_TARGET_DIR:-target}/release/examples/engine_run
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
preload=
if [ "$clock" = slow ]; then
    preload=$folder/clock.so
    cc -O2 -shared -fPIC -x c -o "$preload" - <<'EOF'
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time) {
    static long long begin;
    int result = syscall(SYS_clock_gettime, id, time);
    if (id == CLOCK_MONOTONIC) {
        long long now = time->tv_sec * 1000000000LL + time->tv_nsec;
        if (!begin) begin = now;
        now = begin + (now - begin) / 50;
        time->tv_sec = now / 1000000000LL;
        time->tv_nsec = now % 1000000000LL;
    }
    return result;
}
EOF
fi

for rollouts in $short $long; do
    url=memory:
    [ "$store" = sqlite ] && url=sqlite://$folder/$rollouts.db
    LD_PRELOAD=$preload valgrind --tool=callgrind --callgrind-out-file="$folder/$rollouts.out" \
        "$program" "$url" $rollouts >"$folder/$rollouts.log" 2>&1
done

# Calls of the allocator from all callers together.
allocations() {
    callgrind_annotate --auto=no --tree=caller --threshold=100 "$1" | awk '
        /^ *[0-9,]+ \([ 0-9.]+%\)  \*/ {
            if ($0 ~ /malloc\.c:(malloc|calloc|realloc) \[/) total += calls
            calls = 0
        }
        / < .*\([0-9,]+x\)/ { match($0, /\([0-9,]+x\)/); n = substr($0, RSTART + 1, RLENGTH - 3)
            gsub(",", "", n); calls += n }
        /^ *$/ { calls = 0 }
        END { print total + 0 }'
}
instructions() { sed -n 's/^\(summary\|totals\): //p' "$1" | head -1; }

awk -v store="$store" -v rollouts=$((long - short)) \
    -v i="$(($(instructions "$folder/$long.out") - $(instructions "$folder/$short.out")))" \
    -v a="$(($(allocations "$folder/$long.out") - $(allocations "$folder/$short.out")))" \
    'BEGIN { printf "%s: %.0f instructions and %.1f allocations a rollout\n\n", store, i / rollouts, a / rollouts }'
echo "share of instructions, with what is called, of the longer run:"
callgrind_annotate --auto=no --inclusive=yes --threshold=100 "$folder/$long.out" |
    sed -n 's/^ *[0-9,]* (\( *[0-9.]*%\))  *[^:]*:\(.*gepa_[^[]*\).*/\1 \2/p' |
    sed 's/ *$//' | awk '!seen[$2]++' | head -40
