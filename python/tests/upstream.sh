#!/usr/bin/env bash
# Fetches the source distribution of gepa 0.1.4 and runs its tests twice, unmodified: bare, and with a
# conftest that calls `install()` and nothing else. Prints a table by file and exits with 1 if a test that
# passes bare fails on this engine. Usage: upstream.sh PYTHON, where PYTHON has gepa_engine, gepa, pytest.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="${1:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --no-deps --no-binary :all: --dest "$work" gepa==0.1.4
tar xzf "$work"/gepa-0.1.4.tar.gz -C "$work"
for side in bare ours; do
    mkdir -p "$work/$side"
    cp -r "$work/gepa-0.1.4/tests" "$work/$side/tests"
done
cp "$here/upstream/conftest.py" "$work/ours/conftest.py"
for side in bare ours; do
    (cd "$work/$side" && "$python" -m pytest tests -q --continue-on-collection-errors -p no:cacheprovider \
        --junitxml "$work/$side.xml" >"$work/$side.log" 2>&1) || true
    tail -n 1 "$work/$side.log"
done
"$python" "$here/upstream_table.py" "$work/bare.xml" "$work/ours.xml"
