#!/usr/bin/env bash
# Builds the C interface and the examples, runs them, and feeds the entrance with nonsense.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
build=$CARGO_TARGET_DIR/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --quiet
# The header is what the sources say; KRYLANE_WRITE_HEADER=1 writes it.
cargo test --quiet --release
export LD_LIBRARY_PATH="$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
flags=(-Wall -Wextra -Werror -Iinclude -L"$build")
cc -std=c11 -fsanitize=address,undefined "${flags[@]}" examples/poisson.c -o "$work/poisson" -lkrylane_c
# Leaks of the C code are looked for; a GPU driver's own are not ours.
ASAN_OPTIONS=detect_leaks=0 timeout 120 "$work/poisson"
c++ -std=c++17 "${flags[@]}" examples/matrix_free.cpp -o "$work/matrix_free" -lkrylane_c
timeout 120 "$work/matrix_free"
if command -v gfortran >/dev/null; then
    gfortran -Wall -J"$work" -L"$build" examples/poisson.f90 -o "$work/poisson_f" -lkrylane_c
    timeout 120 "$work/poisson_f"
else
    echo "no gfortran: the Fortran example was not built"
    [ "${CI:-}" != true ] || exit 1
fi
library=$(ls "$build"/libkrylane_c.so "$build"/libkrylane_c.dylib 2>/dev/null | head -n1)
timeout 300 python3 tests/entrance.py "$library"
echo "the C interface passed"
