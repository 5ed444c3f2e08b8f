"""Names of options, and the errors for unknown names."""

from __future__ import annotations

import difflib
from typing import Any, Iterable, Literal, TypedDict

Backend = Literal["auto", "cpu", "gpu"]
Precision = Literal["auto", "f32", "f64", "mixed"]
Side = Literal["auto", "left", "right", "split"]
When = Literal["auto", "always", "never"]
Criterion = Literal["rhs", "initial", "absolute", "backward"]
Structure = Literal["general", "symmetric", "definite"]
Which = Literal["LM", "SM", "LA", "SA", "LR", "SR", "LI", "SI"]


class LinearOptions(TypedDict, total=False):
    """Keyword arguments of `solve` and `Solver`."""

    method: str
    preconditioner: str
    side: Side
    damp: float
    near_null: tuple[int, Any]
    backend: Backend | str
    precision: Precision
    rtol: float
    atol: float
    criterion: Criterion
    restart: int
    recycle: bool
    spectrum: tuple[float, float]
    subspace: Any
    max_iterations: int
    max_matvecs: int
    time_limit: float
    threads: int
    reorder: When
    equilibrate: When
    memory_limit: int


class EigenOptions(TypedDict, total=False):
    """Keyword arguments of `eigs` and `svds`."""

    k: int
    which: Which
    sigma: float | complex
    skip_null: bool
    method: str
    preconditioner: str
    tol: float
    subspace: int
    start: Any
    seed: int
    max_iterations: int
    time_limit: float
    backend: Backend | str
    precision: Precision
    threads: int


def checked(words: dict[str, Any], known: Iterable[str], who: str) -> dict[str, Any]:
    """The options without those that are None.

    Raises
    ------
    TypeError
        For an unknown name; the message suggests the nearest known one.
    """
    known = list(known)
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {', '.join(known)}"
            raise TypeError(f"{who} has no option {word!r}{hint}")
    return {k: v for k, v in words.items() if v is not None}
