#!/usr/bin/env bash
# Fuzzes every reader for SECONDS each (10 unless given), from the corpora beside this file; needs
# cargo and a C++ compiler. With a second argument, only that reader. New findings stay in a
# temporary folder that is named at the end; a crash ends the run with its input's place.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" && pwd)
seconds=${1:-10}
target_dir=${FUZZ_TARGET_DIR:-$here/../../target/fuzz}
work=$(mktemp -d)
readers=(own_dialect job_dialect submission reflection_reply placeholders substitution
    task_app_response provider_reply event_stream process_line journal database api_query)
[ $# -lt 2 ] || readers=("$2")

# Coverage instrumentation without a nightly compiler: these are stable options of rustc and LLVM.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
# A target named explicitly keeps the instrumentation out of build scripts and macros.
RUSTFLAGS=$(echo $coverage) cargo build --release --quiet --target "$host" \
    --manifest-path "$here/Cargo.toml" --target-dir "$target_dir"

failed=0
for reader in "${readers[@]}"; do
    mkdir -p "$work/$reader"
    corpus=$here/corpus/$reader
    longest=16384
    if [ "$reader" = database ]; then
        # A file has a page of 4 KiB at least for each table; the formats there were are a corpus.
        corpus=$here/../../store/tests/fixtures
        longest=300000
    fi
    log=$work/$reader.log
    if FUZZ_TARGET=$reader "$target_dir/$host/release/gepa-fuzz" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len="$longest" -len_control=0 \
        -artifact_prefix="$work/$reader-" -print_final_stats=1 -verbosity=1 \
        "$work/$reader" "$corpus" >"$log" 2>&1; then
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        covered=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
        printf '%-18s %10s executions, %s\n' "$reader" "$executions" "${covered:-cov: 0}"
    else
        failed=$((failed + 1))
        printf '%-18s FAILED\n' "$reader"
        grep -v '^ *[0-9]*:\|^ *at ' "$log" | tail -25
    fi
done
echo "what was found is in $work"
echo "$((${#readers[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
