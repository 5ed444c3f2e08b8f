"""femwell: modes of an optical waveguide, by `scipy.sparse.linalg.eigs` with a shift."""

import numpy as np
from femwell.maxwell.waveguide import compute_modes
from skfem import Basis, ElementTriP0, MeshTri


def _waveguide(width):
    x, y = np.linspace(-1.5, 1.5, 31), np.linspace(-1.2, 1.2, 25)
    basis = Basis(MeshTri.init_tensor(x, y), ElementTriP0())
    centers = basis.doflocs
    core = (np.abs(centers[0]) < width / 2) & (np.abs(centers[1]) < 0.15)
    return basis, np.where(core, 3.48**2, 1.44**2)


def strip_waveguide():
    basis, epsilon = _waveguide(0.5)
    return np.sort_complex(compute_modes(basis, epsilon, wavelength=1.55, num_modes=2, order=1).n_effs)


def lossy_waveguide():
    basis, epsilon = _waveguide(0.6)
    return np.sort_complex(compute_modes(basis, epsilon - 1e-2j * (epsilon > 4), wavelength=1.55, num_modes=1).n_effs)


CASES = [strip_waveguide, lossy_waveguide]
