#!/usr/bin/env bash
# The servers that stores and engines are tested with. tests/servers/ starts them.
set -euo pipefail

if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || ! command -v pgbouncer >/dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy postgresql pgbouncer
fi
