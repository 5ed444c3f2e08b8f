#!/usr/bin/env bash
# The GPU part, for a machine with an NVIDIA card and perhaps no network: under six minutes beside the build, results in two
# small files, whatever fails on the way. See README.md.
#
#   gpu.sh [--small] [--bin DIR] [--loader DIR] [--out DIR] [--adapter NAME]
#
# --bin: where the release programs `krylane` and `peers` lie; else those under target/release, else they are built.
# --loader (or VK_LOADER_DIR): where libvulkan.so.1 lies, if the system has none. PYTHON: the interpreter that has CuPy.
# What fails is told in the table: nothing here ends the script.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

bin="" out="$root/target/peers/gpu" loader=${VK_LOADER_DIR:-}
options=()
while [ $# -gt 0 ]; do
    case $1 in
        --bin) bin=$2; shift 2 ;;
        --out) out=$2; shift 2 ;;
        --loader) loader=$2; shift 2 ;;
        --adapter) options+=(--adapter "$2"); shift 2 ;;
        --small) options+=(--small); shift ;;
        *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done

if [ -n "$loader" ]; then
    export LD_LIBRARY_PATH="$loader${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
# Where a container keeps the driver aside, the loader must be told.
if [ -z "${VK_DRIVER_FILES:-}" ] && ! ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1; then
    for file in /usr/local/nvidia/share/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json; do
        if [ -e "$file" ]; then export VK_DRIVER_FILES=$file; fi
    done
fi
# Mesa's device-select layer complains on stderr without one.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"

if [ -n "$bin" ]; then
    krylane="$bin/krylane" peers="$bin/peers"
else
    release="${CARGO_TARGET_DIR:-$root/target}/release"
    krylane="$release/krylane" peers="$release/examples/peers"
    if [ ! -x "$krylane" ] || [ ! -x "$peers" ]; then
        (cd "$root" && cargo build --release --bin krylane --example peers) ||
            echo "The build failed; what needs krylane will say so."
    fi
fi
mkdir -p "$out"
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
    printf '# krylane on a GPU\n\nNo %s: nothing was measured.\n' "$python" | tee "$out/gpu.md"
    exit 1
fi
exec "$python" "$here/gpu.py" --krylane "$krylane" --peers "$peers" --out "$out" ${options[@]+"${options[@]}"}
