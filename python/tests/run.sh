#!/usr/bin/env bash
# Builds the Python package as a user's pip does and passes its tests in virtual environments of its own. PYTHON names the
# interpreter, KRYLANE_VENV a folder for them, KRYLANE_WHEEL a wheel that was built already; KRYLANE_PYTHON_QUICK=1
# leaves out SciPy's own tests and the programs of others.
set -euo pipefail
cd "$(dirname "$0")/.."
package=$PWD
tests=$package/tests
python=${PYTHON:-python3}
folder=${KRYLANE_VENV:-$(mktemp -d)}

say() { printf '\n-- %s\n' "$*"; }

"$python" -m venv "$folder/venv"
py=$folder/venv/bin/python
pip() { "$py" -m pip --quiet --disable-pip-version-check "$@"; }

if [ -z "${KRYLANE_WHEEL:-}" ]; then
    say "the wheel"
    begun=$SECONDS
    rm -rf "$folder/wheels"
    pip wheel --no-deps --wheel-dir "$folder/wheels" "$package"
    KRYLANE_WHEEL=$(echo "$folder"/wheels/*.whl)
    echo "built in $((SECONDS - begun)) s"
fi
export KRYLANE_WHEEL
echo "$(du -k "$KRYLANE_WHEEL" | cut -f1) kB"
pip install -r "$tests/requirements.txt" "$KRYLANE_WHEEL"
pip install --force-reinstall --no-deps "$KRYLANE_WHEEL"

# Not beside the sources, which would be imported instead.
cd "$folder"
say "the program, and the import"
"$folder/venv/bin/krylane" gen poisson2d 10 -o "$folder/a.mtx"
"$py" -m krylane solve "$folder/a.mtx" >"$folder/solved.txt"
"$py" -W error -c 'import time
import numpy, scipy.sparse.linalg
begun = time.perf_counter()
import krylane
print(f"imported in {1e3 * (time.perf_counter() - begun):.0f} ms, after NumPy and SciPy")'

say "style and types"
"$py" -m ruff check --quiet --no-cache "$package"
"$py" -m ruff format --quiet --no-cache --check "$package"
"$py" -m mypy --ignore-missing-imports -p krylane
"$py" -m mypy.stubtest krylane._core

say "tests"
pytest() { "$py" -W error -m pytest -q -p no:cacheprovider -c "$package/pyproject.toml" "$@"; }
pytest --rootdir "$tests" "$tests"
pytest --doctest-modules --pyargs krylane

if [ -z "${KRYLANE_PYTHON_QUICK:-}" ]; then
    say "SciPy's own tests"
    "$py" "$tests/scipy_suite.py"
    say "programs of others"
    KRYLANE_VENV=$folder bash "$package/clients/run.sh" short
fi
