"""SciPy's gmres, lgmres and gcrotmk by krylane: methods that work in cycles."""

from __future__ import annotations

import warnings
from typing import Any, Callable

import numpy as np

from ._convert import back
from ._system import System, info_of, tolerance, trivial


def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    restart: int | None = None,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    callback_type: str | None = None,
) -> tuple[np.ndarray, int]:
    """Generalised minimal residuals with restarts, for any square A, as `scipy.sparse.linalg.gmres`.

    Parameters as of `cg`, and

    restart : int, optional
        Iterations between restarts; min(20, n).
    maxiter : int, optional
        Restart cycles at most, 10 n; iterations where `callback_type` is "legacy".
    callback_type : {"x", "pr_norm", "legacy"}
        ``callback(x)`` at each restart, or ``callback(|M r| / |b|)`` after each iteration.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.gmres(A, np.ones(400), rtol=1e-8, restart=30)
    >>> info
    0
    """
    if callback is not None and callback_type is None:
        msg = (
            "krylane.linalg.gmres called without specifying `callback_type`. The default value is 'legacy', as "
            "SciPy's; set it to 'x', 'pr_norm' or 'legacy'."
        )
        warnings.warn(msg, category=DeprecationWarning, stacklevel=2)
    if callback_type is None:
        callback_type = "legacy"
    if callback_type not in ("x", "pr_norm", "legacy"):
        raise ValueError(f"Unknown callback_type: {callback_type!r}")
    heard: Any = callback
    if callback is None:
        callback_type = None
    system = System(A, b, x0, M, "general")
    rtol, atol = tolerance("gmres", rtol, atol)
    known = trivial(system)
    if known is not None:
        return known
    columns = min(20 if restart is None else int(restart), system.n)
    cycles = 10 * system.n if maxiter is None else int(maxiter)
    # The real form of a complex system has two columns for one.
    columns *= 2 if system.complex else 1
    most = cycles if callback_type == "legacy" else cycles * columns
    options = {"method": "gmres", "rtol": rtol, "atol": atol, "max_iterations": most, "restart": max(columns, 1)}
    if system.M is not None:
        options["side"] = "left"
    event = iterate = None
    if callback_type == "x":
        iterate = lambda _k, x: heard(x) and False  # noqa: E731
    elif callback_type is not None:
        # The event's residual is |r|; SciPy reports |M r|, here estimated by one factor per cycle.
        factor = [1.0]

        def renew(x: np.ndarray) -> None:
            r = system.b - system.multiply(x) if np.any(x) else system.b
            size = np.linalg.norm(r)
            factor[0] = float(np.linalg.norm(system.precondition(r)) / size) if size > 0 else 1.0

        if system.M is not None:
            renew(system.start())
            iterate = lambda _k, x: renew(x)  # noqa: E731

        def event(_k: int, residual: float, _system: int) -> bool:
            heard(np.float64(residual * factor[0]))
            return False

    report = system.solve(options, event, iterate)
    left = most - report.iterations
    if system.M is not None and left > 0 and report.reason in ("Stagnated", "FalseConvergence", "Breakdown"):
        # |M r| says nothing more about r; with M on the right the method sees r itself.
        system.x0 = np.ascontiguousarray(back(report.x, system.complex))
        report = system.solve({**options, "side": "right", "max_iterations": left}, event, iterate)
    info = info_of(report, cycles)
    return system.out(report.x), info if info <= 0 else cycles


def _cycles(
    system: System, options: dict, first: int, more: int, maxiter: int, callback: Any
) -> tuple[np.ndarray, int]:
    """A method whose `maxiter` counts cycles, and whose callback is called at the start of each.

    A cycle has `first` columns, and one more for each cycle before it up to `more`. As in SciPy the test comes before
    a cycle, so that an answer found by the last cycle is reported as not converged.
    """
    n = system.n
    sizes = [min(n, first + min(k, more)) for k in range(min(maxiter, more + 1))]
    most = sum(sizes) + max(0, maxiter - len(sizes)) * (sizes[-1] if sizes else 0)
    seen = [0]

    def at_end(_k: int, x: np.ndarray) -> None:
        seen[0] += 1
        if callback is not None and seen[0] < maxiter:
            callback(x)

    if callback is not None:
        callback(system.out(system.start().view(np.float64)))
    iterate = at_end if callback is not None else None
    report = system.solve({**options, "max_iterations": most}, None, iterate)
    info = info_of(report, maxiter)
    if info == 0 and 0 < maxiter <= (seen[0] if callback is not None else report.restarts + (report.iterations > 0)):
        info = maxiter
    elif info > 0:
        info = min(info, maxiter)
    return system.out(report.x), info


def lgmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int = 1000,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    inner_m: int = 30,
    outer_k: int = 3,
    outer_v: list[tuple] | None = None,
    store_outer_Av: bool = True,
    prepend_outer_v: bool = False,
) -> tuple[np.ndarray, int]:
    """GMRES augmented with corrections from earlier cycles, for any square A, as `scipy.sparse.linalg.lgmres`.

    Parameters as of `cg`, and

    maxiter : int
        Cycles at most.
    inner_m : int
        Iterations per cycle.
    outer_k : int
        Number of corrections kept: always 3 here.
    outer_v : list of (v, A v), optional
        Directions of an earlier solve, A v or None: those of this one are put in their place, three at most. The start is
        the best x within their span, and the first cycles take them in.
    store_outer_Av : bool
        Stores A v with each v, which costs one product each.
    prepend_outer_v
        Taken for the sake of the signature.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A = gallery("convection_diffusion2d", 20)
    >>> x, info = linalg.lgmres(A, np.ones(400), rtol=1e-8)
    >>> info
    0
    """
    system = System(A, b, x0, M, "general")
    if not np.isfinite(system.b).all():
        raise ValueError("RHS must contain only finite numbers")
    rtol, atol = tolerance("lgmres", rtol, atol)
    known = trivial(system)
    if known is not None:
        return known
    _take_up(system, outer_v, 1)
    options = {"method": "lgmres", "rtol": rtol, "atol": atol, "restart": int(inner_m)}
    x, info = _cycles(system, options, int(inner_m), 3, int(maxiter), callback)
    _hand_back(system, x, outer_v, int(outer_k), 1, store_outer_Av)
    return x, info


def _take_up(system: System, pairs: list[tuple] | None, image: int) -> None:
    """Directions of an earlier solve, and their images under A where they are known: the start becomes the x nearest to
    the solution, by its residual, within x0 and their span, and the method works on with them."""
    if not pairs:
        return
    U: np.ndarray = np.stack([np.asarray(p[1 - image], dtype=system.kind) for p in pairs])
    images = [system.multiply(u) if p[image] is None else np.asarray(p[image]) for u, p in zip(U, pairs)]
    x = system.start()
    r = system.b - system.multiply(x) if np.any(x) else system.b
    y = np.linalg.lstsq(np.stack(images, axis=1), r, rcond=None)[0]
    system.x0 = np.ascontiguousarray(x + U.T @ y)
    system.directions = U


def _hand_back(system: System, x: np.ndarray, pairs: list[tuple] | None, most: int, image: int, store: bool) -> None:
    """The directions of this solve, and x's own, in place of those before; of length 1, or with images of length 1 where
    `image` is 0."""
    if pairs is None:
        return
    kept = system.kept()
    if not len(kept):
        return
    del pairs[:]
    for u in [x, *kept][:most]:
        c = system.multiply(u) if store else None
        size = np.linalg.norm(u if c is None or image == 1 else c)
        if size > 0:
            c = None if c is None else c / size
            pairs.append((c, u / size) if image == 0 else (u / size, c))


def gcrotmk(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int = 1000,
    M: Any = None,
    callback: Callable[[Any], Any] | None = None,
    m: int = 20,
    k: int | None = None,
    CU: list[tuple] | None = None,
    discard_C: bool = False,
    truncate: str = "oldest",
) -> tuple[np.ndarray, int]:
    """GCROT(m, k), for any square A, as `scipy.sparse.linalg.gcrotmk`.

    Parameters as of `cg`, and

    maxiter : int
        Cycles at most.
    m, k : int
        Iterations per cycle, and directions kept between cycles; 20 and m.
    CU : list of (c, u), optional
        Directions from an earlier solve, with c = A u or None; those of this one are put in their place. The start is
        the best x within their span, and the solve works on with them.
    discard_C : bool
        Does not return c.
    truncate : {"oldest", "smallest"}
        Accepted for compatibility and ignored: the oldest direction is dropped first.

    Examples
    --------
    >>> import numpy as np
    >>> from krylane import gallery, linalg
    >>> A, b = gallery("convection_diffusion2d", 20), np.ones(400)
    >>> CU = []
    >>> x, info = linalg.gcrotmk(A, b, rtol=1e-8, CU=CU)
    >>> x, again = linalg.gcrotmk(A, b + 0.01 * np.cos(np.arange(400)), rtol=1e-8, CU=CU)
    >>> info, again
    (0, 0)
    """
    system = System(A, b, x0, M, "general")
    if not np.isfinite(system.b).all():
        raise ValueError("RHS must contain only finite numbers")
    if truncate not in ("oldest", "smallest"):
        raise ValueError(f"Invalid value for 'truncate': {truncate!r}")
    rtol, atol = tolerance("gcrotmk", rtol, atol)
    known = trivial(system)
    if known is not None:
        return known
    _take_up(system, CU, 0)
    options = {"method": "gcrotmk", "rtol": rtol, "atol": atol, "restart": int(m)}
    x, info = _cycles(system, options, int(m), 0, int(maxiter), callback)
    _hand_back(system, x, CU, int(m) if k is None else int(k), 0, not discard_C)
    return x, info
