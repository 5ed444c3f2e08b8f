"""krylane: Krylov solvers for large sparse problems, on GPUs or the CPU, with answers certified in f64.

>>> import krylane, numpy as np
>>> A = krylane.gallery("poisson2d", 50)
>>> r = krylane.solve(A, np.ones(2500))
>>> r.converged and r.certificate.relative <= 1e-8
True

``from krylane import linalg as sl`` has the functions of ``scipy.sparse.linalg``; `patch_scipy` redirects SciPy itself.
"""

from __future__ import annotations

import logging as _logging
import os as _os
import sys as _sys

if _sys.platform == "linux" and "XDG_RUNTIME_DIR" not in _os.environ:
    # Mesa's device-select layer writes `error:` to stderr if XDG_RUNTIME_DIR is unset, and has nothing to select here.
    _os.environ.setdefault("NODEVICE_SELECT", "1")

from . import linalg
from ._core import __version__
from ._eigen import eigs, svds
from ._patch import Patch, patch_scipy
from ._result import Certificate, EigenResult, Result, SvdResult
from ._solve import Solver, solve
from ._tools import devices, gallery, gallery_names, methods, preconditioners, read_matrix, read_vector
from .errors import DeviceError, InputError, Interrupted, KrylaneError, KrylaneWarning, NotConverged

_logging.getLogger("krylane").addHandler(_logging.NullHandler())

__all__ = [
    "Certificate",
    "DeviceError",
    "EigenResult",
    "InputError",
    "Interrupted",
    "KrylaneError",
    "KrylaneWarning",
    "NotConverged",
    "Patch",
    "Result",
    "Solver",
    "SvdResult",
    "__version__",
    "devices",
    "eigs",
    "gallery",
    "gallery_names",
    "linalg",
    "methods",
    "patch_scipy",
    "preconditioners",
    "read_matrix",
    "read_vector",
    "solve",
    "svds",
]
