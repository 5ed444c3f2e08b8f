//! GCROT(m, k) with the oldest directions truncated (de Sturler 1999, doi:10.1137/S0036142997315950; in the form of
//! Hicken and Zingg 2010, doi:10.1137/090754674), right-preconditioned, so that its residual is the true one.
//!
//! For any square A. Keeps k pairs of directions with A U = C, CᵀC = I: a cycle of GMRES(m) works with (I − C Cᵀ) A, so
//! that a restart loses only what the pairs do not hold, and its correction becomes the next pair. With
//! `recycle` the pairs serve the next right-hand side too; when A gets new values, C = A U is recomputed.
//! Sequences of similar systems then start with most of the space. Iteration j: 1 product, one projection on C, two on
//! V; each cycle 1 product more. Keeps x, r, w, z, m + 1 basis vectors and 2k directions.

use super::{Method, Next, Outbox, Seen, System, Tuning};
use crate::krylov::cycle::Cycle;
use crate::op::{Array, Basis, Expr, Program, Scalar, Space, Vector};
use std::sync::Arc;

/// The largest k.
const KEPT: usize = 20;

pub(super) struct Gcrotmk {
    s: System,
    cycle: Cycle,
    /// M v, and the correction.
    z: Vector,
    c: Basis,
    u: Basis,
    k: usize,
    y: Array,
    h: Array,
    ww: Scalar,
    gamma: Scalar,
    /// Directions to start with.
    given: Vec<Vector>,
    /// `given` is still to be copied into U.
    fresh: bool,
    /// Pairs made; pair i is in column i mod k.
    made: usize,
    /// Pairs are kept for the next solve.
    recycle: bool,
    /// A has new values: C is no longer A U.
    stale: bool,
}

impl Gcrotmk {
    pub(super) fn new(space: &mut Space, s: System, tuning: &Tuning) -> Self {
        let m = tuning.restart.min(s.order.max(1));
        let k = m.min(KEPT);
        let cycle = Cycle::new(space, s.n, m);
        let (z, c, u) = (space.vector("z", s.n), space.basis("c", s.n, k), space.basis("u", s.n, k));
        let (y, h) = (space.array("y", m), space.array("h", k));
        let [ww, gamma] = space.scalars(["ww", "gamma"]);
        let given = tuning.subspace.iter().take(k).map(|v| space.constant("given", Arc::clone(v))).collect();
        let recycle = tuning.recycle;
        Self { s, cycle, z, c, u, k, y, h, ww, gamma, given, fresh: true, made: 0, recycle, stale: false }
    }

    fn kept(&self) -> usize {
        self.made.min(self.k)
    }

    /// c_j = w / |w|, u_j = z / |w|; both zero if w is, since x/0 = 0.
    fn store(&self, p: &mut Program, j: usize) {
        let Self { ref cycle, z, c, u, ww, .. } = *self;
        let w = cycle.arnoldi.w;
        p.dot(w, w, ww);
        p.scale(Expr::from(1.0) / ww.sqrt(), w, c.column(j));
        p.scale(Expr::from(1.0) / ww.sqrt(), z, u.column(j));
    }

    /// w = A z without its part in the first k columns of C; z is corrected along U so that w = A z holds again.
    fn image(&self, p: &mut Program, k: usize) {
        let Self { ref s, ref cycle, z, c, u, h, .. } = *self;
        let w = cycle.arnoldi.w;
        p.apply(s.a, z, w);
        if k > 0 {
            p.multi_dot(c, k, w, h);
            p.multi_subtract(c, k, h, w);
            p.multi_subtract(u, k, h, z);
        }
    }
}

impl Method for Gcrotmk {
    fn begin(&mut self, correction: usize) {
        if correction == 0 && !self.recycle {
            (self.made, self.fresh) = (0, true);
        }
    }

    fn values_changed(&mut self) {
        self.stale = true;
    }

    fn start(&mut self, p: &mut Program) {
        if std::mem::take(&mut self.fresh) && !self.given.is_empty() {
            self.given.iter().enumerate().for_each(|(j, &v)| p.copy(v, self.u.column(j)));
            (self.made, self.stale) = (self.given.len(), true);
        }
        let k = self.kept();
        if self.stale {
            for j in 0..k {
                p.copy(self.u.column(j), self.z);
                self.image(p, j);
                self.store(p, j);
            }
            self.stale = false;
        }
        let Self { ref s, c, u, h, .. } = *self;
        if k > 0 {
            p.multi_dot(c, k, s.r, h);
            p.multi_add(u, k, h, s.x); //                   x += U C'r
            p.multi_subtract(c, k, h, s.r); //              r -= C C'r
        }
        self.cycle.start(p, self.s.r);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let (v, w, k) = (self.cycle.newest(), self.cycle.arnoldi.w, self.kept());
        let z = if self.s.m.is_identity() { v } else { self.z };
        self.s.precondition(p, v, z);
        p.apply(self.s.a, z, w); //                         w = A M v_j
        if k > 0 {
            p.multi_dot(self.c, k, w, self.h);
            p.multi_subtract(self.c, k, self.h, w); //      w -= C C'w
        }
        self.cycle.extend(p);
        if self.cycle.issued == self.cycle.ls.capacity() { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.cycle.observe(record)
    }

    fn end_cycle(&mut self, p: &mut Program, host: &mut Outbox) {
        let y = self.cycle.ls.solve();
        if y.is_empty() {
            return;
        }
        let Self { ref s, ref cycle, z, c, u, gamma, .. } = *self;
        host.send(self.y, &y);
        let sum = if s.m.is_identity() { z } else { cycle.arnoldi.w };
        p.zero(sum);
        p.multi_add(cycle.arnoldi.v, y.len(), self.y, sum);
        if !s.m.is_identity() {
            s.precondition(p, sum, z); //                   z = M V y
        }
        self.image(p, self.kept());
        let j = self.made % self.k;
        self.store(p, j);
        p.dot(c.column(j), s.r, gamma);
        p.axpy(gamma, u.column(j), s.x); //                 x += <c, r> u
        self.made += 1;
    }

    fn directions(&self) -> Vec<Vector> {
        (0..self.kept()).map(|j| self.u.column(j)).collect()
    }

    /// The product with the cycle's correction.
    fn closing_products(&self) -> usize {
        1
    }

    fn restarts(&self) -> bool {
        true
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
