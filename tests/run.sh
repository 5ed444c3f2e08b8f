#!/usr/bin/env bash
# Passes the tests on a fresh machine that has Rust: brings a software Vulkan adapter where none answers
# and it may, then runs every check. A missing adapter is a failure where one could be had.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

command -v cargo >/dev/null || { echo "cargo is not on the PATH; install Rust from https://rustup.rs"; exit 1; }

has_vulkan() {
    local drivers
    drivers=${VK_DRIVER_FILES:-$(find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' 2>/dev/null || true)}
    [ -n "$drivers" ] && ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null
}
if [ "$(uname)" = Linux ] && ! has_vulkan; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        say "no Vulkan adapter: installing Mesa's software one"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libvulkan1 mesa-vulkan-drivers
    else
        echo "No Vulkan adapter answers. As root: apt-get install mesa-vulkan-drivers libvulkan1"
        echo "GPU tests will be skipped; each says so."
    fi
fi
if [ "$(uname)" != Linux ] || has_vulkan || [ "${CI:-}" = true ]; then
    export KRYLANE_REQUIRE_GPU=1
fi
# Mesa's device-select layer complains on stderr without one.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"

say "format";            cargo fmt --check
say "lints";             cargo clippy --quiet --all-targets -- -D warnings
say "tests";             cargo test --no-fail-fast
say "without a GPU";     cargo check --quiet --no-default-features
say "documentation";     RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps
say "package";           cargo package --quiet --no-verify --allow-dirty --list >/dev/null
say "every check passed"
