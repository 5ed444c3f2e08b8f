//! GMRES(m) (Saad and Schultz 1986, doi:10.1137/0907058), right-preconditioned, so that its residual is
//! the true one; or left-preconditioned.
//!
//! For any square A. Minimises ‖r − A M V y‖ over the Krylov space of the cycle (on the left ‖M r − M A V y‖, reported
//! in units of ‖r‖ at the start of the cycle; the answer is certified by r, and a cycle follows if M misled). Arnoldi's
//! process runs on the device and publishes its Hessenberg columns; Givens rotations on the host, in f64, turn each
//! into the residual's norm and tell at which column to stop. Iteration j: 1 product, two passes of projection
//! (4nj flops each) that read the j basis vectors twice (`krylov/delayed.rs`); keeps x, r, u, w and m basis vectors (and z
//! with M). The only breakdown is a lucky one; a restart loses the space, so that hard problems can stagnate: take a
//! larger m then.

use super::{Method, Next, Outbox, Seen, System, Tuning};
use crate::krylov::delayed::DelayedCycle;
use crate::op::{Array, Program, Space, Vector};
use crate::precond::Side;

pub(super) struct Gmres {
    s: System,
    cycle: DelayedCycle,
    /// M u (on the left A u); u itself without M.
    z: Option<Vector>,
    left: bool,
    y: Array,
}

impl Gmres {
    pub(super) fn new(space: &mut Space, s: System, tuning: &Tuning) -> Self {
        let m = tuning.restart.min(s.order.max(1));
        let cycle = DelayedCycle::new(space, s.n, m);
        let z = (!s.m.is_identity()).then(|| space.vector("z", s.n));
        let y = space.array("y", m);
        let left = tuning.side == Side::Left && z.is_some();
        Self { s, cycle, z, left, y }
    }
}

impl Method for Gmres {
    fn start(&mut self, p: &mut Program) {
        match self.z {
            Some(z) if self.left => {
                self.s.precondition(p, self.s.r, z); //         z = M r
                self.cycle.start(p, self.s.r, z);
            }
            _ => self.cycle.start(p, self.s.r, self.s.r),
        }
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let (u, w) = (self.cycle.candidate(), self.cycle.image());
        let z = self.z.unwrap_or(u);
        if self.left {
            p.apply(self.s.a, u, z);
            self.s.precondition(p, z, w); // w = M A u
        } else {
            self.s.precondition(p, u, z); // z = M u
            p.apply(self.s.a, z, w); //      w = A z
        }
        self.cycle.extend(p);
        if self.cycle.issued == self.cycle.ls.capacity() { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.cycle.observe(record)
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) {
        let Self { ref s, ref cycle, z, left, y } = *self;
        let (v, ls, sum) = (cycle.v, &cycle.ls, cycle.spare());
        host.send(y, &ls.solve());
        match z {
            None => p.multi_add(v, ls.len(), y, s.x), //  x += V y
            Some(z) => {
                p.zero(sum);
                p.multi_add(v, ls.len(), y, sum);
                if left {
                    p.axpy(cycle.unit(), sum, s.x); //    x += |M r|/|r| V y
                } else {
                    s.precondition(p, sum, z);
                    p.axpy(1.0, z, s.x); //               x += M V y
                }
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
