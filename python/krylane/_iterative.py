"""SciPy's methods with short recurrences by krylane: its names, signatures, defaults and returns.

No preconditioner is used unless you give one, and tolerances have SciPy's meaning. ``info`` is 0 only if the
residual was recomputed in f64 and met the tolerance.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from . import _convert
from ._convert import dtype_of, is_operator
from ._system import Functions, System, coerce, info_of, tolerance, trivial


def _short(
    name: str,
    A: Any,
    b: Any,
    x0: Any,
    rtol: float,
    atol: Any,
    maxiter: int | None,
    M: Any,
    callback: Any,
    structure: str = "general",
    transposed: bool = False,
) -> tuple[np.ndarray, int]:
    """A method with a short recurrence, whose x is complete after each iteration."""
    system = System(A, b, x0, M, structure, transposed)
    rtol, atol = tolerance(name, rtol, atol)
    known = trivial(system)
    if known is not None:
        return known
    limit = 10 * system.n if maxiter is None else int(maxiter)
    options = {"method": name, "rtol": rtol, "atol": atol, "max_iterations": limit}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    report = system.solve(options, None, iterate)
    if structure == "definite" and report.reason in _INDEFINITE and _turn(system):
        report = system.solve(options, None, iterate)
    return system.out(report.x), info_of(report, limit)


_INDEFINITE = ("IndefiniteOperator", "IndefinitePreconditioner")


def _negated(m: Any) -> Any:
    if m is None:
        return None
    if is_operator(m):
        back = (lambda v: -np.asarray(m.rmatvec(v))) if hasattr(m, "rmatvec") else None
        return Functions(m.shape, dtype_of(m), lambda v: -np.asarray(m.matvec(v)), back)
    return -_convert.rows_of(m)


def _turn(system: System) -> bool:
    """-A x = -b in place of A x = b if A is negative along the first residual; returns whether it is.

    SciPy's cg also solves with a negative definite A, and with M of either sign.
    """
    x = system.start()
    r = system.b - system.multiply(x) if np.any(x) else system.b
    if not np.vdot(r, system.multiply(r)).real < 0:
        return False
    if system.M is not None and np.vdot(r, system.precondition(r)).real < 0:
        system.M = _negated(system.M)
    system.A, system.b = _negated(system.A), -system.b
    return True


def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Conjugate gradients, as `scipy.sparse.linalg.cg`.

    Solves A x = b for A symmetric (Hermitian) positive definite until ``|b - A x| <= max(rtol |b|, atol)``.

    Parameters
    ----------
    A : sparse array or matrix, ndarray, LinearOperator
        (n, n).
    b : array_like
        (n,) or (n, 1).
    x0 : array_like or "Mb", optional
        Where to start.
    rtol, atol : float
        Tolerances.
    maxiter : int, optional
        Iterations at most; 10 n.
    M : as A, optional
        A preconditioner near the inverse of A, positive definite.
    callback : callable, optional
        ``callback(x)`` after each iteration.

    Returns
    -------
    x : ndarray
        (n,).
    info : int
        0 if the certificate passed, the number of iterations if it did not, negative after a breakdown.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("poisson2d", 20)
    >>> x, info = linalg.cg(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    return _short("cg", A, b, x0, rtol, atol, maxiter, M, callback, "definite")


def cgs(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Conjugate gradients squared, for any square A, as `scipy.sparse.linalg.cgs`. Parameters as of `cg`.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.cgs(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    return _short("cgs", A, b, x0, rtol, atol, maxiter, M, callback)


def bicgstab(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Stabilised biconjugate gradients, for any square A, as `scipy.sparse.linalg.bicgstab`. Parameters as of `cg`.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.bicgstab(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    return _short("bicgstab", A, b, x0, rtol, atol, maxiter, M, callback)


def bicg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Biconjugate gradients, for any square A, as `scipy.sparse.linalg.bicg`. Parameters as of `cg`.

    An operator A, and an operator M, need ``rmatvec``.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.bicg(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    return _short("bicg", A, b, x0, rtol, atol, maxiter, M, callback, transposed=True)


def qmr(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M1: Any = None,
    M2: Any = None,
    callback: Callable[[Any], Any] | None = None,
) -> tuple[np.ndarray, int]:
    """Quasi-minimal residuals, for any square A, as `scipy.sparse.linalg.qmr`. Parameters as of `cg`.

    M1 and M2 are a left and a right preconditioner; here their product M2 M1 is applied on the right, with the same
    Krylov space.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.qmr(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    M = None
    parts = [m for m in (M1, M2) if m is not None and type(m).__name__ != "IdentityOperator"]
    if M1 is None and M2 is None and hasattr(A, "psolve"):
        try:
            A.psolve(np.zeros(np.shape(b)[0]), "left")
            two_sided = True
        except TypeError:
            two_sided = False
        if two_sided:
            M = Functions(
                A.shape,
                dtype_of(A),
                lambda v: A.psolve(A.psolve(v, "left"), "right"),
                lambda v: A.rpsolve(A.rpsolve(v, "right"), "left"),
            )
    elif len(parts) == 1:
        M = parts[0]
    elif parts:
        from scipy.sparse.linalg import aslinearoperator

        left, right = (aslinearoperator(m) for m in parts)
        dtype = np.dtype(coerce(dtype_of(left), dtype_of(right)))
        M = Functions(
            left.shape,
            dtype,
            lambda v: right.matvec(left.matvec(v)),
            lambda v: left.rmatvec(right.rmatvec(v)),
        )
    return _short("qmr", A, b, x0, rtol, atol, maxiter, M, callback, transposed=True)


def minres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    shift: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    show: bool = False,
    check: bool = False,
) -> tuple[np.ndarray, int]:
    """Minimal residuals, for symmetric (A - shift I), as `scipy.sparse.linalg.minres`.

    Parameters as of `cg`, and

    shift : float
        Solves (A - shift I) x = b.
    maxiter : int, optional
        Iterations at most; 5 n.
    show : bool
        Prints how it ended.
    check : bool
        Raises ValueError if A or M is not symmetric.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("poisson2d", 20)
    >>> x, info = linalg.minres(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    if shift:
        A = _shifted(A, shift)
    system = System(A, b, x0, M, "symmetric")
    if check:
        _check_symmetric(system)
    rtol, _ = tolerance("minres", rtol, 0.0)
    known = trivial(system)
    if known is not None:
        return known
    limit = 5 * system.n if maxiter is None else int(maxiter)
    options = {"method": "minres", "rtol": rtol, "max_iterations": limit}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    report = system.solve(options, None, iterate)
    if report.reason == "IndefinitePreconditioner":
        raise ValueError("indefinite preconditioner")
    info = info_of(report, limit)
    # SciPy's test is |r| <= rtol |A| |x|, and it also accepts a least-squares solution.
    if info and (report.reason == "LeastSquares" or report.certificate[2] <= rtol):
        info = 0
    if show:
        print(f"Exit  minres.   {report.reason}, {report.iterations} iterations, |r| = {report.certificate[0]:.3e}")
    return system.out(report.x), info


def _shifted(A: Any, shift: complex) -> Any:
    if is_operator(A):
        return Functions(A.shape, dtype_of(A), lambda v: np.asarray(A.matvec(v)).reshape(-1) - shift * v)
    import scipy.sparse as sp

    A = _convert.rows_of(A)
    return (sp.csr_array(A) - shift * sp.eye_array(A.shape[0], format="csr")).tocsr()


def _check_symmetric(system: System) -> None:
    rng = np.random.default_rng(1)
    for name, f in (("matrix", system.multiply), ("preconditioner", system.precondition)):
        x, y = rng.standard_normal((2, system.n))
        fx, fy = f(x.astype(system.kind)), f(y.astype(system.kind))
        size = np.linalg.norm(fx) * np.linalg.norm(y) + np.linalg.norm(fy) * np.linalg.norm(x)
        if abs(np.vdot(y, fx) - np.vdot(fy, x)) > 1e-10 * size:
            raise ValueError(f"non-symmetric {name}")


def tfqmr(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    show: bool = False,
) -> tuple[np.ndarray, int]:
    """Transpose-free quasi-minimal residuals, for any square A, as `scipy.sparse.linalg.tfqmr`.

    Parameters as of `cg`; `maxiter` counts half steps as there, min(10000, 10 n) of them, and `callback` is called
    after each whole one.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.tfqmr(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    system = System(A, b, x0, M, "general")
    rtol, atol = tolerance("tfqmr", rtol, atol)
    known = trivial(system)
    if known is not None:
        return known
    limit = min(10000, 10 * system.n) if maxiter is None else int(maxiter)
    options = {"method": "tfqmr", "rtol": rtol, "atol": atol, "max_iterations": (limit + 1) // 2}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    report = system.solve(options, None, iterate)
    info = info_of(report, limit)
    if show:
        word = "converged due to reach TOL" if info == 0 else "not converged due to reach MAXIT"
        print(f"TFQMR: Linear solve {word} iterations {2 * report.iterations}")
    return system.out(report.x), info
