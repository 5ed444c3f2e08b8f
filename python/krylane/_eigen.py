"""The package's own interface to eigenpairs and singular triplets."""

from __future__ import annotations

import json
from typing import Any, Callable

import numpy as np

from . import _convert, _core
from ._options import EigenOptions, checked
from ._result import EigenResult, SvdResult
from .errors import Interrupted


def _complex_vectors(im: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Columns, from rows in which the real and the imaginary part of a complex pair follow one another."""
    vectors = rows.T.astype(np.complex128)
    for j in np.flatnonzero(im > 0):
        vectors[:, j], vectors[:, j + 1] = rows[j] + 1j * rows[j + 1], rows[j] - 1j * rows[j + 1]
    return vectors


def columns(rows: np.ndarray, real_form: bool) -> np.ndarray:
    """Vectors as columns, from rows; with `real_form` from pairs of real and imaginary parts."""
    rows = np.ascontiguousarray(rows)
    return np.ascontiguousarray((rows.view(np.complex128) if real_form else rows).T)


class Pairs:
    """The library's results: values, vectors as columns, residuals and bounds, the steps of lobpcg, the outcome."""

    def __init__(self, found: dict[str, Any]) -> None:
        re, im, rows = found["re"], found["im"], found["vectors"]
        self.residuals, self.bounds = found["residuals"], found["bounds"]
        self.outcome: dict[str, Any] = json.loads(found["outcome"])
        steps = found["estimates"]
        self.estimates = steps.reshape(len(steps), steps.shape[1] // 2, 2)
        if found["complex"]:
            self.values, self.vectors = re + 1j * im, columns(rows, True)
        elif np.any(im):
            self.values, self.vectors = re + 1j * im, _complex_vectors(im, rows)
        else:
            self.values, self.vectors = re, columns(rows, False)
        hand_on(found, lambda: EigenResult(self.values, self.vectors, self.residuals, self.outcome))


def hand_on(found: dict[str, Any], result: Callable[[], Any]) -> None:
    """Raises the exception of a callable or of Ctrl-C, if there was one; the latter with the results so far."""
    error = found["error"]
    if isinstance(error, KeyboardInterrupt):
        raise Interrupted(result()) from error
    if error is not None:
        raise error


def eigs(A: Any, k: int = 6, *, B: Any = None, **options: Any) -> EigenResult:
    """k eigenpairs A v = w v, or A v = w B v, each verified in f64.

    Parameters
    ----------
    A : sparse array or matrix, array_like, LinearOperator
        (n, n), real or complex.
    k : int
        Number of pairs; one more if k would split a complex pair.
    B : sparse array or matrix, array_like, optional
        Symmetric positive definite for a symmetric problem.
    **options
        which : {"LM", "SM", "LA", "SA", "LR", "SR", "LI", "SI"}
            Largest or smallest modulus, algebraic value (A symmetric), real part, imaginary part.
        sigma : float or complex
            A shift: pairs near it.
        tol : float
            Bound on ``|A v - w B v| / |A|``; 1e-10.
        start : array_like
            (n,) or (n, m): where to start.
        method, preconditioner, subspace, seed, max_iterations, time_limit, backend, precision, threads
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
        words["start"] = np.atleast_2d(np.asarray(words["start"], dtype=np.float64).T)
    pairs = Pairs(problem(A, B, words))
    return EigenResult(pairs.values, pairs.vectors, pairs.residuals, pairs.outcome)


def problem(
    A: Any,
    B: Any,
    words: dict[str, Any],
    structure: str = "general",
    *,
    inverse: Any = None,
    m: Any = None,
    as_complex: bool = False,
    probe: bool = True,
) -> dict[str, Any]:
    """The library's results; complex problems in their real form, a complex shift as two numbers.

    `inverse` is that of A - sigma B, `m` a preconditioner near the inverse of A. Without `probe` the `structure` stated
    for an operator A is trusted.
    """
    as_complex = as_complex or any(_convert.is_complex(f) for f in (A, B) if f is not None)
    words = {**words, "complex": True} if as_complex else dict(words)
    if np.iscomplexobj(words.get("sigma", 0.0)):
        sigma = complex(words["sigma"])
        words.update(sigma=sigma.real, sigma_im=sigma.imag)
    a = _convert.any_matrix(A, as_complex=as_complex, structure=structure, transposed=True, probe=probe)
    mass = None if B is None else _convert.matrix(B, as_complex=as_complex, name="B")
    known = {"as_complex": as_complex, "structure": structure, "probe": False}
    solve, near = (None if f is None else _convert.any_matrix(f, **known) for f in (inverse, m))
    return _core.eigs(a, words, mass, solve, near)


def svds(A: Any, k: int = 6, **options: Any) -> SvdResult:
    """The k largest (``which="LM"``) or smallest ("SM") singular values of A with their vectors.

    Parameters
    ----------
    A : sparse array or matrix, array_like, LinearOperator with rmatvec
        (m, n), real or complex.
    k : int
        Number of singular triplets.
    **options
        which, tol, subspace, start, seed, max_iterations, time_limit, backend, precision, threads, as for `eigs`.

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
    z = _convert.is_complex(A)
    if "start" in words:
        start = np.asarray(words["start"], dtype=np.complex128 if z else np.float64).T
        words["start"] = np.ascontiguousarray(np.atleast_2d(start)).view(np.float64)
    found = _core.svds(_convert.any_matrix(A, as_complex=z, transposed=True), {**words, "complex": z})
    left, right = (columns(found[side], z) for side in ("left", "right"))
    result = SvdResult(found["values"], left, right, found["residuals"], json.loads(found["outcome"]))
    hand_on(found, lambda: result)
    return result
