"""SciPy's lobpcg by krylane."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ._eigen import Pairs, problem
from ._spectral import entries
from ._system import Functions
from .errors import KrylaneWarning


class _Blocks:
    """Wraps a matrix, an operator or a function of blocks as a function of blocks (n, k)."""

    def __init__(self, a: Any, n: int, name: str) -> None:
        self.name, self.shape, self.stored = name, (n, n), None
        if not callable(a):
            a = a if sp.issparse(a) else np.asarray(a)
            if a.shape != (n, n):
                raise ValueError(f"{name} has shape {a.shape}; X asks for {(n, n)}")
            self.stored = a
        self.product: Callable = a if callable(a) and not hasattr(a, "matmat") else (lambda v: a @ v)

    def __call__(self, v: np.ndarray) -> np.ndarray:
        out = np.asarray(self.product(v))
        if out.shape != v.shape:
            raise ValueError(f"{self.name} makes {out.shape} of {v.shape}; it must keep the shape of a block")
        return out.astype(np.complex128 if out.dtype.kind == "c" else np.float64, copy=False)

    def column(self, v: np.ndarray) -> np.ndarray:
        return self(v[:, None])[:, 0]


def _double(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=np.complex128 if x.dtype.kind == "c" else np.float64)


def _orthonormal(x: np.ndarray, bx: np.ndarray, what: str) -> np.ndarray:
    """The factor that makes the columns of x orthonormal in the inner product of B."""
    gram = x.conj().T @ bx
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diagonal(gram)), np.finfo(float).tiny))
    try:
        upper = np.linalg.cholesky(scale[:, None] * gram * scale).conj().T
    except np.linalg.LinAlgError:
        raise ValueError(f"Linearly dependent {what}") from None
    return scale[:, None] * np.linalg.inv(upper)


class _Complement:
    """The B-orthogonal complement of constraints Y, to which A and M are restricted."""

    def __init__(self, y: np.ndarray, b: _Blocks | None) -> None:
        by = y if b is None else b(y)
        factor = _orthonormal(y, by, "constraints")
        self.q, self.bq = y @ factor, by @ factor

    def project(self, v: np.ndarray) -> np.ndarray:
        return v - self.q @ (self.bq.conj().T @ v)

    def dual(self, u: np.ndarray) -> np.ndarray:
        return u - self.bq @ (self.q.conj().T @ u)

    def action(self, a: _Blocks, shift: float) -> Callable:
        """A within the complement, and `shift` times B on the constraints, away from the wanted eigenvalues."""
        return lambda v: self.dual(a.column(self.project(v))) + shift * (self.bq @ (self.bq.conj().T @ v))

    def preconditioner(self, m: _Blocks, size: float) -> Callable:
        return lambda r: self.project(m.column(self.dual(r))) + size * (self.q @ (self.q.conj().T @ r))


def _dense(a: _Blocks, b: _Blocks | None, y: _Complement | None, k: int, largest: bool) -> tuple:
    """Solves by LAPACK, as SciPy does if blocks are large relative to n."""
    n = a.shape[0]
    eye = np.eye(n)
    whole, mass = a(eye), None if b is None else b(eye)
    z = None if y is None else scipy.linalg.null_space(y.bq.conj().T)
    if z is not None:
        whole = z.conj().T @ whole @ z
        mass = None if mass is None else z.conj().T @ mass @ z
    order = whole.shape[0]
    k = min(k, order)
    wanted = (order - k, order - 1) if largest else (0, k - 1)
    w, v = scipy.linalg.eigh(whole, mass, subset_by_index=wanted, check_finite=False)
    return w, v if z is None else z @ v


def _core_operand(a: _Blocks, column: Callable | None, z: bool) -> Any:
    """Stored entries, or the operator whose product `column` is."""
    if column is None and a.stored is not None:
        return a.stored if z else a.stored.real
    return _operator(a, column or a.column, z)


def _operator(a: _Blocks, column: Callable, z: bool, block: Callable | None = None) -> Functions:
    """An operator on columns; without `z` its numbers have no imaginary part."""
    if z:
        return Functions(a.shape, np.complex128, column, matmat=block)
    real = None if block is None else lambda v: block(v).real
    return Functions(a.shape, np.float64, lambda v: column(v).real, matmat=real)


def _tell_asymmetry(gram: np.ndarray) -> None:
    size = np.linalg.norm(gram)
    if np.linalg.norm(gram - gram.conj().T) > np.finfo(gram.dtype).eps ** 0.75 * max(size, 1.0):
        warnings.warn("Matrix gramA is not Hermitian: A must be symmetric", KrylaneWarning, stacklevel=3)


def lobpcg(
    A: Any,
    X: Any,
    B: Any = None,
    M: Any = None,
    Y: Any = None,
    tol: float | None = None,
    maxiter: int | None = None,
    largest: bool = True,
    verbosityLevel: int = 0,
    retLambdaHistory: bool = False,
    retResidualNormsHistory: bool = False,
    restartControl: int = 20,
) -> tuple:
    """Eigenpairs by the block conjugate gradients of Knyazev, as `scipy.sparse.linalg.lobpcg`.

    Parameters
    ----------
    A : sparse array or matrix, ndarray, LinearOperator, callable
        (n, n), symmetric or Hermitian; a callable takes blocks (n, k).
    X : ndarray
        (n, k), where to start.
    B : as A, optional
        Symmetric positive definite. Of an operator the entries are found by n products.
    M : as A, optional
        A preconditioner near the inverse of A, positive definite.
    Y : ndarray, optional
        (n, m). Eigenvectors are sought within its B-orthogonal complement.
    tol : float, optional
        Ends when ``|A x - w B x| <= tol`` for every x of length 1 in the norm of B; n sqrt(eps).
    maxiter : int, optional
        Steps at most; 20.
    largest : bool
        The largest eigenvalues, else the smallest.
    verbosityLevel : int
        From 1 on prints how it began and ended.
    retLambdaHistory, retResidualNormsHistory : bool
        Also returns values and residual norms at each step.
    restartControl
        Accepted for compatibility and ignored: the basis is kept orthonormal here.

    Returns
    -------
    w : ndarray
        (k,), the most wanted first.
    v : ndarray
        (n, k), orthonormal in the inner product of B.
    lambda_history, residual_history : list of ndarray
        If requested.

    Warns
    -----
    KrylaneWarning
        If a residual, recomputed in f64, is above `tol`.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("poisson1d", 60)
    >>> X = np.random.default_rng(0).standard_normal((60, 2))
    >>> w, v = linalg.lobpcg(A, X, tol=1e-8, maxiter=200)
    >>> bool(np.linalg.norm(A @ v - v * w) < 1e-7)
    True
    """
    if X is None:
        raise ValueError("The mandatory initial matrix X cannot be None")
    if len(X.shape) != 2:
        raise ValueError("expected rank-2 array for argument X")
    if not np.issubdtype(X.dtype, np.inexact):
        warnings.warn(f"X has dtype {X.dtype}, and is taken as float32", KrylaneWarning, stacklevel=2)
        X = np.asarray(X, dtype=np.float32)
    if Y is not None and len(Y.shape) != 2:
        warnings.warn(f"Y has {len(Y.shape)} dimensions, not 2, and is left out", KrylaneWarning, stacklevel=2)
        Y = None
    n, k = X.shape
    steps = 20 if maxiter is None else int(maxiter)
    free = n - (0 if Y is None else Y.shape[1])
    if verbosityLevel:
        kind = "standard" if B is None else "generalized"
        print(f"Solving {kind} eigenvalue problem with{'out' if M is None else ''} preconditioning")
        print(f"order {n}, block of {k}, {n - free} constraints")
    a = _Blocks(A, n, "A")
    b, m = (None if f is None else _Blocks(f, n, name) for f, name in ((B, "B"), (M, "M")))
    single = X.dtype.char in "fF"
    if tol is None or tol <= 0:
        tol = n * float(np.sqrt(np.finfo(X.dtype).eps))
    y = None if Y is None else _Complement(_double(Y), b)
    x = _double(X)
    x = x if y is None else y.project(x)
    x = x @ _orthonormal(x, x if b is None else b(x), "initial approximations")
    image = a(x)
    gram = x.conj().T @ image
    if verbosityLevel:
        _tell_asymmetry(gram)
    parts = (x, image, *((b(x),) if b else ()), *((y.q,) if y else ()))
    z = any(np.iscomplexobj(v) and v.imag.any() for v in parts)
    if not z:
        # A complex dtype with zero imaginary parts is not a complex problem.
        x, gram = x.real, gram.real
    order, block = (2 * n, 2 * k) if z else (n, k)
    if free < 5 * k:
        warnings.warn(
            f"The problem size {n} minus the constraints size {n - free} is too small relative to the block size {k}: "
            "a dense method finds all pairs, and there is no history",
            KrylaneWarning,
            stacklevel=2,
        )
    if 3 * (block + min(max(block // 4, 2), 8)) > order - (n - free) or free < 5 * k:
        w, v = _dense(a, b, y, k, largest)
        values, residuals, taken = [w], [], 0
    else:
        ritz = np.linalg.eigvalsh(0.5 * (gram + gram.conj().T))
        size = float(np.abs(ritz).max()) or 1.0
        found = _search(a, b, m, y, x, (k, z, largest, steps, tol), ritz, size)
        v, values, residuals, taken = found
    w, v, norms = _verified(a, b, v, largest)
    v = v if z else v.real
    out = X.dtype if z == np.iscomplexobj(X) else np.result_type(X.dtype, np.complex64)
    if norms.max(initial=0.0) > tol:
        warnings.warn(
            f"Exited at iteration {taken} with accuracies \n{norms}\nnot reaching the requested tolerance {tol}.",
            KrylaneWarning,
            stacklevel=2,
        )
    if verbosityLevel:
        print(f"{taken} steps; eigenvalues {w}, residuals {norms}")
    w, v = w.astype(np.float32 if single else np.float64), v.astype(out)
    result: tuple = (w, v)
    # As in SciPy: the steps, the last one, its check, and the returned values.
    if retLambdaHistory:
        result += ([*values, w, w, w],)
    if retResidualNormsHistory:
        result += ([*residuals, norms, norms, norms],)
    return result


def _search(a: _Blocks, b: Any, m: Any, y: Any, x: np.ndarray, wanted: tuple, ritz: np.ndarray, size: float) -> tuple:
    """Vectors, histories, and the number of steps; restarts from the result while residuals are above the bound."""
    k, z, largest, steps, tol = wanted
    action = None if y is None else y.action(a, ritz[0] - size if largest else ritz[-1] + size)
    inverse = None
    if m is not None:
        inverse = _core_operand(m, None if y is None else y.preconditioner(m, 1 / size), z)
    operand = _core_operand(a, action, z)
    mass = b
    if b is not None:
        mass = entries(_operator(b, b.column, z, b) if b.stored is None else b.stored if z else b.stored.real)
    values: list[np.ndarray] = []
    residuals: list[np.ndarray] = []
    taken, share = 0, min(tol / size, 0.1)
    v = x
    for _ in range(4):
        words = {"k": k, "which": "LA" if largest else "SA", "method": "lobpcg", "tol": max(share, 1e-14)}
        words |= {"start": _real_form(v) if z else v.T, "max_iterations": steps - taken + 1}
        if inverse is None:
            words["preconditioner"] = "none"
        pairs = Pairs(problem(operand, mass, words, "symmetric", m=inverse, as_complex=z, probe=False))
        if pairs.outcome["reason"] == "NotSymmetric":
            # Taken as symmetric, as stated by the caller.
            operand = _operator(a, action or a.column, z)
            continue
        taken += max(pairs.outcome["iterations"] - 1, 0)
        # In the real form every pair occurs twice.
        history = pairs.estimates[:, :: 2 if z else 1]
        values.extend(history[..., 0])
        residuals.extend(history[..., 1])
        if pairs.vectors.shape[1] < k:
            break
        v = pairs.vectors
        _, _, norms = _verified(a, b, v, largest)
        if norms.max() <= tol or taken >= steps:
            break
        # The norm of A is known now.
        share = min(0.5 * share, tol / pairs.outcome["matrix_norm"] if pairs.outcome["matrix_norm"] > 0 else share)
    return v, values, residuals, taken


def _real_form(v: np.ndarray) -> np.ndarray:
    """Rows for x and for i x, whose span in the real form is that of the complex vectors."""
    v = np.ascontiguousarray(v.T, dtype=np.complex128)
    return np.concatenate([v, 1j * v]).view(np.float64)


def _verified(a: _Blocks, b: Any, v: np.ndarray, largest: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rayleigh's quotients within the span of v, the vectors, and ``|A v - w B v|`` in f64 from the user's own A."""
    bv = v if b is None else b(v)
    factor = _orthonormal(v, bv, "eigenvectors")
    v, bv = v @ factor, bv @ factor
    av = a(v)
    gram = v.conj().T @ av
    w, turn = np.linalg.eigh(0.5 * (gram + gram.conj().T))
    if largest:
        w, turn = w[::-1], turn[:, ::-1]
    return w, v @ turn, np.linalg.norm(av @ turn - (bv @ turn) * w, axis=0)
