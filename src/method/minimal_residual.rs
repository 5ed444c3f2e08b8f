//! Minimal residual (Saad, *Iterative Methods for Sparse Linear Systems*, 2003, section 5.3.2,
//! doi:10.1137/1.9780898718003): the one-dimensional projection that minimises ‖r − α A M r‖.
//!
//! For A whose symmetric part is positive definite (with M: that of A M). Each iteration: 1 product, 3 dots;
//! keeps x, r, q (and z with M). It is GMRES(1), the residual's steepest descent: ‖r‖ falls by √(1 − λ²/σ²) or better
//! per iteration, λ the smallest eigenvalue of the symmetric part and σ = ‖A M‖. For teaching and as a smoother.

use super::{Method, Next, System};
use crate::op::{Program, Scalar, Space, Stop, Vector};

pub(super) struct MinimalResidual {
    s: System,
    /// M r; r itself without M.
    z: Vector,
    /// A z.
    q: Vector,
    qr: Scalar,
    qq: Scalar,
    rr: Scalar,
    rr_old: Scalar,
}

impl MinimalResidual {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let [qr, qq, rr, rr_old] = space.scalars(["qr", "qq", "rr", "rr_old"]);
        let q = space.vector("q", s.n);
        let z = s.preconditioned(space, "z", s.r);
        Self { s, z, q, qr, qq, rr, rr_old }
    }
}

impl Method for MinimalResidual {
    fn start(&mut self, p: &mut Program) {
        p.dot(self.s.r, self.s.r, self.rr);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, z, q, qr, qq, rr, rr_old } = *self;
        s.precondition(p, s.r, z); //       z = M r
        p.apply(s.a, z, q); //              q = A z
        p.dot(q, s.r, qr);
        p.dot(q, q, qq);
        p.axpy(qr / qq, z, s.x); //         x += alpha z, alpha = <q, r>/<q, q>
        p.axpy(-(qr / qq), q, s.r); //      r -= alpha q
        p.set(rr_old, rr);
        p.dot(s.r, s.r, rr);
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(qr.abs().le(qq.sqrt() * rr_old.sqrt() * s.watch.epsilon), Stop::BreakdownOmega);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
