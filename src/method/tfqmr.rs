//! TFQMR, transpose-free quasi-minimal residual (Freund 1993, doi:10.1137/0914029), right-preconditioned, so
//! that its residual is the true one.
//!
//! For any square A. Two half steps per iteration along the directions of CGS, each weighted so that a bound on
//! the residual is minimised: as fast as CGS, but smooth. Each iteration: 2 products, 6 dots;
//! keeps x, r, r̂, w, y₁, y₂, u₁, u₂, v, d (and ŷ₁, ŷ₂ with M). The residual itself is updated, r += c² (w − r) (Zhou
//! and Walker 1994, doi:10.1137/0915021), so that the test is on ‖r‖ and not on the bound τ √(m + 1).
//! Where BiCGStab breaks down on ω (skew-symmetric parts), TFQMR may not.

use super::{Method, Next, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Stop, Vector};

pub(super) struct Tfqmr {
    sys: System,
    /// The shadow residual r̂.
    shadow: Vector,
    /// The residual of CGS.
    w: Vector,
    y: [Vector; 2],
    /// M y.
    y_hat: [Vector; 2],
    /// A M y.
    u: [Vector; 2],
    v: Vector,
    /// The direction of x.
    d: Vector,
    rho: Scalar,
    rho_new: Scalar,
    sigma: Scalar,
    vv: Scalar,
    alpha: Scalar,
    beta: Scalar,
    ww: Scalar,
    tau: Scalar,
    theta: Scalar,
    eta: Scalar,
    /// Share of the new residual, c² = 1/(1 + θ²).
    share: Scalar,
    rr: Scalar,
    shadow_norm: Scalar,
}

impl Tfqmr {
    pub(super) fn new(space: &mut Space, sys: System) -> Self {
        let n = sys.n;
        let [rho, rho_new, sigma, vv, alpha, beta, ww] =
            space.scalars(["rho", "rho_new", "sigma", "vv", "alpha", "beta", "ww"]);
        let [tau, theta, eta, share, rr, shadow_norm] =
            space.scalars(["tau", "theta", "eta", "share", "rr", "shadow_norm"]);
        let [shadow, w, v, d] = ["shadow", "w", "v", "d"].map(|name| space.vector(name, n));
        let (y, u) = (["y1", "y2"].map(|name| space.vector(name, n)), ["u1", "u2"].map(|name| space.vector(name, n)));
        let y_hat = [("y1_hat", y[0]), ("y2_hat", y[1])].map(|(name, y)| sys.preconditioned(space, name, y));
        #[rustfmt::skip]
        let method = Self {
            sys, shadow, w, y, y_hat, u, v, d, rho, rho_new, sigma, vv, alpha, beta, ww, tau, theta, eta, share, rr,
            shadow_norm,
        };
        method
    }

    /// u = A M y.
    fn multiply(&self, p: &mut Program, h: usize) {
        self.sys.precondition(p, self.y[h], self.y_hat[h]);
        p.apply(self.sys.a, self.y_hat[h], self.u[h]);
    }

    /// Half an iteration: updates w along u, d along y, and x, r along d.
    fn half(&self, p: &mut Program, h: usize) {
        let Self { ref sys, w, d, alpha, ww, tau, theta, eta, share, .. } = *self;
        p.axpy(-alpha, self.u[h], w); //                            w -= alpha u
        p.xpby(self.y_hat[h], theta * theta * eta / alpha, d); //   d = M y + theta^2 eta / alpha d
        p.dot(w, w, ww);
        p.set(theta, ww.sqrt() / tau);
        p.set(share, Expr::from(1.0) / (theta * theta + 1.0));
        p.set(tau, tau * theta * share.sqrt());
        p.set(eta, share * alpha);
        p.axpy(eta, d, sys.x); //                                   x += eta d
        let smoothed = Combination::default().plus(theta * theta * share, sys.r).plus(share, w);
        p.assign(sys.r, smoothed); //                               r = (1 - c^2) r + c^2 w
    }
}

impl Method for Tfqmr {
    fn start(&mut self, p: &mut Program) {
        let Self { ref sys, shadow, w, y, u, v, d, rho, tau, theta, eta, shadow_norm, .. } = *self;
        for to in [shadow, w, y[0]] {
            p.copy(sys.r, to);
        }
        self.multiply(p, 0);
        p.copy(u[0], v);
        p.zero(d);
        p.dot(sys.r, sys.r, rho);
        p.set(tau, rho.sqrt());
        p.set(shadow_norm, rho.sqrt());
        p.set(theta, 0.0);
        p.set(eta, 0.0);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref sys, shadow, w, y, u, v, .. } = *self;
        let Self { rho, rho_new, sigma, vv, alpha, beta, ww, rr, shadow_norm, .. } = *self;
        let sum = Combination::default;
        p.dot(shadow, v, sigma);
        p.dot(v, v, vv);
        p.set(alpha, rho / sigma);
        p.assign(y[1], sum().plus(1.0, y[0]).plus(-alpha, v)); //       y2 = y1 - alpha v
        self.half(p, 0);
        self.multiply(p, 1);
        self.half(p, 1);
        p.dot(sys.r, sys.r, rr);
        p.dot(shadow, w, rho_new);
        p.set(beta, rho_new / rho);
        p.set(rho, rho_new);
        p.assign(y[0], sum().plus(1.0, w).plus(beta, y[1])); //         y1 = w + beta y2
        self.multiply(p, 0);
        // v = u1 + beta (u2 + beta v)
        p.assign(v, sum().plus(1.0, u[0]).plus(beta, u[1]).plus(beta * beta, v));
        sys.watch.residual(p, rr.sqrt(), &[]);
        p.stop_if(sigma.abs().le(shadow_norm * vv.sqrt() * sys.watch.epsilon), Stop::BreakdownRho);
        p.stop_if(rho.abs().le(shadow_norm * ww.sqrt() * sys.watch.epsilon), Stop::BreakdownRho);
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.sys
    }
}
