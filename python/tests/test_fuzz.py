"""The entrance under random input: an answer that is right, or an exception that says what to change."""

import warnings

import numpy as np
import scipy.sparse as sp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import krylane
from krylane import linalg as sl

settings.register_profile("entrance", max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("entrance")

DTYPES = [
    np.bool_,
    np.int8,
    np.uint16,
    np.int64,
    np.float16,
    np.float32,
    np.float64,
    np.complex64,
    np.complex128,
    object,
]
FORMATS = ["dense", "fortran", "strided", "readonly", "csr", "csc", "coo", "bsr", "dia", "lil"]
SPECIAL = [np.nan, np.inf, -np.inf, 1e308, 1e-308, 0.0]


@st.composite
def systems(draw):
    rows = draw(st.integers(0, 7))
    cols = draw(st.sampled_from([rows, rows, rows, max(rows - 1, 0), rows + 2]))
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    a = rng.integers(-3, 4, (rows, cols)).astype(float) * (rng.random((rows, cols)) < draw(st.floats(0, 1)))
    a += np.eye(rows, cols) * draw(st.sampled_from([0.0, 5.0, 5.0]))
    if draw(st.booleans()) and a.size and np.dtype(dtype).kind in "fc":
        a.flat[rng.integers(a.size)] = draw(st.sampled_from(SPECIAL))
    with np.errstate(all="ignore"):
        a = a.astype(dtype)
    form = draw(st.sampled_from(FORMATS))
    if form == "fortran":
        a = np.asfortranarray(a)
    elif form == "strided":
        wide = np.zeros((2 * rows, 3 * cols), dtype=dtype)
        wide[::2, ::3] = a
        a = wide[::2, ::3]
    elif form == "readonly":
        a.flags.writeable = False
    elif form != "dense" and dtype is not object and np.dtype(dtype) != np.float16:
        a = sp.coo_array(a).asformat(form) if a.size else sp.csr_array(a.shape, dtype=dtype)
    n = draw(st.sampled_from([rows, rows, rows, rows + 1]))
    shape = draw(st.sampled_from([(n,), (n, 1), (n, 2), (n, 0), (1, n), ()]))
    with np.errstate(all="ignore"):
        b = rng.integers(-3, 4, shape).astype(draw(st.sampled_from(DTYPES)))
    if draw(st.booleans()) and b.ndim:
        b = np.repeat(b, 2, axis=0)[::2]
    return a, b


def dense(a):
    a = a.toarray() if sp.issparse(a) else np.asarray(a)
    return a.astype(complex if a.dtype.kind == "c" else float)


def check(a, x, b, tolerance):
    a, b = dense(a), np.asarray(b).astype(complex if np.asarray(b).dtype.kind == "c" else float)
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0), 1e-300)
    r = np.linalg.norm((b / scale - (a / scale) @ (x.reshape(-1) if b.ndim < 2 else x)), axis=0)
    assert np.all(r <= tolerance * np.linalg.norm(b / scale, axis=0) + 1e-300)


@given(systems(), st.sampled_from(["auto", "gmres", "cg", "lsqr", "bicgstab", "minres"]))
@example(system=(np.zeros((0, 2)), np.zeros(0)), method="auto")
def test_solve(system, method):
    a, b = system
    copy = a.copy(), b.copy()
    try:
        r = krylane.solve(a, b, method=method, max_iterations=200)
    except (krylane.InputError, TypeError) as e:
        assert len(str(e)) > 10
        return
    assert r.x.shape[1:] == b.shape[1:] and np.isfinite(r.x).all()
    if r.reason == "Converged" and all(c.reason == "Converged" for c in r.columns):
        check(a, r.x, b, 1.01e-8)
    same = np.array_equal(dense(a), dense(copy[0]), equal_nan=True) and np.array_equal(
        b, copy[1], equal_nan=b.dtype != object
    )
    assert same


@given(
    systems(),
    st.sampled_from(["cg", "gmres", "bicgstab", "tfqmr", "lgmres", "minres", "bicg", "qmr", "gcrotmk", "cgs"]),
)
def test_linalg(system, name):
    a, b = system
    try:
        x, info = getattr(sl, name)(a, b, rtol=1e-3)
    except (ValueError, TypeError) as e:
        assert len(str(e)) > 5
        return
    if info == 0 and name != "minres":
        check(a, x.astype(complex if x.dtype.kind == "c" else float), b.reshape(-1), 1.1e-3)


@given(
    st.dictionaries(
        st.sampled_from(
            ["rtol", "atol", "restart", "max_iterations", "time_limit", "threads", "damp", "method", "side"]
        ),
        st.one_of(st.none(), st.integers(-3, 5), st.floats(), st.text(max_size=4), st.just([])),
        max_size=3,
    )
)
@example(words={"rtol": 0})
def test_options(words):
    a = krylane.gallery("poisson1d", 5)
    try:
        r = krylane.solve(a, np.ones(5), **words)
    # Warnings are errors here: that of an rtol which rounding hardly allows.
    except (krylane.InputError, krylane.KrylaneWarning, TypeError, OverflowError, ValueError) as e:
        assert str(e)
        return
    assert np.isfinite(r.x).all()


@given(
    st.integers(0, 6),
    st.integers(-1, 8),
    st.sampled_from(["LM", "SM", "LA", "SA", "LR", "XX"]),
    st.sampled_from(DTYPES),
)
def test_eigs(n, k, which, dtype):
    a = np.diag(np.arange(1, n + 1)).astype(dtype)
    try:
        r = krylane.eigs(a, k, which=which)
    except (krylane.InputError, TypeError, OverflowError) as e:
        assert len(str(e)) > 5
        return
    assert r.converged and len(r.eigenvalues) == k


@given(systems(), st.sampled_from(["lsqr", "lsmr"]), st.sampled_from([0.0, 0.5]))
def test_least_squares(system, name, damp):
    a, b = system
    try:
        out = getattr(sl, name)(a, b, damp, 1e-8, 1e-8)
    except (ValueError, TypeError) as e:
        assert len(str(e)) > 5
        return
    x, istop = out[0], out[1]
    assert np.isfinite(x).all() and istop in range(8)
    if istop in (0, 1) and not damp:
        whole, rhs = dense(a), dense(b.reshape(-1))
        scale = max(np.abs(whole).max(initial=0), np.abs(rhs).max(initial=0), 1e-300)
        left = np.linalg.norm(rhs / scale - (whole / scale) @ x)
        assert left <= 1e-6 * np.linalg.norm(rhs / scale) + 1e-300


@given(systems(), st.sampled_from(["eigsh", "svds"]), st.integers(0, 4))
def test_spectra(system, name, k):
    a, _ = system
    if name == "eigsh" and a.shape[0] == a.shape[1] and a.dtype != object:
        with np.errstate(all="ignore"):
            a = a + a.conj().T
    words = {"return_eigenvectors": False} if name == "eigsh" else {"return_singular_vectors": False}
    try:
        with warnings.catch_warnings():
            # Where k is near the order LAPACK finds all, as SciPy warns, too.
            warnings.simplefilter("ignore", RuntimeWarning)
            values = getattr(sl, name)(a, k, **words)
    except (ValueError, TypeError, np.linalg.LinAlgError, sl.ArpackNoConvergence) as e:
        assert len(str(e)) > 5
        return
    whole = dense(a)
    assert np.isfinite(whole).all() and len(values) == min(k, *whole.shape)
    exact = np.linalg.eigvalsh(whole) if name == "eigsh" else np.linalg.svd(whole, compute_uv=False)
    far = np.sort(np.abs(exact))[::-1][:k]
    scale = max(np.abs(exact).max(initial=0.0), 1e-300)
    assert np.allclose(np.sort(np.abs(values.astype(float)))[::-1] / scale, far / scale, atol=1e-5)
