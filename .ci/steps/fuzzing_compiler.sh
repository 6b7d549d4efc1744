#!/usr/bin/env bash
# The fuzzing driver is C++.
set -euo pipefail

command -v c++ >/dev/null || { apt-get update -q && apt-get install -qy g++; }
