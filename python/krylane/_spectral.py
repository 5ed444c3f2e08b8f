"""SciPy's eigs, eigsh and svds by krylane."""

from __future__ import annotations

import json
import math
import numbers
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import svd

from . import _convert, _core
from ._convert import dtype_of, is_operator
from ._eigen import Pairs, columns, hand_on, problem
from ._result import SvdResult
from .errors import KrylaneWarning

#: Up to this order all pairs are computed and the wanted ones taken: the basis is complete and costs nothing.
COMPLETE = 100


#: Columns of an operator computed at once.
CHUNK = 256

#: Entries of operators are found by products up to this order.
MOST = 10_000


def entries(a: Any) -> Any:
    """Stored entries in compressed rows; for an operator, found by as many products as it has columns."""
    if not is_operator(a):
        return _convert.rows_of(a)
    n = a.shape[1]
    if n > MOST:
        raise NotImplementedError(
            f"the entries of this operator of order {n} are needed; give a sparse array (above {MOST})"
        )
    dtype = np.complex128 if dtype_of(a).kind == "c" else np.float64
    parts = []
    for first in range(0, n, CHUNK):
        block = np.eye(n, min(CHUNK, n - first), -first, dtype=dtype)
        if hasattr(a, "matmat"):
            block = np.asarray(a.matmat(block))
        else:
            block = np.stack([np.asarray(a.matvec(v)).reshape(-1) for v in block.T], axis=1)
        parts.append(sp.csr_array(block.astype(dtype)))
    return _convert.rows_of(sp.hstack(parts, format="csr"))


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
    """Indices of the k wanted values."""
    part = {
        "M": np.abs(nu),
        "A": nu.real,
        "R": nu.real,
        "I": np.abs(nu.imag) if real else nu.imag,
        "E": nu.real,
    }[which[1]]
    # Values that differ by rounding count as equal, so that conjugates stay together.
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
        # The shifted problem is complex, but the pairs are still those of A.
        sigma_complex = True
    else:
        sigma_complex = False
    real = not complex_
    plain = real and not sigma_complex and mode == "normal"
    b = None if M is None else entries(M)
    small = n <= COMPLETE and not (plain and (maxiter is not None or ncv is not None))
    a = entries(A) if small or not is_operator(A) else A
    if small:
        words: dict[str, Any] = {"k": n, "tol": 1e-12, "seed": seed, "backend": "cpu"}
        pairs = Pairs(problem(a, b, words))
        w, v = pairs.values, pairs.vectors
        if symmetric:
            w = w.real
        elif real:
            w = w.astype(np.complex128)
        chosen = _choose(_transformed(w, sigma, mode, part), k, which, real)
        if len(chosen) < k:
            raise _no_convergence(pairs.outcome, w, v, np.ones(len(w), dtype=bool), k)
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
        words["start"] = v0.view(np.float64)[None, :]
    if ncv is not None:
        words["subspace"] = max(int(ncv), min(n, k + 3))
    if maxiter is not None:
        columns = int(ncv) if ncv is not None else min(n, max(2 * k + 1, 20))
        words["max_iterations"] = columns + (int(maxiter) - 1) * max(columns - k, 1)
    words = {key: x for key, x in words.items() if x is not None}
    word = "symmetric" if symmetric else "general"
    pairs = Pairs(problem(A if is_operator(A) else a, b, words, word, inverse=inverse))
    w, v = pairs.values, pairs.vectors
    if pairs.outcome["reason"] not in ("Converged", "AttainableAccuracy"):
        raise _no_convergence(pairs.outcome, w, v, pairs.residuals <= pairs.bounds, k)
    if not symmetric:
        w = w.astype(np.complex128)
    return w[:k], v[:, :k]


def _seed(rng: Any) -> int:
    """A seed from anything that SciPy accepts as a generator."""
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
    """All or nearly all pairs, by LAPACK, as in SciPy."""
    import scipy.linalg
    import scipy.sparse

    text = f"k is near the order of the matrix; scipy.linalg.{name} finds all pairs"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
    if scipy.sparse.issparse(A) or is_operator(A) or (M is not None and is_operator(M)):
        raise TypeError(
            f"Cannot use scipy.linalg.{name} for sparse matrices or operators; use its toarray(), or reduce k"
        )
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
        kind = np.dtype(np.complex64 if single else np.complex128)
        w, v = w.astype(kind), v.astype(kind)
    return (w, v) if vectors else w


def eigsh(
    A: Any,
    k: int = 6,
    M: Any = None,
    sigma: complex | None = None,
    which: str = "LM",
    v0: Any = None,
    ncv: int | None = None,
    maxiter: int | None = None,
    tol: float = 0,
    return_eigenvectors: bool = True,
    Minv: Any = None,
    OPinv: Any = None,
    mode: str = "normal",
    rng: Any = None,
) -> Any:
    """k eigenpairs of a symmetric or Hermitian A, as `scipy.sparse.linalg.eigsh`, each verified in f64.

    Parameters and returns are SciPy's; up to order 100 all pairs are computed and the wanted ones taken.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("poisson2d", 20)
    >>> w, v = linalg.eigsh(A, 3, which="SA")
    >>> bool(np.linalg.norm(A @ v - v * w) < 1e-8)
    True
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
    A: Any,
    k: int = 6,
    M: Any = None,
    sigma: complex | None = None,
    which: str = "LM",
    v0: Any = None,
    ncv: int | None = None,
    maxiter: int | None = None,
    tol: float = 0,
    return_eigenvectors: bool = True,
    Minv: Any = None,
    OPinv: Any = None,
    OPpart: str | None = None,
    rng: Any = None,
) -> Any:
    """k eigenpairs of any square A, as `scipy.sparse.linalg.eigs`, each verified in f64.

    Parameters and returns are SciPy's; up to order 100 all pairs are computed and the wanted ones taken.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> w, v = linalg.eigs(A, 3, which="SR")
    >>> bool(np.linalg.norm(A @ v - v * w) < 1e-8)
    True
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
    A: Any,
    k: int = 6,
    ncv: int | None = None,
    tol: float = 0,
    which: str = "LM",
    v0: Any = None,
    maxiter: int | None = None,
    return_singular_vectors: bool | str = True,
    solver: str = "arpack",
    rng: Any = None,
    options: dict[str, Any] | None = None,
    *,
    random_state: Any = None,
) -> Any:
    """k singular triplets, as `scipy.sparse.linalg.svds`, in ascending order.

    Parameters and returns are SciPy's. Whatever `solver` names, krylane's bidiagonalisation finds them.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import linalg
    >>> u, s, vh = linalg.svds(np.diag([3.0, 2.0, 1.0]), 2)
    >>> np.round(s, 12).tolist()
    [2.0, 3.0]
    """
    rng = random_state if rng is None else rng
    given = A
    A, k, which = _svds_checked(A, k, ncv, tol, which, v0, maxiter, return_singular_vectors, solver, rng)
    if str(solver).lower() == "lobpcg" and 5 * k > min(A.shape):
        # As SciPy's, so that programs that expect it find it.
        text = f"The problem size {min(A.shape)} is too small relative to the block size {k}; a dense method is used"
        warnings.warn(text, KrylaneWarning, stacklevel=2)
    complex_ = A.dtype.kind == "c"
    a = entries(A if is_operator(given) else given)
    rows, cols = a.shape
    words: dict[str, Any] = {
        "which": which,
        "seed": _seed(rng),
        "tol": max(float(tol), 1e-12),
        "k": k,
        "complex": complex_,
    }
    if ncv is not None:
        words["subspace"] = int(ncv) * (2 if complex_ else 1)
    if v0 is not None and v0.shape == (min(a.shape),):
        start = np.ascontiguousarray(v0, dtype=a.dtype) if complex_ else np.real(v0).astype(np.float64)
        words["start"] = start.view(np.float64)[None, :]
    if maxiter is not None:
        words["max_iterations"] = int(maxiter) * max(int(ncv or 0), 2 * k + 1, 20)
    found = _core.svds(_convert.matrix(a, as_complex=complex_), words)
    outcome = json.loads(found["outcome"])
    left, right = (columns(found[side], complex_) for side in ("left", "right"))
    hand_on(found, lambda: SvdResult(found["values"], left, right, found["residuals"], outcome))
    tall = rows >= cols
    basis = right if tall else left
    if outcome["reason"] not in ("Converged", "AttainableAccuracy"):
        # As SciPy's, which comes from the eigenvalues of A^H A.
        raise _no_convergence(outcome, found["values"] ** 2, basis, found["residuals"] <= found["bounds"], k)
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
