#!/usr/bin/env bash
# Makes the virtual environment of the acceptance tests: the real client and what its apps need.
# GEPA_ACCEPTANCE_VENV names another place for it than .venv beside this file, for reuse between
# clones. Exits with 75 where it cannot be made (no Python 3.11 or newer, no network).
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" && pwd)
venv=${GEPA_ACCEPTANCE_VENV:-$here/.venv}
wanted=$(cat "$here/requirements.txt" "$here/constraints.txt" | cksum)
stamp=$venv/.made-from

skip() {
    echo "SKIPPED: the acceptance environment could not be made: $1" >&2
    exit 75
}

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi
python=$(command -v python3.11 || command -v python3) || skip "there is no python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || skip "$("$python" --version) is too old, 3.11 is needed"

echo "making $venv (about 1.3 GB; downloads take a few minutes)" >&2
if ! "$venv/bin/python" -c '' 2>/dev/null; then
    "$python" -m venv "$venv" || skip "$python -m venv failed"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt" --constraint "$here/constraints.txt" \
    || skip "pip could not install the packages of tests/acceptance/requirements.txt"
"$venv/bin/python" -c 'import celery, crafter, datasets, sklearn, synth_ai' 2>/dev/null \
    || skip "a package of tests/acceptance/requirements.txt does not import"
echo "$wanted" >"$stamp"
