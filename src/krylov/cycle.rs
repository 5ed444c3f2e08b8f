//! One cycle of the GMRES family: the Arnoldi process on the device, the least-squares problem over its
//! columns on the host. Methods differ in what they multiply by A, and in how y becomes a correction. Columns may come from
//! any vectors; where they come from one operator, `delayed.rs` reads the basis less often.

use super::arnoldi::{Arnoldi, Column};
use crate::host::dense::givens::HessenbergLeastSquares;
use crate::op::{Program, Scalar, Seen, Space, Vector};

/// A cycle with a fixed maximum number of columns.
pub(crate) struct Cycle {
    pub(crate) arnoldi: Arnoldi,
    /// ⟨r, r⟩ at the start of the cycle.
    rr: Scalar,
    /// Columns issued in this cycle.
    pub(crate) issued: usize,
    /// The least-squares problem over the columns that have arrived.
    pub(crate) ls: HessenbergLeastSquares,
}

impl Cycle {
    pub(crate) fn new(space: &mut Space, n: usize, m: usize) -> Self {
        let arnoldi = Arnoldi::new(space, n, m);
        Self { arnoldi, rr: space.scalar("rr"), issued: 0, ls: HessenbergLeastSquares::new(m) }
    }

    /// v_0 = r / |r|, no columns yet.
    pub(crate) fn start(&mut self, p: &mut Program, r: Vector) {
        self.issued = 0;
        self.ls.clear();
        p.dot(r, r, self.rr);
        self.arnoldi.start(p, r, self.rr.sqrt());
    }

    /// The newest basis vector v_j.
    pub(crate) fn newest(&self) -> Vector {
        self.arnoldi.v.column(self.issued)
    }

    /// Takes `arnoldi.w` as the next column: h = V'w, w −= V h, v_{j+1} = w/|w|.
    pub(crate) fn extend(&mut self, p: &mut Program) {
        self.arnoldi.extend(p, self.issued, self.rr.sqrt());
        self.issued += 1;
    }

    /// Reads the record of a column: ‖r‖ after it, and whether the space is exhausted.
    pub(crate) fn observe(&mut self, record: &[f64]) -> Seen {
        let Column { beta, h, below, breakdown } = self.arnoldi.column(record);
        if self.ls.len() == 0 {
            self.ls.start(beta);
        }
        Seen { residual: self.ls.push(&h, below), done: breakdown }
    }
}
