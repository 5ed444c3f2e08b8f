"""The package's own interface."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

import krylane

N = 20
A = krylane.gallery("poisson2d", N)
B = A @ np.arange(1.0, N * N + 1)
CONTAINERS = [
    sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix, sp.coo_array, sp.coo_matrix, sp.bsr_array, sp.dia_array,
    sp.lil_array, sp.dok_array, lambda a: a.toarray(), lambda a: np.asfortranarray(a.toarray()),
]  # fmt: skip


def residual(a, x, b):
    return np.linalg.norm(b - a @ x) / np.linalg.norm(b)


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers(container):
    r = krylane.solve(container(A), B)
    assert r.converged and residual(A, r.x, B) <= 1.01e-8


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.int8, np.longdouble])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_dtypes_and_indices(dtype, index):
    a = A.astype(dtype)
    a.indices, a.indptr = a.indices.astype(index), a.indptr.astype(index)
    before = [v.copy() for v in (a.data, a.indices, a.indptr)]
    r = krylane.solve(a, B)
    assert r.converged and r.x.dtype == np.float64 and residual(A, r.x, B) <= 1.01e-8
    assert all(np.array_equal(u, v) for u, v in zip(before, (a.data, a.indices, a.indptr)))


def test_unsorted_and_duplicate_entries():
    rows, cols, data = [0, 0, 0, 1, 1], [1, 0, 0, 1, 0], [1.0, 2.0, 2.0, 3.0, 1.0]
    a = sp.coo_array((data, (rows, cols)), shape=(2, 2))
    unsorted = sp.csr_array((np.array([1.0, 4.0, 3.0, 1.0]), np.array([1, 0, 1, 0]), np.array([0, 2, 4])), shape=(2, 2))
    for m in (a, unsorted):
        assert np.allclose(krylane.solve(m, [6.0, 7.0]).x, np.linalg.solve(m.toarray(), [6.0, 7.0]))


def test_shapes_of_b():
    for b in (B, B[:, None], np.stack([B, 2 * B, B[::-1]], axis=1)):
        r = krylane.solve(A, b, method="cg")
        assert r.converged and r.x.shape == b.shape
        assert max(residual(A, r.x[:, k], b[:, k]) for k in range(b.shape[1])) <= 1.01e-8 if b.ndim == 2 else True
    assert len(r.columns) == 3 and all(c.converged for c in r.columns)
    with pytest.raises(krylane.InputError, match=r"b has shape \(3,\)"):
        krylane.solve(A, np.ones(3))


def test_complex():
    rng = np.random.default_rng(1)
    c = (A + 1j * sp.eye_array(N * N)).tocsr()
    x = rng.standard_normal(N * N) + 1j * rng.standard_normal(N * N)
    r = krylane.solve(c, c @ x, method="gmres", rtol=1e-10)
    assert r.converged and r.x.dtype == np.complex128 and np.allclose(r.x, x)
    # A real matrix with a complex right-hand side.
    assert np.allclose(krylane.solve(A, A @ x, rtol=1e-12).x, x)


def test_operators_and_preconditioners():
    from scipy.sparse.linalg import LinearOperator, aslinearoperator, splu

    lu = splu(A.tocsc())
    m = LinearOperator(A.shape, matvec=lu.solve)
    for a in (A, aslinearoperator(A)):
        assert krylane.solve(a, B, M=m, method="gmres").iterations <= 2
    r = krylane.solve(aslinearoperator(A), B, structure="definite", method="cg")
    assert r.converged and residual(A, r.x, B) <= 1.01e-8
    plain = krylane.solve(A, B, method="cg", preconditioner="none").iterations
    diagonal = sp.diags_array(1 / A.diagonal())
    assert krylane.solve(A, B, M=diagonal, method="cg").iterations <= plain + 1


def test_one_solver_for_many_systems():
    with krylane.Solver(A, method="cg", preconditioner="jacobi") as solver:
        first = solver.solve(B)
        again = solver.solve(B, first.x)
        assert again.iterations == 0 and again.converged
        solver.update(2 * A)
        assert np.allclose(solver.solve(B).x, first.x / 2)
    copy = pickle.loads(pickle.dumps(solver))
    assert copy.solve(B).converged


def test_recycling_serves_the_next_system():
    a = krylane.gallery("convection_diffusion2d", 30, peclet=0.3)
    rng = np.random.default_rng(3)
    b = rng.standard_normal(900)
    words = {"method": "gcrotmk", "preconditioner": "none", "restart": 15}
    alone = krylane.solve(a, b + 0.01 * rng.standard_normal(900), **words)
    solver = krylane.Solver(a, recycle=True, **words)
    solver.solve(b)
    after = solver.solve(b + 0.01 * rng.standard_normal(900))
    assert after.converged and after.iterations < 0.8 * alone.iterations


def test_what_a_result_tells():
    r = krylane.solve(A, B)
    assert r.reason == "Converged" and r.plan and len(r.history) == r.iterations and r.certificate.relative <= 1e-8
    assert "Converged" in repr(r) and "<svg" in r._repr_html_() and r.to_dict()["method"] == r.method
    again = pickle.loads(pickle.dumps(r))
    assert np.array_equal(again.x, r.x) and again.plan == r.plan and repr(again) == repr(r)
    short = krylane.solve(A, B, method="cg", preconditioner="none", max_iterations=3)
    assert not short.converged and short.reason == "MaxIterations"
    with pytest.raises(krylane.NotConverged, match="MaxIterations") as e:
        short.raise_if_not_converged()
    assert e.value.result is short and pickle.loads(pickle.dumps(e.value)).result.reason == "MaxIterations"


def test_words_that_are_none():
    with pytest.raises(TypeError, match="did you mean 'rtol'"):
        krylane.solve(A, B, rtoll=1e-3)
    with pytest.raises(krylane.InputError, match="did you mean"):
        krylane.solve(A, B, method="gmress")
    with pytest.raises(krylane.InputError, match="precision"):
        krylane.solve(A, B, precision="f65")
    with pytest.raises(krylane.InputError, match="3 x 4"):
        krylane.solve(np.ones((3, 4)), np.ones(3), method="gmres")
    # A rectangular system has no other meaning than least squares: the shortest of all solutions.
    assert np.allclose(krylane.solve(np.ones((3, 4)), np.ones(3)).x, 0.25)
    with pytest.raises(krylane.InputError, match=r"\(1, 1\) is (nan|NaN)"):
        krylane.solve(np.diag([1.0, np.nan]), np.ones(2))


def test_eigenvalues_and_singular_values():
    exact = np.sort(np.add.outer(*2 * [2 - 2 * np.cos(np.pi * np.arange(1, N + 1) / (N + 1))]).ravel())
    r = krylane.eigs(A, 3, which="SA")
    assert r.converged and np.allclose(np.sort(r.eigenvalues), exact[:3], rtol=1e-9)
    assert np.linalg.norm(A @ r.vectors - r.vectors * r.eigenvalues) < 1e-8
    s = krylane.svds(A[:, :50], 2)
    assert np.allclose(s.singular_values, np.linalg.svd(A[:, :50].toarray(), compute_uv=False)[:2])
    assert np.allclose(A[:, :50] @ s.right, s.left * s.singular_values)


def test_files(tmp_path):
    from scipy.io import mmwrite

    mmwrite(tmp_path / "a.mtx", A)
    assert abs(krylane.read_matrix(tmp_path / "a.mtx") - A).max() == 0
    mmwrite(tmp_path / "z.mtx", sp.coo_array(1j * A + A))
    assert abs(krylane.read_matrix(tmp_path / "z.mtx") - (1j * A + A)).max() == 0
    mmwrite(tmp_path / "b.mtx", B[:, None])
    assert np.array_equal(krylane.read_vector(tmp_path / "b.mtx"), B)
    with pytest.raises(OSError):
        krylane.read_matrix(tmp_path / "none.mtx")
    (tmp_path / "bad.mtx").write_text("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 x 3\n")
    with pytest.raises(krylane.InputError, match="bad.mtx:3"):
        krylane.read_matrix(tmp_path / "bad.mtx")
