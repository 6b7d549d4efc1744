#!/bin/sh
# Installs the independent implementations that tests compare with into tests/.venv.
set -eu

tests=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
python3 -m venv "$tests/.venv"
"$tests/.venv/bin/pip" install --quiet --requirement "$tests/peers/requirements.txt"
