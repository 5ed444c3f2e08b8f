"""Runs SciPy's own tests on krylane, and holds what fails against the list in scipy_suite.md.

Ends with 1 where a test fails that is not listed there with its reason, or where too few pass.
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
PARTS = {
    "iterative": ("scipy.sparse.linalg._isolve.tests", 0.98),
    "arpack": ("scipy.sparse.linalg._eigen.arpack.tests", 0.95),
    # Of svds those that ask for LOBPCG are SciPy's own code here, too.
    "svds": ("scipy.sparse.linalg._eigen.tests", 0.95),
}


def listed() -> list[str]:
    """Patterns of tests that are known to fail: what stands in backticks at the start of a line of the table."""
    text = (HERE / "scipy_suite.md").read_text()
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def run(package: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "suite.json")
        env = {**os.environ, "KRYLANE_SUITE_JSON": target, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "scipy_plugin", "-p", "no:cacheprovider", "--tb=line"]
        command += ["-c", os.devnull, "--rootdir", folder, "-k", "not LOBPCG", "--pyargs", package]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=3600)
        if not os.path.exists(target):
            sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
        with open(target) as f:
            return json.load(f)


def main() -> int:
    patterns, bad = listed(), 0
    for part, (package, wanted) in PARTS.items():
        if len(sys.argv) > 1 and part not in sys.argv[1:]:
            continue
        result = run(package)
        counts, failed = result["counts"], result["failed"]
        passed = counts.get("passed", 0)
        share = passed / max(passed + len(failed), 1)
        print(f"{part}: {passed} of {passed + len(failed)} passed ({100 * share:.2f} %), {counts.get('skipped', 0)} skipped, {counts.get('xfailed', 0)} expected to fail by SciPy")
        for name in failed:
            short = name.rpartition("/")[2]
            if not any(fnmatch.fnmatchcase(short, p.replace("[", "[[]")) for p in patterns):
                print(f"  not listed: {short}")
                bad += 1
        if share < wanted:
            print(f"  {part}: fewer than {100 * wanted:.0f} %")
            bad += 1
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
