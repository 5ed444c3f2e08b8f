#!/usr/bin/env bash
# Builds the page and the npm package into web/dist: static files, to be served by anything.
set -euo pipefail
cd "$(dirname "$0")"
target=wasm32-unknown-unknown
dist=$PWD/dist
pkg=$dist/pkg
export CARGO_TARGET_DIR=$PWD/target

command -v cargo >/dev/null || { echo "cargo is not on the PATH; install Rust from https://rustup.rs"; exit 1; }

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }

# Debian's compiler with the sources of std, from which cargo builds what the target lacks. Installed beside what is there.
debian_packages=(rustc-web cargo-web rust-web-src rust-web-llvm)
from_debian() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    echo "== installing ${debian_packages[*]}"
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    # The linker of the same LLVM.
    debian_packages+=("$(apt-cache depends rust-web-llvm | sed -n 's/.*Depends: llvm-/lld-/p')")
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends \
        "${debian_packages[@]}" >/dev/null
}

cargo=(cargo)
std=()
if ! has_target && ! { command -v rustup >/dev/null && rustup target add "$target"; }; then
    if ! from_debian; then
        echo "No Rust library for $target. With rustup: rustup target add $target"
        echo "On Debian, as root: apt-get install ${debian_packages[*]}"
        exit 1
    fi
    # A compiler that is not a nightly builds std only if it is told that it may.
    cargo=(env -u RUSTUP_TOOLCHAIN RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo)
    std=(-Zbuild-std=std,panic_abort)
fi

echo "== module"
# For size, but with small loops inlined all the same; a higher threshold makes the module larger than 1 MB.
"${cargo[@]}" rustc --quiet --release --target "$target" ${std[@]+"${std[@]}"} -- -Cllvm-args=-inline-threshold=15
echo "== JavaScript"
cargo build --quiet --release --manifest-path bind/Cargo.toml --target-dir target/bind
rm -rf "$dist"
mkdir -p "$pkg"
target/bind/release/krylane-web-bind "target/$target/release/krylane_web.wasm" "$pkg"

cp page/* "$dist"
cp js/* ../LICENSE-MIT ../LICENSE-APACHE "$pkg"
cp README.md "$pkg/README.md"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
cat >"$pkg/package.json" <<JSON
{
  "name": "krylane",
  "version": "$version",
  "description": "Krylov solvers for large sparse problems by WebAssembly and WebGPU, with answers certified in f64",
  "license": "MIT OR Apache-2.0",
  "type": "module",
  "exports": { ".": { "types": "./krylane.d.ts", "default": "./krylane.js" }, "./module": { "types": "./krylane_module.d.ts", "default": "./krylane_module.js" } },
  "types": "./krylane.d.ts",
  "files": ["*.js", "*.d.ts", "*.wasm", "LICENSE-*"],
  "sideEffects": ["./worker.js"],
  "keywords": ["sparse", "krylov", "gmres", "webgpu", "wasm"]
}
JSON
size=$(gzip -9c "$pkg/krylane_module_bg.wasm" | wc -c)
echo "web/dist is built; the module has $((size / 1000)) kB, packed by gzip. To look at it:"
echo "  python3 -m http.server -d web/dist"
