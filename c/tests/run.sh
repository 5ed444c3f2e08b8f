#!/usr/bin/env bash
# Builds the C interface and its examples, runs them, and calls every function with nonsense.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
build=$CARGO_TARGET_DIR/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo fmt --check
cargo run --quiet --manifest-path header/Cargo.toml -- --check
cargo clippy --quiet --release -- -D warnings
cargo build --quiet --release

export LD_LIBRARY_PATH="$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
flags=(-Wall -Wextra -Werror -Iinclude -L"$build")
cc -std=c11 -fsanitize=address,undefined "${flags[@]}" examples/poisson.c -o "$work/poisson" -lkrylane_c
# A GPU driver's leaks are not ours.
ASAN_OPTIONS=detect_leaks=0 timeout 120 "$work/poisson"

# As an installed library, found by pkg-config and by CMake.
bash install.sh "$work/prefix"
flags_of() { PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" pkg-config --cflags --libs krylane; }
# shellcheck disable=SC2046
c++ -std=c++17 -Wall -Wextra -Werror examples/matrix_free.cpp -o "$work/matrix_free" $(flags_of)
LD_LIBRARY_PATH="$work/prefix/lib" timeout 120 "$work/matrix_free"
if command -v cmake >/dev/null; then
    mkdir "$work/project"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(client CXX)' 'find_package(krylane REQUIRED)' \
        "add_executable(client $PWD/examples/matrix_free.cpp)" 'target_compile_features(client PRIVATE cxx_std_17)' \
        'target_link_libraries(client krylane::krylane)' >"$work/project/CMakeLists.txt"
    cmake -S "$work/project" -B "$work/built" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
    cmake --build "$work/built" >/dev/null
    timeout 120 "$work/built/client"
else
    echo "no cmake: the CMake package was not tried"
    [ "${CI:-}" != true ] || exit 1
fi
if command -v gfortran >/dev/null; then
    gfortran -Wall -J"$work" -L"$build" examples/poisson.f90 -o "$work/poisson_f" -lkrylane_c
    timeout 120 "$work/poisson_f"
else
    echo "no gfortran: the Fortran example was not built"
    [ "${CI:-}" != true ] || exit 1
fi
library=$build/libkrylane_c.so
[ -e "$library" ] || library=$build/libkrylane_c.dylib
timeout 300 python3 tests/entrance.py "$library"
echo "the C interface passed"
