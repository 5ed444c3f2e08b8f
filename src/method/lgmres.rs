//! LGMRES(m, k), loose GMRES (Baker, Jessup and Manteuffel 2005, doi:10.1137/S0895479803422014),
//! right-preconditioned, so that its residual is the true one.
//!
//! For any square A. The space of each GMRES(m) cycle is enlarged by the k = 3 latest corrections dx_i/|dx_i| of
//! earlier cycles, which approximate what the restarts discarded: the residuals of alternate cycles, often
//! nearly parallel in GMRES(m), then differ. Minimises ‖r − A [M V, dX] y‖ over m + k columns. Iteration j: 1
//! product, two passes of projection (4nj flops each); keeps x, r, w, m + k + 1 basis vectors, k corrections
//! (and z with M). Use it where GMRES(m) slows down from cycle to cycle; without restarts it is GMRES.

use super::{Method, Next, Outbox, Seen, System, Tuning};
use crate::krylov::cycle::Cycle;
use crate::op::{Array, Basis, Expr, Program, Scalar, Space, Vector};
use std::sync::Arc;

/// k, the number of earlier corrections in a cycle.
const KEPT: usize = 3;

pub(super) struct Lgmres {
    s: System,
    cycle: Cycle,
    /// Columns of a cycle that come from the Krylov space.
    m: usize,
    /// M v and the correction; with M = I only the correction.
    z: Vector,
    /// The latest corrections, normalised.
    dx: Basis,
    zz: Scalar,
    y: Array,
    y_dx: Array,
    /// Directions to use in place of corrections at the start.
    given: Vec<Vector>,
    /// Corrections made for this right-hand side; correction i is in column i mod k.
    corrections: usize,
}

impl Lgmres {
    pub(super) fn new(space: &mut Space, s: System, tuning: &Tuning) -> Self {
        let m = tuning.restart.min(s.order.max(1));
        let cycle = Cycle::new(space, s.n, m + KEPT);
        let (z, dx, zz) = (space.vector("z", s.n), space.basis("dx", s.n, KEPT), space.scalar("zz"));
        let (y, y_dx) = (space.array("y", m), space.array("y_dx", KEPT));
        let given = tuning.subspace.iter().take(KEPT).map(|v| space.constant("given", Arc::clone(v))).collect();
        Self { s, cycle, m, z, dx, zz, y, y_dx, given, corrections: 0 }
    }

    /// Columns of this cycle.
    fn columns(&self) -> usize {
        (self.m + self.corrections.min(KEPT)).min(self.s.order)
    }
}

impl Method for Lgmres {
    fn begin(&mut self, correction: usize) {
        if correction == 0 {
            self.corrections = 0;
        }
    }

    fn start(&mut self, p: &mut Program) {
        if self.corrections == 0 {
            self.given.iter().enumerate().for_each(|(j, &v)| p.copy(v, self.dx.column(j)));
            self.corrections = self.given.len();
        }
        self.cycle.start(p, self.s.r);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let (j, w) = (self.cycle.issued, self.cycle.arnoldi.w);
        if j >= self.m {
            p.apply(self.s.a, self.dx.column(j - self.m), w); //    w = A dx_i
        } else if self.s.m.is_identity() {
            p.apply(self.s.a, self.cycle.newest(), w); //           w = A v_j
        } else {
            self.s.precondition(p, self.cycle.newest(), self.z);
            p.apply(self.s.a, self.z, w); //                        w = A M v_j
        }
        self.cycle.extend(p);
        if self.cycle.issued >= self.columns() { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.cycle.observe(record)
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) {
        let Self { ref s, ref cycle, z, dx, zz, .. } = *self;
        let (y, w) = (cycle.ls.solve(), cycle.arnoldi.w);
        if y.is_empty() {
            return;
        }
        let (krylov, augmented) = y.split_at(y.len().min(self.m));
        host.send(self.y, krylov);
        host.send(self.y_dx, augmented);
        let sum = if s.m.is_identity() { z } else { w };
        p.zero(sum);
        p.multi_add(cycle.arnoldi.v, krylov.len(), self.y, sum);
        if !s.m.is_identity() {
            s.precondition(p, w, z);
        }
        if !augmented.is_empty() {
            p.multi_add(dx, augmented.len(), self.y_dx, z); //      z = M V y + dX y'
        }
        p.axpy(1.0, z, s.x);
        p.dot(z, z, zz);
        p.scale(Expr::from(1.0) / zz.sqrt(), z, dx.column(self.corrections % KEPT));
        self.corrections += 1;
    }

    fn directions(&self) -> Vec<Vector> {
        (0..self.corrections.min(KEPT)).map(|j| self.dx.column(j)).collect()
    }

    fn restarts(&self) -> bool {
        true
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
