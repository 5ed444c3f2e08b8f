//! CGS, conjugate gradients squared (Sonneveld 1989, doi:10.1137/0910004), right-preconditioned, so that its
//! residual is the true one.
//!
//! For any square A. The residual is BiCG's polynomial applied twice, r = φ(A)² r₀: twice as fast as BiCG where
//! it converges, but with its peaks squared, so that the recurrence can lose the true residual (the driver
//! checks and corrects). Each iteration: 2 products, 4 dots; keeps x, r, r̂, d, u, q, v, s, t (and d̂, ŝ with M).
//! Use BiCGStab or TFQMR unless A is well conditioned.

use super::{Method, Next, SELDOM, System};
use crate::op::{Combination, Dtype, Program, Scalar, Space, Stop, Vector};

pub(super) struct Cgs {
    sys: System,
    /// The shadow residual r̂.
    shadow: Vector,
    d: Vector,
    u: Vector,
    q: Vector,
    v: Vector,
    s: Vector,
    t: Vector,
    /// M d and M s.
    d_hat: Vector,
    s_hat: Vector,
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    vv: Scalar,
    alpha: Scalar,
    beta: Scalar,
    rr: Scalar,
    shadow_norm: Scalar,
    /// As [`Method::growth`].
    growth: f64,
}

impl Cgs {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [rho, rho_new, sigma, vv, alpha, beta, rr, shadow_norm] =
            space.scalars(["rho", "rho_new", "sigma", "vv", "alpha", "beta", "rr", "shadow_norm"]);
        let [shadow, d, u, q, v, s, t] = ["shadow", "d", "u", "q", "v", "s", "t"].map(|name| space.vector(name, n));
        let (d_hat, s_hat) = (sys.preconditioned(space, "d_hat", d), sys.preconditioned(space, "s_hat", s));
        // The square of BiCG's bound, as its polynomial is squared; more in f64, where rounding allows it: on
        // convection with 20² points ‖r‖ grows by 2e10 and still comes down to a true 2e-9.
        let growth = if space.plan.working == Dtype::F64 { 1e14 } else { 1e10 };
        Self {
            sys,
            shadow,
            d,
            u,
            q,
            v,
            s,
            t,
            d_hat,
            s_hat,
            rho,
            rho_new,
            sigma,
            vv,
            alpha,
            beta,
            rr,
            shadow_norm,
            growth,
        }
    }
}

impl Method for Cgs {
    fn start(&mut self, p: &mut Program) {
        for v in [self.shadow, self.d, self.u] {
            p.copy(self.sys.r, v);
        }
        p.dot(self.sys.r, self.sys.r, self.rho);
        p.set(self.shadow_norm, self.rho.sqrt());
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref sys, shadow, d, u, q, v, s, t, d_hat, s_hat, .. } = *self;
        let Self { rho, rho_new, sigma, vv, alpha, beta, rr, shadow_norm, .. } = *self;
        let (x, r) = (sys.x, sys.r);
        let sum = Combination::default;
        sys.precondition(p, d, d_hat);
        p.apply(sys.a, d_hat, v); //                                    v = A M d
        p.dot(shadow, v, sigma);
        p.dot(v, v, vv);
        p.set(alpha, rho / sigma);
        p.assign(q, sum().plus(1.0, u).plus(-alpha, v)); //             q = u - alpha v
        p.assign(s, sum().plus(1.0, u).plus(1.0, q)); //                s = u + q
        sys.precondition(p, s, s_hat);
        p.apply(sys.a, s_hat, t); //                                    t = A M s
        p.axpy(alpha, s_hat, x); //                                     x += alpha M s
        p.axpy(-alpha, t, r); //                                        r -= alpha t
        p.dot(r, r, rr);
        p.dot(shadow, r, rho_new);
        p.set(beta, rho_new / rho);
        p.set(rho, rho_new);
        p.assign(u, sum().plus(1.0, r).plus(beta, q)); //               u = r + beta q
        // d = u + beta (q + beta d)
        p.assign(d, sum().plus(1.0, u).plus(beta, q).plus(beta * beta, d));
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.abs().le(shadow_norm * vv.sqrt() * sys.watch.epsilon), Stop::BreakdownRho);
        p.stop_if(rho.abs().le(shadow_norm * rr.sqrt() * sys.watch.epsilon), Stop::BreakdownRho);
        Next::More
    }

    /// r is the true residual now; shadow and directions stay.
    fn resume(&mut self, p: &mut Program) {
        p.dot(self.shadow, self.sys.r, self.rho);
    }

    fn reduction(&self) -> f64 {
        SELDOM
    }

    fn growth(&self) -> f64 {
        self.growth
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
