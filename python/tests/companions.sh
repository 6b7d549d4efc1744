#!/usr/bin/env bash
# Programs that call gepa themselves, on this engine: each in a virtual environment of its own, with local fakes
# in the place of models. Usage: companions.sh WHEEL PYTHON [NAME...]
#
# Without a package registry all of them are skipped; an installation that fails otherwise is an error.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
wheel="$(realpath "$1")"
python="$2"
shift 2
names=("${@:-}")
[ -n "${names[0]}" ] || names=(dspy mlflow opik pydantic_gepa verifiers)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if ! "$python" -m pip download --quiet --no-deps --dest "$work" gepa==0.1.4; then
    echo "SKIPPED: no package registry is reachable, so the programs that call gepa are not tested"
    exit 0
fi

packages() { # packages NAME
    case $1 in
        dspy) echo 'dspy==3.4.1 pytest' ;;
        mlflow) echo 'mlflow==3.17.2 pytest' ;;
        opik) echo 'opik-optimizer==3.2.0' ;;
        pydantic_gepa) echo 'pydantic-gepa==0.1.1 pydantic-ai-slim pydantic-evals' ;;
        verifiers) echo 'verifiers==0.4.0' ;;
        *) echo "there is no companion $1" >&2; return 1 ;;
    esac
}

prepare() { # prepare NAME
    "$python" -m venv "$work/$1"
    # shellcheck disable=SC2046
    "$work/$1/bin/pip" install --quiet $(packages "$1") gepa==0.1.4 "$wheel"
}

run() { # run NAME
    local python="$work/$1/bin/python"
    case $1 in
        dspy) "$python" -m pytest -q -rs -p no:cacheprovider "$here/test_dspy.py" \
            "$here/test_examples.py::test_an_example_runs[dspy_program]" ;;
        mlflow) "$python" -m pytest -q -p no:cacheprovider "$here/test_trackers.py" -k mlflow &&
            "$python" "$here/companions/mlflow_prompts.py" ;;
        opik) "$python" "$here/companions/opik_prompt.py" ;;
        pydantic_gepa) "$python" "$here/companions/pydantic_gepa_agent.py" ;;
        verifiers) "$python" "$here/companions/verifiers_runner.py" ;;
    esac
}

failed=0
for name in "${names[@]}"; do
    if prepare "$name" && (cd "$work" && run "$name" >"$work/$name.log" 2>&1); then
        tail -n 1 "$work/$name.log"
    else
        echo "$name failed:"
        tail -n 30 "$work/$name.log" 2>/dev/null || true
        failed=1
    fi
    rm -rf "${work:?}/$name"
done
exit "$failed"
