"""``scipy.sparse.linalg`` by krylane: ``from krylane import linalg as sl``.

Its iterative functions under their names, with their signatures, defaults and returns. Everything else is taken
from SciPy, so that one changed import serves a whole program.
"""

from __future__ import annotations

from typing import Any

from ._iterative import bicg, bicgstab, cg, cgs, minres, qmr, tfqmr
from ._least_squares import lsmr, lsqr
from ._lobpcg import lobpcg
from ._restarted import gcrotmk, gmres, lgmres
from ._spectral import eigs, eigsh, svds

#: krylane's own functions; the rest is SciPy's.
__all__ = [
    "bicg",
    "bicgstab",
    "cg",
    "cgs",
    "eigs",
    "eigsh",
    "gcrotmk",
    "gmres",
    "lgmres",
    "lobpcg",
    "lsmr",
    "lsqr",
    "minres",
    "qmr",
    "svds",
    "tfqmr",
]


def __getattr__(name: str) -> Any:
    import scipy.sparse.linalg

    return getattr(scipy.sparse.linalg, name)


def __dir__() -> list[str]:
    import scipy.sparse.linalg

    return sorted(set(dir(scipy.sparse.linalg)) | set(__all__))
