#!/usr/bin/env bash
# Builds the C interface and installs it: library, header, pkg-config and CMake files. bash c/install.sh [PREFIX], /usr/local.
set -euo pipefail
prefix=${1:-/usr/local}
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
cargo build --quiet --release
mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/krylane"
prefix=$(cd "$prefix" && pwd)
cp include/krylane.h "$prefix/include/"
for library in libkrylane_c.so libkrylane_c.dylib libkrylane_c.a; do
    if [ -e "$CARGO_TARGET_DIR/release/$library" ]; then cp "$CARGO_TARGET_DIR/release/$library" "$prefix/lib/"; fi
done
strip --strip-debug "$prefix"/lib/libkrylane_c.* 2>/dev/null || true
sed "s|@PREFIX@|$prefix|" krylane.pc.in >"$prefix/lib/pkgconfig/krylane.pc"
cp cmake/krylaneConfig.cmake "$prefix/lib/cmake/krylane/"
# Programs find the library at run time in the folders of the loader's cache alone.
if [ "$(uname)" = Linux ] && [ -w /etc/ld.so.cache ]; then ldconfig; fi
echo "installed in $prefix: $(du -ch "$prefix"/lib/libkrylane_c.* | tail -n1 | cut -f1) of libraries, include/krylane.h"
if [ "$(uname)" = Linux ] && ! ldconfig -p 2>/dev/null | grep "$prefix/lib/libkrylane_c.so" >/dev/null; then
    echo "for programs to find it: export LD_LIBRARY_PATH=$prefix/lib"
fi
