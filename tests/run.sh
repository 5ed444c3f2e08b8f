#!/usr/bin/env bash
# Passes the tests on a fresh machine that has Rust. Installs what they need where it may (Debian, as root), then runs
# every check of the library (style, tests, swiftshader, features, mpi) and of the Python package (python), or the parts that are named;
# campaign (random problems), clients (programs of others on the Python package), c (the C interface), web (the page in a
# browser) and bare (the library without a GPU) run by name only.
# What can't be had is a failure under CI, and a sentence elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

# A machine that builds once gains nothing from incremental files, and they take gigabytes.
if [ "${CI:-}" = true ]; then export CARGO_INCREMENTAL=0; fi

say() { printf '\n== %s\n' "$*"; }

command -v cargo >/dev/null || { echo "cargo is not on the PATH; install Rust from https://rustup.rs"; exit 1; }

may_install() { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }

install() {
    say "installing $*"
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

# A part that needs a program: brings it, or says that the part is left out.
needs() {
    local program=$1 package=$2 part=$3
    command -v "$program" >/dev/null && return 0
    # Several packages may be named.
    # shellcheck disable=SC2086
    if may_install; then install $package; return 0; fi
    echo "No $program: $part is left out. As root: apt-get install $package"
    [ "${CI:-}" != true ] || exit 1
    return 1
}

has_vulkan() {
    local drivers
    drivers=${VK_DRIVER_FILES:-$(find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' 2>/dev/null || true)}
    [ -n "$drivers" ] && ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null
}

style() {
    say "format";        cargo fmt --check
    say "lints";         cargo clippy --quiet --all-targets -- -D warnings
    say "documentation"; RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps
    say "package";       cargo package --quiet --no-verify --allow-dirty --list >/dev/null
}

tests() {
    if [ "$(uname)" = Linux ] && ! has_vulkan; then
        if may_install; then
            install libvulkan1 mesa-vulkan-drivers
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
    say "tests"; cargo test --no-fail-fast
}

features() {
    say "without a GPU and without the command line"
    cargo clippy --quiet --no-default-features -- -D warnings
    say "matrices of other libraries"
    cargo test --quiet --features faer-sparse,nalgebra-sparse --test conversions
}

# A build of its own, dependencies included.
bare() {
    say "the tests of a library without a GPU and without the command line"
    cargo test --no-default-features --lib --test truth --test race
}

# A second software adapter, without f64: Chromium's.
swiftshader() {
    local folder=/usr/lib/chromium driver
    if [ "$(uname)" != Linux ]; then echo "SwiftShader is tried on Linux only."; return 0; fi
    needs chromium chromium "the adapter without f64" || return 0
    driver=$folder/vk_swiftshader_icd.json
    if [ ! -e "$driver" ]; then
        echo "No $driver: the adapter without f64 is left out. Debian's chromium has it."
        [ "${CI:-}" != true ] || exit 1
        return 0
    fi
    say "an adapter without f64"
    (
        # Chromium brings a loader, too.
        ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1' >/dev/null || export LD_LIBRARY_PATH="$folder"
        XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
        export XDG_RUNTIME_DIR VK_DRIVER_FILES=$driver KRYLANE_REQUIRE_GPU=1 KRYLANE_ADAPTER=swiftshader
        cargo test --test narrow
        # Beside the first one, so that there is an adapter to go on with where one is lost.
        VK_DRIVER_FILES=$driver:$(find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name 'lvp*.json' 2>/dev/null | head -n 1)
        cargo test --test lost every_adapter
    )
}

# Ranks as processes; the library's tests have them as threads.
mpi() {
    local packages="openmpi-bin libopenmpi-dev libclang-dev"
    needs mpirun "$packages" "MPI jobs" && needs mpicc "$packages" "MPI jobs" || return 0
    say "MPI jobs"
    cargo clippy --quiet --features mpi --all-targets -- -D warnings
    cargo build --features mpi --example ranks
    cargo test --features mpi --test mpi
}

campaign() {
    local seconds=60
    if [ "${CI:-}" = true ]; then seconds=300; fi
    say "campaign: random problems, judged in twofold arithmetic"
    # As the tests built it: with debug checks, and nothing to compile.
    cargo run --quiet --example campaign -- "${KRYLANE_CAMPAIGN_SECONDS:-$seconds}" "${KRYLANE_CAMPAIGN_SEED:-1}"
}

has_python() {
    needs python3 python3 "the Python package" || return 1
    python3 -c 'import ensurepip, venv' 2>/dev/null && return 0
    if may_install; then install python3-venv; return 0; fi
    echo "No python3-venv: the Python package is left out. As root: apt-get install python3-venv"
    [ "${CI:-}" != true ] || exit 1
    return 1
}

python() {
    if has_python; then say "Python package"; bash python/tests/run.sh; fi
}

c() {
    needs cc gcc "the C interface" && needs c++ g++ "the C interface" && needs pkg-config pkg-config "the C interface" &&
        needs gfortran gfortran "the Fortran example" && needs cmake cmake "the CMake package" &&
        needs python3 python3 "the calls from Python" || return 0
    say "C interface"; bash c/tests/run.sh
}

web() {
    needs node nodejs "the page" && needs npm npm "the page" || return 0
    if [ -z "${CHROMIUM:-}" ]; then
        needs chromium chromium "the page in a browser" || return 0
        CHROMIUM=$(command -v chromium)
        export CHROMIUM
    fi
    say "page and npm package"; bash web/tests/run.sh
}

clients() {
    if has_python; then say "programs of others"; bash python/clients/run.sh; fi
}

if [ $# = 0 ]; then
    set -- style tests swiftshader features mpi python
fi
for part in "$@"; do
    case $part in
        style | tests | swiftshader | features | mpi | python | campaign | clients | c | web | bare) "$part" ;;
        *) echo "no part is called $part; there are style, tests, swiftshader, features, mpi, python, campaign, clients, c, web and bare"; exit 2 ;;
    esac
done
say "every check passed"
