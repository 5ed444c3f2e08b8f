//! Conjugate gradients (Hestenes and Stiefel 1952, doi:10.6028/jres.049.044), preconditioned.
//!
//! For A symmetric positive definite, minimises the A-norm of the error over the Krylov space
//! K_k(MA, Mr). Each iteration: 1 product, 2 dots (3 with M), 3 updates; keeps x, r, d, q (and z with M).
//! Memory traffic when fused: the matrix and 10 n-vectors (9 on a GPU, where the product forms d while it gathers
//! it). Iterations grow with √κ(MA).
//! Use it for every symmetric positive definite system; for indefinite A use MINRES.

use super::{Method, Next, RELIABLE, System};
use crate::op::{Expr, Program, Scalar, Space, Stop, Vector};

pub(super) struct Cg {
    s: System,
    /// Search direction.
    d: Vector,
    /// A d.
    q: Vector,
    /// M r; r itself without M.
    z: Vector,
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    beta: Scalar,
    rr: Scalar,
}

impl Cg {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let [rho, rho_new, sigma, alpha, beta, rr] = space.scalars(["rho", "rho_new", "sigma", "alpha", "beta", "rr"]);
        let (d, q) = (space.vector("d", s.n), space.vector("q", s.n));
        let z = s.preconditioned(space, "z", s.r);
        Self { s, d, q, z, rho, rho_new, sigma, alpha, beta, rr }
    }
}

impl Method for Cg {
    fn start(&mut self, p: &mut Program) {
        let Self { ref s, d, z, rho, .. } = *self;
        s.precondition(p, s.r, z); //     z = M r
        p.dot(s.r, z, rho); //      rho = <r, z>
        p.copy(z, d); //            d = z
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, d, q, z, rho, rho_new, sigma, alpha, beta, rr } = *self;
        p.apply(s.a, d, q); //              q = A d
        p.dot(d, q, sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, d, s.x); //           x += alpha d
        p.axpy(-alpha, q, s.r); //          r -= alpha q
        s.precondition(p, s.r, z); //             z = M r
        p.dot(s.r, s.r, rr);
        p.dot(s.r, z, rho_new);
        p.set(beta, rho_new / rho);
        p.set(rho, rho_new);
        p.xpby(z, beta, d); //              d = z + beta d
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.le(0.0), Stop::Indefinite);
        p.stop_if(rho_new.le(0.0), Stop::IndefinitePreconditioner);
        Next::More
    }

    /// Reliable update (Clark et al. 2010, doi:10.1016/j.cpc.2010.05.002): r is the true residual now. The
    /// direction is corrected along z, so that <r, d> = <r, z> holds again.
    fn resume(&mut self, p: &mut Program) {
        let Self { ref s, d, z, rho, sigma, .. } = *self;
        s.precondition(p, s.r, z);
        p.dot(s.r, z, rho);
        p.dot(s.r, d, sigma);
        p.axpy(Expr::from(1.0) - sigma / rho, z, d); //   d += (1 - <r, d>/rho) z
    }

    fn reduction(&self) -> f64 {
        RELIABLE
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
