"""PyAMG: its hierarchies as M, and krylane's methods as its `accel`."""

import numpy as np
import pyamg
import scipy.sparse.linalg as sl


def _system(grid=(120, 120)):
    a = pyamg.gallery.poisson(grid, format="csr")
    return a, np.random.default_rng(1).standard_normal(a.shape[0])


def hierarchy_as_m():
    a, b = _system()
    m = pyamg.smoothed_aggregation_solver(a).aspreconditioner()
    return sl.cg(a, b, rtol=1e-10, M=m)[0]


def ruge_stuben_with_gmres():
    a, b = _system((25, 25, 25))
    m = pyamg.ruge_stuben_solver(a).aspreconditioner()
    return sl.gmres(a, b, rtol=1e-10, M=m)[0]


def accel_cg():
    a, b = _system()
    return pyamg.smoothed_aggregation_solver(a).solve(b, tol=1e-10, accel=sl.cg)


def accel_bicgstab():
    a, b = _system()
    return pyamg.smoothed_aggregation_solver(a).solve(b, tol=1e-10, accel=sl.bicgstab)


CASES = [hierarchy_as_m, ruge_stuben_with_gmres, accel_cg, accel_bicgstab]
