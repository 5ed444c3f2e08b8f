#!/usr/bin/env bash
# Runs programs of others on krylane, in a virtual environment of its own with pinned versions; KRYLANE_WHEEL is a wheel
# that was built already.
set -euo pipefail
cd "$(dirname "$0")"
folder=${KRYLANE_VENV:-$(mktemp -d)}
"${PYTHON:-python3}" -m venv "$folder/venv"
py="$folder/venv/bin/python"
"$py" -m pip install --quiet --disable-pip-version-check -r requirements.txt
"$py" -m pip install --quiet --disable-pip-version-check "${KRYLANE_WHEEL:-..}"
"$py" clients.py
