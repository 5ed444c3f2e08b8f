//! Conjugate residuals (Stiefel 1955, doi:10.1007/BF02564277), preconditioned.
//!
//! For A symmetric; minimises the M-norm of the residual (‖r‖ without M) over the Krylov space for A definite,
//! where it equals MINRES. M symmetric positive definite. The directions are A M A-orthogonal:
//! d = z + β d, A d = A z + β A d. Each iteration: 1 product, 5 dots; keeps x, r, d, q = A d, w = A z
//! (and z, M q with M). Its residual falls monotonically, so it is safer to stop early than CG.
//! For A indefinite ⟨z, A z⟩ can vanish, which is a breakdown: use MINRES there.

use super::{Method, Next, RELIABLE, System};
use crate::op::{Program, Scalar, Space, Stop, Vector};

pub(super) struct Cr {
    s: System,
    d: Vector,
    /// A d.
    q: Vector,
    /// A z.
    w: Vector,
    /// M r, updated by a recurrence; r itself without M.
    z: Vector,
    /// M q; q itself without M.
    mq: Vector,
    rho: Scalar,
    rho_old: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    beta: Scalar,
    rr: Scalar,
    zz: Scalar,
    ww: Scalar,
}

impl Cr {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let [rho, rho_old, sigma, alpha, beta, rr, zz, ww] =
            space.scalars(["rho", "rho_old", "sigma", "alpha", "beta", "rr", "zz", "ww"]);
        let [d, q, w] = ["d", "q", "w"].map(|name| space.vector(name, s.n));
        let (z, mq) = (s.preconditioned(space, "z", s.r), s.preconditioned(space, "mq", q));
        Self { s, d, q, w, z, mq, rho, rho_old, sigma, alpha, beta, rr, zz, ww }
    }
}

impl Method for Cr {
    fn start(&mut self, p: &mut Program) {
        self.s.precondition(p, self.s.r, self.z); //    z = M r
        p.zero(self.d);
        p.zero(self.q);
        p.set(self.rho_old, 0.0); //                    so that the first beta is 0
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, d, q, w, z, mq, rho, rho_old, sigma, alpha, beta, rr, zz, ww } = *self;
        p.apply(s.a, z, w); //              w = A z
        p.dot(z, w, rho);
        p.dot(w, w, ww);
        p.dot(z, z, zz);
        p.set(beta, rho / rho_old);
        p.set(rho_old, rho);
        p.xpby(z, beta, d); //              d = z + beta d
        p.xpby(w, beta, q); //              q = w + beta q
        s.precondition(p, q, mq);
        p.dot(q, mq, sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, d, s.x); //           x += alpha d
        p.axpy(-alpha, q, s.r); //          r -= alpha q
        if z != s.r {
            p.axpy(-alpha, mq, z); //       z -= alpha M q
        }
        p.dot(s.r, s.r, rr);
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.le(0.0), Stop::IndefinitePreconditioner);
        p.stop_if(rho.abs().le(zz.sqrt() * ww.sqrt() * s.watch.epsilon), Stop::BreakdownRho);
        Next::More
    }

    /// r is the true residual now; d, A d and the last rho stay.
    fn resume(&mut self, p: &mut Program) {
        self.s.precondition(p, self.s.r, self.z); //    z = M r
    }

    fn reduction(&self) -> f64 {
        RELIABLE
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
