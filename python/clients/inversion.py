"""discretize, the meshes of SimPEG: a resistivity problem on a tree mesh, and a Helmholtz one."""

import discretize
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sl


def resistivity_on_a_tree_mesh():
    m = discretize.TreeMesh([32, 32, 32])
    m.refine_ball(np.array([[0.5, 0.5, 0.5]]), np.array([0.3]), np.array([5]))
    sigma = np.where(np.linalg.norm(m.cell_centers - 0.5, axis=1) < 0.2, 10.0, 1.0)
    d, v = m.face_divergence, sp.diags(m.cell_volumes)
    a = v @ d @ m.get_face_inner_product(1 / sigma, invert_matrix=True) @ d.T @ v + 1e-3 * v
    q = m.cell_volumes * (np.exp(-50 * np.sum((m.cell_centers - 0.3) ** 2, axis=1)))
    a = a.tocsr()
    return sl.cg(a, q, rtol=1e-11, M=sp.diags(1 / a.diagonal()))[0]


def damped_helmholtz():
    m = discretize.TensorMesh([40, 40])
    g = m.nodal_gradient
    nodes = sp.diags(m.average_node_to_cell.T @ m.cell_volumes)
    a = (g.T @ m.get_edge_inner_product() @ g - 80 * (1 + 0.5j) * nodes).tocsr()
    b = np.zeros(a.shape[0], dtype=complex)
    b[a.shape[0] // 2] = 1.0
    return sl.gmres(a, b, rtol=1e-10, restart=80)[0]


CASES = [resistivity_on_a_tree_mesh, damped_helmholtz]
