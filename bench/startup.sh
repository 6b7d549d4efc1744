#!/usr/bin/env bash
# How long do `gepa --version` and `gepa check` take, from nothing to gone, beside a program that does
# nothing? Build first: cargo build --profile dist -p gepa-cli
#
# bench/startup.sh [REPETITIONS]   GEPA=path/to/gepa for another binary
set -euo pipefail
cd "$(dirname "$0")/.."
gepa=${GEPA:-${CARGO_TARGET_DIR:-target}/dist/gepa}
repetitions=${1:-200}

# Milliseconds of a command, the median and the most of many.
time_of() {
    local name=$1
    shift
    for ((i = 0; i < repetitions; i++)); do
        local began=$EPOCHREALTIME
        "$@" >/dev/null 2>&1
        local ended=$EPOCHREALTIME
        echo $((${ended/./} - ${began/./}))
    done | sort -n | awk -v name="$name" '
        { times[NR] = $1 }
        END { printf "%-28s %8.2f %8.2f\n", name, times[int((NR + 1) / 2)] / 1000, times[NR] / 1000 }'
}

printf '%-28s %8s %8s   ms, %d times each\n' command median most "$repetitions"
time_of true "$(type -P true)"
time_of "gepa --version" "$gepa" --version
for config in heart_disease reference; do
    time_of "gepa check $config.toml" "$gepa" check "configs/$config.toml"
done
