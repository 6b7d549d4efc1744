#!/usr/bin/env bash
# Everything about engines that share a store. Usage: postgres.sh with engines.sh GEPA [ARGUMENTS OF engines_die.py]
set -euo pipefail
cd "$(dirname "$0")"
gepa=$1
shift
[[ $gepa = /* ]] || gepa=$OLDPWD/$gepa
python3 any_engine.py "$gepa"
python3 troubles.py "$gepa"
python3 engines_die.py "$gepa" "$@"
if [ -n "${GEPA_NATS_SERVER:-}" ]; then
    python3 engines_die.py "$gepa" --jobs 12 --workers 6 --kill-queue
    python3 divider_dies.py "$gepa"
else
    echo "SKIPPED: no NATS server, so no engines hand rollouts to workers, and none share limits"
fi
