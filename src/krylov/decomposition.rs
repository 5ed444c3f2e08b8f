//! A Krylov decomposition that restarts: A V_k = V_k H_k + v_k bᵀ with VᵀV = I (or VᵀBV = I).
//!
//! It grows as Arnoldi's does. A restart replaces V_k by V_k S with S orthonormal, H_k by SᵀH_kS and b by Sᵀb, and
//! the next column continues from v_k (Stewart 2001, doi:10.1137/S0895479800371529; for symmetric A this is the thick
//! restart of Wu and Simon 2000, doi:10.1137/S0895479898334605). Where the space became invariant, or its wanted part
//! is to be locked, b is zero and a random vector continues: so eigenvectors orthogonal to everything that grew from
//! one start are found as well.

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
    /// Dimension of what can be spanned.
    rank: usize,
    /// Columns at most.
    m: usize,
    /// Columns written into programs.
    issued: usize,
    /// H, of which `coupling` has the rows and columns that have arrived.
    h: Mat<f64>,
    /// b.
    coupling: Vec<f64>,
    /// The largest column of H.
    size: f64,
    random: Random,
}

impl Decomposition {
    /// For vectors of n entries that span `rank` dimensions at most.
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

    /// No columns yet; v_0 along `start`, or a random vector.
    pub(crate) fn begin(&mut self, p: &mut Program, host: &mut Outbox, start: Option<Vec<f64>>) {
        let start = start.unwrap_or_else(|| self.random.vector(self.n));
        self.clear();
        host.send_vector(self.arnoldi.w, start);
        self.arnoldi.orthonormalise(p, 0);
    }

    /// No columns any more; v_0 along V c.
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

    /// Takes what stands in `arnoldi.w` as the next column; true where it is the last that fits.
    pub(crate) fn extend(&mut self, p: &mut Program) -> bool {
        self.arnoldi.extend(p, self.issued, 1.0.into());
        self.issued += 1;
        self.issued == self.m
    }

    /// Reads the record of a column; true where the space is invariant, so that columns beyond are noise.
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

    /// Columns at most.
    pub(crate) fn capacity(&self) -> usize {
        self.m
    }

    /// True where V spans everything.
    pub(crate) fn is_complete(&self) -> bool {
        self.len() == self.rank
    }

    /// True where A V = V H.
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

    /// Goes on with V S, whose projected matrix is `t`. Without a coupling, or where it is to be forgotten (`lock`),
    /// a random vector comes next.
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
