//! BiCG, biconjugate gradients (Fletcher 1976, doi:10.1007/BFb0080116), preconditioned.
//!
//! For any square A whose transpose is available. Builds biorthogonal residuals r of A and r̂ of Aᵀ by short
//! recurrences; for A = Aᵀ it is CG at twice the cost. Each iteration: 1 product with A, 1 with Aᵀ, 6 dots (and M, Mᵀ);
//! keeps x, r, r̂, d, d̂, q, q̂ (and z, ẑ with M). ‖r‖ is erratic, and ⟨r̂, r⟩ ≈ 0 or ⟨d̂, A d⟩ ≈ 0 is a breakdown.
//! BiCGStab and IDR(s) need no transpose and are smoother; BiCG serves as their reference.

use super::{Method, Next, SELDOM, System};
use crate::op::{Program, Scalar, Space, Stop, Vector};

pub(super) struct BiCg {
    s: System,
    /// The residual of the transposed system.
    shadow: Vector,
    /// Directions of both systems, and A d, Aᵀ d̂.
    d: Vector,
    d_shadow: Vector,
    q: Vector,
    q_shadow: Vector,
    /// M r and Mᵀ r̂; r and r̂ themselves without M.
    z: Vector,
    z_shadow: Vector,
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    beta: Scalar,
    rr: Scalar,
    /// ⟨r̂, r̂⟩ and ⟨q, q⟩, ⟨d̂, d̂⟩: the scale for tests against zero.
    ss: Scalar,
    qq: Scalar,
    dd: Scalar,
}

impl BiCg {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let n = s.n;
        let [rho, rho_new, sigma, alpha, beta, rr, ss, qq, dd] =
            space.scalars(["rho", "rho_new", "sigma", "alpha", "beta", "rr", "ss", "qq", "dd"]);
        let [shadow, d, d_shadow, q, q_shadow] =
            ["shadow", "d", "d_shadow", "q", "q_shadow"].map(|name| space.vector(name, n));
        let (z, z_shadow) = (s.preconditioned(space, "z", s.r), s.preconditioned(space, "z_shadow", shadow));
        #[rustfmt::skip]
        let method = Self {
            s, shadow, d, d_shadow, q, q_shadow, z, z_shadow, rho, rho_new, sigma, alpha, beta, rr, ss, qq, dd,
        };
        method
    }

    /// z = M r, ẑ = Mᵀ r̂.
    fn precondition(&self, p: &mut Program) {
        self.s.precondition(p, self.s.r, self.z);
        self.s.precondition_transposed(p, self.shadow, self.z_shadow);
    }
}

impl Method for BiCg {
    fn start(&mut self, p: &mut Program) {
        p.copy(self.s.r, self.shadow); //           r^ = r
        self.precondition(p);
        p.dot(self.shadow, self.z, self.rho); //    rho = <r^, M r>
        p.copy(self.z, self.d);
        p.copy(self.z_shadow, self.d_shadow);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, shadow, d, d_shadow, q, q_shadow, z, z_shadow, .. } = *self;
        let Self { rho, rho_new, sigma, alpha, beta, rr, ss, qq, dd, .. } = *self;
        p.apply(s.a, d, q); //                      q = A d
        p.apply(s.transposed(), d_shadow, q_shadow); // q^ = A' d^
        p.dot(d_shadow, q, sigma);
        p.dot(q, q, qq);
        p.dot(d_shadow, d_shadow, dd);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, d, s.x); //                   x += alpha d
        p.axpy(-alpha, q, s.r); //                  r -= alpha q
        p.axpy(-alpha, q_shadow, shadow); //        r^ -= alpha q^
        self.precondition(p);
        p.dot(s.r, s.r, rr);
        p.dot(shadow, shadow, ss);
        p.dot(shadow, z, rho_new);
        p.set(beta, rho_new / rho);
        p.set(rho, rho_new);
        p.xpby(z, beta, d); //                      d = z + beta d
        p.xpby(z_shadow, beta, d_shadow);
        s.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.abs().le(dd.sqrt() * qq.sqrt() * s.watch.noise), Stop::BreakdownRho);
        if s.m.is_identity() {
            p.stop_if(rho.abs().le(ss.sqrt() * rr.sqrt() * s.watch.noise), Stop::BreakdownRho);
        } else {
            p.stop_if(rho.abs().le(0.0), Stop::BreakdownRho);
        }
        Next::More
    }

    /// r is the true residual now; the shadow and the directions stay.
    fn resume(&mut self, p: &mut Program) {
        self.s.precondition(p, self.s.r, self.z);
        p.dot(self.shadow, self.z, self.rho);
    }

    fn reduction(&self) -> f64 {
        SELDOM
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
