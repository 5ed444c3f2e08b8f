#!/usr/bin/env bash
# Builds the page and tries it in a headless Chromium, beside the native library. Screenshots go to the folder that is named.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo fmt --check
cargo fmt --check --manifest-path bind/Cargo.toml
bash build.sh
CARGO_TARGET_DIR=$PWD/target cargo clippy --quiet --release --target wasm32-unknown-unknown -- -D warnings
CARGO_TARGET_DIR=$PWD/target/bind cargo clippy --quiet --release --manifest-path bind/Cargo.toml -- -D warnings
npm ci --prefix tests --silent --no-audit --no-fund
(cd tests && npx tsc --noEmit --strict --target es2022 --module nodenext --lib es2022,dom types.ts)
# As the tests of the library build them.
cargo build --quiet --manifest-path ../Cargo.toml --bin krylane
mkdir "$work/wgsl"
KRYLANE_WGSL=$work/wgsl cargo test --quiet --manifest-path ../Cargo.toml --lib backend::gpu::tests
target=$(cargo metadata --manifest-path ../Cargo.toml --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
node tests/browser.mjs "$target/debug/krylane" "$work/wgsl" "${1:-$work/screenshots}"
