"""Conversion of Python matrices, operators and vectors to krylane's. The user's objects are not modified."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
import scipy.sparse as sp

from . import _core
from .errors import InputError

# Kinds of NumPy dtypes that are numbers: bool, int, unsigned, float, complex.
_NUMBERS = "biufc"


def is_operator(a: Any) -> bool:
    """True for an operator: an object that only offers its product."""
    return not sp.issparse(a) and not isinstance(a, np.ndarray) and hasattr(a, "shape") and hasattr(a, "matvec")


def dtype_of(a: Any) -> np.dtype:
    """The dtype of a matrix or operator; float64 for an operator without one."""
    dtype = getattr(a, "dtype", None)
    return np.dtype(np.float64 if dtype is None else dtype)


def is_complex(a: Any) -> bool:
    """True if the dtype is complex."""
    return dtype_of(a).kind == "c"


def rows_of(a: Any, name: str = "A") -> Any:
    """The matrix in compressed rows with float64 or complex128 values, or the operator itself.

    Raises
    ------
    InputError
        If `a` does not have two dimensions or does not hold numbers.
    """
    if is_operator(a):
        return a
    if not sp.issparse(a):
        a = np.asarray(a)
        if a.ndim != 2:
            raise InputError(f"{name} has {a.ndim} dimensions; a matrix has 2")
        if a.dtype.kind not in _NUMBERS:
            raise InputError(f"{name} has dtype {a.dtype}; it must hold numbers")
    elif len(a.shape) != 2:
        raise InputError(f"{name} has {len(a.shape)} dimensions; a matrix has 2")
    elif a.dtype.kind not in _NUMBERS:
        raise InputError(f"{name} has dtype {a.dtype}; it must hold numbers")
    kind = np.complex128 if a.dtype.kind == "c" else np.float64
    if a.dtype != kind:
        a = a.astype(kind)
    return a if sp.issparse(a) and a.format == "csr" else sp.csr_array(a)


def matrix(a: Any, *, as_complex: bool = False, name: str = "A", lend: bool = False) -> _core.Matrix:
    """A krylane matrix of the stored entries; with `as_complex` in the equivalent real form of twice the order.

    With `lend`, compressed rows in float64 with int32 indices are not copied, and must stay unchanged meanwhile.
    """
    a = rows_of(a, name)
    rows, cols = a.shape
    data = a.data
    if as_complex:
        data = np.ascontiguousarray(data, dtype=np.complex128).view(np.float64)
    elif data.dtype.kind == "c":
        raise InputError(f"{name} is complex where a real matrix is wanted")
    indptr, indices = np.ascontiguousarray(a.indptr), np.ascontiguousarray(a.indices)
    return _core.Matrix.csr(rows, cols, indptr, indices, np.ascontiguousarray(data), as_complex, lend)


def _real(f: Callable, name: str) -> Callable[[np.ndarray], np.ndarray]:
    def call(x: np.ndarray) -> np.ndarray:
        y = np.asarray(f(x))
        if y.dtype.kind == "c":
            raise InputError(f"{name} returns complex numbers; give it a complex dtype")
        return np.ascontiguousarray(y, dtype=np.float64).reshape(-1)

    return call


def _interleaved(f: Callable) -> Callable[[np.ndarray], np.ndarray]:
    def call(x: np.ndarray) -> np.ndarray:
        y = np.ascontiguousarray(f(x.view(np.complex128)), dtype=np.complex128)
        return y.reshape(-1).view(np.float64)

    return call


def operator(
    a: Any,
    *,
    as_complex: bool = False,
    structure: str = "general",
    probe: bool = True,
    transposed: bool = False,
    name: str = "A",
    lend: bool = False,
) -> _core.Matrix:
    """A `LinearOperator`, or anything with `shape` and `matvec`, as krylane's operator.

    With `transposed` its `rmatvec` is included. Complex operators become real ones of twice the order.
    """
    rows, cols = (int(n) for n in a.shape)
    wrap = _interleaved if as_complex else (lambda f: _real(f, name))
    back = None
    if structure != "general":
        # A symmetric operator is its own transpose, and so is the real form of a Hermitian one.
        back = wrap(a.matvec)
    elif transposed and hasattr(a, "rmatvec"):
        back = wrap(a.rmatvec)
    unit = 2 if as_complex else 1
    return _core.Matrix.operator(unit * rows, unit * cols, wrap(a.matvec), back, structure, probe)


def any_matrix(a: Any, **words: Any) -> _core.Matrix:
    """`matrix` or `operator`, as `a` is."""
    if is_operator(a):
        return operator(a, **words)
    known = {k: v for k, v in words.items() if k in ("as_complex", "name", "lend")}
    return matrix(a, **known)


def vector(v: Any, n: int, *, as_complex: bool = False, name: str = "b") -> np.ndarray:
    """A vector of n entries as float64; a complex one as pairs of real and imaginary parts."""
    v = np.asarray(v)
    if v.dtype.kind not in _NUMBERS:
        raise InputError(f"{name} has dtype {v.dtype}; it must hold numbers")
    if v.shape not in ((n,), (n, 1)):
        raise InputError(f"{name} has shape {v.shape}; the matrix asks for ({n},) or ({n}, 1)")
    if as_complex:
        return np.ascontiguousarray(v, dtype=np.complex128).reshape(-1).view(np.float64)
    if v.dtype.kind == "c":
        raise InputError(f"{name} is complex where a real vector is wanted")
    return np.ascontiguousarray(v, dtype=np.float64).reshape(-1)


def back(x: np.ndarray, as_complex: bool, dtype: Any = None) -> np.ndarray:
    """Converts a result of `vector` back to the user's number type."""
    if as_complex:
        x = x.view(np.complex128)
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)
