//! GMRES(m) (Saad and Schultz 1986, doi:10.1137/0907058), right-preconditioned, so that its residual is
//! the true one.
//!
//! For any square A. Minimises ‖r − A M V y‖ over the Krylov space of the cycle: the Arnoldi process runs
//! on the device and publishes its Hessenberg columns; Givens rotations on the host, in f64, turn each into
//! the residual's norm and say at which column to stop. Iteration j: 1 product, two passes of projection
//! (4nj flops each); keeps x, r, w and m + 1 basis vectors. Never breaks down but by success; a restart
//! loses the space, so that hard problems can stagnate: take a larger m then.

use super::{Method, Next, Outbox, Seen, System};
use crate::dense::givens::HessenbergLeastSquares;
use crate::krylov::arnoldi::{Arnoldi, Column};
use crate::op::{Array, Program, Scalar, Space, Vector};

pub(super) struct Gmres {
    s: System,
    arnoldi: Arnoldi,
    /// M v; v itself without M.
    z: Option<Vector>,
    /// ⟨r, r⟩ at the start of the cycle.
    rr: Scalar,
    y: Array,
    /// Columns written into programs in this cycle.
    issued: usize,
    /// The least-squares problem over the columns that have arrived.
    ls: HessenbergLeastSquares,
}

impl Gmres {
    pub(super) fn new(space: &mut Space, s: System, restart: usize) -> Self {
        let m = restart.min(s.n.max(1));
        let arnoldi = Arnoldi::new(space, s.n, m);
        let z = (!s.m.is_identity()).then(|| space.vector("z", s.n));
        let (rr, y) = (space.scalar("rr"), space.array("y", m));
        Self { s, arnoldi, z, rr, y, issued: 0, ls: HessenbergLeastSquares::new(m) }
    }
}

impl Method for Gmres {
    fn start(&mut self, p: &mut Program) {
        self.issued = 0;
        self.ls.clear();
        p.dot(self.s.r, self.s.r, self.rr);
        self.arnoldi.start(p, self.s.r, self.rr.sqrt());
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let j = self.issued;
        let v = self.arnoldi.v.column(j);
        let z = self.z.unwrap_or(v);
        self.s.precondition(p, v, z); //                          z = M v_j
        p.apply(self.s.a, z, self.arnoldi.w); //            w = A z
        self.arnoldi.extend(p, j, self.rr.sqrt()); //       h = V'w, w -= V h, v_{j+1} = w/|w|
        self.issued += 1;
        if self.issued == self.ls.capacity() { Next::Exchange } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        let Column { beta, h, below, breakdown } = self.arnoldi.column(record);
        if self.ls.len() == 0 {
            self.ls.start(beta);
        }
        Seen { residual: self.ls.push(&h, below), done: breakdown }
    }

    fn exchange(&mut self, p: &mut Program, host: &mut Outbox) {
        let Self { ref s, ref arnoldi, z, y, ref ls, .. } = *self;
        host.send(y, &ls.solve());
        match z {
            None => p.multi_add(arnoldi.v, ls.len(), y, s.x), //   x += V y
            Some(z) => {
                p.zero(arnoldi.w);
                p.multi_add(arnoldi.v, ls.len(), y, arnoldi.w);
                s.precondition(p, arnoldi.w, z);
                p.axpy(1.0, z, s.x); //                             x += M V y
            }
        }
    }

    fn restarts(&self) -> bool {
        true
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
