//! BiCGStab(ℓ) with ℓ = 2 (Sleijpen and Fokkema 1993, ETNA 1, 11–32), right-preconditioned, so that its residual
//! is the true one.
//!
//! For any square A. Two BiCG steps, then ‖r − γ₁ A M r − γ₂ (A M)² r‖ is minimised over both γ: a polynomial of
//! degree 2 can fit complex eigenvalues where the real ω of BiCGStab vanishes (strong convection, skew parts).
//! Each iteration (both steps): 4 products, 11 dots; keeps x, r, r̂, r₁, r₂, u, u₁, u₂ (and û, û₁, r̂₀, r̂₁ with M).

use super::{Method, Next, SELDOM, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Stop, Vector};

pub(super) struct BiCgStabL {
    sys: System,
    /// The shadow residual.
    shadow: Vector,
    /// r and its images under A M; the first is the system's r.
    r: [Vector; 3],
    u: [Vector; 3],
    /// M r_i and M u_i; themselves without M.
    mr: [Vector; 2],
    mu: [Vector; 2],
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    beta: Scalar,
    gamma: [Scalar; 2],
    /// ⟨r_i, r_j⟩: 11, 12, 22, 01, 02.
    gram: [Scalar; 5],
    det: Scalar,
    old: Scalar,
    rr: Scalar,
    shadow_norm: Scalar,
}

impl BiCgStabL {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [rho, rho_new, sigma, alpha, beta, det, old, rr, shadow_norm] =
            space.scalars(["rho", "rho_new", "sigma", "alpha", "beta", "det", "old", "rr", "shadow_norm"]);
        let gamma = space.scalars(["gamma1", "gamma2"]);
        let gram = space.scalars(["g11", "g12", "g22", "g01", "g02"]);
        let shadow = space.vector("shadow", n);
        let r = [sys.r, space.vector("r1", n), space.vector("r2", n)];
        let u = ["u0", "u1", "u2"].map(|name| space.vector(name, n));
        let mr = [("m_r0", r[0]), ("m_r1", r[1])].map(|(name, v)| sys.preconditioned(space, name, v));
        let mu = [("m_u0", u[0]), ("m_u1", u[1])].map(|(name, v)| sys.preconditioned(space, name, v));
        #[rustfmt::skip]
        let method = Self {
            sys, shadow, r, u, mr, mu, rho, rho_new, sigma, alpha, beta, gamma, gram, det, old, rr, shadow_norm,
        };
        method
    }

    /// BiCG step j = 0 or 1: advances r_0 … r_j and u_0 … u_{j+1}, then r_{j+1} = A M r_j.
    fn bicg_step(&self, p: &mut Program, j: usize) {
        let Self { ref sys, shadow, r, u, mr, mu, rho, rho_new, sigma, alpha, beta, .. } = *self;
        let plain = sys.m.is_identity();
        p.dot(shadow, r[j], rho_new);
        p.set(beta, alpha * rho_new / rho);
        p.set(rho, rho_new);
        for i in 0..=j {
            p.xpby(r[i], -beta, u[i]); //                   u_i = r_i - beta u_i
        }
        if j > 0 && !plain {
            p.xpby(mr[0], -beta, mu[0]); //                 the same for M u_0
        }
        sys.precondition(p, u[j], mu[j]);
        p.apply(sys.a, mu[j], u[j + 1]); //                 u_{j+1} = A M u_j
        p.dot(shadow, u[j + 1], sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, mu[0], sys.x); //                     x += alpha M u_0
        for i in 0..=j {
            p.axpy(-alpha, u[i + 1], r[i]); //              r_i -= alpha u_{i+1}
        }
        if j > 0 && !plain {
            p.axpy(-alpha, mu[1], mr[0]);
        }
        sys.precondition(p, r[j], mr[j]);
        p.apply(sys.a, mr[j], r[j + 1]); //                 r_{j+1} = A M r_j
    }
}

impl Method for BiCgStabL {
    fn start(&mut self, p: &mut Program) {
        let Self { ref sys, shadow, u, rho, alpha, rr, shadow_norm, .. } = *self;
        p.copy(sys.r, shadow);
        for v in u {
            p.zero(v);
        }
        p.dot(sys.r, sys.r, rr);
        p.set(shadow_norm, rr.sqrt());
        p.set(rho, 1.0);
        p.set(alpha, 0.0);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref sys, r, u, mr, rho, rho_new, gamma, gram, det, old, rr, shadow_norm, .. } = *self;
        let sum = Combination::default;
        self.bicg_step(p, 0);
        self.bicg_step(p, 1);
        // Least squares in 2 unknowns by the normal equations; in 1 unknown if r_1 and r_2 are parallel.
        let [g11, g12, g22, g01, g02] = gram;
        for (i, j, g) in [(1, 1, g11), (1, 2, g12), (2, 2, g22), (0, 1, g01), (0, 2, g02)] {
            p.dot(r[i], r[j], g);
        }
        p.dot(r[0], r[0], old);
        p.set(det, g11 * g22 - g12 * g12);
        let parallel = || Expr::from(det).le(g11 * g22 * sys.watch.epsilon);
        p.set(gamma[0], Expr::select(parallel(), g01 / g11, (g01 * g22 - g02 * g12) / det));
        p.set(gamma[1], Expr::select(parallel(), 0.0, (g02 * g11 - g01 * g12) / det));
        p.assign(sys.x, sum().plus(1.0, sys.x).plus(gamma[0], mr[0]).plus(gamma[1], mr[1]));
        p.assign(r[0], sum().plus(1.0, r[0]).plus(-gamma[0], r[1]).plus(-gamma[1], r[2]));
        p.assign(u[0], sum().plus(1.0, u[0]).plus(-gamma[0], u[1]).plus(-gamma[1], u[2]));
        p.dot(r[0], r[0], rr);
        p.set(rho, -(rho * gamma[1]));
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(rho_new.abs().le(shadow_norm * g11.sqrt() * sys.watch.noise), Stop::BreakdownRho);
        p.stop_if((gamma[1] * g22.sqrt()).abs().le(old.sqrt() * sys.watch.noise), Stop::BreakdownOmega);
        Next::More
    }

    /// r is the true residual now; a step recomputes everything that depends on it.
    fn resume(&mut self, _: &mut Program) {}

    fn reduction(&self) -> f64 {
        SELDOM
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
