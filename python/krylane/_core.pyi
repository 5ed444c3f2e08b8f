"""The part of the package that is Rust. Use what `krylane` exports."""

from typing import Any, Callable, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Matrix",
    "Report",
    "Solver",
    "__version__",
    "cli",
    "devices",
    "eigs",
    "gallery",
    "gallery_list",
    "methods",
    "preconditioners",
    "read_matrix",
    "read_vector",
    "svds",
]
__version__: str

@final
class Matrix:
    @staticmethod
    def csr(
        rows: int,
        cols: int,
        indptr: NDArray[Any],
        indices: NDArray[Any],
        data: NDArray[np.float64],
        interleaved: bool = False,
        lend: bool = False,
    ) -> Matrix: ...
    @staticmethod
    def operator(
        rows: int,
        cols: int,
        matvec: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        rmatvec: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = None,
        structure: str = "general",
        probe: bool = True,
    ) -> Matrix: ...
    def said(self, structure: str) -> Matrix: ...
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def nnz(self) -> int | None: ...

@final
class Report:
    @property
    def x(self) -> NDArray[np.float64]: ...
    @property
    def error(self) -> BaseException | None: ...
    @property
    def condition(self) -> float | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def advice(self) -> str: ...
    @property
    def is_answer(self) -> bool: ...
    @property
    def iterations(self) -> int: ...
    @property
    def matvecs(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def certificate(self) -> tuple[float, float, float, float | None, float | None, float, float]: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def history(self) -> NDArray[np.float64]: ...
    def json(self) -> str: ...

@final
class Solver:
    def __new__(
        cls,
        a: Matrix,
        options: dict[str, Any],
        m: Matrix | None = None,
        watched: bool = False,
        directions: NDArray[np.float64] | None = None,
    ) -> Solver: ...
    def solve(
        self,
        b: NDArray[np.float64],
        x0: NDArray[np.float64] | None = None,
        event: Callable[[int, float, int], Any] | None = None,
        iterate: Callable[[int, NDArray[np.float64]], Any] | None = None,
        limit: float = 0.0,
    ) -> Report: ...
    def solve_many(
        self,
        b: list[NDArray[np.float64]],
        x0: list[NDArray[np.float64]] | None = None,
        event: Callable[[int, float, int], Any] | None = None,
    ) -> list[Report]: ...
    def update(self, matrix: Matrix) -> None: ...
    def directions(self) -> NDArray[np.float64]: ...
    @property
    def plan(self) -> list[str]: ...
    @property
    def is_symmetric(self) -> bool: ...
    @property
    def device(self) -> str: ...

def eigs(
    a: Matrix,
    options: dict[str, Any],
    mass: Matrix | None = None,
    inverse: Matrix | None = None,
    m: Matrix | None = None,
) -> dict[str, Any]: ...
def svds(a: Matrix, options: dict[str, Any]) -> dict[str, Any]: ...
def gallery(name: str, size: int, params: list[tuple[str, float]]) -> Matrix: ...
def gallery_list() -> list[tuple[str, str, list[tuple[str, float]]]]: ...
def read_matrix(path: str, complex: bool) -> tuple[Matrix, Matrix | None]: ...
def read_vector(path: str, complex: bool) -> list[NDArray[np.float64]]: ...
def devices() -> list[dict[str, Any]]: ...
def methods() -> list[tuple[str, str]]: ...
def preconditioners() -> list[tuple[str, str]]: ...
def cli(words: list[str]) -> int: ...
