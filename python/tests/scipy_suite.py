"""Runs SciPy's own tests on krylane, and holds what passes against scipy_suite.md.

Ends with 1 where a test fails that is not listed there with its reason, where fewer pass than the table there says (of that
version of SciPy), or fewer than the share that is promised.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
# The package, its row in the table, what of it is left out, and the share that must pass.
PARTS = {
    "iterative": ("scipy.sparse.linalg._isolve.tests", "_isolve", "", 0.98),
    "arpack": ("scipy.sparse.linalg._eigen.arpack.tests", "_eigen/arpack", "", 0.95),
    "svds": ("scipy.sparse.linalg._eigen.tests", "_eigen/tests/test_svds.py", "", 0.95),
    # A helper of SciPy's own, which krylane has no counterpart of: 1296 tests that would tell nothing.
    "lobpcg": ("scipy.sparse.linalg._eigen.lobpcg.tests", "_eigen/lobpcg", "not b_orthonormalize", 0.95),
}

TOLD = (HERE / "scipy_suite.md").read_text()


def listed() -> list[str]:
    """Patterns of tests that are known to fail: what stands in backticks at the start of a line of the table."""
    return re.findall(r"^\| `([^`]+::[^`]+)` \|", TOLD, re.MULTILINE)


def promised(row: str) -> int:
    """How many tests pass by the table; 0 with another version of SciPy."""
    import scipy

    if f"SciPy {scipy.__version__}," not in TOLD:
        return 0
    return int(re.search(rf"^\| `{re.escape(row)}` \| (\d+) of \d+ \|", TOLD, re.MULTILINE)[1])


def run(package: str, chosen: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "suite.json")
        env = {
            **os.environ,
            "KRYLANE_SUITE_JSON": target,
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "scipy_plugin", "-p", "no:cacheprovider", "--tb=line"]
        command += ["-c", os.devnull, "--rootdir", folder, "-k", chosen, "--pyargs", package]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=3600)
        if not os.path.exists(target):
            sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
        with open(target) as f:
            return json.load(f)


def main() -> int:
    patterns, bad = listed(), 0
    for part, (package, row, chosen, wanted) in PARTS.items():
        if len(sys.argv) > 1 and part not in sys.argv[1:]:
            continue
        result = run(package, chosen)
        counts, failed = result["counts"], result["failed"]
        passed = counts.get("passed", 0)
        share = passed / max(passed + len(failed), 1)
        print(
            f"{part}: {passed} of {passed + len(failed)} passed ({100 * share:.2f} %), {counts.get('skipped', 0)} skipped, {counts.get('xfailed', 0)} expected to fail by SciPy"
        )
        for name in failed:
            short = name.rpartition("/")[2]
            if not any(fnmatch.fnmatchcase(short, p.replace("[", "[[]")) for p in patterns):
                print(f"  not listed: {short}")
                bad += 1
        if share < wanted or passed < promised(row):
            print(f"  {part}: fewer than {100 * wanted:.0f} %, or than the {promised(row)} of scipy_suite.md")
            bad += 1
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
