"""Results of solves."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import NotConverged


@dataclass(frozen=True)
class Certificate:
    """How good an x is: norms recomputed on the host in f64, from your own matrix.

    Attributes
    ----------
    absolute : float
        ``|b - A x|``.
    relative : float
        ``|b - A x| / |b|``; the absolute value where b = 0.
    backward_error : float
        ``|b - A x| / (|A| |x| + |b|)``.
    normal_residual, optimality : float or None
        ``|A^T r|`` and ``|A^T r| / (|A| |r|)`` if a least-squares solution was sought.
    rhs_norm, solution_norm : float
        ``|b|`` and ``|x|``.
    """

    absolute: float
    relative: float
    backward_error: float
    normal_residual: float | None
    optimality: float | None
    rhs_norm: float
    solution_norm: float


class Result:
    """How a linear solve ended.

    Attributes
    ----------
    x : numpy.ndarray
        The solution, or the best x found; of the shape and the kind of b.
    converged : bool
        Whether x meets the tolerance, by its certificate.
    reason, detail, advice : str
        How it ended, details, and one sentence on what to try.
    certificate : Certificate
        The final check of x.
    history : numpy.ndarray
        ``|r|/|b|`` after each iteration, by the method's estimate.
    iterations, matvecs, restarts : int
        What it took.
    method, preconditioner : str
        Those used last.
    plan, rungs, warnings : list
        What was chosen and why; the methods tried, in order; warnings.
    timings : dict
        Seconds of set-up, upload, solve and certificate.
    columns : list of Result
        One for each column of b if it has several; then x is their array, and the rest describes the worst.

    Examples
    --------
    >>> import krylane
    >>> A = krylane.gallery("poisson2d", 20)
    >>> r = krylane.solve(A, A @ np.ones(400))
    >>> r.converged, r.reason
    (True, 'Converged')
    >>> bool(r.certificate.relative <= 1e-8)
    True
    """

    def __init__(self, report: Any, x: np.ndarray, columns: list[Result] | None = None) -> None:
        self._report = report
        self._known: dict[str, Any] | None = None
        self.x = x
        self.reason: str = report.reason
        self.detail: str = report.detail
        self.advice: str = report.advice
        self.converged: bool = report.is_answer
        self.iterations: int = report.iterations
        self.matvecs: int = report.matvecs
        self.restarts: int = report.restarts
        self.warnings: list[str] = report.warnings
        self.certificate = Certificate(*report.certificate)
        self.columns = columns or []
        if columns:
            self.converged = all(c.converged for c in columns)

    def _all(self) -> dict[str, Any]:
        if self._known is None:
            self._known = json.loads(self._report.json())
            self._known["history"] = self._report.history
        return self._known

    def to_dict(self) -> dict[str, Any]:
        """The whole report except x, as in the command line's JSON."""
        return {**self._all(), "history": self.history.tolist()}

    @property
    def history(self) -> np.ndarray:
        return self._all()["history"]

    @property
    def method(self) -> str:
        return self._all()["method"]

    @property
    def preconditioner(self) -> str:
        return self._all()["preconditioner"]

    @property
    def plan(self) -> list[str]:
        return self._all()["plan"]

    @property
    def rungs(self) -> list[dict[str, Any]]:
        return self._all()["rungs"]

    @property
    def timings(self) -> dict[str, float]:
        return self._all()["timings"]

    @property
    def device(self) -> str:
        return self._all()["adapter"]["name"]

    def raise_if_not_converged(self) -> Result:
        """The result itself, for chaining.

        Raises
        ------
        NotConverged
            If x does not meet the tolerance.
        """
        if not self.converged:
            worst = next((c for c in self.columns if not c.converged), self)
            raise NotConverged(worst)
        return self

    def __getstate__(self) -> dict[str, Any]:
        self._all()
        return {k: v for k, v in self.__dict__.items() if k != "_report"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _report=None)

    def __repr__(self) -> str:
        seconds = sum(self.timings.values())
        end = self.reason if not self.detail else f"{self.reason} ({self.detail})"
        return (
            f"<Result: {end}, {self.method} with {self.preconditioner}, {self.iterations} iterations, "
            f"|r|/|b| = {self.certificate.relative:.2e}, {seconds:.3g} s>"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(r['method'])}</td><td>{html.escape(r['preconditioner'] + r['variant'])}</td>"
            f"<td>{r['iterations']}</td><td>{html.escape(r['reason'])}</td></tr>"
            for r in self.rungs
        )
        table = f"<table><tr><th>method</th><th>preconditioner</th><th>iterations</th><th>end</th></tr>{rows}</table>"
        return f"<p>{html.escape(repr(self)[1:-1])}</p>{self._svg()}{table}"

    def _svg(self, width: int = 420, height: int = 180) -> str:
        h = np.asarray(self.history, dtype=float)
        k = np.flatnonzero(np.isfinite(h) & (h > 0))
        if len(k) < 2:
            return ""
        y = np.log10(h[k])
        low, high = np.floor(y.min()), np.ceil(y.max())
        px = 40 + (width - 50) * k / max(k[-1], 1)
        py = 10 + (height - 30) * (high - y) / max(high - low, 1)
        thin = slice(None, None, max(1, len(k) // 500))
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px[thin], py[thin]))
        text = 'font-size="10" fill="currentColor"'
        return (
            f'<svg width="{width}" height="{height}"><polyline points="{points}" fill="none" stroke="currentColor"/>'
            f'<text x="2" y="14" {text}>1e{high:.0f}</text><text x="2" y="{height - 20}" {text}>1e{low:.0f}</text>'
            f'<text x="{width - 60}" y="{height - 4}" {text}>{self.iterations} iterations</text></svg>'
        )

    def plot(self, ax: Any = None) -> Any:
        """Draws the history with matplotlib, which must be installed; the axes.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where to draw; new ones by default.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        ax.semilogy(np.arange(1, len(self.history) + 1), self.history, label=f"{self.method}, {self.preconditioner}")
        ax.set_xlabel("iteration")
        ax.set_ylabel("|r| / |b|")
        ax.legend()
        return ax


class EigenResult:
    """Eigenpairs, and how they were found.

    Attributes
    ----------
    eigenvalues : numpy.ndarray
        The most wanted first.
    vectors : numpy.ndarray
        One per column.
    residuals : numpy.ndarray
        ``|A v - w B v|`` of each, recomputed in f64.
    converged : bool
        Whether every pair meets the tolerance.
    outcome : dict
        The rest: reason, advice, plan, timings, iterations.
    """

    def __init__(self, eigenvalues: np.ndarray, vectors: np.ndarray, residuals: np.ndarray, outcome: dict) -> None:
        self.eigenvalues = eigenvalues
        self.vectors = vectors
        self.residuals = residuals
        self.outcome = outcome

    @property
    def reason(self) -> str:
        return self.outcome["reason"]

    @property
    def detail(self) -> str:
        return self.outcome["reason_detail"]

    @property
    def advice(self) -> str:
        return self.outcome["advice"]

    @property
    def converged(self) -> bool:
        return self.reason == "Converged"

    @property
    def plan(self) -> list[str]:
        return self.outcome["plan"]

    def raise_if_not_converged(self) -> EigenResult:
        """The result itself, or `NotConverged`."""
        if not self.converged:
            raise NotConverged(self)
        return self

    def __repr__(self) -> str:
        worst = self.residuals.max() if len(self.residuals) else float("nan")
        return f"<EigenResult: {self.reason}, {len(self.eigenvalues)} eigenvalues, largest residual {worst:.2e}>"


class SvdResult(EigenResult):
    """Singular triplets, and how they were found: `singular_values`, `left` and `right` vectors as columns."""

    def __init__(
        self, s: np.ndarray, left: np.ndarray, right: np.ndarray, residuals: np.ndarray, outcome: dict
    ) -> None:
        super().__init__(s, right, residuals, outcome)
        self.singular_values, self.left, self.right = s, left, right

    def __repr__(self) -> str:
        return super().__repr__().replace("EigenResult", "SvdResult").replace("eigenvalues", "singular values")
