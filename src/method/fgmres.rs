//! FGMRES(m), flexible GMRES (Saad 1993, doi:10.1137/0914028).
//!
//! For any square A and an M that may change from one application to the next, such as an inner iteration
//! with its own stopping rule. A Z = V H with z_j = M_j v_j, and x += Z y minimises ‖r − A Z y‖,
//! the true residual. Iteration j: 1 product, two passes of projection (4nj flops each); keeps x, r, w, m + 1
//! vectors v and m vectors z, twice GMRES. With one fixed M it equals GMRES in every iteration, and saves
//! the application of M at the end of each cycle.

use super::{Method, Next, Outbox, Seen, System};
use crate::krylov::cycle::Cycle;
use crate::op::{Array, Basis, Program, Space};

pub(super) struct Fgmres {
    s: System,
    cycle: Cycle,
    /// M_j v_j; V itself without M.
    z: Basis,
    y: Array,
}

impl Fgmres {
    pub(super) fn new(space: &mut Space, s: System, restart: usize) -> Self {
        let m = restart.min(s.order.max(1));
        let cycle = Cycle::new(space, s.n, m);
        let z = if s.m.is_identity() { cycle.arnoldi.v } else { space.basis("z", s.n, m) };
        let y = space.array("y", m);
        Self { s, cycle, z, y }
    }
}

impl Method for Fgmres {
    fn start(&mut self, p: &mut Program) {
        self.cycle.start(p, self.s.r);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let z = self.z.column(self.cycle.issued);
        self.s.precondition(p, self.cycle.newest(), z); //      z_j = M_j v_j
        p.apply(self.s.a, z, self.cycle.arnoldi.w); //          w = A z_j
        self.cycle.extend(p);
        if self.cycle.issued == self.cycle.ls.capacity() { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.cycle.observe(record)
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) {
        host.send(self.y, &self.cycle.ls.solve());
        p.multi_add(self.z, self.cycle.ls.len(), self.y, self.s.x); //   x += Z y
    }

    fn restarts(&self) -> bool {
        true
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
