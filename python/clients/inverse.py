"""SimPEG: potentials of electrodes in the ground, by the iterative solver that it comes with (`bicgstab` with Jacobi)."""

import numpy as np
import pymatsolver
from discretize import TensorMesh
from simpeg import maps
from simpeg.electromagnetics.static import resistivity as dc


def electrodes():
    steps = [(10.0, 4, -1.4), (10.0, 16), (10.0, 4, 1.4)]
    mesh = TensorMesh([steps, steps, [(10.0, 4, -1.4), (10.0, 10)]], origin="CCN")
    centers = mesh.cell_centers
    sigma = np.where(np.linalg.norm(centers - [20.0, 0.0, -40.0], axis=1) < 25, 1e-1, 1e-2)
    receivers = dc.receivers.Dipole(
        np.array([[x, 0.0, 0.0] for x in (-40.0, -20.0, 0.0)]),
        np.array([[x + 20.0, 0.0, 0.0] for x in (-40.0, -20.0, 0.0)]),
    )
    sources = [dc.sources.Dipole([receivers], np.array([-70.0, 0.0, 0.0]), np.array([70.0, 0.0, 0.0]))]
    sim = dc.Simulation3DNodal(
        mesh,
        survey=dc.Survey(sources),
        sigmaMap=maps.IdentityMap(mesh),
        solver=pymatsolver.BiCGJacobi,
        solver_opts={"rtol": 1e-11, "maxiter": 5000},
    )
    return sim.dpred(sigma)


CASES = [electrodes]
