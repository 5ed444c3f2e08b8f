"""The package's own interface to eigenpairs and singular triplets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from . import _convert, _core
from ._options import EigenOptions, checked
from ._result import EigenResult, SvdResult

def _complex_vectors(im: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Columns, from rows that hold the real and the imaginary part of a complex pair one after the other."""
    vectors = rows.T.astype(np.complex128)
    j = 0
    while j < len(im):
        if im[j] != 0 and j + 1 < len(im):
            re, part = rows[j], rows[j + 1]
            vectors[:, j], vectors[:, j + 1] = re + 1j * part, re - 1j * part
            j += 2
        else:
            j += 1
    return vectors


def _found(out: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
    """Values, vectors as columns, residuals and their bounds, the outcome."""
    re, im, rows, residuals, bounds, real_form, text = out
    outcome = json.loads(text)
    if real_form:
        vectors = (rows[:, 0::2] + 1j * rows[:, 1::2]).T
        return re + 1j * im, np.ascontiguousarray(vectors), residuals, bounds, outcome
    if np.any(im):
        return re + 1j * im, _complex_vectors(im, rows), residuals, bounds, outcome
    return re, np.ascontiguousarray(rows.T), residuals, bounds, outcome


def eigs(A: Any, k: int = 6, *, B: Any = None, **options: Any) -> EigenResult:
    """k eigenpairs A v = w v, or A v = w B v, each verified in f64.

    Parameters
    ----------
    A : sparse array or matrix, array_like, LinearOperator
        (n, n), real or complex.
    k : int
        How many pairs; one more where k would cut a complex pair.
    B : sparse array or matrix, array_like, optional
        Symmetric positive definite for a symmetric problem.
    **options
        which : {"LM", "SM", "LA", "SA", "LR", "SR", "LI", "SI"}
            Largest or smallest modulus, algebraic value (A symmetric), real part, imaginary part.
        sigma : float or complex
            A shift: pairs near it.
        tol : float
            Bound on ``|A v - w B v| / |A|``; 1e-10.
        method, preconditioner, subspace, start, seed, max_iterations, time_limit, backend, precision, threads
            As in the library's documentation of `EigenOptions`.

    Returns
    -------
    EigenResult
        Not converging is no exception.

    Examples
    --------
    >>> import krylane
    >>> r = krylane.eigs(krylane.gallery("poisson2d", 20), 3, which="SA")
    >>> r.converged, r.vectors.shape
    (True, (400, 3))
    """
    words = checked({**options, "k": k}, EigenOptions.__annotations__, "eigs")
    if "start" in words:
        words["start"] = np.ascontiguousarray(words["start"], dtype=np.float64)
    w, v, residuals, _, outcome = _found(problem(A, B, words))
    return EigenResult(w, v, residuals, outcome)


def problem(A: Any, B: Any, words: dict[str, Any], structure: str = "general", inverse: Any = None) -> tuple:
    """What the library finds; complex problems in their real form, a complex shift in two numbers."""
    as_complex = any(_convert.is_complex(m) for m in (A, B) if m is not None)
    words = {**words, "complex": True} if as_complex else dict(words)
    if np.iscomplexobj(words.get("sigma")):
        sigma = complex(words["sigma"])
        words.update(sigma=sigma.real, sigma_im=sigma.imag)
    a = _convert.any_matrix(A, as_complex=as_complex, structure=structure, transposed=True)
    mass = None if B is None else _convert.matrix(B, as_complex=as_complex, name="B")
    m = None if inverse is None else _convert.any_matrix(inverse, as_complex=as_complex, structure=structure, probe=False)
    return _core.eigs(a, words, mass, m)


def svds(A: Any, k: int = 6, **options: Any) -> SvdResult:
    """The k largest (``which="LM"``) or smallest ("SM") singular values of a real A with their vectors.

    Parameters
    ----------
    A : sparse array or matrix, array_like, LinearOperator with rmatvec
        (m, n).
    k : int
        How many.
    **options
        which, tol, subspace, seed, max_iterations, time_limit, backend, precision, threads, as for `eigs`.

    Returns
    -------
    SvdResult

    Examples
    --------
    >>> import krylane, numpy as np
    >>> r = krylane.svds(np.diag([3.0, 2.0, 1.0]), 2)
    >>> np.round(r.singular_values, 12).tolist()
    [3.0, 2.0]
    """
    words = checked({**options, "k": k}, EigenOptions.__annotations__, "svds")
    s, left, right, residuals, text = _core.svds(_convert.any_matrix(A, transposed=True), words)
    return SvdResult(s, np.ascontiguousarray(left.T), np.ascontiguousarray(right.T), residuals, json.loads(text))
