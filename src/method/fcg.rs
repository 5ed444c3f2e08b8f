//! Flexible conjugate gradients (Notay 2000, doi:10.1137/S1064827599362314), FCG(1), that is CG with the
//! β of Polak and Ribière.
//!
//! For A symmetric positive definite and an M that varies from step to step or is not quite symmetric:
//! d = z − (⟨z, A d⟩/⟨d, A d⟩) d keeps the new direction A-orthogonal to the last one whatever M is. Each iteration:
//! 1 product, 3 dots (4 with M); keeps x, r, d, q (and z with M). With one fixed symmetric M it is CG.

use super::{Method, Next, RELIABLE, System};
use crate::op::{Program, Scalar, Space, Stop, Vector};

pub(super) struct Fcg {
    s: System,
    d: Vector,
    /// A d.
    q: Vector,
    /// M r; r itself without M.
    z: Vector,
    rho: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    zq: Scalar,
    rr: Scalar,
}

impl Fcg {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let [rho, sigma, alpha, zq, rr] = space.scalars(["rho", "sigma", "alpha", "zq", "rr"]);
        let (d, q) = (space.vector("d", s.n), space.vector("q", s.n));
        let z = s.preconditioned(space, "z", s.r);
        Self { s, d, q, z, rho, sigma, alpha, zq, rr }
    }
}

impl Method for Fcg {
    fn start(&mut self, p: &mut Program) {
        let Self { ref s, d, z, rho, .. } = *self;
        s.precondition(p, s.r, z); //       z = M r
        p.dot(s.r, z, rho);
        p.copy(z, d);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, d, q, z, rho, sigma, alpha, zq, rr } = *self;
        p.apply(s.a, d, q); //              q = A d
        p.dot(d, q, sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, d, s.x); //           x += alpha d
        p.axpy(-alpha, q, s.r); //          r -= alpha q
        s.precondition(p, s.r, z); //       z = M r
        p.dot(s.r, s.r, rr);
        p.dot(s.r, z, rho);
        p.dot(z, q, zq);
        p.xpby(z, -(zq / sigma), d); //     d = z - <z, q>/<d, q> d
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.le(0.0), Stop::Indefinite);
        p.stop_if(rho.le(0.0), Stop::IndefinitePreconditioner);
        Next::More
    }

    /// r is the true residual now; with ⟨r, d⟩ the step along d is the minimising one again.
    fn resume(&mut self, p: &mut Program) {
        p.dot(self.s.r, self.d, self.rho);
    }

    fn reduction(&self) -> f64 {
        RELIABLE
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
