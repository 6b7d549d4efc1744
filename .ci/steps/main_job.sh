#!/usr/bin/env bash
# The command README begins with, and what can be asked afterwards.
set -euo pipefail

root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$root/target/debug/gepa" run "$root/configs/heart_disease.toml"
"$root/target/debug/gepa" show latest
"$root/target/debug/gepa" doctor latest
