#!/usr/bin/env bash
# Builds the Python wheel, installs it into an empty virtual environment and uses it: tests, the programs
# of python/README.md, type checkers, ruff, and upstream's own tests. Needs PyPI for the tools.
# Usage: python.sh [GEPA], the binary that the wheel takes; without it one is built.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet 'maturin>=1.9,<2' mypy pyright ruff pytest gepa==0.1.4 tqdm \
    pandas polars pyarrow scikit-learn wandb opentelemetry-sdk \
    || { echo "SKIPPED: the Python tools could not be installed"; exit 0; }
(cd python && cargo clippy --quiet -- -D warnings && cargo fmt --check)
bash python/build_wheel.sh "$work/wheels" dev "$work/tools/bin/maturin" "${1:-}"
python3 -m venv "$work/empty"
"$work/empty/bin/pip" install --quiet --no-index "$work"/wheels/*.whl
"$work/empty/bin/python" -c 'import gepa_engine; print("gepa_engine", gepa_engine.__version__)'
"$work/empty/bin/gepa" --version
"$work/tools/bin/pip" install --quiet --no-index "$work"/wheels/*.whl
cd python
"$work/tools/bin/ruff" check .
"$work/tools/bin/ruff" format --check .
"$work/tools/bin/mypy" --python-executable "$work/tools/bin/python" gepa_engine examples
"$work/tools/bin/pyright" --pythonpath "$work/tools/bin/python" gepa_engine examples
cp -r tests examples README.md "$work/"
cd "$work"
GEPA_NATS_SERVER="$(bash "$root/tests/servers/nats.sh")"
export GEPA_NATS_SERVER
# What needs dspy or mlflow is run by companions.sh, in environments of its own.
bash "$root/tests/servers/postgres.sh" with \
    "$work/tools/bin/python" -m pytest -q -rs -p no:cacheprovider tests --ignore tests/upstream \
    --ignore tests/companions --ignore tests/test_dspy.py -k "not mlflow and not dspy_program"
bash tests/companions.sh "$work"/wheels/*.whl "$work/tools/bin/python"
bash tests/upstream.sh "$work/tools/bin/python"
