"""``scipy.sparse.linalg`` by krylane: ``from krylane import linalg as sl``.

Its iterative functions under their names, with their signatures, defaults and returns. What this module has not, it
takes from SciPy, so that one changed import serves a whole program.
"""

from __future__ import annotations

from typing import Any

from . import _iterative, _spectral

_OURS: dict[str, Any] = {**_iterative.available(), **_spectral.available()}
globals().update(_OURS)

#: The functions that are krylane's; the rest is SciPy's own.
__all__ = sorted(_OURS)


def __getattr__(name: str) -> Any:
    import scipy.sparse.linalg

    return getattr(scipy.sparse.linalg, name)


def __dir__() -> list[str]:
    import scipy.sparse.linalg

    return sorted(set(dir(scipy.sparse.linalg)) | set(__all__))
