//! A Krylov decomposition that restarts: A V_k = V_k H_k + v_k bᵀ with VᵀV = I (or VᵀBV = I).
//!
//! It grows by Arnoldi's process. A restart replaces V_k by V_k S with S orthonormal, H_k by SᵀH_kS and b by Sᵀb, and
//! the next column continues from v_k (Stewart 2001, doi:10.1137/S0895479800371529; for symmetric A this is the thick
//! restart of Wu and Simon 2000, doi:10.1137/S0895479898334605). If the space is invariant, or its wanted part is to
//! be locked, b is zero and the process continues from a random vector, so that eigenvectors orthogonal to the whole
//! space of one start vector are found as well.

use super::arnoldi::{Arnoldi, Column};
use crate::host::dense::eigen::flat;
use crate::host::random::Random;
use crate::op::{Array, Operator, Outbox, Program, Space, Vector};
use faer::Mat;

/// The basis on the device, the small matrix on the host.
pub(crate) struct Decomposition {
    pub(crate) arnoldi: Arnoldi,
    /// S on its way to the device.
    s: Array,
    n: usize,
    /// Largest possible dimension of the space.
    rank: usize,
    /// Maximum number of columns.
    m: usize,
    /// Columns issued.
    issued: usize,
    /// H; as many rows and columns have arrived as `coupling` has entries.
    h: Mat<f64>,
    /// b.
    coupling: Vec<f64>,
    /// The largest norm of a column of H.
    size: f64,
    random: Random,
}

impl Decomposition {
    /// For vectors of n entries that span at most `rank` dimensions.
    pub(crate) fn new(space: &mut Space, [n, rank]: [usize; 2], m: usize, mass: Option<Operator>, seed: u64) -> Self {
        let mut arnoldi = Arnoldi::new(space, n, m);
        if let Some(b) = mass {
            arnoldi = arnoldi.with_mass(space, b);
        }
        Self {
            arnoldi,
            s: space.array("s", m * m),
            n,
            rank,
            m,
            issued: 0,
            h: Mat::zeros(m + 1, m),
            coupling: vec![],
            size: 0.0,
            random: Random::new(seed),
        }
    }

    /// Starts without columns, v_0 along `start` or a random vector.
    pub(crate) fn begin(&mut self, p: &mut Program, host: &mut Outbox, start: Option<Vec<f64>>) {
        let start = start.unwrap_or_else(|| self.random.vector(self.n));
        self.clear();
        host.send_vector(self.arnoldi.w, start);
        self.arnoldi.orthonormalise(p, 0);
    }

    /// Drops all columns and starts again with v_0 along V c.
    pub(crate) fn begin_within(&mut self, p: &mut Program, host: &mut Outbox, c: &Mat<f64>) {
        host.send(self.s, &flat(c));
        p.rotate(self.arnoldi.v, c.nrows(), 1, self.s);
        p.copy(self.arnoldi.v.column(0), self.arnoldi.w);
        self.clear();
        self.arnoldi.orthonormalise(p, 0);
    }

    fn clear(&mut self) {
        self.issued = 0;
        self.coupling.clear();
        self.h.fill(0.0);
        self.size = 0.0;
    }

    /// The newest basis vector.
    pub(crate) fn newest(&self) -> Vector {
        self.arnoldi.v.column(self.issued)
    }

    /// Takes `arnoldi.w` as the next column; true if it is the last that fits.
    pub(crate) fn extend(&mut self, p: &mut Program) -> bool {
        self.arnoldi.extend(p, self.issued, 1.0.into());
        self.issued += 1;
        self.issued == self.m
    }

    /// Reads the record of a column; true if the space is invariant, so that later columns are noise.
    pub(crate) fn observe(&mut self, record: &[f64]) -> bool {
        let Column { h, below, .. } = self.arnoldi.column(record);
        let k = self.len();
        h.iter().enumerate().for_each(|(i, &v)| self.h[(i, k)] = v);
        self.size = self.size.max(crate::host::scale::norm2(&h).hypot(below));
        let invariant = below <= self.arnoldi.noise * self.size || k + 1 == self.rank;
        self.coupling = vec![0.0; k + 1];
        if !invariant {
            self.coupling[k] = below;
            if k + 1 < self.m {
                self.h[(k + 1, k)] = below;
            }
        }
        invariant
    }

    /// Columns that have arrived.
    pub(crate) fn len(&self) -> usize {
        self.coupling.len()
    }

    /// Maximum number of columns.
    pub(crate) fn capacity(&self) -> usize {
        self.m
    }

    /// True if V spans the whole space.
    pub(crate) fn is_complete(&self) -> bool {
        self.len() == self.rank
    }

    /// True if A V = V H.
    pub(crate) fn is_invariant(&self) -> bool {
        self.coupling.iter().all(|&b| b == 0.0)
    }

    /// H.
    pub(crate) fn projected(&self) -> Mat<f64> {
        Mat::from_fn(self.len(), self.len(), |i, j| self.h[(i, j)])
    }

    /// b.
    pub(crate) fn coupling(&self) -> &[f64] {
        &self.coupling
    }

    /// Continues with V S, whose projected matrix is `t`. If b is zero, or is to be dropped (`lock`), a random vector
    /// comes next.
    pub(crate) fn restart(&mut self, p: &mut Program, host: &mut Outbox, s: &Mat<f64>, t: &Mat<f64>, lock: bool) {
        let (k, l, v) = (s.nrows(), s.ncols(), self.arnoldi.v);
        let invariant = lock || self.is_invariant();
        host.send(self.s, &flat(s));
        p.rotate(v, k, l, self.s);
        let b: Vec<f64> = (0..l).map(|j| (0..k).map(|i| s[(i, j)] * self.coupling[i]).sum()).collect();
        self.h.fill(0.0);
        (0..l).for_each(|j| (0..l).for_each(|i| self.h[(i, j)] = t[(i, j)]));
        self.coupling = vec![0.0; l];
        self.issued = l;
        if l == self.rank {
            return;
        }
        if invariant {
            host.send_vector(self.arnoldi.w, self.random.vector(self.n));
            self.arnoldi.orthonormalise(p, l);
        } else {
            p.copy(v.column(k), v.column(l));
            b.iter().enumerate().for_each(|(j, &b)| self.h[(l, j)] = b);
            self.coupling = b;
        }
    }

    /// The columns that have arrived.
    pub(crate) fn columns(&self) -> Vec<Vector> {
        (0..self.len()).map(|j| self.arnoldi.v.column(j)).collect()
    }
}
