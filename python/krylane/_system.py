"""Linear systems as passed to SciPy's functions, and their form for krylane."""

from __future__ import annotations

import math
from typing import Any, Callable

import numpy as np
import scipy.sparse as sp

from . import _convert, _core
from ._convert import back, dtype_of, is_operator
from ._solve import finish, log

_RANK = "fdFD"

#: Sparse formats whose entries lie in one array.
_FLAT = ("csr", "csc", "coo", "bsr", "dia")


def coerce(*dtypes: np.dtype) -> str:
    """SciPy's dtype of x: single precision if all inputs are, complex if any is."""
    chars = [d.char if d.char in _RANK else ("D" if d.kind == "c" else "d") for d in dtypes]
    double, complex_ = any(c in "dD" for c in chars), any(c in "FD" for c in chars)
    return ("D" if double else "F") if complex_ else ("d" if double else "f")


class Functions:
    """An operator made from functions."""

    def __init__(
        self,
        shape: tuple,
        dtype: Any,
        matvec: Callable,
        rmatvec: Callable | None = None,
        matmat: Callable | None = None,
    ) -> None:
        self.shape, self.dtype, self.matvec = shape, np.dtype(dtype), matvec
        if rmatvec is not None:
            self.rmatvec = rmatvec
        if matmat is not None:
            self.matmat = matmat


def product(a: Any, x: np.ndarray) -> np.ndarray:
    """A x, flat."""
    return np.asarray(a.matvec(x) if is_operator(a) else a @ x).reshape(-1)


def adjoint_product(a: Any, x: np.ndarray) -> np.ndarray:
    """A^H x, flat."""
    return np.asarray(a.rmatvec(x) if is_operator(a) else a.conj().T @ x).reshape(-1)


class System:
    """A linear system as passed to SciPy's functions, and its form for krylane."""

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
            M = Functions(A.shape, dtype_of(A), getattr(A, "psolve", same), getattr(A, "rpsolve", same))
        elif M is not None and not is_operator(M) and not hasattr(M, "shape"):
            M = np.asarray(M)
        if M is not None and tuple(M.shape) != tuple(A.shape):
            raise ValueError("matrix and preconditioner have different shapes")
        if type(M).__name__ == "IdentityOperator":
            M = None
        self.A, self.M, self.n = A, M, n
        self.dtype = np.dtype(coerce(dtype_of(A), b.dtype))
        given = self.dtype.kind == "c" or M is not None and dtype_of(M).kind == "c"
        self.complex = given or x0 is not None and np.iscomplexobj(x0)
        self.b: np.ndarray = np.asarray(b, dtype=self.kind).reshape(-1)
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
        self.bnorm = float(np.sqrt(np.vdot(self.b, self.b).real))
        #: Directions that gcrotmk and lgmres start with, as rows; below: the solver, once it has run.
        self.directions: np.ndarray | None = None
        self.solver: Any = None

    @property
    def kind(self) -> type:
        return np.complex128 if self.complex else np.float64

    def precondition(self, r: np.ndarray) -> np.ndarray:
        if self.M is None:
            return r.copy()
        return np.asarray(product(self.M, r), dtype=self.kind)

    def multiply(self, x: np.ndarray) -> np.ndarray:
        return product(self.A, x)

    def start(self) -> np.ndarray:
        return np.zeros(self.n, dtype=self.kind) if self.x0 is None else self.x0.copy()

    @property
    def out_dtype(self) -> np.dtype:
        """SciPy's dtype of x, or a complex one if M or x0 are complex."""
        return self.dtype if self.dtype.kind == "c" or not self.complex else np.dtype(np.complex128)

    def out(self, x: np.ndarray) -> np.ndarray:
        """The device's x in the number type of the user's system."""
        return back(x, self.complex, self.out_dtype)

    def solve(self, options: dict, event: Any = None, iterate: Any = None) -> Any:
        """The report of a solve; a symmetric method does not check that A is symmetric."""
        words = {"as_complex": self.complex, "structure": self.structure, "probe": False, "lend": True}
        a = _convert.any_matrix(self.A, transposed=self.transposed, **words)
        m = None if self.M is None else _convert.any_matrix(self.M, name="M", transposed=self.transposed, **words)
        b = self.flat(self.b)
        x0 = None if self.x0 is None else self.flat(self.x0)
        options = {"preconditioner": "none", "equilibrate": "never", "backend": "auto", **options}
        if iterate is not None:
            options.update(backend="cpu", precision="f64")
        shown = [0]

        def show(k: int, x: np.ndarray) -> Any:
            # The last x of a run may be reported twice.
            again, shown[0] = shown[0] == k, k
            return None if again else iterate(k, self.out(x))

        seen = show if iterate is not None else None
        given = None if self.directions is None else self.flat(self.directions)
        self.solver = _core.Solver(a, options, m, iterate is not None, given)
        report = self.solver.solve(b, x0, event, seen)
        if report.reason == "NotSymmetric":
            # SciPy's cg and minres assume that A is symmetric without a check.
            self.solver = _core.Solver(a.said(self.structure), options, m, iterate is not None, given)
            report = self.solver.solve(b, x0, event, seen)
        return finish(report, lambda r: r)

    def flat(self, v: np.ndarray) -> np.ndarray:
        """Converts the system's numbers to krylane's: complex ones to pairs of real and imaginary parts."""
        return v.view(np.float64) if self.complex else v

    def kept(self) -> np.ndarray:
        """The directions that gcrotmk or lgmres kept, as rows."""
        rows = np.zeros((0, self.n)) if self.solver is None else self.solver.directions()
        return rows.view(np.complex128) if self.complex and len(rows) else rows


def tolerance(name: str, rtol: float, atol: Any) -> tuple[float, float]:
    if atol is None or isinstance(atol, str) or atol < 0:
        raise ValueError(
            f"'krylane.linalg.{name}' called with invalid `atol`={atol}; if set, `atol` must be a real, "
            "non-negative number."
        )
    return min(float(rtol), 1e300), min(float(atol), 1e300)


_BROKEN = {"Rho": -10, "Omega": -11}


def info_of(report: Any, limit: int) -> int:
    """SciPy's `info`: 0 by the certificate alone."""
    if report.reason == "Converged":
        return 0
    log.info("%s %s: %s", report.reason, report.detail, report.advice)
    if report.reason == "Breakdown":
        return _BROKEN.get(report.detail, max(1, report.iterations))
    return max(1, limit if report.reason == "MaxIterations" else report.iterations)


def _finite(v: np.ndarray) -> bool:
    # A finite sum of squares decides at once; it may also overflow.
    return v.dtype.kind not in "fc" or math.isfinite(np.vdot(v, v).real) or bool(np.isfinite(v).all())


def trivial(system: System) -> tuple[np.ndarray, int] | None:
    """The return value if there is nothing to solve: b is zero, or something is not finite."""
    a, data = system.A, None
    if sp.issparse(a):
        data = a.data if a.format in _FLAT else a.tocsr().data
    elif not is_operator(a):
        data = np.asarray(a)
    for v in (data, system.b, system.x0):
        if v is not None and not _finite(v):
            return system.start(), 1
    if system.bnorm == 0 and not system.b.any():
        return np.zeros(system.n, dtype=system.out_dtype), 0
    return None
