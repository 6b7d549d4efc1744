#!/usr/bin/env bash
# Everything that can be said about the repository without compiling it.
set -euo pipefail

cargo fmt --all --check

long=$(git ls-files '*.rs' '*.py' '*.sh' | xargs wc -l | awk '$2 != "total" && $1 > 500')
if [ -n "$long" ]; then
    echo "files over 500 lines:"
    echo "$long"
    exit 1
fi

python3 .ci/crates.py
python3 .ci/circles.py
python3 .ci/links.py
python3 .ci/plain_english.py
