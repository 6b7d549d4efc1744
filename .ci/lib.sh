# What the steps of .ci/run share; sourced, not run.

started=$SECONDS
work=$(mktemp -d)
# The outputs that the closing line counts and in which skipped tests are looked for.
logs=()
declare -A background=()

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

# log_of NAME: the file for a step's output; it counts.
log_of() {
    logs+=("$work/$1.log")
    : >"$work/$1.log"
}

# begin NAME COMMAND...: starts a command beside the steps that follow.
begin() {
    local name=$1
    shift
    "$@" >"$work/setup-$name.log" 2>&1 </dev/null &
    background[$name]=$!
}

# await NAME: waits for what `begin` started, shows its output and gives its exit code.
await() {
    local code=0
    wait "${background[$1]}" || code=$?
    unset "background[$1]"
    cat "$work/setup-$1.log"
    return "$code"
}

# The closing line, also after a step that failed.
close() {
    local code=$?
    trap - EXIT
    for process in "${background[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    if [ ${#logs[@]} -gt 0 ]; then
        printf '\n== done (%d s)\n' "$((SECONDS - started))"
        python3 .ci/skips.py "${logs[@]}" || [ "$code" -ne 0 ] || code=1
        awk '/^test result:/ { passed += $4; failed += $6 }
             /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { passed += $1; failed += $3 }
             END { print passed + 0 " passed, " failed + 0 " failed" }' "${logs[@]}"
    fi
    rm -rf "$work"
    exit "$code"
}
trap close EXIT
