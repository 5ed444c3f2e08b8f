"""The functions of scipy.sparse.linalg: what SciPy's own tests leave out."""

import inspect

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as theirs

import krylane
from krylane import linalg as sl

A = krylane.gallery("convection_diffusion2d", 15, peclet=0.3)
S = krylane.gallery("poisson2d", 15)
B = np.random.default_rng(7).standard_normal(225)
ITERATIVE = ["cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "gcrotmk", "minres", "qmr", "tfqmr"]


@pytest.mark.parametrize("name", ITERATIVE + ["lsqr", "lsmr", "eigs", "eigsh", "lobpcg", "svds"])
def test_signatures_are_scipys(name):
    ours, other = (inspect.signature(getattr(m, name)).parameters for m in (sl, theirs))
    assert getattr(sl, name).__name__ == name and getattr(sl, name).__module__.startswith("krylane")
    for key, parameter in other.items():
        assert key in ours, key
        assert ours[key].default == parameter.default and ours[key].kind == parameter.kind, key


@pytest.mark.parametrize("name", ITERATIVE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128, np.int64])
def test_answers_and_dtypes(name, dtype):
    a = (S if name in ("cg", "minres") else A).astype(dtype) if dtype != np.int64 else S.astype(dtype)
    b = B.astype(dtype) if np.dtype(dtype).kind in "fc" else B
    x, info = getattr(sl, name)(a, b, rtol=1e-4)
    wanted = np.result_type(a.dtype if a.dtype.kind in "fc" else np.float64, b.dtype)
    assert info == 0 and x.dtype == wanted and x.shape == (225,)
    assert np.linalg.norm(a @ x - b) <= 1.1e-4 * np.linalg.norm(b)


# Not cgs, whose residual grows at first: krylane hands back the best x, SciPy the last.
@pytest.mark.parametrize("name", ["cg", "bicg", "bicgstab", "minres", "qmr"])
def test_iterates_are_scipys(name):
    a = S if name in ("cg", "minres") else A
    for k in (1, 2, 5):
        x, info = getattr(sl, name)(a, B, maxiter=k, rtol=1e-12)
        y, _ = getattr(theirs, name)(a, B, maxiter=k, rtol=1e-12)
        assert info == k and np.allclose(x, y, rtol=1e-8, atol=1e-10 * np.abs(y).max())


@pytest.mark.parametrize("name", ["cg", "bicgstab", "minres", "bicg", "qmr"])
def test_callbacks_see_each_x(name):
    a = S if name in ("cg", "minres") else A
    seen = []
    x, info = getattr(sl, name)(a, B, callback=lambda v: seen.append(v.copy()))
    assert info == 0 and np.allclose(seen[-1], x)
    fall = [np.linalg.norm(B - a @ v) for v in seen]
    assert fall[-1] <= 1e-5 * np.linalg.norm(B) < fall[0]


def test_gmres_with_every_kind_of_callback():
    norms, xs = [], []
    x, info = sl.gmres(A, B, restart=10, callback=norms.append, callback_type="pr_norm")
    assert info == 0 and norms[-1] <= 1e-5 and all(isinstance(v, float) for v in norms)
    theirs_norms = []
    theirs.gmres(A, B, restart=10, callback=theirs_norms.append, callback_type="pr_norm")
    assert np.allclose(norms[:20], theirs_norms[:20], rtol=1e-6)
    sl.gmres(A, B, restart=10, callback=xs.append, callback_type="x")
    assert np.allclose(xs[-1], x)
    with pytest.warns(DeprecationWarning):
        sl.gmres(A, B, callback=norms.append)


def test_nothing_is_preconditioned_by_itself():
    counts = []
    for module in (sl, theirs):
        seen = []
        module.cg(S, B, rtol=1e-8, callback=seen.append)
        counts.append(len(seen))
    assert abs(counts[0] - counts[1]) <= 1


def test_least_squares():
    rng = np.random.default_rng(5)
    a = sp.random_array((60, 25), density=0.3, rng=rng) + sp.eye_array(60, 25)
    b = rng.standard_normal(60)
    for damp in (0.0, 0.7):
        stacked = np.vstack([a.toarray(), damp * np.eye(25)])
        exact = np.linalg.lstsq(stacked, np.concatenate([b, np.zeros(25)]), rcond=None)[0]
        for f in (sl.lsqr, sl.lsmr):
            for m in (a.tocsr(), theirs.aslinearoperator(a)):
                limit = {"iter_lim" if f is sl.lsqr else "maxiter": 300}
                out = f(m, b, damp, 1e-10, 1e-10, **limit)
                assert np.allclose(out[0], exact, atol=1e-7) and out[1] == 2
                assert len(out) == len(getattr(theirs, f.__name__)(a, b))
    out, ref = sl.lsqr(a.tocsr(), b, calc_var=True), theirs.lsqr(a.tocsr(), b, calc_var=True)
    assert np.isclose(out[3], ref[3]) and np.isclose(out[8], ref[8], rtol=1e-4)
    condition = np.linalg.cond(a.toarray())
    assert 0.3 * condition < out[6] < 1.01 * condition and np.allclose(out[9], ref[9], rtol=0.5)


@pytest.mark.parametrize("name", ["lsqr", "lsmr"])
def test_least_squares_end_at_a_bound_on_the_condition(name):
    f = getattr(sl, name)
    a = sp.diags_array(np.logspace(0, -2, 200)).tocsr()
    b = np.ones(200)
    limit = {"iter_lim" if name == "lsqr" else "maxiter": 2000}
    whole = f(a, b, atol=1e-14, btol=1e-14, conlim=0, **limit)
    for conlim in (5, 20):
        out = f(a, b, atol=1e-14, btol=1e-14, conlim=conlim, **limit)
        assert out[1] == 3 and conlim <= out[6] < 20 * conlim and out[2] < whole[2]
        # What is cut off is the part of the small singular values.
        assert np.linalg.norm(out[0]) < np.linalg.norm(whole[0])
    assert whole[1] in (1, 2)


def test_directions_serve_the_next_system():
    a = krylane.gallery("convection_diffusion2d", 30, peclet=0.3)
    rng = np.random.default_rng(3)
    b = rng.standard_normal(900)
    near = b + 0.01 * rng.standard_normal(900)
    for f, words, key in ((sl.gcrotmk, {"m": 15}, "CU"), (sl.lgmres, {"inner_m": 15}, "outer_v")):
        counts = []
        kept: list = []
        for rhs, given in ((near, None), (b, kept), (near, kept)):
            calls = []
            op = theirs.LinearOperator(a.shape, matvec=lambda v, calls=calls: calls.append(1) or a @ v, dtype=float)
            x, info = f(op, rhs, rtol=1e-8, **words, **{key: given})
            assert info == 0 and np.linalg.norm(a @ x - rhs) <= 1e-8 * np.linalg.norm(rhs)
            counts.append(len(calls))
        assert counts[2] < counts[0] and kept, (f.__name__, counts)
        for p in kept:
            u, c = (p[1], p[0]) if key == "CU" else p
            assert c is None or np.allclose(a @ u, c) and np.isclose(np.linalg.norm(c if key == "CU" else u), 1)
    complex_kept: list = []
    x, info = sl.gcrotmk(a + 0.1j * sp.eye_array(900), b, CU=complex_kept)
    assert info == 0 and complex_kept[0][1].dtype == np.complex128


@pytest.mark.parametrize("kind", ["stored", "operator", "function"])
@pytest.mark.parametrize("complex_", [False, True])
def test_lobpcg(kind, complex_):
    s = S + 0.3j * (sp.triu(S, 1) - sp.tril(S, -1)) if complex_ else S
    s = s.tocsr()
    mass = sp.diags_array(1 + np.arange(225) / 225.0).tocsr()
    form = {"stored": lambda m: m, "operator": theirs.aslinearoperator, "function": lambda m: lambda x: m @ x}[kind]
    rng = np.random.default_rng(4)
    x = rng.standard_normal((225, 3)) + (1j * rng.standard_normal((225, 3)) if complex_ else 0)
    from scipy.linalg import eigh

    for b in (None, mass):
        exact = eigh(s.toarray(), None if b is None else b.toarray())[0]
        for largest in (False, True):
            w, v, lambdas, norms = sl.lobpcg(
                form(s), x, None if b is None else form(b), M=form(sp.diags_array(1 / S.diagonal()).tocsr()),
                tol=1e-7, maxiter=400, largest=largest, retLambdaHistory=True, retResidualNormsHistory=True,
            )  # fmt: skip
            assert np.allclose(w, exact[::-1][:3] if largest else exact[:3], rtol=1e-8) and v.dtype == x.dtype
            image = v if b is None else b @ v
            assert np.linalg.norm(s @ v - image * w) < 3e-7 and np.allclose(v.conj().T @ image, np.eye(3))
            assert len(lambdas) == len(norms) and norms[-1].max() <= 1e-7 and np.allclose(lambdas[-1], w)
            # Within the complement of one eigenvector the others come.
            w2, _ = sl.lobpcg(
                form(s), x[:, :2], None if b is None else form(b), Y=v[:, :1], tol=1e-6, maxiter=400, largest=largest
            )
            assert np.allclose(w2, w[1:], rtol=1e-7)


def test_lobpcg_tells_what_it_missed():
    x = np.random.default_rng(4).standard_normal((225, 3))
    with pytest.warns(krylane.KrylaneWarning, match="Exited at iteration 2"):
        sl.lobpcg(S, x, tol=1e-10, maxiter=2)
    with pytest.raises(ValueError, match="Linearly dependent"):
        sl.lobpcg(S, np.ones((225, 2)))


def test_info_is_the_certificates():
    # An estimate that runs ahead of the truth does not make info 0.
    hard = krylane.gallery("hilbert", 12)
    b = hard @ np.ones(12)
    x, info = sl.cg(hard, b, rtol=1e-15, maxiter=30)
    assert (info == 0) == (np.linalg.norm(b - hard @ x) <= 1e-15 * np.linalg.norm(b))


@pytest.mark.parametrize("operator", [False, True])
@pytest.mark.parametrize("points", [15, 60])
def test_cg_solves_with_a_negative_definite_matrix(operator, points):
    s = krylane.gallery("poisson2d", points)
    b = np.random.default_rng(7).standard_normal(points**2)
    a = theirs.aslinearoperator(-s) if operator else -s
    jacobi = sp.diags_array(-1 / s.diagonal())
    for m in (None, jacobi, -jacobi):
        for start in (None, np.ones(points**2)):
            seen = []
            x, info = sl.cg(a, b, start, rtol=1e-8, M=m, callback=seen.append)
            assert info == 0 and np.linalg.norm(b + s @ x) <= 1e-8 * np.linalg.norm(b) and np.allclose(seen[-1], x)
    # One that is neither stays unsolved, or is solved; it is never called so wrongly.
    mixed = s - 1.0 * sp.eye_array(points**2)
    x, info = sl.cg(mixed, b, rtol=1e-8, maxiter=50)
    assert info != 0 or np.linalg.norm(b - mixed @ x) <= 1e-8 * np.linalg.norm(b)


def test_everything_else_is_scipys():
    assert sl.splu is theirs.splu and "LinearOperator" in dir(sl)
    assert "cg" in sl.__all__ and "splu" not in sl.__all__


def test_patch():
    own = theirs.cg
    with krylane.patch_scipy() as patch:
        assert theirs.cg is sl.cg and theirs.svds is sl.svds and "cg" in patch.names
    assert theirs.cg is own
    patch = krylane.patch_scipy("gmres")
    assert theirs.gmres is sl.gmres and theirs.cg is own
    patch.undo()
    patch.undo()
    assert theirs.gmres is not sl.gmres
    with pytest.raises(ValueError, match="no 'splu'"):
        krylane.patch_scipy("splu")


def test_eigenvalues_without_convergence_come_in_the_exception():
    with pytest.raises(theirs.ArpackNoConvergence) as e:
        sl.eigsh(krylane.gallery("poisson2d", 60), 4, which="SA", maxiter=1, ncv=9)
    assert e.value.eigenvalues.shape[0] == e.value.eigenvectors.shape[1] < 4


@pytest.mark.parametrize("which", ["LM", "SM", "LA", "SA", "BE"])
def test_eigsh_beyond_small_orders(which):
    exact = np.linalg.eigvalsh(S.toarray())
    chosen = {"LM": exact[-4:], "LA": exact[-4:], "SM": exact[:4], "SA": exact[:4]}
    w, v = sl.eigsh(S, 4, which=which)
    wanted = chosen.get(which, np.concatenate([exact[:2], exact[-2:]]))
    assert np.allclose(w, wanted, rtol=1e-8) and np.linalg.norm(S @ v - v * w) < 1e-7
    near = sl.eigsh(S, 3, sigma=1.0, return_eigenvectors=False)
    assert np.allclose(near, np.sort(exact[np.argsort(abs(exact - 1.0))[:3]]), rtol=1e-8)
