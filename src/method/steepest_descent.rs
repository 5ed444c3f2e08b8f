//! Steepest descent (Cauchy 1847), preconditioned: the step along the gradient that minimises the A-norm
//! of the error.
//!
//! For A symmetric positive definite. Each iteration: 1 product, 2 dots; keeps x, r, q (and z with M).
//! The error falls by (κ−1)/(κ+1) per iteration, so use it for teaching and as a smoother; use CG to solve.

use super::{Method, Next, System};
use crate::op::{Program, Scalar, Space, Stop, Vector};

pub(super) struct SteepestDescent {
    s: System,
    /// M r; r itself without M.
    z: Vector,
    /// A z.
    q: Vector,
    rho: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    rr: Scalar,
}

impl SteepestDescent {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let [rho, sigma, alpha, rr] = space.scalars(["rho", "sigma", "alpha", "rr"]);
        let q = space.vector("q", s.n);
        let z = s.preconditioned(space, "z", s.r);
        Self { s, z, q, rho, sigma, alpha, rr }
    }
}

impl Method for SteepestDescent {
    fn start(&mut self, p: &mut Program) {
        let Self { ref s, z, rho, .. } = *self;
        s.precondition(p, s.r, z); //         z = M r
        p.dot(s.r, z, rho);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, z, q, rho, sigma, alpha, rr } = *self;
        p.apply(s.a, z, q); //          q = A z
        p.dot(z, q, sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, z, s.x); //       x += alpha z
        p.axpy(-alpha, q, s.r); //      r -= alpha q
        s.precondition(p, s.r, z);
        p.dot(s.r, s.r, rr);
        p.dot(s.r, z, rho);
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.le(0.0), Stop::Indefinite);
        p.stop_if(rho.le(0.0), Stop::IndefinitePreconditioner);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
