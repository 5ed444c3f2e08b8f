"""scikit-fem: problems as its documentation poses them, assembled by it, solved by what `scipy.sparse.linalg` has."""

import numpy as np
import scipy.sparse.linalg as sl
import skfem as fem
from skfem.helpers import dd, ddot, div, dot, eye, grad, sym_grad, trace
from skfem.models.poisson import laplace, mass, unit_load


def _solve(name, **words):
    """skfem's own iterative solver; the function is looked up when it is called, so that a patch is seen."""
    return fem.solver_iter_krylov(getattr(sl, name), **words)


def poisson_triangles():
    m = fem.MeshTri().refined(6)
    basis = fem.Basis(m, fem.ElementTriP1())
    return fem.solve(
        *fem.condense(laplace.assemble(basis), unit_load.assemble(basis), D=m.boundary_nodes()),
        solver=_solve("cg", rtol=1e-10),
    )


def poisson_quadratic_quads():
    m = fem.MeshQuad().refined(5)
    basis = fem.Basis(m, fem.ElementQuad2())
    return fem.solve(
        *fem.condense(laplace.assemble(basis), unit_load.assemble(basis), D=basis.get_dofs()),
        solver=_solve("minres", rtol=1e-11),
    )


def poisson_tetrahedra():
    m = fem.MeshTet().refined(4)
    basis = fem.Basis(m, fem.ElementTetP1())
    return fem.solve(
        *fem.condense(laplace.assemble(basis), unit_load.assemble(basis), D=m.boundary_nodes()),
        solver=_solve("cg", rtol=1e-10),
    )


@fem.BilinearForm
def _elastic(u, v, _):
    stress = 2.0 * sym_grad(u) + eye(trace(sym_grad(u)), sym_grad(u).shape[0])
    return ddot(stress, sym_grad(v))


def elasticity_hexahedra():
    m = fem.MeshHex().refined(3)
    basis = fem.Basis(m, fem.ElementVector(fem.ElementHex1()))
    load = fem.LinearForm(lambda v, w: -v[2]).assemble(basis)
    fixed = basis.get_dofs(lambda x: np.isclose(x[0], 0))
    return fem.solve(*fem.condense(_elastic.assemble(basis), load, D=fixed), solver=_solve("cg", rtol=1e-10))


def plate_by_morley():
    m = fem.MeshTri().refined(4)
    basis = fem.Basis(m, fem.ElementTriMorley())
    form = fem.BilinearForm(lambda u, v, _: ddot(dd(u), dd(v))).assemble(basis)
    load = fem.LinearForm(lambda v, _: 1.0 * v).assemble(basis)
    fixed = np.unique(np.concatenate([basis.get_dofs().all("u"), basis.get_dofs().all("u_n")]))
    return fem.solve(*fem.condense(form, load, D=fixed), solver=_solve("cg", rtol=1e-12))


def stokes():
    m = fem.MeshTri().refined(3)
    velocity = fem.Basis(m, fem.ElementVector(fem.ElementTriP2()), intorder=4)
    pressure = velocity.with_element(fem.ElementTriP1())
    a = fem.BilinearForm(lambda u, v, _: ddot(grad(u), grad(v))).assemble(velocity)
    b = fem.BilinearForm(lambda u, q, _: -div(u) * q).assemble(velocity, pressure)
    c = 1e-6 * mass.assemble(pressure)
    k = fem.bmat([[a, b.T], [b, -c]], "csr")
    load = np.concatenate([fem.LinearForm(lambda v, w: v[1] * w.x[0]).assemble(velocity), np.zeros(pressure.N)])
    x = fem.solve(
        *fem.condense(k, load, D=velocity.get_dofs()), solver=_solve("gmres", M=None, rtol=1e-10, restart=200)
    )
    return x[: velocity.N]


def convection_diffusion():
    m = fem.MeshQuad().refined(5)
    basis = fem.Basis(m, fem.ElementQuad1())
    form = fem.BilinearForm(lambda u, v, w: 0.05 * dot(grad(u), grad(v)) + (grad(u)[0] + 0.5 * grad(u)[1]) * v)
    return fem.solve(
        *fem.condense(form.assemble(basis), unit_load.assemble(basis), D=m.boundary_nodes()),
        solver=_solve("bicgstab", rtol=1e-11),
    )


def helmholtz_absorbing():
    m = fem.MeshTri().refined(4)
    basis = fem.Basis(m, fem.ElementTriP2())
    a = laplace.assemble(basis) - 30.0 * (1 + 0.3j) * mass.assemble(basis)
    return fem.solve(a, unit_load.assemble(basis).astype(complex), solver=_solve("gmres", rtol=1e-10, restart=100))


def heat():
    m = fem.MeshQuad().refined(5)
    basis = fem.Basis(m, fem.ElementQuad1())
    a, b = laplace.assemble(basis), mass.assemble(basis)
    u = np.sin(np.pi * m.p[0]) * np.sin(np.pi * m.p[1])
    fixed = m.boundary_nodes()
    for _ in range(10):
        u = fem.solve(*fem.condense(b + 0.005 * a, (b - 0.005 * a) @ u, D=fixed), solver=_solve("cg", rtol=1e-11))
    return u


def minimal_surface():
    m = fem.MeshTri().refined(5)
    basis = fem.Basis(m, fem.ElementTriP1())
    fixed = m.boundary_nodes()
    x = np.zeros(basis.N)
    x[fixed] = np.sin(np.pi * m.p[0, fixed])

    @fem.BilinearForm
    def jacobian(u, v, w):
        g = grad(w["w"])
        s = 1 + dot(g, g)
        return s**-0.5 * dot(grad(u), grad(v)) - s**-1.5 * dot(g, grad(u)) * dot(g, grad(v))

    @fem.LinearForm
    def rhs(v, w):
        g = grad(w["w"])
        return (1 + dot(g, g)) ** -0.5 * dot(g, grad(v))

    for _ in range(12):
        w = basis.interpolate(x)
        x = x + fem.solve(
            *fem.condense(jacobian.assemble(basis, w=w), -rhs.assemble(basis, w=w), D=fixed),
            solver=_solve("cg", rtol=1e-10),
        )
    return x


def mixed_poisson():
    m = fem.MeshTri().refined(4)
    flux = fem.Basis(m, fem.ElementTriRT1(), intorder=3)
    scalar = flux.with_element(fem.ElementTriP0())
    a = fem.BilinearForm(lambda s, t, _: dot(s, t)).assemble(flux)
    b = fem.BilinearForm(lambda s, v, _: div(s) * v).assemble(flux, scalar)
    k = fem.bmat([[a, b.T], [b, None]], "csr")
    load = np.concatenate([np.zeros(flux.N), -fem.LinearForm(lambda v, _: 1.0 * v).assemble(scalar)])
    return sl.minres(k, load, rtol=1e-12, maxiter=20000)[0]


def membrane_modes():
    m = fem.MeshTri().refined(4)
    basis = fem.Basis(m, fem.ElementTriP1())
    a, b, _, inner = fem.condense(laplace.assemble(basis), mass.assemble(basis), D=m.boundary_nodes(), expand=True)
    values, _ = fem.solver_eigen_scipy_sym(k=5, sigma=0.0)(a, b)
    return np.sort(values)


CASES = [
    poisson_triangles,
    poisson_quadratic_quads,
    poisson_tetrahedra,
    elasticity_hexahedra,
    plate_by_morley,
    stokes,
    convection_diffusion,
    helmholtz_absorbing,
    heat,
    minimal_surface,
    mixed_poisson,
    membrane_modes,
]
