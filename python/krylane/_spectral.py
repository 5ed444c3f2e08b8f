"""SciPy's eigs, eigsh and svds by krylane."""

from __future__ import annotations

import json
import math
import numbers
import warnings
from typing import Any, Callable

import numpy as np
from scipy.sparse.linalg import svds as _svds_of_scipy

from . import _convert, _core
from ._convert import dtype_of, is_operator
from ._eigen import _found, problem

#: Up to this order all pairs are computed and the wanted ones taken: the basis is complete and costs nothing.
COMPLETE = 100


def _entries(a: Any) -> Any:
    """Stored entries; of an operator of small order by as many products."""
    if not is_operator(a):
        return _convert.rows_of(a)
    n = a.shape[1]
    if n > 20 * COMPLETE:
        raise NotImplementedError(
            f"krylane's eigenvalues of operators stop at order {20 * COMPLETE}, this one has {n}; give it stored entries"
        )
    dtype = np.complex128 if dtype_of(a).kind == "c" else np.float64
    eye = np.eye(n, dtype=dtype)
    columns = [np.asarray(a.matvec(eye[:, j])).reshape(-1) for j in range(n)]
    return _convert.rows_of(np.stack(columns, axis=1).astype(dtype))


def _from_real_form(w: np.ndarray, v: np.ndarray, a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a complex matrix from those of its real form, which has their conjugates too.

    (p, q) of the real form is p + i q of the complex one, zero for a conjugate's vector. Equal values come twice; of
    each group as many independent vectors are taken as it has.
    """
    z = v[0::2] + 1j * v[1::2]
    size = np.linalg.norm(z, axis=0)
    keep = size > 1e-6 * np.linalg.norm(v, axis=0)
    w, z = w[keep], z[:, keep] / size[keep]
    bz = z if b is None else b @ z
    scale = max(np.abs(w).max(initial=0.0), np.finfo(float).tiny)
    right = np.linalg.norm(a @ z - bz * w, axis=0) <= 1e-6 * scale * np.linalg.norm(bz, axis=0) + 1e-280
    w, z = w[right], z[:, right]
    values, vectors, done = [], [], np.zeros(len(w), dtype=bool)
    for j in range(len(w)):
        if done[j]:
            continue
        group = np.flatnonzero(~done & (np.abs(w - w[j]) <= 1e-7 * scale))
        done[group] = True
        basis: list[np.ndarray] = []
        for g in group:
            r = z[:, g]
            for q in basis * 2:
                r = r - q * np.vdot(q, r)
            length = np.linalg.norm(r)
            if length > 1e-4:
                basis.append(r / length)
        image = np.stack(basis, axis=1)
        small_a = image.conj().T @ (a @ image)
        small_b = None if b is None else image.conj().T @ (b @ image)
        from scipy.linalg import eig

        theta, s = eig(small_a, small_b)
        part = image @ s
        values.extend(theta)
        vectors.extend(part.T / np.linalg.norm(part, axis=0)[:, None])
    return np.array(values), np.array(vectors).T


def _transformed(w: np.ndarray, sigma: Any, mode: str, part: str | None) -> np.ndarray:
    if sigma is None:
        return w
    with np.errstate(divide="ignore", invalid="ignore"):
        if mode == "buckling":
            return w / (w - sigma)
        if mode == "cayley":
            return (w + sigma) / (w - sigma)
        if part == "r":
            return 0.5 * (1 / (w - sigma) + 1 / (w - np.conj(sigma)))
        if part == "i":
            return -0.5j * (1 / (w - sigma) - 1 / (w - np.conj(sigma)))
        return 1 / (w - sigma)


def _choose(nu: np.ndarray, k: int, which: str, real: bool) -> np.ndarray:
    """Places of the k wanted values."""
    part = {
        "M": np.abs(nu),
        "A": nu.real,
        "R": nu.real,
        "I": np.abs(nu.imag) if real else nu.imag,
        "E": nu.real,
    }[which[1]]
    # Values that differ by rounding are equal, so that conjugates stay together.
    scale = np.abs(part[np.isfinite(part)]).max(initial=0.0)
    key = np.round(part / scale, 11) if scale > 0 else part
    order = np.lexsort((-nu.imag, key)) if which[0] == "S" else np.lexsort((-nu.imag, -key))
    if which == "BE":
        order = np.argsort(part, kind="stable")
        high = k - k // 2
        return np.concatenate((order[: k // 2], order[len(order) - high :]))
    return order[:k]


def _no_convergence(outcome: dict, w: np.ndarray, v: np.ndarray, good: np.ndarray, k: int) -> Exception:
    from scipy.sparse.linalg import ArpackNoConvergence

    text = f"No convergence ({outcome['iterations']} iterations, {int(good.sum())}/{k} eigenvectors converged)"
    return ArpackNoConvergence(text, w[good], v[:, good])


def _pairs(
    A: Any,
    k: int,
    M: Any,
    sigma: Any,
    which: str,
    v0: Any,
    ncv: Any,
    maxiter: Any,
    tol: float,
    mode: str,
    part: str | None,
    symmetric: bool,
    seed: int,
    inverse: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The wanted pairs, the most wanted first."""
    n = int(A.shape[0])
    complex_ = dtype_of(A).kind == "c" or (M is not None and dtype_of(M).kind == "c")
    if np.iscomplexobj(sigma) and not complex_:
        # The shifted problem is complex; the pairs are those of A all the same.
        sigma_complex = True
    else:
        sigma_complex = False
    real = not complex_
    plain = real and not sigma_complex and mode == "normal"
    b = None if M is None else _entries(M)
    small = n <= COMPLETE and not (plain and (maxiter is not None or ncv is not None))
    a = _entries(A) if small or not is_operator(A) else A
    if small:
        order = 2 * n if complex_ else n
        words: dict[str, Any] = {"k": order, "tol": 1e-12, "seed": seed, "backend": "cpu"}
        core = _convert.matrix(a, as_complex=complex_)
        mass = None if b is None else _convert.matrix(b, as_complex=complex_, name="M")
        w, v, _, _, outcome = _found(_core.eigs(core, words, mass))
        if complex_:
            w, v = _from_real_form(w, v, a, b)
        if symmetric:
            w = w.real
        elif real:
            w = w.astype(np.complex128)
        chosen = _choose(_transformed(w, sigma, mode, part), k, which, real)
        if len(chosen) < k:
            raise _no_convergence(outcome, w, v, np.ones(len(w), dtype=bool), k)
        return w[chosen], v[:, chosen]
    if mode != "normal" or part == "i":
        raise NotImplementedError(
            f"krylane's {'eigsh' if symmetric else 'eigs'} has the mode 'normal' and the part 'r' beyond order {COMPLETE}"
        )
    if which == "BE":
        high = k - k // 2
        top = _pairs(A, high, M, sigma, "LA", v0, ncv, maxiter, tol, mode, part, symmetric, seed, inverse)
        if k // 2 == 0:
            return top
        low = _pairs(A, k // 2, M, sigma, "SA", v0, ncv, maxiter, tol, mode, part, symmetric, seed, inverse)
        return np.concatenate((low[0], top[0])), np.hstack((low[1], top[1]))
    names = {"LR": "LA", "SR": "SA"} if symmetric else {"LA": "LR", "SA": "SR"}
    words = {"k": k, "which": names.get(which, which), "sigma": sigma, "seed": seed}
    words["tol"] = max(float(tol), 1e-13)
    if v0 is not None:
        v0 = np.ascontiguousarray(v0, dtype=np.complex128 if complex_ else np.float64).reshape(-1)
        words["start"] = v0.view(np.float64)
    if ncv is not None:
        words["subspace"] = max(int(ncv), min(n, k + 3))
    if maxiter is not None:
        columns = int(ncv) if ncv is not None else min(n, max(2 * k + 1, 20))
        words["max_iterations"] = columns + (int(maxiter) - 1) * max(columns - k, 1)
    words = {key: x for key, x in words.items() if x is not None}
    word = "symmetric" if symmetric else "general"
    w, v, residuals, bounds, outcome = _found(problem(A if is_operator(A) else a, b, words, word, inverse))
    if outcome["reason"] not in ("Converged", "AttainableAccuracy"):
        raise _no_convergence(outcome, w, v, residuals <= bounds, k)
    if not symmetric:
        w = w.astype(np.complex128)
    return w[:k], v[:, :k]


def _seed(rng: Any) -> int:
    """A seed from what SciPy takes as a generator."""
    if rng is None:
        return 1
    if isinstance(rng, (numbers.Integral, np.integer)):
        return int(rng)
    return int(rng.integers(1, 2**31)) if hasattr(rng, "integers") else int(rng.randint(1, 2**31 - 1))


def _square(A: Any, M: Any) -> tuple[Any, Any]:
    if not hasattr(A, "shape"):
        A = np.asarray(A)
    if M is not None and not hasattr(M, "shape"):
        M = np.asarray(M)
    if len(A.shape) != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"expected square matrix (shape={A.shape})")
    if M is not None:
        if tuple(M.shape) != tuple(A.shape):
            raise ValueError(f"wrong M dimensions {M.shape}, should be {A.shape}")
        if np.dtype(M.dtype).char.lower() != np.dtype(A.dtype).char.lower():
            warnings.warn("M does not have the same type precision as A.", stacklevel=3)
    return A, M


def _dense(name: str, A: Any, M: Any, vectors: bool) -> Any:
    """All pairs or nearly all: LAPACK's, as in SciPy."""
    import scipy.linalg
    import scipy.sparse

    text = f"k is near the order of the matrix; scipy.linalg.{name} finds all pairs"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
    if scipy.sparse.issparse(A) or is_operator(A) or (M is not None and is_operator(M)):
        raise TypeError(f"Cannot use scipy.linalg.{name} for sparse matrices or operators; use its toarray(), or reduce k")
    if name == "eigh":
        return scipy.linalg.eigh(A, b=M, eigvals_only=not vectors)
    return scipy.linalg.eig(A, b=M, right=vectors)


def _check(A: Any, M: Any, sigma: Any, which: str, known: tuple, Minv: Any, OPinv: Any, ncv: Any, k: int) -> None:
    if which not in known:
        raise ValueError(f"which={which!r}: must be one of {' '.join(known)}")
    if sigma is None and OPinv is not None:
        raise ValueError("OPinv should not be specified with sigma = None.")
    if M is None and Minv is not None:
        raise ValueError("Minv should not be specified with M = None.")
    if sigma is not None and Minv is not None:
        raise ValueError("Minv should not be specified when sigma is specified.")
    if ncv is not None and (ncv > A.shape[0] or ncv <= k):
        raise ValueError(f"ncv must be k<ncv<=n, ncv={ncv}")


def _out(w: np.ndarray, v: np.ndarray, dtype: np.dtype, vectors: bool, symmetric: bool) -> Any:
    single = dtype.char in "fF"
    if symmetric:
        w = w.real.astype(np.float32 if single else np.float64)
        kind = np.dtype(dtype.char if dtype.char in "fdFD" else "d")
        v = v.astype(kind) if kind.kind == "c" or not np.iscomplexobj(v) else v.real.astype(kind)
    else:
        kind = np.complex64 if single else np.complex128
        w, v = w.astype(kind), v.astype(kind)
    return (w, v) if vectors else w


def eigsh(
    A,
    k=6,
    M=None,
    sigma=None,
    which="LM",
    v0=None,
    ncv=None,
    maxiter=None,
    tol=0,
    return_eigenvectors=True,
    Minv=None,
    OPinv=None,
    mode="normal",
    rng=None,
):
    """k eigenpairs of a symmetric or Hermitian A, as `scipy.sparse.linalg.eigsh`, each verified in f64.

    Parameters and returns are SciPy's; up to order 100 all pairs are computed and the wanted ones taken.
    """
    A, M = _square(A, M)
    if dtype_of(A).kind == "c":
        if mode != "normal":
            raise ValueError(f"mode={mode} cannot be used with complex matrix A")
        if which == "BE":
            raise ValueError("which='BE' cannot be used with complex matrix A")
    n = A.shape[0]
    if k <= 0:
        raise ValueError("k must be greater than 0.")
    if k >= n:
        return _dense("eigh", A, M, return_eigenvectors)
    if mode not in ("normal", "buckling", "cayley"):
        raise ValueError(f"unrecognized mode '{mode}'")
    _check(A, M, sigma, which, ("LM", "SM", "LA", "SA", "BE"), Minv, OPinv, ncv, k)
    w, v = _pairs(A, int(k), M, sigma, which, v0, ncv, maxiter, tol, mode, None, True, _seed(rng), OPinv)
    order = np.argsort(w.real, kind="stable")
    return _out(w[order], v[:, order], dtype_of(A), return_eigenvectors, True)


def eigs(
    A,
    k=6,
    M=None,
    sigma=None,
    which="LM",
    v0=None,
    ncv=None,
    maxiter=None,
    tol=0,
    return_eigenvectors=True,
    Minv=None,
    OPinv=None,
    OPpart=None,
    rng=None,
):
    """k eigenpairs of any square A, as `scipy.sparse.linalg.eigs`, each verified in f64.

    Parameters and returns are SciPy's; up to order 100 all pairs are computed and the wanted ones taken.
    """
    A, M = _square(A, M)
    n = A.shape[0]
    if k <= 0:
        raise ValueError(f"k={k} must be greater than 0.")
    if k >= n - 1:
        return _dense("eig", A, M, return_eigenvectors)
    _check(A, M, sigma, which, ("LM", "SM", "LR", "SR", "LI", "SI"), Minv, OPinv, ncv, k)
    part = None if OPpart is None else str(OPpart).lower()[0]
    if part not in (None, "r", "i"):
        raise ValueError("OPpart must be one of ('r','i')")
    if dtype_of(A).kind == "c":
        part = None
    elif sigma is not None and part is None:
        part = "r"
    w, v = _pairs(A, int(k), M, sigma, which, v0, ncv, maxiter, tol, "normal", part, False, _seed(rng), OPinv)
    return _out(w, v, dtype_of(A), return_eigenvectors, False)


def _svds_checked(A, k, ncv, tol, which, v0, maxiter, vectors, solver, rng):
    """SciPy's checks of svds, with its messages."""
    from scipy.sparse.linalg import aslinearoperator

    solver = str(solver).lower()
    solvers = {"arpack", "lobpcg", "propack"}
    if solver not in solvers:
        raise ValueError(f"solver must be one of {solvers}.")
    A = aslinearoperator(A)
    if not np.issubdtype(A.dtype, np.number):
        raise ValueError("`A` must be of numeric data type.")
    if math.prod(A.shape) == 0:
        raise ValueError("`A` must not be empty.")
    most = min(A.shape) if solver == "propack" else min(A.shape) - 1
    if int(k) != k or not 0 < k <= most:
        raise ValueError("`k` must be an integer satisfying `0 < k < min(A.shape)`.")
    if solver == "arpack" and ncv is not None and (int(ncv) != ncv or not k < ncv < min(A.shape)):
        raise ValueError("`ncv` must be an integer satisfying `k < ncv < min(A.shape)`.")
    if tol < 0 or not np.isfinite(tol):
        raise ValueError("`tol` must be a non-negative floating point value.")
    which = str(which).upper()
    whichs = {"LM", "SM"}
    if which not in whichs:
        raise ValueError(f"`which` must be in {whichs}.")
    if v0 is not None:
        v0 = np.atleast_1d(v0)
        if v0.dtype.kind not in "fc":
            raise ValueError("`v0` must be of floating or complex floating data type.")
        shape = (A.shape[0],) if solver == "propack" else (min(A.shape),)
        if v0.shape != shape:
            raise ValueError(f"`v0` must have shape {shape}.")
    if maxiter is not None and (int(maxiter) != maxiter or maxiter <= 0):
        raise ValueError("`maxiter` must be a positive integer.")
    choices = {True, False, "vh", "u"}
    if vectors not in choices:
        raise ValueError(f"`return_singular_vectors` must be in {choices}.")
    known = (numbers.Integral, np.integer, np.random.RandomState, np.random.Generator)
    if rng is not None and not isinstance(rng, known):
        raise ValueError(
            f"'{rng}' is neither a NumPy Generator nor an integer seed to instantiate one. For future-proofing, prefer "
            "using a NumPy Generator."
        )
    return A, int(k), which


def svds(
    A,
    k=6,
    ncv=None,
    tol=0,
    which="LM",
    v0=None,
    maxiter=None,
    return_singular_vectors=True,
    solver="arpack",
    rng=None,
    options=None,
    *,
    random_state=None,
):
    """k singular triplets, as `scipy.sparse.linalg.svds`, in ascending order.

    Parameters and returns are SciPy's. The solvers "arpack" and "propack" are krylane's bidiagonalisation; "lobpcg" is
    SciPy's own.
    """
    from scipy.linalg import svd

    rng = random_state if rng is None else rng
    if str(solver).lower() == "lobpcg":
        return _svds_of_scipy(
            A,
            k,
            ncv=ncv,
            tol=tol,
            which=which,
            v0=v0,
            maxiter=maxiter,
            return_singular_vectors=return_singular_vectors,
            solver=solver,
            rng=rng,
            options=options,
        )
    given = A
    A, k, which = _svds_checked(A, k, ncv, tol, which, v0, maxiter, return_singular_vectors, solver, rng)
    complex_ = A.dtype.kind == "c"
    a = _entries(A if is_operator(given) else given)
    rows, cols = a.shape
    words: dict[str, Any] = {"which": which, "seed": _seed(rng), "tol": max(float(tol), 1e-12)}
    words["k"] = min(2 * k, 2 * min(a.shape)) if complex_ else k
    if ncv is not None:
        words["subspace"] = int(ncv)
    if v0 is not None and not complex_ and len(v0) == min(a.shape):
        words["start"] = np.ascontiguousarray(np.real(v0), dtype=np.float64)
    if maxiter is not None:
        words["max_iterations"] = int(maxiter) * max(int(ncv or 0), 2 * k + 1, 20)
    s, left, right, residuals, text = _core.svds(_convert.matrix(a, as_complex=complex_), words)
    outcome = json.loads(text)
    if outcome["reason"] not in ("Converged", "AttainableAccuracy"):
        none = np.zeros((min(a.shape), 0))
        raise _no_convergence(outcome, np.zeros(0), none, np.zeros(0, dtype=bool), k)
    tall = rows >= cols
    basis = (right if tall else left).T
    if complex_:
        basis = _independent(basis[0::2] + 1j * basis[1::2], k)
    basis, _ = np.linalg.qr(basis)
    single = A.dtype.char in "fF"
    kind = {(False, True): "f", (False, False): "d", (True, True): "F", (True, False): "D"}[(complex_, single)]
    image = a @ basis if tall else a.conj().T @ basis
    if not return_singular_vectors:
        return svd(image, compute_uv=False)[::-1].astype(kind.lower())
    u, s, vh = svd(image, full_matrices=False)
    u, s, vh = u[:, ::-1], s[::-1].astype(kind.lower()), vh[::-1]
    if tall:
        u, vh = u, vh @ basis.conj().T
    else:
        u, vh = basis @ vh.conj().T, u.conj().T
    want_u, want_v = return_singular_vectors in (True, "u"), return_singular_vectors in (True, "vh")
    return (u.astype(kind) if want_u else None), s, (vh.astype(kind) if want_v else None)


def _independent(vectors: np.ndarray, k: int) -> np.ndarray:
    """The first k independent columns: every complex vector comes twice from a real form, once times i."""
    basis: list[np.ndarray] = []
    for v in vectors.T:
        r = v
        for q in basis * 2:
            r = r - q * np.vdot(q, r)
        length = np.linalg.norm(r)
        if length > 1e-6:
            basis.append(r / length)
        if len(basis) == k:
            break
    return np.stack(basis, axis=1)


def available() -> dict[str, Callable]:
    """The functions of this module."""
    return {f.__name__: f for f in (eigs, eigsh, svds)}
