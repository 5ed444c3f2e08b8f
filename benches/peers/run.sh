#!/usr/bin/env bash
# Installs the peers, builds their drivers and krylane, makes the systems, runs everything: one command.
# Options are those of run.py (run.sh --help); --no-install leaves the machine's packages as they are.
# A peer that can't be had is named and left out. What is built lies under target/peers.
set -euo pipefail
cd "$(dirname "$0")/../.."

install=yes
options=()
for word in "$@"; do
    if [ "$word" = --no-install ]; then install=no; else options+=("$word"); fi
done

here=benches/peers
build=target/peers
mkdir -p "$build/bin" "$build/log"
# The drivers are looked for under target, wherever other builds go.
export CARGO_TARGET_DIR="$PWD/target"
say() { printf '== %s\n' "$*"; }

# Debian's packages of one peer; a group that fails takes no other with it.
packages() {
    local peer=$1 name missing=()
    shift
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if [ "$install" = no ] || ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "$peer wants packages that are not installed: ${missing[*]}"
        return
    fi
    say "installing for $peer: ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >"$build/log/install-$peer.log" 2>&1 || say "$peer: not installed, see $build/log/install-$peer.log"
}

# One driver, made anew when it or the shared header is newer.
driver() {
    local peer=$1 source=$2
    shift 2
    if [ "$build/bin/$peer" -nt "$source" ] && [ "$build/bin/$peer" -nt "$here/common.hpp" ]; then return; fi
    rm -f "$build/bin/$peer"
    say "building the driver of $peer"
    if ! "$@" >"$build/log/$peer.log" 2>&1; then
        say "$peer left out: its driver does not build, see $build/log/$peer.log"
    fi
}

if [ "$install" = yes ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >"$build/log/update.log" 2>&1 || say "apt-get update failed; going on with what is known"
fi
packages common g++ pkg-config python3-venv
packages eigen libeigen3-dev
packages viennacl libviennacl-dev
packages amgcl libboost-dev
packages petsc libpetsc-real-dev libopenmpi-dev openmpi-bin libopenblas0-serial
packages slepc libslepc-real-dev libopenblas0-serial

python="$build/venv/bin/python"
if [ ! -x "$python" ]; then
    python3 -m venv "$build/venv"
fi
pip() { "$python" -m pip install -q --disable-pip-version-check "$@"; }
if ! "$python" -c 'import numpy, scipy' 2>/dev/null; then
    say "installing NumPy and SciPy, without which nothing here runs"
    pip numpy==2.4.6 scipy==1.17.1
fi
if [ "$install" = yes ] && ! "$python" -c 'import pyamg' 2>/dev/null; then
    say "installing PyAMG"
    pip pyamg==5.4.1 || say "PyAMG left out"
fi

# AMGCL's headers, from the source package of its bindings.
amgcl="$build/amgcl/pyamgcl-1.0.0.post4"
if [ "$install" = yes ] && [ ! -d "$amgcl" ]; then
    say "fetching AMGCL"
    "$python" -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: -d "$build/amgcl" \
        pyamgcl==1.0.0.post4 && tar -xzf "$amgcl.tar.gz" -C "$build/amgcl" || say "AMGCL left out"
fi

cxx="-O3 -march=native -std=c++17"
# Words of these lists are meant to split.
# shellcheck disable=SC2046,SC2086
{
    driver eigen $here/eigen.cpp \
        g++ $cxx -fopenmp $(pkg-config --cflags eigen3 2>/dev/null || true) $here/eigen.cpp -o $build/bin/eigen
    driver viennacl $here/viennacl.cpp \
        g++ $cxx -w -fopenmp -DVIENNACL_WITH_OPENMP $here/viennacl.cpp -o $build/bin/viennacl
    driver amgcl $here/amgcl.cpp \
        g++ $cxx -w -fopenmp "-DAMGCL_VERSION=\"1.0.0\"" "-I$amgcl" $here/amgcl.cpp -o $build/bin/amgcl
    driver petsc $here/petsc.cpp \
        mpicxx $cxx $here/petsc.cpp -o $build/bin/petsc $(pkg-config --cflags --libs petsc 2>/dev/null || true)
    driver slepc $here/slepc.cpp \
        mpicxx $cxx $here/slepc.cpp -o $build/bin/slepc $(pkg-config --cflags --libs slepc petsc 2>/dev/null || true)
}
faer() {
    RUSTFLAGS="-C target-cpu=native" CARGO_TARGET_DIR="$PWD/$build/faer" \
        cargo build --release --locked --manifest-path $here/faer/Cargo.toml &&
        cp "$build/faer/release/faer-peer" "$build/bin/faer"
}
driver faer $here/faer/src/main.rs faer

say "building krylane"
cargo build --quiet --release --example peers

exec "$python" $here/run.py "${options[@]}"
