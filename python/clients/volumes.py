"""FiPy: its SciPy solvers on problems in the way of its examples, with a sweep of a nonlinear one."""

import os

os.environ["FIPY_SOLVERS"] = "scipy"

import fipy  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse.linalg as sl  # noqa: E402
from fipy.solvers.scipy import LinearBicgstabSolver, LinearCGSolver, LinearGMRESSolver  # noqa: E402

WORDS = {"tolerance": 1e-11, "iterations": 5000}


def _look_up():
    """FiPy's classes keep the functions that they found at import; this is what a program does that imports FiPy later."""
    LinearCGSolver.solveFnc = staticmethod(sl.cg)
    LinearBicgstabSolver.solveFnc = staticmethod(sl.bicgstab)
    LinearGMRESSolver.solveFnc = staticmethod(sl.gmres)


def diffusion_steady():
    _look_up()
    m = fipy.Grid2D(nx=60, ny=60, dx=1 / 60, dy=1 / 60)
    u = fipy.CellVariable(mesh=m)
    u.constrain(1.0, m.facesLeft)
    u.constrain(0.0, m.facesRight)
    fipy.DiffusionTerm(coeff=1.0).solve(var=u, solver=LinearCGSolver(precon=None, **WORDS))
    return np.array(u.value)


def diffusion_transient():
    _look_up()
    m = fipy.Grid1D(nx=400, dx=1 / 400)
    u = fipy.CellVariable(mesh=m, value=0.0)
    u.constrain(1.0, m.facesLeft)
    u.constrain(0.0, m.facesRight)
    solver = LinearCGSolver(precon=None, **WORDS)
    for _ in range(20):
        (fipy.TransientTerm() == fipy.DiffusionTerm(coeff=1.0)).solve(var=u, dt=1e-3, solver=solver)
    return np.array(u.value)


def convection():
    _look_up()
    m = fipy.Grid2D(nx=50, ny=50, dx=1 / 50, dy=1 / 50)
    u = fipy.CellVariable(mesh=m)
    u.constrain(0.0, m.facesLeft)
    u.constrain(1.0, m.facesRight)
    eq = fipy.DiffusionTerm(coeff=0.1) + fipy.ExponentialConvectionTerm(coeff=(1.0, 0.5))
    eq.solve(var=u, solver=LinearBicgstabSolver(precon=None, **WORDS))
    return np.array(u.value)


def nonlinear_sweep():
    _look_up()
    m = fipy.Grid1D(nx=200, dx=1 / 200)
    u = fipy.CellVariable(mesh=m, value=0.5, hasOld=True)
    u.constrain(0.0, m.facesLeft)
    u.constrain(1.0, m.facesRight)
    eq = fipy.TransientTerm() == fipy.DiffusionTerm(coeff=0.1 + u**2)
    solver = LinearGMRESSolver(precon=None, **WORDS)
    for _ in range(5):
        u.updateOld()
        residual, sweeps = 1.0, 0
        while residual > 1e-8 and sweeps < 30:
            residual = eq.sweep(var=u, dt=0.01, solver=solver)
            sweeps += 1
    return np.array(u.value)


def anisotropic_with_jacobi():
    _look_up()
    m = fipy.Grid2D(nx=40, ny=40, dx=1 / 40, dy=1 / 40)
    u = fipy.CellVariable(mesh=m)
    u.constrain(1.0, m.facesTop)
    u.constrain(0.0, m.facesBottom)
    source = fipy.CellVariable(mesh=m, value=np.sin(7 * m.cellCenters.value[0]))
    eq = fipy.DiffusionTerm(coeff=[[[1.0, 0.0], [0.0, 20.0]]]) + source
    eq.solve(var=u, solver=LinearCGSolver(**WORDS))
    return np.array(u.value)


CASES = [diffusion_steady, diffusion_transient, convection, nonlinear_sweep, anisotropic_with_jacobi]
