"""OpenPNM: transport through a network of pores, solved by its conjugate gradients, which are SciPy's."""

import numpy as np
import openpnm as op


def _network(shape, conductance):
    """A cubic network with random conductances, and a phase in it."""
    op.Workspace().settings.loglevel = 50
    net = op.network.Cubic(shape=shape, spacing=1e-4)
    phase = op.phase.Phase(network=net)
    phase[f"throat.{conductance}"] = 10.0 ** -np.random.default_rng(1).uniform(11, 13, net.Nt)
    return net, phase


def _solved(algorithm, net):
    algorithm.set_value_BC(pores=net.pores("left"), values=1.0)
    algorithm.set_value_BC(pores=net.pores("right"), values=0.0)
    algorithm.run(solver=op.solvers.ScipyCG(tol=1e-11, maxiter=20000))
    return np.array(algorithm.x)


def fickian_diffusion():
    net, phase = _network([20, 20, 20], "diffusive_conductance")
    return _solved(op.algorithms.FickianDiffusion(network=net, phase=phase), net)


def stokes_flow():
    net, phase = _network([30, 30, 10], "hydraulic_conductance")
    return _solved(op.algorithms.StokesFlow(network=net, phase=phase), net)


CASES = [fickian_diffusion, stokes_flow]
