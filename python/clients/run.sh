#!/usr/bin/env bash
# Runs programs of others on krylane, in a virtual environment of its own with pinned versions, and fails where an answer
# differs. `run.sh` takes all, which are two gigabytes of packages, and writes results.md; `run.sh short` takes
# scikit-fem and PyAMG. KRYLANE_WHEEL is a wheel that was built already.
set -euo pipefail
cd "$(dirname "$0")"
leg=${1:-long}
folder=${KRYLANE_VENV:-$(mktemp -d)}/clients
"${PYTHON:-python3}" -m venv "$folder"
py="$folder/bin/python"
case $leg in
    short) packages=requirements.txt ;;
    long) packages=requirements-long.txt ;;
    *) echo "no leg is called $leg; there are short and long"; exit 2 ;;
esac
"$py" -m pip install --quiet --disable-pip-version-check -r "$packages"
"$py" -m pip install --quiet --disable-pip-version-check "${KRYLANE_WHEEL:-..}"
"$py" clients.py "$leg"
