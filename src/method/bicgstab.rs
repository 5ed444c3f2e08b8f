//! BiCGStab (van der Vorst 1992, doi:10.1137/0913035), right-preconditioned, so that its residual is the
//! true one.
//!
//! For any square A. Each iteration: 2 products, 6 dots, short recurrences; keeps x, r, r̂, d, v, s, t
//! (and d̂, ŝ with M). Converges erratically and can break down: it stops if ⟨r̂, r⟩ ≈ 0 or ω ≈ 0 relative
//! to the norms of the vectors. Use it where GMRES needs too many vectors.

use super::{Method, Next, SELDOM, System};
use crate::op::{Combination, Program, Scalar, Space, Stop, Vector};

pub(super) struct BiCgStab {
    sys: System,
    /// The shadow residual r̂.
    shadow: Vector,
    d: Vector,
    /// M d and M s.
    d_hat: Vector,
    s_hat: Vector,
    v: Vector,
    s: Vector,
    t: Vector,
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    alpha: Scalar,
    ts: Scalar,
    tt: Scalar,
    ss: Scalar,
    omega: Scalar,
    beta: Scalar,
    rr: Scalar,
    shadow_norm: Scalar,
}

impl BiCgStab {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [rho, rho_new, sigma, alpha, ts, tt, ss, omega, beta, rr, shadow_norm] =
            space.scalars(["rho", "rho_new", "sigma", "alpha", "ts", "tt", "ss", "omega", "beta", "rr", "shadow_norm"]);
        let [shadow, d, v, s, t] = ["shadow", "d", "v", "s", "t"].map(|name| space.vector(name, n));
        let d_hat = sys.preconditioned(space, "d_hat", d);
        let s_hat = sys.preconditioned(space, "s_hat", s);
        Self {
            sys,
            shadow,
            d,
            d_hat,
            s_hat,
            v,
            s,
            t,
            rho,
            rho_new,
            sigma,
            alpha,
            ts,
            tt,
            ss,
            omega,
            beta,
            rr,
            shadow_norm,
        }
    }
}

impl Method for BiCgStab {
    fn start(&mut self, p: &mut Program) {
        let Self { ref sys, shadow, d, rho, shadow_norm, .. } = *self;
        p.copy(sys.r, shadow); //               r^ = r
        p.copy(sys.r, d); //                    d = r
        p.dot(sys.r, sys.r, rho);
        p.set(shadow_norm, rho.sqrt());
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref sys, shadow, d, d_hat, s_hat, v, s, t, .. } = *self;
        let Self { rho, rho_new, sigma, alpha, ts, tt, ss, omega, beta, rr, shadow_norm, .. } = *self;
        let (x, r) = (sys.x, sys.r);
        sys.precondition(p, d, d_hat); //             d^ = M d
        p.apply(sys.a, d_hat, v); //            v = A d^
        p.dot(shadow, v, sigma);
        p.set(alpha, rho / sigma);
        p.assign(s, Combination::default().plus(1.0, r).plus(-alpha, v)); //   s = r - alpha v
        sys.precondition(p, s, s_hat); //             s^ = M s
        p.dot(s, s, ss);
        p.apply(sys.a, s_hat, t); //            t = A s^
        p.dot(t, s, ts);
        p.dot(t, t, tt);
        p.set(omega, ts / tt);
        p.assign(x, Combination::default().plus(1.0, x).plus(alpha, d_hat).plus(omega, s_hat));
        p.assign(r, Combination::default().plus(1.0, s).plus(-omega, t)); //   r = s - omega t
        p.dot(r, r, rr);
        p.dot(shadow, r, rho_new);
        p.set(beta, (rho_new / rho) * (alpha / omega));
        p.set(rho, rho_new);
        // d = r + beta (d - omega v)
        p.assign(d, Combination::default().plus(1.0, r).plus(beta, d).plus(-(beta * omega), v));
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(rho.abs().le(shadow_norm * rr.sqrt() * sys.watch.noise), Stop::BreakdownRho);
        p.stop_if(ts.abs().le(tt.sqrt() * ss.sqrt() * sys.watch.noise), Stop::BreakdownOmega);
        Next::More
    }

    /// r is the true residual now; shadow and direction stay.
    fn resume(&mut self, p: &mut Program) {
        p.dot(self.shadow, self.sys.r, self.rho);
    }

    fn reduction(&self) -> f64 {
        SELDOM
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
