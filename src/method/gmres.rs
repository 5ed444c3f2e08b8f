//! GMRES(m) (Saad and Schultz 1986, doi:10.1137/0907058), right-preconditioned, so that its residual is
//! the true one.
//!
//! For any square A. Minimises ‖r − A M V y‖ over the Krylov space of the cycle: the Arnoldi process runs
//! on the device and publishes its Hessenberg columns; Givens rotations on the host, in f64, turn each into
//! the residual's norm and say at which column to stop. Iteration j: 1 product, two passes of projection
//! (4nj flops each); keeps x, r, w and m + 1 basis vectors. Never breaks down but by success; a restart
//! loses the space, so that hard problems can stagnate: take a larger m then.

use super::{Method, Next, Outbox, Seen, System};
use crate::krylov::cycle::Cycle;
use crate::op::{Array, Program, Space, Vector};

pub(super) struct Gmres {
    s: System,
    cycle: Cycle,
    /// M v; v itself without M.
    z: Option<Vector>,
    y: Array,
}

impl Gmres {
    pub(super) fn new(space: &mut Space, s: System, restart: usize) -> Self {
        let m = restart.min(s.n.max(1));
        let cycle = Cycle::new(space, s.n, m);
        let z = (!s.m.is_identity()).then(|| space.vector("z", s.n));
        let y = space.array("y", m);
        Self { s, cycle, z, y }
    }
}

impl Method for Gmres {
    fn start(&mut self, p: &mut Program) {
        self.cycle.start(p, self.s.r);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let v = self.cycle.newest();
        let z = self.z.unwrap_or(v);
        self.s.precondition(p, v, z); //                        z = M v_j
        p.apply(self.s.a, z, self.cycle.arnoldi.w); //          w = A z
        self.cycle.extend(p);
        if self.cycle.issued == self.cycle.ls.capacity() { Next::Exchange } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.cycle.observe(record)
    }

    fn exchange(&mut self, p: &mut Program, host: &mut Outbox) {
        let Self { ref s, ref cycle, z, y } = *self;
        let (arnoldi, ls) = (&cycle.arnoldi, &cycle.ls);
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
