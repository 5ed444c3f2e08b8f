"""SfePy: a Laplace problem on a block and linear elasticity, by its solver `ls.scipy_iterative`."""

import numpy as np
from sfepy.base.base import output
from sfepy.discrete import Equation, Equations, FieldVariable, Integral, Material, Problem
from sfepy.discrete.conditions import Conditions, EssentialBC
from sfepy.discrete.fem import FEDomain, Field
from sfepy.mechanics.matcoefs import stiffness_from_lame
from sfepy.mesh.mesh_generators import gen_block_mesh
from sfepy.solvers.ls import ScipyIterative
from sfepy.solvers.nls import Newton
from sfepy.terms import Term

output.set_output(quiet=True)


def _solved(kind, term, material, ends):
    domain = FEDomain("domain", gen_block_mesh([1, 1, 1], [11, 11, 11], [0, 0, 0], verbose=False))
    omega = domain.create_region("Omega", "all")
    left = domain.create_region("Left", "vertices in x < -0.499", "facet")
    right = domain.create_region("Right", "vertices in x > 0.499", "facet")
    field = Field.from_args("field", np.float64, kind, omega, approx_order=1)
    u, v = FieldVariable("u", "unknown", field), FieldVariable("v", "test", field, primary_var_name="u")
    balance = Equation("balance", Term.new(term, Integral("i", order=2), omega, m=material, v=v, u=u))
    solver = Newton(
        {"i_max": 1, "eps_a": 1e-8}, lin_solver=ScipyIterative({"method": "cg", "eps_r": 1e-11, "i_max": 5000})
    )
    problem = Problem("problem", equations=Equations([balance]))
    problem.set_bcs(
        ebcs=Conditions([EssentialBC(f"end{k}", r, {"u.all": e}) for k, (r, e) in enumerate(zip((left, right), ends))])
    )
    problem.set_solver(solver)
    return problem.solve(save_results=False)()


def laplace():
    return _solved("scalar", "dw_laplace(m.value, v, u)", Material("m", value=2.0), (1.0, -1.0))


def elasticity():
    material = Material("m", D=stiffness_from_lame(dim=3, lam=1.0, mu=1.0))
    return _solved("vector", "dw_lin_elastic(m.D, v, u)", material, (0.0, 0.1))


CASES = [laplace, elasticity]
