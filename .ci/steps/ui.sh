#!/usr/bin/env bash
# The page: its types, whether the checked-in bundle is what its sources give, and its tests in a
# browser. Needs node, npm and the built binary.
set -euo pipefail
cd "$(dirname "$0")/../../server/ui"

if ! command -v npm > /dev/null; then
    echo "SKIPPED: the page was not built again and not tested, because npm is not installed"
    exit 0
fi
if ! bash tests/setup.sh; then
    echo "SKIPPED: the page was not built again and not tested, because its tools could not be installed"
    exit 0
fi
if grep -n '"resolved"' package-lock.json tests/package-lock.json; then
    echo "the lock files name a registry; \`npm install\` with the .npmrc beside them leaves it out"
    exit 1
fi
npm run --silent check
npm run --silent build
git diff --exit-code --stat -- dist || {
    echo "server/ui/dist is not what its sources give; commit what \`npm run build\` wrote"
    exit 1
}
GEPA=${GEPA:-../../target/debug/gepa} node tests/run.mjs
