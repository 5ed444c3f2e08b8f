"""Model problems, files, devices, the tables of names."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import scipy.sparse as sp

from . import _core


def _array(a: Any) -> sp.csr_array:
    indptr, indices, data = a.arrays()
    return sp.csr_array((data, indices, indptr), shape=a.shape)


def gallery(name: str, size: int, **params: float) -> sp.csr_array:
    """A model problem by its name.

    Parameters
    ----------
    name : str
        One of `gallery_names`.
    size : int
        The order, or the points per side of a grid.
    **params : float
        Parameters of that problem.

    Returns
    -------
    scipy.sparse.csr_array
        Complex problems come in their equivalent real form.

    Examples
    --------
    >>> import krylane
    >>> krylane.gallery("poisson2d", 10).shape
    (100, 100)
    """
    return _array(_core.gallery(name, size, [(k, float(v)) for k, v in params.items()]))


def gallery_names() -> dict[str, str]:
    """Names of model problems, and what they are.

    Examples
    --------
    >>> import krylane
    >>> "poisson2d" in krylane.gallery_names()
    True
    """
    return {
        name: about + (f" [{', '.join(f'{k}={v:g}' for k, v in params)}]" if params else "")
        for name, about, params in _core.gallery_list()
    }


def read_matrix(path: str | os.PathLike) -> sp.csr_array:
    """A matrix from a Matrix Market file (``.mtx``, ``.mtx.gz``) or SciPy's ``.npz``, real or complex.

    Raises
    ------
    InputError
        If the file is malformed; the message gives line and column.
    OSError
        If it can't be read.

    Examples
    --------
    >>> import krylane, os, scipy.io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.mtx")
    ...     scipy.io.mmwrite(path, krylane.gallery("poisson1d", 4))
    ...     krylane.read_matrix(path).toarray()[0].tolist()
    [2.0, -1.0, 0.0, 0.0]
    """
    real, imaginary = _core.read_matrix(os.fspath(path), True)
    if imaginary is None or imaginary.nnz == 0:
        return _array(real)
    return (_array(real) + 1j * _array(imaginary)).tocsr()


def read_vector(path: str | os.PathLike) -> np.ndarray:
    """A vector, or the columns of an array, from a Matrix Market file or NumPy's ``.npy``.

    Examples
    --------
    >>> import krylane, numpy as np, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "b.npy")
    ...     np.save(path, np.arange(3.0))
    ...     krylane.read_vector(path).tolist()
    [0.0, 1.0, 2.0]
    """
    columns = [c.view(np.complex128) for c in _core.read_vector(os.fspath(path), True)]
    out = np.stack(columns, axis=1) if len(columns) != 1 else columns[0]
    return out if np.any(out.imag) else out.real.copy()


def devices() -> list[dict[str, Any]]:
    """The GPU adapters of this machine, hardware first; the CPU is always there and not listed.

    Examples
    --------
    >>> import krylane
    >>> names = [adapter["name"] for adapter in krylane.devices()]
    """
    return _core.devices()


def methods() -> dict[str, str]:
    """Names of linear methods, and what they are for.

    Examples
    --------
    >>> import krylane
    >>> "gmres" in krylane.methods()
    True
    """
    return dict(_core.methods())


def preconditioners() -> dict[str, str]:
    """Names of preconditioners, and what they are.

    Examples
    --------
    >>> import krylane
    >>> "amg" in krylane.preconditioners()
    True
    """
    return dict(_core.preconditioners())
