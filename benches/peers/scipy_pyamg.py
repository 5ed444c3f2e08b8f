#!/usr/bin/env python3
"""SciPy and PyAMG, called as their documentation does: PEER SYSTEM TASK PRECONDITIONER THREADS RTOL ITERATIONS ANSWER,
PEER scipy or pyamg, the rest as in common.hpp. Their kernels run on one thread.

SciPy's CG and BiCGSTAB stop at |r| <= rtol |b| of the residual that they update, its GMRES recomputes it at each
restart; PyAMG's CG does as SciPy's. eigsh is ARPACK: 40 basis vectors, tolerance relative to the eigenvalue;
"invert" factors A by SuperLU and iterates with its inverse."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import scipy.sparse as sp
import scipy.sparse.linalg as sla

from systems import read


def timed(work: Callable) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def median_time(product: Callable) -> float:
    """Of at least 20 products over at least 0.3 s, after three that don't count."""
    for _ in range(3):
        product()
    times: list[float] = []
    start = time.perf_counter()
    while len(times) < 20 or (time.perf_counter() - start < 0.3 and len(times) < 500):
        times.append(timed(product)[0])
    return float(np.median(times))


class Count:
    """A callback that counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: object) -> None:
        self.calls += 1


def krylov(task: str, a: sp.csr_array, b: np.ndarray, rtol: float, limit: int, m) -> tuple[np.ndarray, int]:
    count = Count()
    if task == "cg":
        x, _ = sla.cg(a, b, rtol=rtol, maxiter=limit, M=m, callback=count)
    elif task == "bicgstab":
        x, _ = sla.bicgstab(a, b, rtol=rtol, maxiter=limit, M=m, callback=count)
    else:
        # SciPy counts restarts.
        cycles = max(1, limit // 30)
        x, _ = sla.gmres(a, b, rtol=rtol, restart=30, maxiter=cycles, M=m, callback=count, callback_type="pr_norm")
    return x, count.calls


def scipy_solve(task: str, name: str, a: sp.csr_array, b: np.ndarray, rtol: float, limit: int):
    def prepare():
        if name == "none":
            return None
        inverse = 1 / a.diagonal()
        return sla.LinearOperator(a.shape, matvec=lambda r: inverse * r, dtype=float)

    setup, m = timed(prepare)
    krylov(task, a, b, rtol, 3, m)
    seconds, (x, iterations) = timed(lambda: krylov(task, a, b, rtol, limit, m))
    return x, setup, seconds, iterations


def scipy_eigs(task: str, name: str, a: sp.csr_array, rtol: float, limit: int):
    start = np.random.default_rng(1).standard_normal(a.shape[0])
    if name == "invert":
        setup, factors = timed(lambda: sla.splu(a.tocsc()))
        inverse = sla.LinearOperator(a.shape, matvec=factors.solve, dtype=float)
        work = lambda: sla.eigsh(a, k=10, sigma=0, which="LM", OPinv=inverse, tol=rtol, maxiter=limit, v0=start)
    else:
        setup, which = 0.0, "LA" if task == "largest" else "SA"
        work = lambda: sla.eigsh(a, k=10, which=which, ncv=40, tol=rtol, maxiter=limit, v0=start)
    seconds, (values, vectors) = timed(work)
    return np.concatenate([values, vectors.T.ravel()]), setup, seconds, 0


def pyamg_solve(a: sp.csr_array, b: np.ndarray, modes: np.ndarray | None, rtol: float, limit: int):
    import pyamg

    def prepare():
        if modes is None:
            return pyamg.smoothed_aggregation_solver(sp.csr_matrix(a))
        return pyamg.smoothed_aggregation_solver(sp.csr_matrix(a).tobsr((2, 2)), B=modes)

    setup, hierarchy = timed(prepare)
    hierarchy.solve(b, tol=rtol, maxiter=3, accel="cg")
    residuals: list[float] = []
    run = lambda: hierarchy.solve(b, tol=rtol, maxiter=limit, accel="cg", residuals=residuals)
    seconds, x = timed(run)
    return x, setup, seconds, len(residuals) - 1


def main(peer: str, system: str, task: str, name: str, _threads: str, rtol: str, limit: str, answer: str) -> None:
    a, b, modes = read(Path(system))
    tolerance, most = float(rtol), int(limit)
    if peer == "pyamg" and (task, name) == ("cg", "sa"):
        import pyamg

        version, result = pyamg.__version__, pyamg_solve(a, b, modes, tolerance, most)
    elif peer == "scipy" and task == "spmv":
        version, result = scipy.__version__, (a @ b, 0.0, median_time(lambda: a @ b), 1)
    elif peer == "scipy" and task in ("smallest", "largest"):
        version, result = scipy.__version__, scipy_eigs(task, name, a, tolerance, most)
    elif peer == "scipy" and task in ("cg", "bicgstab", "gmres30") and name in ("none", "jacobi"):
        version, result = scipy.__version__, scipy_solve(task, name, a, b, tolerance, most)
    else:
        sys.exit(f"{peer} can't do {task}/{name}")
    x, setup, seconds, iterations = result
    np.asarray(x, "<f8").tofile(answer)
    print(json.dumps({"version": version, "setup_s": setup, "solve_s": seconds, "iterations": iterations}))


if __name__ == "__main__":
    main(*sys.argv[1:])
