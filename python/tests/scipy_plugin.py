"""A pytest plugin: SciPy's own tests with krylane's functions in place of SciPy's, and an account of them.

``pytest -p scipy_plugin --pyargs scipy.sparse.linalg._isolve.tests``. `scipy_suite.py` runs it.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import krylane

_seen: dict[str, str] = {}


def pytest_configure(config) -> None:
    import scipy.sparse.linalg  # noqa: F401

    krylane.patch_scipy(everywhere=True)
    config.addinivalue_line("markers", "fail_slow: SciPy's")


def pytest_runtest_logreport(report) -> None:
    if report.when == "call" or report.outcome != "passed":
        _seen[report.nodeid] = "xfailed" if hasattr(report, "wasxfail") else report.outcome


def pytest_sessionfinish(session) -> None:
    target = os.environ.get("KRYLANE_SUITE_JSON")
    if target:
        failed = sorted(k for k, v in _seen.items() if v == "failed")
        with open(target, "w") as f:
            json.dump({"counts": Counter(_seen.values()), "failed": failed}, f, indent=1)
