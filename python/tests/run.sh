#!/usr/bin/env bash
# Builds the Python package and passes its tests in a virtual environment of its own. PYTHON names the interpreter;
# KRYLANE_PYTHON_QUICK=1 leaves out SciPy's own test-suite.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=${KRYLANE_VENV:-$(mktemp -d)}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
"$python" -m venv "$folder/venv"
pip="$folder/venv/bin/python -m pip --quiet --disable-pip-version-check"
$pip install "maturin>=1.9,<2" numpy "scipy>=1.12" pytest hypothesis
rm -rf "$folder/wheels"
PATH="$folder/venv/bin:$PATH" maturin build --quiet --release --locked --interpreter "$folder/venv/bin/python" --out "$folder/wheels"
$pip install --force-reinstall --no-deps "$folder"/wheels/*.whl
echo "wheel: $(du -k "$folder"/wheels/*.whl | cut -f1) kB"
py="$folder/venv/bin/python"
cd "$folder"
"$py" -W error -c 'import time; t = time.perf_counter(); import numpy, scipy.sparse.linalg; u = time.perf_counter(); import krylane; print(f"import: {1e3 * (time.perf_counter() - u):.0f} ms after NumPy and SciPy")'
"$folder/venv/bin/krylane" gen poisson2d 10 -o "$folder/a.mtx"
"$py" -m krylane solve "$folder/a.mtx" >/dev/null
tests=$OLDPWD/tests
"$py" -W error -m pytest -q -p no:cacheprovider -c "$tests/../pyproject.toml" --rootdir "$tests" "$tests"
"$py" -W error -m pytest -q -p no:cacheprovider -c "$tests/../pyproject.toml" --doctest-modules --pyargs krylane
[ -n "${KRYLANE_PYTHON_QUICK:-}" ] || "$py" "$tests/scipy_suite.py"
