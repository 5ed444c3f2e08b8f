#!/usr/bin/env bash
# run.sh DIR [all|auto [NAME]]: see README.md beside.
set -euo pipefail
folder=$(realpath "${1:?a folder of matrices}")
cd "$(dirname "$0")/../.."
out=benches/results/$(date +%F)-regret
cargo build --release --quiet --example regret
RAYON_NUM_THREADS=1 target/release/examples/regret "$folder" "$out.jsonl" "${@:2}" | tee "$out.txt"
