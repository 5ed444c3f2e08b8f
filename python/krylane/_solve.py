"""The package's own interface to linear solves."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any, Callable

import numpy as np

from . import _convert, _core
from ._options import LinearOptions, checked
from ._result import Result
from .errors import InputError, Interrupted, KrylaneWarning

log = logging.getLogger("krylane")

#: Called after every iteration as ``callback(iteration, residual)``; True ends the solve.
Callback = Callable[[int, float], Any]


def finish(report: Any, make: Callable[[Any], Any]) -> Any:
    """The result of a report; raises the exception of a callable or Ctrl-C, if there was one."""
    if report.error is None:
        return make(report)
    if isinstance(report.error, KeyboardInterrupt):
        raise Interrupted(make(report)) from report.error
    raise report.error


class _Bar:
    """Progress on stderr, by tqdm if it is installed."""

    def __init__(self) -> None:
        self.bar = None
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        self.bar = tqdm(unit="it", file=sys.stderr)

    def __call__(self, iteration: int, residual: float) -> None:
        if self.bar is not None:
            self.bar.update(1)
            self.bar.set_postfix_str(f"|r|/|b| = {residual:.2e}")
        elif iteration % 100 == 0:
            print(f"iteration {iteration}: |r|/|b| = {residual:.2e}", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class Solver:
    """A matrix with a plan for it: solves any number of right-hand sides.

    Later solves reuse what the first one sets up, compiles and uploads.

    Parameters
    ----------
    A : sparse array or matrix, array_like, LinearOperator
        The matrix, (m, n). Anything with ``shape`` and ``matvec`` is an operator, called once per product.
    M : as A, optional
        A preconditioner near the inverse of A.
    structure : {"general", "symmetric", "definite"}
        What is known about an operator; for stored entries it is detected.
    **options
        method, preconditioner : str
            "auto", or names from `methods` and `preconditioners`.
        rtol, atol : float
            ``|b - A x| <= max(rtol |b|, atol)``; 1e-8 and 0.
        backend : str
            "auto", "cpu", "gpu", or a part of an adapter's name.
        precision : {"auto", "f32", "f64", "mixed"}
            Number types of the iterations; answers are always certified in f64.
        restart, max_iterations, max_matvecs, time_limit, threads, memory_limit
            Bounds. The time in seconds, memory in bytes.
        side, damp, recycle, criterion, spectrum, subspace, near_null, reorder, equilibrate
            As in the library's documentation of `Options` and `Method`. ``near_null`` is (unknowns per node, vectors
            as columns).

    Raises
    ------
    InputError
        For an input that can't be used as given.
    DeviceError
        If no adapter fits.

    Examples
    --------
    >>> import krylane, numpy as np
    >>> A = krylane.gallery("poisson2d", 30)
    >>> with krylane.Solver(A, method="cg", rtol=1e-10) as solver:
    ...     x = solver.solve(np.ones(900)).raise_if_not_converged().x
    >>> bool(np.linalg.norm(A @ x - 1) <= 1e-10 * 30)
    True
    """

    #: Uses the arrays of A without a copy if possible: for a solver that is dropped before its caller can change them.
    _lend = False

    def __init__(self, A: Any, *, M: Any = None, structure: str = "general", **options: Any) -> None:
        self._given = (A, M, structure, options)
        words = checked(options, LinearOptions.__annotations__, "Solver")
        rows, cols = A.shape if hasattr(A, "shape") else np.shape(A)
        self._shape = (int(rows), int(cols))
        self._complex = any(_convert.is_complex(v) for v in (A, M) if v is not None)
        self._a, self._m, self._words = A, M, words
        self._structure = structure
        self._solver: Any = None
        self._matrix: Any = None
        if not self._complex:
            self._build()

    def _build(self) -> None:
        """Builds the solver; for real A, the one for a complex b is built later."""
        both = {"as_complex": self._complex, "transposed": True, "lend": self._lend}
        self._matrix = _convert.any_matrix(self._a, structure=self._structure, **both)
        m = None if self._m is None else _convert.any_matrix(self._m, name="M", **both)
        words = dict(self._words)
        if "near_null" in words:
            block, vectors = words["near_null"]
            words["near_null"] = (block, np.atleast_2d(np.asarray(vectors, dtype=np.float64)))
        if "subspace" in words:
            words["subspace"] = np.atleast_2d(np.asarray(words["subspace"], dtype=np.float64))
        self._solver = _core.Solver(self._matrix, words, m)
        log.debug("plan: %s", self._solver.plan)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of A."""
        return self._shape

    @property
    def plan(self) -> list[str]:
        """What was chosen and why."""
        if self._solver is None:
            self._build()
        return self._solver.plan

    def solve(
        self,
        b: Any,
        x0: Any = None,
        *,
        callback: Callback | None = None,
        progress: bool = False,
    ) -> Result:
        """Solves A x = b.

        Parameters
        ----------
        b : array_like
            (m,), (m, 1) or (m, k). Several columns share their passes over the matrix.
        x0 : array_like, optional
            Where to start, of the shape of x.
        callback : callable, optional
            ``callback(iteration, residual)`` after each iteration; True ends the solve, exceptions propagate.
        progress : bool
            A bar on stderr, by tqdm if it is installed.

        Returns
        -------
        Result
            Not converging is no exception: see `Result.converged`.

        Raises
        ------
        InputError
            For a b that does not fit.
        Interrupted
            On Ctrl-C: a `KeyboardInterrupt` with the best x so far.
        """
        b = np.asarray(b)
        m, n = self._shape
        if b.ndim not in (1, 2) or b.shape[0] != m:
            raise InputError(f"b has shape {b.shape}; the matrix asks for ({m},), ({m}, 1) or ({m}, k)")
        if b.dtype.kind == "c" and not self._complex:
            self._complex = True
            self._build()
        elif self._solver is None:
            self._build()
        start = None if x0 is None else np.asarray(x0)
        if start is not None and start.shape != (n,) + b.shape[1:]:
            raise InputError(f"x0 has shape {start.shape}; b asks for {(n,) + b.shape[1:]}")
        bar = _Bar() if progress else None
        hears = [f for f in (callback, bar) if f is not None]
        event = (lambda i, r, _system: any([bool(f(i, r)) for f in hears])) if hears else None
        try:
            return self._run(b, start, event)
        finally:
            if bar is not None:
                bar.close()

    def _run(self, b: np.ndarray, start: np.ndarray | None, event: Any) -> Result:
        (m, n), z = self._shape, self._complex
        vector = lambda v, n, name: _convert.vector(v, n, as_complex=z, name=name)  # noqa: E731
        if b.ndim == 1 or b.shape[1] == 1:
            x0 = None if start is None else vector(start, n, "x0")
            report = self._solver.solve(vector(b, m, "b"), x0, event)
            shape = (n,) + b.shape[1:]
            result = finish(report, lambda r: Result(r, _convert.back(r.x, z).reshape(shape)))
            return self._told(result)
        columns = [vector(b[:, k], m, "b") for k in range(b.shape[1])]
        starts = None if start is None else [vector(start[:, k], n, "x0") for k in range(b.shape[1])]
        if not columns:
            raise InputError("b has no columns")
        reports = self._solver.solve_many(columns, starts, event)
        parts = [Result(r, _convert.back(r.x, z)) for r in reports]
        worst = max(range(len(parts)), key=lambda k: (not parts[k].converged, parts[k].certificate.relative))
        x = np.stack([p.x for p in parts], axis=1)
        return self._told(Result(reports[worst], x, parts))

    def _told(self, result: Result) -> Result:
        log.info(
            "%s after %d iterations, |r|/|b| = %.2e", result.reason, result.iterations, result.certificate.relative
        )
        for text in result.warnings:
            warnings.warn(text, KrylaneWarning, stacklevel=4)
        return result

    def update(self, A: Any) -> None:
        """Puts the values of A in place of the old ones; kernels and memory are kept.

        Parameters
        ----------
        A : sparse array or matrix, array_like
            A matrix with entries at the same positions, in any format.
        """
        if self._complex or _convert.is_complex(A):
            raise InputError("values of a complex system can't be updated in place; make a new Solver")
        if self._solver is None:
            self._build()
        self._solver.update(
            _convert.any_matrix(A, structure=self._structure, as_complex=False, transposed=False, lend=False)
        )

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Frees device memory; a later solve allocates it again."""
        self._solver = self._matrix = None

    def __reduce__(self) -> tuple:
        a, m, structure, options = self._given
        return (_remake, (a, m, structure, options))

    def __repr__(self) -> str:
        m, n = self._shape
        return f"<Solver: {m} x {n}{', complex' if self._complex else ''}>"


class _Once(Solver):
    _lend = True


def _remake(a: Any, m: Any, structure: str, options: dict) -> Solver:
    return Solver(a, M=m, structure=structure, **options)


def solve(
    A: Any,
    b: Any,
    *,
    x0: Any = None,
    M: Any = None,
    structure: str = "general",
    callback: Callback | None = None,
    progress: bool = False,
    **options: Any,
) -> Result:
    """x with A x = b, everything chosen for you unless you say otherwise.

    Parameters
    ----------
    A, M, structure, **options
        As for `Solver`.
    b, x0, callback, progress
        As for `Solver.solve`.

    Returns
    -------
    Result
        x, how it ended, and its certificate.

    Examples
    --------
    >>> import krylane, numpy as np
    >>> A = krylane.gallery("poisson2d", 30)
    >>> r = krylane.solve(A, np.ones(900), rtol=1e-9)
    >>> r.converged
    True
    """
    solver = _Once(A, M=M, structure=structure, **options)
    return solver.solve(b, x0, callback=callback, progress=progress)
