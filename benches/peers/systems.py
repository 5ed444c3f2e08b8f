#!/usr/bin/env python3
"""Writes the systems that every program of this bench solves.

A system is a folder of raw little-endian arrays, so that each language reads it in a few lines:
rows.bin (int32, n + 1 row starts), columns.bin (int32, sorted in a row), values.bin (float64),
rhs.bin (float64, standard normal of a fixed seed) and, for elasticity, modes.bin (float64, three
orthonormal rigid-body modes, one after the other).
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree


def tridiagonal(n: int, below: float, middle: float, above: float) -> sp.csr_array:
    parts = [np.full(n - 1, float(below)), np.full(n, float(middle)), np.full(n - 1, float(above))]
    return sp.diags_array(parts, offsets=[-1, 0, 1], format="csr")


def kron(*factors: sp.csr_array) -> sp.csr_array:
    product = factors[0]
    for factor in factors[1:]:
        product = sp.kron(product, factor, format="csr")
    return product


def grid_sum(n: int, lines: list[sp.csr_array]) -> sp.csr_array:
    """Sum over the axes of one operator along each; the last axis runs fastest."""
    eye = sp.eye_array(n, format="csr")
    terms = [kron(*[line if k == axis else eye for k in range(len(lines))]) for axis, line in enumerate(lines)]
    return sum(terms[1:], terms[0])


def poisson(n: int, dimensions: int) -> sp.csr_array:
    return grid_sum(n, [tridiagonal(n, -1, 2, -1)] * dimensions)


def anisotropic(n: int, epsilon: float) -> sp.csr_array:
    """-u_yy - epsilon u_xx: coupled weakly along the fast index."""
    line = tridiagonal(n, -1, 2, -1)
    return grid_sum(n, [line, epsilon * line])


def jumps(n: int, squares: int = 8, contrast: float = 1e6) -> sp.csr_array:
    """-div(k grad u), 5 points, k = `contrast` on the black squares of a chessboard and 1 on the others, harmonic means
    between them."""
    y, x = np.divmod(np.arange(n * n), n)
    k = np.where((y * squares // n + x * squares // n) % 2, 1.0, contrast)
    right, down = x < n - 1, y < n - 1
    pairs = [(np.flatnonzero(right), 1), (np.flatnonzero(down), n)]
    i = np.concatenate([p for p, _ in pairs])
    j = np.concatenate([p + step for p, step in pairs])
    w = 2 * k[i] * k[j] / (k[i] + k[j])
    upper = sp.coo_array((w, (i, j)), shape=(n * n, n * n)).tocsr()
    weights = upper + upper.T
    # What stands beyond the boundary is like its neighbour inside.
    outside = k * ((x == 0).astype(float) + (x == n - 1) + (y == 0) + (y == n - 1))
    return sp.csr_array(sp.diags_array(weights.sum(axis=1) + outside) - weights)


def poisson27(n: int) -> sp.csr_array:
    """26 in the middle, -1 to each of the 26 neighbours."""
    ones = tridiagonal(n, 1, 1, 1)
    return 27 * sp.eye_array(n**3, format="csr") - kron(ones, ones, ones)


def convection_diffusion(n: int) -> sp.csr_array:
    """-lap u + v . grad u, upwind, with cell Peclet numbers 0.25, 0.5 and 1 from the slowest axis to the fastest."""
    return grid_sum(n, [tridiagonal(n, -1 - p, 2 + p, -1) for p in (0.25, 0.5, 1.0)])


def random_graph(n: int) -> sp.csr_array:
    """Laplacian + 0.01 I of a random geometric graph in the unit cube: points in random order, so that the
    numbering has no locality, about 14 neighbours, weights log-uniform between 0.1 and 10."""
    rng = np.random.default_rng(11)
    radius = (14 / (n * 4 / 3 * np.pi)) ** (1 / 3)
    i, j = cKDTree(rng.random((n, 3))).query_pairs(radius, output_type="ndarray").T
    w = 10 ** rng.uniform(-1, 1, len(i))
    upper = sp.coo_array((w, (i, j)), shape=(n, n)).tocsr()
    weights = upper + upper.T
    return sp.csr_array(sp.diags_array(weights.sum(axis=1) + 0.01) - weights)


def elasticity(n: int) -> tuple[sp.csr_array, np.ndarray]:
    """Plane stress on Q1 squares (Young's modulus 1, Poisson's ratio 0.3), the boundary clamped: n^2 free nodes with
    two displacements each, and their rigid-body modes."""
    nu = 0.3
    material = np.array([[1, nu, 0], [nu, 1, 0], [0, 0, (1 - nu) / 2]]) / (1 - nu**2)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    stiffness = np.zeros((8, 8))
    for point in corners / np.sqrt(3):
        # Derivatives of the bilinear shape functions; the squares' side cancels in two dimensions.
        dx = corners[:, 0] * (1 + corners[:, 1] * point[1]) / 4
        dy = corners[:, 1] * (1 + corners[:, 0] * point[0]) / 4
        strain = np.zeros((3, 8))
        strain[0, 0::2], strain[1, 1::2], strain[2, 0::2], strain[2, 1::2] = dx, dy, dy, dx
        stiffness += strain.T @ material @ strain
    number = np.full((n + 2, n + 2), -1)
    number[1:-1, 1:-1] = np.arange(n * n).reshape(n, n)
    nodes = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1).reshape(-1, 4)
    unknowns = np.where(nodes[:, :, None] < 0, -1, 2 * nodes[:, :, None] + np.arange(2)).reshape(-1, 8)
    rows, cols = np.repeat(unknowns, 8, axis=1).ravel(), np.tile(unknowns, (1, 8)).ravel()
    values = np.tile(stiffness.ravel(), len(unknowns))
    free = (rows >= 0) & (cols >= 0)
    a = sp.coo_array((values[free], (rows[free], cols[free])), shape=(2 * n * n, 2 * n * n)).tocsr()
    # What cancels but for rounding is no entry; the halves are made equal to the last bit.
    a.data[abs(a.data) < 1e-14] = 0
    y, x = np.array(np.divmod(np.arange(n * n), n)) - (n - 1) / 2
    modes = np.zeros((2 * n * n, 3))
    modes[0::2, 0], modes[1::2, 1], modes[0::2, 2], modes[1::2, 2] = 1, 1, -y, x
    return (a + a.T) / 2, np.linalg.qr(modes)[0]


# Name: what it is, its size in full, its size for a check that everything works, how it is made.
SYSTEMS: dict[str, tuple[str, int, int, Callable]] = {
    "P2": ("2D Poisson, 5 points, 1000²", 1000, 100, lambda n: poisson(n, 2)),
    "P3": ("3D Poisson, 7 points, 100³", 100, 20, lambda n: poisson(n, 3)),
    "P27": ("27 points, 80³", 80, 16, poisson27),
    "UN": ("random geometric graph, 500 000 vertices, numbered at random", 500_000, 5000, random_graph),
    "CD3": ("upwind convection–diffusion, 80³", 80, 16, convection_diffusion),
    "AN": ("anisotropic 1 : 1000, 5 points, 1000²", 1000, 100, lambda n: anisotropic(n, 1e-3)),
    "EL": ("plane elasticity, Q1, 400², clamped", 400, 40, elasticity),
    "P2-256": ("2D Poisson, 5 points, 256²", 256, 64, lambda n: poisson(n, 2)),
    "P2-1024": ("2D Poisson, 5 points, 1024²", 1024, 128, lambda n: poisson(n, 2)),
    "P3-64": ("3D Poisson, 7 points, 64³", 64, 16, lambda n: poisson(n, 3)),
    "P3-128": ("3D Poisson, 7 points, 128³", 128, 24, lambda n: poisson(n, 3)),
    "JU": ("coefficients 1 and 10⁶ on a chessboard of 8² squares, 5 points, 1000²", 1000, 96, jumps),
    "P2S": ("2D Poisson, 5 points, 300², for eigenvalues", 300, 40, lambda n: poisson(n, 2)),
}


def write(folder: Path, a: sp.csr_array, modes: np.ndarray | None) -> None:
    a = sp.csr_array(a)
    a.sum_duplicates()
    a.eliminate_zeros()
    a.sort_indices()
    folder.mkdir(parents=True, exist_ok=True)
    rhs = np.random.default_rng(5).standard_normal(a.shape[0])
    arrays = {"columns": a.indices.astype("<i4"), "values": a.data.astype("<f8"), "rhs": rhs.astype("<f8")}
    if modes is not None:
        arrays["modes"] = modes.T.astype("<f8")
    # The row starts come last: a system that has them is whole.
    for name, array in (arrays | {"rows": a.indptr.astype("<i4")}).items():
        np.ascontiguousarray(array).tofile(folder / f"{name}.bin")
    print(f"{folder.name}: {a.shape[0]} rows, {a.nnz} entries", flush=True)


def read(folder: Path) -> tuple[sp.csr_array, np.ndarray, np.ndarray | None]:
    """Matrix, right-hand side and modes, if any."""
    def array(name: str, kind: str) -> np.ndarray:
        return np.fromfile(folder / f"{name}.bin", kind)

    rows = array("rows", "<i4")
    n = len(rows) - 1
    a = sp.csr_array((array("values", "<f8"), array("columns", "<i4"), rows), shape=(n, n))
    modes = array("modes", "<f8").reshape(-1, n).T if (folder / "modes.bin").exists() else None
    return a, array("rhs", "<f8"), modes


def make(folder: Path, names: list[str], small: bool) -> None:
    """Writes those that aren't there yet."""
    for name in names:
        if not (folder / name / "rows.bin").exists():
            _, full, reduced, build = SYSTEMS[name]
            made = build(reduced if small else full)
            write(folder / name, *(made if isinstance(made, tuple) else (made, None)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(SYSTEMS), help=", ".join(SYSTEMS))
    parser.add_argument("--small", action="store_true", help="a hundredth of the size or less, to check that all works")
    arguments = parser.parse_args()
    make(arguments.folder, arguments.names, arguments.small)
