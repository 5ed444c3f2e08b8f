"""SciPy's iterative functions replaced by krylane's, for programs that can't be edited."""

from __future__ import annotations

import sys
from typing import Any

from . import linalg

# The modules of SciPy that hold these functions.
_PLACES = ("scipy.sparse.linalg", "scipy.sparse.linalg._isolve", "scipy.sparse.linalg._eigen")


class Patch:
    """SciPy with krylane's functions, until `undo` or the end of a ``with`` block."""

    def __init__(self, names: tuple[str, ...] | None, everywhere: bool) -> None:
        import scipy.sparse.linalg as original

        chosen = linalg.__all__ if names is None else list(names)
        unknown = [n for n in chosen if n not in linalg.__all__]
        if unknown:
            raise ValueError(f"krylane.linalg has no {unknown[0]!r}; it has {', '.join(linalg.__all__)}")
        self.names = tuple(chosen)
        self._old: list[tuple[Any, str, Any]] = []
        ours = {n: getattr(linalg, n) for n in chosen}
        theirs = {n: getattr(original, n) for n in chosen if hasattr(original, n)}
        for place in list(sys.modules) if everywhere else _PLACES:
            module = sys.modules.get(place)
            if module is None or place.partition(".")[0] == "krylane":
                continue
            for name, function in theirs.items():
                if vars(module).get(name) is function:
                    self._old.append((module, name, function))
                    setattr(module, name, ours[name])

    def undo(self) -> None:
        """Puts SciPy's own functions back. Calling it twice does no harm."""
        while self._old:
            module, name, function = self._old.pop()
            setattr(module, name, function)

    def __enter__(self) -> Patch:
        return self

    def __exit__(self, *_: Any) -> None:
        self.undo()

    def __repr__(self) -> str:
        return f"<Patch of {', '.join(self.names)}{'' if self._old else ', undone'}>"


def patch_scipy(*names: str, everywhere: bool = False) -> Patch:
    """Redirects ``scipy.sparse.linalg`` to krylane.

    Parameters
    ----------
    *names : str
        Functions to redirect; all of `krylane.linalg.__all__` by default.
    everywhere : bool
        Also in modules that have already imported a function by name.

    Returns
    -------
    Patch
        To be undone by its `undo`, or at the end of a ``with`` block.

    Examples
    --------
    >>> import krylane, scipy.sparse.linalg as sl, numpy as np
    >>> A = krylane.gallery("poisson2d", 10)
    >>> with krylane.patch_scipy("cg"):
    ...     x, info = sl.cg(A, np.ones(100))
    >>> sl.cg.__module__.startswith("scipy"), info
    (True, 0)
    """
    return Patch(names or None, everywhere)
