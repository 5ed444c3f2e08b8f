"""Times of krylane's drop-in functions beside SciPy's, and of `krylane.solve` beside PyAMG's solvers, in one run.

``python ratios.py`` writes ratios.md. The systems grow from 10^3 to 10^6 unknowns; each time is the median of several
calls, SciPy and krylane in turn, so that what else the machine does meets both. Needs pyamg.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
import warnings
from functools import partial
from pathlib import Path

# On a busy machine BLAS's threads wait for each other longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyamg
import scipy.sparse.linalg as theirs

import krylane
from krylane import linalg as ours

#: Points a side: 10^3, 10^4, 10^5 and 10^6 unknowns.
SIDES = (32, 100, 316, 1000)
#: Iterations of both where n is large, as to the end it takes minutes; cycles of restarted methods have 20.
MOST = {100_000: 100, 1_000_000: 20}


def system(name, side):
    a = (
        krylane.gallery("poisson2d", side)
        if name in ("cg", "minres")
        else krylane.gallery("convection_diffusion2d", side)
    )
    a.indices, a.indptr = a.indices.astype(np.int32), a.indptr.astype(np.int32)
    return a, np.random.default_rng(1).standard_normal(side * side)


def limits(name, n):
    """The words of a call: to 1e-8, or so many iterations where n is large."""
    if n <= 10_000:
        return {"rtol": 1e-8, "maxiter": 10 * n}
    most = MOST[100_000] if n < 500_000 else MOST[1_000_000]
    cycles = {"gmres": most // 20, "lgmres": max(1, most // 33), "gcrotmk": most // 20}
    return {"rtol": 1e-14, "maxiter": cycles.get(name, most)}


def medians(pair, repeats):
    times = [[], []]
    if repeats > 3:
        # What is small is measured warm.
        for f in pair:
            f()
    for _ in range(repeats):
        for k, f in enumerate(pair):
            start = time.perf_counter()
            f()
            times[k].append(time.perf_counter() - start)
    return [statistics.median(t) for t in times]


def shown(seconds):
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def row(what, pairs):
    cells = []
    for pair, repeats in pairs:
        other, own = medians(pair, repeats)
        cells.append(f"{other / own:.2f} ({shown(other)}, {shown(own)})")
    line = f"| {what} | " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def drop_in(name):
    pairs = []
    for side in SIDES:
        a, b = system(name, side)
        words = limits(name, side * side)
        calls = tuple(partial(getattr(m, name), a, b, **words) for m in (theirs, ours))
        pairs.append((calls, 30 if side == 32 else 7 if side < 316 else 3))
    return row(f"`{name}`", pairs)


def multigrid(what, matrix, sides=SIDES):
    pairs = []
    for side in sides:
        a = matrix(side)
        b = np.random.default_rng(1).standard_normal(a.shape[0])

        def peer(a=a, b=b):
            return pyamg.smoothed_aggregation_solver(a).solve(b, tol=1e-8, accel="cg")

        def own(a=a, b=b):
            return krylane.solve(a, b).raise_if_not_converged()

        pairs.append(((peer, own), 7 if side < 316 else 3))
    return row(what, pairs)


def processor():
    try:
        return next(s.partition(":")[2].strip() for s in open("/proc/cpuinfo") if s.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    warnings.simplefilter("ignore")
    names = ("cg", "cgs", "bicg", "bicgstab", "qmr", "tfqmr", "minres", "gmres", "lgmres", "gcrotmk")
    lines = [drop_in(name) for name in names]
    lines.append(multigrid("`krylane.solve`, PyAMG: 2D Poisson", lambda side: krylane.gallery("poisson2d", side)))
    cubes = {32: 10, 100: 22, 316: 46, 1000: 100}
    lines.append(
        multigrid("`krylane.solve`, PyAMG: 3D Poisson", lambda side: krylane.gallery("poisson3d", cubes[side]))
    )
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    head = (
        "# Times beside SciPy's and PyAMG's\n\n"
        f"krylane {krylane.__version__} at {done.stdout.strip() or 'unknown'}, SciPy {importlib.metadata.version('scipy')}, "
        f"PyAMG {importlib.metadata.version('pyamg')}, Python {platform.python_version()}; {os.cpu_count()} cores of a "
        f"{processor()},\nshared with other work while this ran; {time.strftime('%Y-%m-%d')}. Made by "
        "`python python/benches/ratios.py`.\n\n"
        "Time of the other over krylane's: 2 means that krylane takes half as long. In brackets the medians themselves, the\n"
        "other's first. Up to 10⁴ unknowns both go to 1e-8; beyond, both do 100 and 20 iterations (restarted methods as many\n"
        "in cycles). Each call starts from the matrix: set-up counts, and so does krylane's certificate.\n"
        "BLAS has one thread. 2D Poisson for `cg` and `minres`, else convection and diffusion in 2D.\n\n"
        "| | n = 10³ | 10⁴ | 10⁵ | 10⁶ |\n|---|---|---|---|---|\n"
    )
    Path(__file__).with_name("ratios.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
