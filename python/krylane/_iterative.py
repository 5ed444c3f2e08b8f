"""SciPy's iterative solvers by krylane: its names, signatures, defaults and returns.

Nothing is preconditioned that you did not precondition, and tolerances mean SciPy's. ``info`` is 0 only where the
residual was recomputed in f64 and met the tolerance.
"""

from __future__ import annotations

import warnings
from typing import Any, Callable

import numpy as np

from . import _convert, _core
from ._convert import back, dtype_of, is_operator
from ._solve import finish, log

_RANK = "fdFD"


def _coerce(*dtypes: np.dtype) -> str:
    """SciPy's type of x: single where all are, complex where one is."""
    chars = [d.char if d.char in _RANK else ("D" if d.kind == "c" else "d") for d in dtypes]
    double, complex_ = any(c in "dD" for c in chars), any(c in "FD" for c in chars)
    return ("D" if double else "F") if complex_ else ("d" if double else "f")


class _Functions:
    """An operator made of functions."""

    def __init__(self, shape: tuple, dtype: Any, matvec: Callable, rmatvec: Callable | None = None) -> None:
        self.shape, self.dtype, self.matvec = shape, dtype, matvec
        if rmatvec is not None:
            self.rmatvec = rmatvec


class _System:
    """A linear system as SciPy's functions take it, and what of it krylane is given."""

    def __init__(self, A: Any, b: Any, x0: Any, M: Any, structure: str, transposed: bool = False) -> None:
        if not hasattr(A, "shape"):
            A = np.asarray(A)
        if len(A.shape) != 2 or A.shape[0] != A.shape[1]:
            raise ValueError(f"expected square matrix, but got shape={(A.shape,)}")
        n = int(A.shape[0])
        b = np.asanyarray(b)
        if b.shape not in ((n, 1), (n,)):
            raise ValueError(f"shapes of A {A.shape} and b {b.shape} are incompatible")
        if M is None and (hasattr(A, "psolve") or hasattr(A, "rpsolve")):
            same = lambda v: v  # noqa: E731
            M = _Functions(A.shape, dtype_of(A), getattr(A, "psolve", same), getattr(A, "rpsolve", same))
        elif M is not None and not is_operator(M) and not hasattr(M, "shape"):
            M = np.asarray(M)
        if M is not None and tuple(M.shape) != tuple(A.shape):
            raise ValueError("matrix and preconditioner have different shapes")
        if type(M).__name__ == "IdentityOperator":
            M = None
        self.A, self.M, self.n = A, M, n
        self.dtype = np.dtype(_coerce(dtype_of(A), b.dtype))
        wide = [d for d in (dtype_of(A), b.dtype) + ((dtype_of(M),) if M is not None else ())]
        self.complex = any(d.kind == "c" for d in wide) or np.iscomplexobj(x0)
        self.b = np.asarray(b, dtype=self.kind).reshape(-1)
        self.structure, self.transposed = structure, transposed
        if x0 is None:
            self.x0 = None
        elif isinstance(x0, str):
            if x0 != "Mb":
                raise ValueError(f"x0={x0!r}: a start is an array, or 'Mb'")
            self.x0 = self.precondition(self.b)
        else:
            self.x0 = np.array(x0, dtype=self.kind)
            if self.x0.shape not in ((n, 1), (n,)):
                raise ValueError(f"shapes of A {A.shape} and x0 {self.x0.shape} are incompatible")
            self.x0 = self.x0.reshape(-1)
        self.bnorm = float(np.linalg.norm(self.b))

    @property
    def kind(self) -> type:
        return np.complex128 if self.complex else np.float64

    def precondition(self, r: np.ndarray) -> np.ndarray:
        if self.M is None:
            return r.copy()
        z = self.M.matvec(r) if is_operator(self.M) else self.M @ r
        return np.asarray(z, dtype=self.kind).reshape(-1)

    def multiply(self, x: np.ndarray) -> np.ndarray:
        y = self.A.matvec(x) if is_operator(self.A) else self.A @ x
        return np.asarray(y).reshape(-1)

    def start(self) -> np.ndarray:
        return np.zeros(self.n, dtype=self.kind) if self.x0 is None else self.x0.copy()

    def out(self, x: np.ndarray) -> np.ndarray:
        """x of the device in the numbers of the user's system."""
        x = back(x, self.complex)
        dtype = self.dtype if self.dtype.kind == "c" or not self.complex else np.dtype(np.complex128)
        return x if x.dtype == dtype else x.astype(dtype)

    def solve(self, options: dict, event: Any = None, iterate: Any = None) -> Any:
        """The report of a solve; a symmetric method gets A as it is, on the caller's word."""
        words = {"as_complex": self.complex, "structure": self.structure, "probe": False, "lend": True}
        a = _convert.any_matrix(self.A, transposed=self.transposed, **words)
        m = None if self.M is None else _convert.any_matrix(self.M, name="M", transposed=self.transposed, **words)
        b = self.b.view(np.float64) if self.complex else self.b
        x0 = None if self.x0 is None else (self.x0.view(np.float64) if self.complex else self.x0)
        options = {"preconditioner": "none", "equilibrate": "never", "backend": "auto", **options}
        if iterate is not None:
            options.update(backend="cpu", precision="f64")
        shown = [0]

        def show(k: int, x: np.ndarray) -> Any:
            # The last x of a run may come twice.
            again, shown[0] = shown[0] == k, k
            return None if again else iterate(k, self.out(x))

        seen = show if iterate is not None else None
        report = _core.Solver(a, options, m, iterate is not None).solve(b, x0, event, seen)
        if report.reason == "NotSymmetric":
            # SciPy's cg and minres take A as symmetric and never look.
            a = a.said(self.structure)
            report = _core.Solver(a, options, m, iterate is not None).solve(b, x0, event, seen)
        return finish(report, lambda r: r)


def _tolerance(name: str, rtol: float, atol: Any) -> tuple[float, float]:
    if atol is None or isinstance(atol, str) or atol < 0:
        raise ValueError(
            f"'krylane.linalg.{name}' called with invalid `atol`={atol}; if set, `atol` must be a real, "
            "non-negative number."
        )
    return min(float(rtol), 1e300), min(float(atol), 1e300)


_BROKEN = {"Rho": -10, "Omega": -11}


def _info(report: Any, limit: int) -> int:
    """SciPy's `info`: 0 by the certificate alone."""
    if report.reason == "Converged":
        return 0
    log.info("%s %s: %s", report.reason, report.detail, report.advice)
    if report.reason == "Breakdown":
        return _BROKEN.get(report.detail, max(1, report.iterations))
    return max(1, limit if report.reason == "MaxIterations" else report.iterations)


def _finite(system: _System) -> bool:
    """False where an entry of A, of b or of x0 is none: SciPy's functions return then, and so do these."""
    a = system.A
    data = getattr(a, "data", None) if not isinstance(a, np.ndarray) else a
    if is_operator(a) or not isinstance(data, np.ndarray) or data.dtype.kind not in "fc":
        data = np.zeros(1)
    if hasattr(a, "tocsr") and a.__class__.__name__.startswith(("lil", "dok")):
        data = a.tocsr().data
    vectors = [v for v in (system.b, system.x0) if v is not None]
    return all(bool(np.isfinite(v).all()) for v in (data, *vectors))


def _trivial(system: _System) -> tuple[np.ndarray, int] | None:
    if system.bnorm == 0:
        return np.zeros(system.n, dtype=system.out(system.start().view(np.float64)).dtype), 0
    if not _finite(system):
        return system.start(), 1
    return None


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
    """A method with a short recurrence, whose x is whole after each iteration."""
    system = _System(A, b, x0, M, structure, transposed)
    rtol, atol = _tolerance(name, rtol, atol)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    limit = 10 * system.n if maxiter is None else int(maxiter)
    options = {"method": name, "rtol": rtol, "atol": atol, "max_iterations": limit}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    if structure == "definite" and _looks_negative(system.A):
        _turn(system)
    report = system.solve(options, None, iterate)
    if report.reason in _INDEFINITE and report.iterations <= 1 and is_operator(system.A):
        _turn(system)
        report = system.solve(options, None, iterate)
    return system.out(report.x), _info(report, limit)


_INDEFINITE = ("IndefiniteOperator", "IndefinitePreconditioner")


def _looks_negative(a: Any) -> bool:
    """True for stored entries with a negative diagonal throughout: of a definite matrix it tells the sign."""
    if is_operator(a):
        return False
    diagonal = np.asarray(a.diagonal()).real
    return len(diagonal) > 0 and bool((diagonal < 0).all())


def _negated(m: Any) -> Any:
    if m is None:
        return None
    if is_operator(m):
        back = (lambda v: -np.asarray(m.rmatvec(v))) if hasattr(m, "rmatvec") else None
        return _Functions(m.shape, dtype_of(m), lambda v: -np.asarray(m.matvec(v)), back)
    return -_convert.rows_of(m)


def _turn(system: _System) -> None:
    """-A x = -b in place of A x = b: SciPy's cg solves with a negative definite A, and M of either sign."""
    x = system.start()
    r = system.b - system.multiply(x) if np.any(x) else system.b
    if system.M is not None and np.vdot(r, system.precondition(r)).real < 0:
        system.M = _negated(system.M)
    system.A, system.b = _negated(system.A), -system.b


def cg(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
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
        0 where the certificate passed, the number of iterations where it did not, negative after a breakdown.

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


def cgs(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
    """Conjugate gradients squared, for any square A, as `scipy.sparse.linalg.cgs`. Parameters as of `cg`."""
    return _short("cgs", A, b, x0, rtol, atol, maxiter, M, callback)


def bicgstab(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
    """Stabilised biconjugate gradients, for any square A, as `scipy.sparse.linalg.bicgstab`. Parameters as of `cg`."""
    return _short("bicgstab", A, b, x0, rtol, atol, maxiter, M, callback)


def bicg(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None):
    """Biconjugate gradients, for any square A, as `scipy.sparse.linalg.bicg`. Parameters as of `cg`.

    An operator A, and an operator M, need ``rmatvec``.
    """
    return _short("bicg", A, b, x0, rtol, atol, maxiter, M, callback, transposed=True)


def qmr(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M1=None, M2=None, callback=None):
    """Quasi-minimal residuals, for any square A, as `scipy.sparse.linalg.qmr`. Parameters as of `cg`.

    M1 and M2 are a left and a right preconditioner; here their product M2 M1 stands on the right, over the same
    Krylov space.
    """
    M = None
    parts = [m for m in (M1, M2) if m is not None and type(m).__name__ != "IdentityOperator"]
    if M1 is None and M2 is None and hasattr(A, "psolve"):
        try:
            A.psolve(np.zeros(np.shape(b)[0]), "left")
            sides = ("left", "right")
        except TypeError:
            sides = ()
        if sides:
            M = _Functions(
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
        dtype = np.dtype(_coerce(dtype_of(left), dtype_of(right)))
        M = _Functions(
            left.shape,
            dtype,
            lambda v: right.matvec(left.matvec(v)),
            lambda v: left.rmatvec(right.rmatvec(v)),
        )
    return _short("qmr", A, b, x0, rtol, atol, maxiter, M, callback, transposed=True)


def minres(
    A, b, x0=None, *, rtol=1e-5, shift=0.0, maxiter=None, M=None, callback=None, show=False, check=False
):
    """Minimal residuals, for symmetric (A - shift I), as `scipy.sparse.linalg.minres`.

    Parameters as of `cg`, and

    shift : float
        Solves (A - shift I) x = b.
    maxiter : int, optional
        Iterations at most; 5 n.
    show : bool
        Prints how it ended.
    check : bool
        Raises ValueError where A or M is not symmetric.
    """
    if shift:
        A = _shifted(A, shift)
    system = _System(A, b, x0, M, "symmetric")
    if check:
        _check_symmetric(system)
    rtol, _ = _tolerance("minres", rtol, 0.0)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    limit = 5 * system.n if maxiter is None else int(maxiter)
    options = {"method": "minres", "rtol": rtol, "max_iterations": limit}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    report = system.solve(options, None, iterate)
    if report.reason == "IndefinitePreconditioner" and report.iterations <= 1:
        raise ValueError("indefinite preconditioner")
    info = _info(report, limit)
    # SciPy's test is |r| <= rtol |A| |x|, and a least-squares solution is one of its ends.
    if info and (report.reason == "LeastSquares" or report.certificate[2] <= rtol):
        info = 0
    if show:
        print(f"Exit  minres.   {report.reason}, {report.iterations} iterations, |r| = {report.certificate[0]:.3e}")
    return system.out(report.x), info


def _shifted(A: Any, shift: complex) -> Any:
    if is_operator(A):
        return _Functions(A.shape, dtype_of(A), lambda v: np.asarray(A.matvec(v)).reshape(-1) - shift * v)
    import scipy.sparse as sp

    A = _convert.rows_of(A)
    return (sp.csr_array(A) - shift * sp.eye_array(A.shape[0], format="csr")).tocsr()


def _check_symmetric(system: _System) -> None:
    rng = np.random.default_rng(1)
    for name, f in (("matrix", system.multiply), ("preconditioner", system.precondition)):
        x, y = rng.standard_normal((2, system.n))
        fx, fy = f(x.astype(system.kind)), f(y.astype(system.kind))
        size = np.linalg.norm(fx) * np.linalg.norm(y) + np.linalg.norm(fy) * np.linalg.norm(x)
        if abs(np.vdot(y, fx) - np.vdot(fy, x)) > 1e-10 * size:
            raise ValueError(f"non-symmetric {name}")


def tfqmr(A, b, x0=None, *, rtol=1e-5, atol=0.0, maxiter=None, M=None, callback=None, show=False):
    """Transpose-free quasi-minimal residuals, for any square A, as `scipy.sparse.linalg.tfqmr`.

    Parameters as of `cg`; `maxiter` counts half steps as there, min(10000, 10 n) of them, and `callback` is called
    after each whole one.
    """
    system = _System(A, b, x0, M, "general")
    rtol, atol = _tolerance("tfqmr", rtol, atol)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    limit = min(10000, 10 * system.n) if maxiter is None else int(maxiter)
    options = {"method": "tfqmr", "rtol": rtol, "atol": atol, "max_iterations": (limit + 1) // 2}
    iterate = None if callback is None else (lambda _k, x: callback(x) and False)
    report = system.solve(options, None, iterate)
    info = _info(report, limit)
    if show:
        word = "converged due to reach TOL" if info == 0 else "not converged due to reach MAXIT"
        print(f"TFQMR: Linear solve {word} iterations {2 * report.iterations}")
    return system.out(report.x), info


def gmres(
    A,
    b,
    x0=None,
    *,
    rtol=1e-5,
    atol=0.0,
    restart=None,
    maxiter=None,
    M=None,
    callback=None,
    callback_type=None,
):
    """Generalised minimal residuals with restarts, for any square A, as `scipy.sparse.linalg.gmres`.

    Parameters as of `cg`, and

    restart : int, optional
        Iterations between restarts; min(20, n).
    maxiter : int, optional
        Restart cycles at most, 10 n; iterations where `callback_type` is "legacy".
    callback_type : {"x", "pr_norm", "legacy"}
        ``callback(x)`` at each restart, or ``callback(|M r| / |b|)`` after each iteration.
    """
    if callback is not None and callback_type is None:
        msg = (
            "krylane.linalg.gmres called without specifying `callback_type`. The default value is 'legacy', as "
            "SciPy's; set it to 'x', 'pr_norm' or 'legacy'."
        )
        warnings.warn(msg, category=DeprecationWarning, stacklevel=2)
    if callback_type is None:
        callback_type = "legacy"
    if callback_type not in ("x", "pr_norm", "legacy"):
        raise ValueError(f"Unknown callback_type: {callback_type!r}")
    if callback is None:
        callback_type = None
    system = _System(A, b, x0, M, "general")
    rtol, atol = _tolerance("gmres", rtol, atol)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    columns = min(20 if restart is None else int(restart), system.n)
    cycles = 10 * system.n if maxiter is None else int(maxiter)
    # The real form of a complex system has two columns for one.
    columns *= 2 if system.complex else 1
    most = cycles if callback_type == "legacy" else cycles * columns
    options = {"method": "gmres", "rtol": rtol, "atol": atol, "max_iterations": most, "restart": max(columns, 1)}
    if system.M is not None:
        options["side"] = "left"
    event = iterate = None
    if callback_type == "x":
        iterate = lambda _k, x: callback(x) and False  # noqa: E731
    elif callback_type is not None:
        # The residual is told in units of r; SciPy's is that of M r, which a cycle multiplies by one factor.
        factor = [1.0]

        def renew(x: np.ndarray) -> None:
            r = system.b - system.multiply(x) if np.any(x) else system.b
            size = np.linalg.norm(r)
            factor[0] = float(np.linalg.norm(system.precondition(r)) / size) if size > 0 else 1.0

        if system.M is not None:
            renew(system.start())
            iterate = lambda _k, x: renew(x)  # noqa: E731

        def event(_k: int, residual: float, _system: int) -> bool:
            callback(np.float64(residual * factor[0]))
            return False

    report = system.solve(options, event, iterate)
    left = most - report.iterations
    if system.M is not None and left > 0 and report.reason in ("Stagnated", "FalseConvergence", "Breakdown"):
        # |M r| told nothing more of r; on the right the method sees r itself.
        system.x0 = np.ascontiguousarray(back(report.x, system.complex))
        report = system.solve({**options, "side": "right", "max_iterations": left}, event, iterate)
    info = _info(report, cycles)
    return system.out(report.x), info if info <= 0 else cycles


def _cycles(
    system: _System, options: dict, first: int, more: int, maxiter: int, callback: Any
) -> tuple[np.ndarray, int]:
    """A method whose `maxiter` counts cycles, and whose callback hears at the start of each.

    A cycle has `first` columns, and one more for each cycle before it up to `more`. As in SciPy the test comes before
    a cycle, so that an answer found by the last one is told as not converged.
    """
    n = system.n
    sizes = [min(n, first + min(k, more)) for k in range(min(maxiter, more + 1))]
    most = sum(sizes) + max(0, maxiter - len(sizes)) * (sizes[-1] if sizes else 0)
    seen = [0]

    def at_end(_k: int, x: np.ndarray) -> None:
        seen[0] += 1
        if callback is not None and seen[0] < maxiter:
            callback(x)

    if callback is not None:
        callback(system.out(system.start().view(np.float64)))
    iterate = at_end if callback is not None else None
    report = system.solve({**options, "max_iterations": most}, None, iterate)
    info = _info(report, maxiter)
    if info == 0 and 0 < maxiter <= (seen[0] if callback is not None else report.restarts + (report.iterations > 0)):
        info = maxiter
    elif info > 0:
        info = min(info, maxiter)
    return system.out(report.x), info


def lgmres(
    A,
    b,
    x0=None,
    *,
    rtol=1e-5,
    atol=0.0,
    maxiter=1000,
    M=None,
    callback=None,
    inner_m=30,
    outer_k=3,
    outer_v=None,
    store_outer_Av=True,
    prepend_outer_v=False,
):
    """GMRES enlarged by corrections of earlier cycles, for any square A, as `scipy.sparse.linalg.lgmres`.

    Parameters as of `cg`, and

    maxiter : int
        Cycles at most.
    inner_m : int
        Iterations a cycle.
    outer_k : int
        Corrections that are kept: 3 here, whatever is asked for.
    outer_v : list, optional
        The first correction is the best one within the span of these vectors; x's direction is added to it.
    store_outer_Av, prepend_outer_v
        Taken for the sake of the signature.
    """
    system = _System(A, b, x0, M, "general")
    if not np.isfinite(system.b).all():
        raise ValueError("RHS must contain only finite numbers")
    rtol, atol = _tolerance("lgmres", rtol, atol)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    if outer_v:
        _within(system, [v for v, _ in outer_v])
    options = {"method": "lgmres", "rtol": rtol, "atol": atol, "restart": int(inner_m)}
    x, info = _cycles(system, options, int(inner_m), 3, int(maxiter), callback)
    _keep(outer_v, x, system, int(outer_k), store_outer_Av)
    return x, info


def _within(system: _System, vectors: list[np.ndarray]) -> None:
    """Starts at the x nearest to the solution, by its residual, within x0 and the span of these vectors."""
    V = np.stack([np.asarray(v, dtype=system.kind) for v in vectors], axis=1)
    AV = np.stack([system.multiply(v) for v in V.T], axis=1)
    x = system.start()
    r = system.b - system.multiply(x) if np.any(x) else system.b
    y = np.linalg.lstsq(AV, r, rcond=None)[0]
    system.x0 = np.ascontiguousarray(x + V @ y)


def _keep(outer: list | None, x: np.ndarray, system: _System, most: int, image: bool) -> None:
    size = np.linalg.norm(x)
    if outer is None or not size > 0 or most < 1:
        return
    v = x / size
    outer.append((v, system.multiply(v) if image else None))
    del outer[: max(0, len(outer) - most)]


def gcrotmk(
    A,
    b,
    x0=None,
    *,
    rtol=1e-5,
    atol=0.0,
    maxiter=1000,
    M=None,
    callback=None,
    m=20,
    k=None,
    CU=None,
    discard_C=False,
    truncate="oldest",
):
    """GCROT(m, k), for any square A, as `scipy.sparse.linalg.gcrotmk`.

    Parameters as of `cg`, and

    maxiter : int
        Cycles at most.
    m, k : int
        Iterations a cycle, and directions that are kept between cycles; 20 and m.
    CU : list of (c, u), optional
        Directions from an earlier solve, with c = A u or None; those of this one are put in their place.
    discard_C : bool
        Keeps no c.
    truncate : {"oldest", "smallest"}
        Which directions go first.
    """
    system = _System(A, b, x0, M, "general")
    if not np.isfinite(system.b).all():
        raise ValueError("RHS must contain only finite numbers")
    if truncate not in ("oldest", "smallest"):
        raise ValueError(f"Invalid value for 'truncate': {truncate!r}")
    rtol, atol = _tolerance("gcrotmk", rtol, atol)
    trivial = _trivial(system)
    if trivial is not None:
        return trivial
    if CU:
        _within(system, [u for _, u in CU])
    options = {"method": "gcrotmk", "rtol": rtol, "atol": atol, "restart": int(m)}
    x, info = _cycles(system, options, int(m), 0, int(maxiter), callback)
    if CU is not None:
        u = x / max(np.linalg.norm(x), np.finfo(float).tiny)
        c = system.multiply(u)
        size = np.linalg.norm(c)
        if size > 0:
            CU.append((None if discard_C else c / size, u / size))
            del CU[: max(0, len(CU) - (int(m) if k is None else int(k)))]
    return x, info


# Least squares


def _least_squares(
    method: str, A: Any, b: Any, damp: float, tol: float, limit: int, x0: Any
) -> tuple[np.ndarray, Any, bool, dict]:
    """x, the report, whether x is complex, and the numbers that both functions return."""
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
    multiply = (lambda v: np.asarray(A.matvec(v)).reshape(-1)) if is_operator(A) else (lambda v: np.asarray(A @ v))
    start = None if x0 is None else np.array(x0, dtype=kind).reshape(-1)
    shifted = b if start is None or not np.any(start) else b - multiply(start)
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
    report = _core.Solver(a, options).solve(rhs.view(np.float64) if complex_ else rhs)
    report = finish(report, lambda r: r)
    dx = back(report.x, complex_)
    x = dx if start is None else start + dx
    r = b - multiply(x)
    adjoint = (lambda v: np.asarray(A.rmatvec(v)).reshape(-1)) if is_operator(A) else (lambda v: A.conj().T @ v)
    d2 = float(damp) ** 2
    gradient = np.asarray(adjoint(r)).reshape(-1) - d2 * dx
    r1 = float(np.linalg.norm(r))
    numbers = {
        "r1norm": r1,
        "r2norm": float(np.hypot(r1, abs(float(damp)) * np.linalg.norm(dx))),
        "arnorm": float(np.linalg.norm(gradient)),
        "xnorm": float(np.linalg.norm(x)),
        "anorm": _frobenius(A, float(damp)),
    }
    return x, report, complex_, numbers


def _damped(A: Any, damp: float) -> _Functions:
    rows, cols = A.shape
    return _Functions(
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


def _istop(report: Any, x: np.ndarray, damp: float) -> int:
    if report.reason == "Converged" and not np.any(x):
        return 0
    if report.reason == "Converged" and damp:
        return 2
    return _ENDS.get(report.reason, 7)


def _spread(A: Any, damp: float, steps: int, b: np.ndarray) -> tuple[float, np.ndarray]:
    """SciPy's estimates of the condition number and of diag((A^T A)^-1), by `steps` steps of bidiagonalisation."""
    from scipy.sparse.linalg import aslinearoperator

    op = aslinearoperator(A)
    u = np.asarray(b, dtype=float)
    beta = np.linalg.norm(u)
    u = u / beta
    v = op.rmatvec(u)
    alpha = np.linalg.norm(v)
    var = np.zeros(op.shape[1])
    if alpha == 0:
        return 0.0, var
    v = v / alpha
    w, rhobar, dd, total = v.copy(), alpha, 0.0, 0.0
    for _ in range(steps):
        u = op.matvec(v) - alpha * u
        beta = np.linalg.norm(u)
        total += alpha**2 + beta**2 + damp**2
        u = u / beta if beta > 0 else u
        v = op.rmatvec(u) - beta * v
        alpha = np.linalg.norm(v)
        v = v / alpha if alpha > 0 else v
        rhobar = np.hypot(rhobar, damp)
        rho = np.hypot(rhobar, beta)
        c, s = rhobar / rho, beta / rho
        d = w / rho
        dd += float(d @ d)
        var += d**2
        w = v - (s * alpha / rho) * w
        rhobar = -c * alpha
        if alpha == 0 or beta == 0:
            break
    return float(np.sqrt(total) * np.sqrt(dd)), var


def lsqr(
    A,
    b,
    damp=0.0,
    atol=1e-6,
    btol=1e-6,
    conlim=1e8,
    iter_lim=None,
    show=False,
    calc_var=False,
    x0=None,
):
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
        Ends where ``|r| <= t |b|`` or ``|A^T r| <= t |A| |r|``, recomputed in f64, with t the smaller of the two
        that is not 0.
    conlim : float
        Taken for the sake of the signature: no solve ends for the condition of A.
    iter_lim : int, optional
        Iterations at most; 2 n.
    show : bool
        Prints how it ended.
    calc_var : bool
        Estimates the condition of A and diag((A^T A)^-1), by as many more products as the solve took.
    x0 : array_like, optional
        Where to start.

    Returns
    -------
    x, istop, itn, r1norm, r2norm, anorm, acond, arnorm, xnorm, var
        As SciPy's. anorm is the Frobenius norm itself (nan for an operator), acond is nan and var zero unless
        calc_var.
    """
    limit = 2 * int(np.shape(A)[1] if not hasattr(A, "shape") else A.shape[1]) if iter_lim is None else int(iter_lim)
    x, report, complex_, n = _least_squares("lsqr", A, b, damp, _smaller(atol, btol), limit, x0)
    acond, var = float("nan"), np.zeros(len(x))
    if calc_var and not complex_:
        acond, var = _spread(A, float(damp), report.iterations, np.asarray(b, dtype=float).reshape(-1))
    stop = _istop(report, x, damp)
    if show:
        print(f"LSQR: {report.reason}, {report.iterations} iterations, |r| = {n['r1norm']:.3e}")
    return (
        x,
        stop,
        report.iterations,
        n["r1norm"],
        n["r2norm"],
        n["anorm"],
        acond,
        n["arnorm"],
        n["xnorm"],
        var,
    )


def _smaller(atol: float, btol: float) -> float:
    told = [float(t) for t in (atol, btol) if t]
    return max(min(told), 0.0) if told else 0.0


def lsmr(A, b, damp=0.0, atol=1e-6, btol=1e-6, conlim=1e8, maxiter=None, show=False, x0=None):
    """min |b - A x|^2 + damp^2 |x - x0|^2 for any A, as `scipy.sparse.linalg.lsmr`.

    Parameters as of `lsqr`; `maxiter` is min(m, n).

    Returns
    -------
    x, istop, itn, normr, normar, norma, conda, normx
        As SciPy's. norma is the Frobenius norm itself (nan for an operator), conda is nan.
    """
    shape = A.shape if hasattr(A, "shape") else np.shape(A)
    limit = min(shape) if maxiter is None else int(maxiter)
    x, report, _, n = _least_squares("lsmr", A, b, damp, _smaller(atol, btol), limit, x0)
    if show:
        print(f"LSMR: {report.reason}, {report.iterations} iterations, |r| = {n['r1norm']:.3e}")
    stop = _istop(report, x, damp)
    return x, stop, report.iterations, n["r2norm"], n["arnorm"], n["anorm"], float("nan"), n["xnorm"]


def available() -> dict[str, Callable]:
    """The functions of this module whose method the library has."""
    known = {name for name, _ in _core.methods()}
    functions = (cg, cgs, bicg, bicgstab, gmres, lgmres, gcrotmk, minres, qmr, tfqmr, lsqr, lsmr)
    return {f.__name__: f for f in functions if f.__name__ in known}


