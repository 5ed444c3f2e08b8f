"""SciPy's lsqr and lsmr by krylane."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _convert, _core
from ._convert import back, dtype_of, is_operator
from ._solve import finish
from ._system import Functions, adjoint_product, product


def _least_squares(
    method: str, A: Any, b: Any, damp: float, tol: float, limit: int, x0: Any, conlim: float
) -> tuple[np.ndarray, Any, bool, dict]:
    """Returns x, the report, whether x is complex, and the numbers that both functions return."""
    if not hasattr(A, "shape"):
        A = np.asarray(A)
    rows, cols = (int(n) for n in A.shape)
    b = np.atleast_1d(np.asarray(b))
    if b.ndim > 1:
        b = b.squeeze() if b.size > 1 else b.reshape(-1)
    complex_ = any(np.dtype(d).kind == "c" for d in (dtype_of(A), b.dtype)) or np.iscomplexobj(x0)
    kind = np.complex128 if complex_ else np.float64
    b = np.ascontiguousarray(b, dtype=kind)
    if b.shape != (rows,):
        raise ValueError(f"shapes of A {A.shape} and b {b.shape} are incompatible")
    start = None if x0 is None else np.array(x0, dtype=kind).reshape(-1)
    shifted = b if start is None or not np.any(start) else b - product(A, start)
    stacked = A
    rhs = np.ascontiguousarray(shifted, dtype=kind)
    options = {
        "method": method,
        "preconditioner": "none",
        "rtol": tol,
        "max_iterations": max(int(limit), 0),
        "equilibrate": "never",
        "reorder": "never",
    }
    if damp:
        if is_operator(A):
            stacked = _damped(A, float(damp))
            rhs = np.concatenate([rhs, np.zeros(cols, dtype=kind)])
        else:
            options["damp"] = abs(float(damp))
    a = _convert.any_matrix(stacked, as_complex=complex_, transposed=True, lend=True)
    report = _core.Solver(a, options).solve(rhs.view(np.float64), None, None, None, max(float(conlim), 0.0))
    report = finish(report, lambda r: r)
    dx = back(report.x, complex_)
    x = dx if start is None else start + dx
    r = b - product(A, x)
    d2 = float(damp) ** 2
    gradient = adjoint_product(A, r) - d2 * dx
    # A norm that overflows is infinite, without a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        r1 = float(np.linalg.norm(r))
        numbers = {
            "r1norm": r1,
            "r2norm": float(np.hypot(r1, abs(float(damp)) * np.linalg.norm(dx))),
            "arnorm": float(np.linalg.norm(gradient)),
            "xnorm": float(np.linalg.norm(x)),
            "anorm": _frobenius(A, float(damp)),
        }
    return x, report, complex_, numbers


def _damped(A: Any, damp: float) -> Functions:
    rows, cols = A.shape
    return Functions(
        (rows + cols, cols),
        dtype_of(A),
        lambda v: np.concatenate([np.asarray(A.matvec(v)).reshape(-1), damp * v]),
        lambda v: np.asarray(A.rmatvec(v[:rows])).reshape(-1) + damp * v[rows:],
    )


def _frobenius(A: Any, damp: float) -> float:
    if is_operator(A):
        return float("nan")
    data = np.asarray(_convert.rows_of(A).data)
    return float(np.sqrt(np.vdot(data, data).real + damp**2 * A.shape[1]))


_ENDS = {"Converged": 1, "LeastSquares": 2, "AttainableAccuracy": 4, "MaxIterations": 7}


def _istop(report: Any, x: np.ndarray, damp: float, conlim: float) -> int:
    if report.reason == "StoppedByCallback" and conlim > 0 and (report.condition or 0) >= conlim:
        # From 1/eps on the bound is that of the floating-point numbers.
        return 6 if 1 + 1 / conlim <= 1 else 3
    if report.reason == "Converged" and not np.any(x):
        return 0
    if report.reason == "Converged" and damp:
        return 2
    return _ENDS.get(report.reason, 7)


def _condition(report: Any) -> float:
    return float("nan") if report.condition is None else report.condition


def _spread(A: Any, damp: float, steps: int, b: np.ndarray) -> np.ndarray:
    """SciPy's estimate of diag((A^T A)^-1), by `steps` steps of bidiagonalisation."""
    from scipy.sparse.linalg import aslinearoperator

    op = aslinearoperator(A)
    u = np.asarray(b, dtype=float)
    beta = np.linalg.norm(u)
    u = u / beta
    v = op.rmatvec(u)
    alpha = np.linalg.norm(v)
    var = np.zeros(op.shape[1])
    if alpha == 0:
        return var
    v = v / alpha
    w, rhobar = v.copy(), alpha
    for _ in range(steps):
        u = op.matvec(v) - alpha * u
        beta = np.linalg.norm(u)
        u = u / beta if beta > 0 else u
        v = op.rmatvec(u) - beta * v
        alpha = np.linalg.norm(v)
        v = v / alpha if alpha > 0 else v
        rhobar = np.hypot(rhobar, damp)
        rho = np.hypot(rhobar, beta)
        c, s = rhobar / rho, beta / rho
        d = w / rho
        var += d**2
        w = v - (s * alpha / rho) * w
        rhobar = -c * alpha
        if alpha == 0 or beta == 0:
            break
    return var


def lsqr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    iter_lim: int | None = None,
    show: bool = False,
    calc_var: bool = False,
    x0: Any = None,
) -> tuple:
    """min |b - A x|^2 + damp^2 |x - x0|^2 for any A, as `scipy.sparse.linalg.lsqr`.

    Parameters
    ----------
    A : sparse array or matrix, ndarray, LinearOperator with rmatvec
        (m, n).
    b : array_like
        (m,).
    damp : float
        Damping.
    atol, btol : float
        Ends when ``|r| <= t |b|`` or ``|A^T r| <= t |A| |r|``, recomputed in f64, with t the smaller of the two
        that is not 0.
    conlim : float
        Ends when the condition number of A, with the damping rows, is estimated to be this large; 0 is no bound.
    iter_lim : int, optional
        Iterations at most; 2 n.
    show : bool
        Prints how it ended.
    calc_var : bool
        Estimates diag((A^T A)^-1), by as many more products as the solve took.
    x0 : array_like, optional
        Where to start.

    Returns
    -------
    x, istop, itn, r1norm, r2norm, anorm, acond, arnorm, xnorm, var
        As SciPy's. anorm is the Frobenius norm itself (nan for an operator); acond is an estimate from below of the
        condition number in the spectral norm, nan before the first iteration; var is zero unless calc_var.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import linalg
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> np.round(linalg.lsqr(A, np.array([1.0, 0.0, -1.0]))[0], 8).tolist()
    [1.0, -1.0]
    """
    limit = 2 * int(np.shape(A)[1] if not hasattr(A, "shape") else A.shape[1]) if iter_lim is None else int(iter_lim)
    x, report, complex_, n = _least_squares("lsqr", A, b, damp, _smaller(atol, btol), limit, x0, conlim)
    var = np.zeros(len(x))
    if calc_var and not complex_:
        var = _spread(A, float(damp), report.iterations, np.asarray(b, dtype=float).reshape(-1))
    stop = _istop(report, x, damp, conlim)
    if show:
        print(f"LSQR: {report.reason}, {report.iterations} iterations, |r| = {n['r1norm']:.3e}")
    return (
        x,
        stop,
        report.iterations,
        n["r1norm"],
        n["r2norm"],
        n["anorm"],
        _condition(report),
        n["arnorm"],
        n["xnorm"],
        var,
    )


def _smaller(atol: float, btol: float) -> float:
    told = [float(t) for t in (atol, btol) if t]
    return max(min(told), 0.0) if told else 0.0


def lsmr(
    A: Any,
    b: Any,
    damp: float = 0.0,
    atol: float = 1e-6,
    btol: float = 1e-6,
    conlim: float = 1e8,
    maxiter: int | None = None,
    show: bool = False,
    x0: Any = None,
) -> tuple:
    """min |b - A x|^2 + damp^2 |x - x0|^2 for any A, as `scipy.sparse.linalg.lsmr`.

    Parameters as of `lsqr`; `maxiter` is min(m, n).

    Returns
    -------
    x, istop, itn, normr, normar, norma, conda, normx
        As SciPy's. norma and conda are as `lsqr`'s anorm and acond.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import linalg
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> np.round(linalg.lsmr(A, np.array([1.0, 0.0, -1.0]))[0], 8).tolist()
    [1.0, -1.0]
    """
    shape = A.shape if hasattr(A, "shape") else np.shape(A)
    limit = min(shape) if maxiter is None else int(maxiter)
    x, report, _, n = _least_squares("lsmr", A, b, damp, _smaller(atol, btol), limit, x0, conlim)
    if show:
        print(f"LSMR: {report.reason}, {report.iterations} iterations, |r| = {n['r1norm']:.3e}")
    stop = _istop(report, x, damp, conlim)
    return x, stop, report.iterations, n["r2norm"], n["arnorm"], n["anorm"], _condition(report), n["xnorm"]
