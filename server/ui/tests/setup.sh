#!/usr/bin/env bash
# Installs what the browser tests need: Chromium from the system's packages, playwright-core and
# axe-core by their lock file.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v "${GEPA_CHROMIUM:-chromium}" > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
fi
npm ci --silent --ignore-scripts
(cd .. && npm ci --silent --ignore-scripts)
