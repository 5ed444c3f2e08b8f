"""Runs programs of others as they are and with SciPy's solvers redirected to krylane, and compares the answers.

``python clients.py long`` writes the table to results.md, ``short`` runs the first two clients and prints.
"""

import contextlib
import importlib
import importlib.metadata
import io
import logging
import os
import platform
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import krylane

#: Of each client the module with its cases; the first two are the short leg.
CLIENTS = {
    "scikit-fem": "fem",
    "PyAMG": "multigrid",
    "FiPy": "volumes",
    "discretize": "inversion",
    "SimPEG": "inverse",
    "OpenPNM": "network",
    "femwell": "modes",
    "sfepy": "elements",
}
SHORT = 2
#: Equal as far as two solves to 1e-10 of different methods can be.
TOLERANCE = 1e-6


def timed(case):
    start = time.perf_counter()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        out = np.asarray(case())
    return out, time.perf_counter() - start


class Missed(Exception):
    """A case that never came to krylane."""


@contextlib.contextmanager
def counted():
    """SciPy redirected to krylane, with a count of the calls that arrive there."""

    own = {name: getattr(krylane.linalg, name) for name in krylane.linalg.__all__}
    calls = []

    def through(function):
        def call(*args, **words):
            calls.append(function.__name__)
            return function(*args, **words)

        return call

    for name, function in own.items():
        setattr(krylane.linalg, name, through(function))
    try:
        with krylane.patch_scipy(everywhere=True):
            yield calls
    finally:
        for name, function in own.items():
            setattr(krylane.linalg, name, function)


def compared(case):
    """The difference of the answers, and the time with SciPy over that with krylane: the second run counts."""
    timed(case)
    reference, theirs = timed(case)
    with counted() as calls:
        timed(case)
        answer, ours = timed(case)
    if not calls:
        raise Missed("no call came to krylane")
    difference = np.linalg.norm(answer - reference) / max(np.linalg.norm(reference), 1e-300)
    return difference, theirs / ours


def commit():
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"


def main() -> int:
    leg = sys.argv[1] if len(sys.argv) > 1 else "long"
    logging.disable(logging.CRITICAL)
    lines, bad = [], 0
    for client, module in list(CLIENTS.items())[: SHORT if leg == "short" else None]:
        version = importlib.metadata.version(client)
        for case in importlib.import_module(module).CASES:
            name = case.__name__.replace("_", " ")
            try:
                difference, ratio = compared(case)
                equal, times = f"{difference:.0e}", f"{ratio:.2f}"
                if not difference <= TOLERANCE:
                    bad, equal = bad + 1, f"**{equal}**"
            except Exception as e:  # a case that fails is a line of the table, too
                bad, equal, times = bad + 1, f"**{type(e).__name__}: {str(e)[:80]}**", ""
            lines.append(f"| {client} {version} | {name} | {equal} | {times} |")
            print(lines[-1], flush=True)
    if leg != "short":
        text = (
            "# Programs of others on krylane\n\n"
            f"krylane {krylane.__version__} at {commit()}, SciPy {importlib.metadata.version('scipy')}, Python "
            f"{platform.python_version()}, {os.cpu_count()} cores of a shared {processor()}, {time.strftime('%Y-%m-%d')}. "
            "Each case runs as it is, and with\n`krylane.patch_scipy(everywhere=True)`; both in one process, twice, and the "
            "second time counts. The time is of the\nwhole case, assembly included. Made by `bash python/clients/run.sh`.\n\n"
            "| client | case | difference of the answers | time with SciPy / with krylane |\n|---|---|---|---|\n"
        )
        Path(__file__).with_name("results.md").write_text(text + "\n".join(lines) + "\n")
    return min(bad, 1)


def processor():
    try:
        names = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
