"""Programs of others on krylane: each case once as it is and once with `scipy.sparse.linalg` redirected.

Writes a table to results.md beside this file; ends with 1 where an answer differs.
"""

import importlib
import importlib.metadata
import logging
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import krylane

CLIENTS = {"scikit-fem": "fem", "FiPy": "volumes", "PyAMG": "multigrid", "discretize": "inversion"}
#: Equal as far as two solves to 1e-10 of different methods can be.
TOLERANCE = 1e-6


def timed(case):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = np.asarray(case())
    return out, time.perf_counter() - start


def main() -> int:
    logging.disable(logging.CRITICAL)
    lines, bad = [], 0
    for client, module in CLIENTS.items():
        try:
            cases = importlib.import_module(module).CASES
        except ImportError as e:
            lines.append(f"| {client} | not installed: {e} | | |")
            continue
        version = importlib.metadata.version(client)
        for case in cases:
            name = case.__name__.replace("_", " ")
            try:
                timed(case)
                reference, theirs = timed(case)
                with krylane.patch_scipy(everywhere=True):
                    timed(case)
                    answer, ours = timed(case)
                difference = np.linalg.norm(answer - reference) / max(np.linalg.norm(reference), 1e-300)
                equal = f"{difference:.0e}"
                if difference > TOLERANCE:
                    bad, equal = bad + 1, f"**{equal}**"
                ratio = f"{theirs / ours:.2f}"
            except Exception as e:  # a case that fails is a line of the table, too
                bad, equal, ratio = bad + 1, f"**{type(e).__name__}: {str(e)[:80]}**", ""
            lines.append(f"| {client} {version} | {name} | {equal} | {ratio} |")
            print(lines[-1], flush=True)
    head = (
        "# Programs of others on krylane\n\n"
        f"krylane {krylane.__version__}, SciPy {importlib.metadata.version('scipy')}. Each case runs as it is, and with "
        "`krylane.patch_scipy(everywhere=True)`; both in one process, twice, and the second time counts. The time is of "
        "the whole case, assembly included. Made by `bash python/clients/run.sh`.\n\n"
        "| client | case | difference of the answers | time with SciPy / with krylane |\n|---|---|---|---|\n"
    )
    Path(__file__).with_name("results.md").write_text(head + "\n".join(lines) + "\n")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
