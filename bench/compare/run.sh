#!/usr/bin/env bash
# Side by side with other implementations: builds and installs what is compared, runs it, writes
# tables and pictures. Arguments go to compare.py (`--help`); `--quick` takes a minute and claims
# nothing. A run that was interrupted is taken up where it stopped.
# `--setup` only installs the reference implementation.
# Exits with 75 where not even the reference implementation can be installed.
set -euo pipefail

here=$(cd -- "$(dirname -- "$0")" && pwd)
root=$(cd -- "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
profile=release
case " $* " in *" --quick "*) profile=dev ;; esac
folder=${profile/dev/debug}

missing() { echo "MISSING from this comparison: $1" >&2; }

# make_venv FOLDER REQUIREMENTS: the environment, made again only when the requirements change.
make_venv() {
    local wanted
    wanted=$(cksum <"$2")
    if [ -f "$1/.made-from" ] && [ "$(cat "$1/.made-from")" = "$wanted" ]; then
        return 0
    fi
    python3 -m venv "$1" \
        && "$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2" \
        && echo "$wanted" >"$1/.made-from"
}

if ! make_venv "$here/.venv" "$here/requirements.txt"; then
    missing "everything: the packages of bench/compare/requirements.txt could not be installed"
    exit 75
fi
if [ "${1:-}" = --setup ]; then
    exit 0
fi

cargo build --quiet --profile "$profile" --manifest-path "$root/Cargo.toml" -p gepa-cli
cargo build --quiet --profile "$profile" --manifest-path "$root/Cargo.toml" \
    -p gepa-bench --example world_server

crate=$target/compare_peer/$folder/compare-peer
if ! CARGO_TARGET_DIR=$target/compare_peer cargo build --quiet --profile "$profile" --locked \
    --manifest-path "$here/peer/Cargo.toml"; then
    missing "the published crate gepa 0.1.0 could not be built"
    crate=
fi

synth=$here/.venv-synth/bin/python
if [ ! -x "$synth" ] && [ "$profile" = release ]; then
    echo "installing synth-optimizers, which pip builds from source: this takes minutes" >&2
fi
if { [ ! -x "$synth" ] && [ "$profile" = dev ]; } \
    || ! make_venv "$here/.venv-synth" "$here/requirements-synth.txt"; then
    missing "synth-optimizers is not installed"
    synth=
fi

export PYTHONDONTWRITEBYTECODE=1
(cd "$here" && .venv/bin/python -m unittest --quiet test_harness)
exec "$here/.venv/bin/python" "$here/compare.py" \
    --ours "$target/$folder/gepa" \
    --server "$target/$folder/examples/world_server" \
    --crate "$crate" \
    --synth-python "$synth" \
    "$@"
