//! LSMR (Fong and Saunders 2011, doi:10.1137/10079687X): MINRES on AᵀA x = Aᵀb by Golub–Kahan bidiagonalisation,
//! without forming AᵀA.
//!
//! For any A: rectangular, square, singular; x is the solution of minimum norm. ‖Aᵀr‖ falls
//! monotonically (in LSQR only ‖r‖ does), so it is safe to stop least-squares problems early; ‖r‖ lies a little
//! above LSQR's. Each iteration: 1 product with A, 1 with Aᵀ, 2 dots (3 with M ≈ (AᵀA)⁻¹); keeps x, h, h̄ and the
//! four vectors of the process (five with M). ‖r‖ comes from a further QR factorisation, of scalars only.

use super::golub_kahan::{Condition, GolubKahan};
use super::{Method, Next, Seen, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Vector};

pub(super) struct Lsmr {
    s: System,
    process: GolubKahan,
    condition: Condition,
    h: Vector,
    h_bar: Vector,
    /// First rotation: B to an upper bidiagonal R.
    alpha_bar: Scalar,
    rho: Scalar,
    rho_old: Scalar,
    c: Scalar,
    sn: Scalar,
    theta: Scalar,
    /// Second rotation: Rᵀ to an upper bidiagonal R̄.
    c_bar: Scalar,
    sn_bar: Scalar,
    rho_bar: Scalar,
    rho_bar_old: Scalar,
    theta_bar: Scalar,
    /// ζ, its last value, and ζ̄, the rest of the normal equations' right-hand side: |ζ̄| is ‖Aᵀr‖.
    zeta: Scalar,
    zeta_old: Scalar,
    zeta_bar: Scalar,
    /// For ‖r‖: a third rotation, of R̄ᵀ, and the right-hand side under it.
    estimate: Estimate,
}

/// ‖r‖ from the rotations (Fong and Saunders 2011, section 5.1).
struct Estimate {
    beta_hat: Scalar,
    beta_dot: Scalar,
    beta_below: Scalar,
    rho_dot: Scalar,
    rho_tilde: Scalar,
    theta_tilde: Scalar,
    tau_tilde: Scalar,
    c_tilde: Scalar,
    s_tilde: Scalar,
}

impl Estimate {
    fn new(space: &mut Space) -> Self {
        let [beta_hat, beta_dot, beta_below, rho_dot, rho_tilde, theta_tilde] =
            space.scalars(["beta_hat", "beta_dot", "beta_below", "rho_dot", "rho_tilde", "theta_tilde"]);
        let [tau_tilde, c_tilde, s_tilde] = space.scalars(["tau_tilde", "c_tilde", "s_tilde"]);
        Self { beta_hat, beta_dot, beta_below, rho_dot, rho_tilde, theta_tilde, tau_tilde, c_tilde, s_tilde }
    }

    fn start(&self, p: &mut Program, beta: Scalar) {
        p.set(self.beta_below, beta);
        p.set(self.rho_dot, 1.0);
        for s in [self.beta_dot, self.theta_tilde, self.tau_tilde] {
            p.set(s, 0.0);
        }
    }

    /// ‖r‖ after the rotations of this step.
    fn step(&self, p: &mut Program, m: &Lsmr) -> Expr {
        let Self { beta_hat, beta_dot, beta_below, rho_dot, rho_tilde, theta_tilde, .. } = *self;
        let Self { tau_tilde, c_tilde, s_tilde, .. } = *self;
        p.set(beta_hat, m.c * beta_below);
        p.set(beta_below, -(m.sn * beta_below));
        p.set(rho_tilde, (rho_dot * rho_dot + m.theta_bar * m.theta_bar).sqrt());
        p.set(c_tilde, rho_dot / rho_tilde);
        p.set(s_tilde, m.theta_bar / rho_tilde);
        p.set(tau_tilde, (Expr::from(m.zeta_old) - theta_tilde * tau_tilde) / rho_tilde);
        p.set(theta_tilde, s_tilde * m.rho_bar);
        p.set(rho_dot, c_tilde * m.rho_bar);
        p.set(beta_dot, c_tilde * beta_hat - s_tilde * beta_dot);
        let gap = beta_dot - (Expr::from(m.zeta) - theta_tilde * tau_tilde) / rho_dot;
        (gap.clone() * gap + beta_below * beta_below).sqrt()
    }
}

impl Lsmr {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let process = GolubKahan::new(space, &s);
        let [h, h_bar] = ["h", "h_bar"].map(|name| space.vector(name, s.n));
        let [alpha_bar, rho, rho_old, c, sn, theta] =
            space.scalars(["alpha_bar", "rho", "rho_old", "c", "sn", "theta"]);
        let [c_bar, sn_bar, rho_bar, rho_bar_old, theta_bar] =
            space.scalars(["c_bar", "sn_bar", "rho_bar", "rho_bar_old", "theta_bar"]);
        let [zeta, zeta_old, zeta_bar] = space.scalars(["zeta", "zeta_old", "zeta_bar"]);
        let estimate = Estimate::new(space);
        Self {
            s,
            process,
            condition: Condition::default(),
            h,
            h_bar,
            alpha_bar,
            rho,
            rho_old,
            c,
            sn,
            theta,
            c_bar,
            sn_bar,
            rho_bar,
            rho_bar_old,
            theta_bar,
            zeta,
            zeta_old,
            zeta_bar,
            estimate,
        }
    }
}

impl Method for Lsmr {
    fn start(&mut self, p: &mut Program) {
        self.condition = Condition::default();
        let GolubKahan { alpha, beta, v, .. } = self.process;
        self.process.start(&self.s, p);
        p.scale(Expr::from(1.0) / alpha, v, self.h); //                 h = v
        p.zero(self.h_bar);
        p.set(self.alpha_bar, alpha);
        p.set(self.zeta_bar, alpha * beta);
        for (s, value) in
            [(self.rho, 1.0), (self.rho_bar, 1.0), (self.c_bar, 1.0), (self.sn_bar, 0.0), (self.zeta, 0.0)]
        {
            p.set(s, value);
        }
        self.estimate.start(p, beta);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, ref process, h, h_bar, alpha_bar, rho, rho_old, c, sn, theta, .. } = *self;
        let Self { c_bar, sn_bar, rho_bar, rho_bar_old, theta_bar, zeta, zeta_old, zeta_bar, .. } = *self;
        let GolubKahan { alpha, beta, v, .. } = *process;
        process.step(s, p);
        p.set(rho_old, rho);
        p.set(rho, (alpha_bar * alpha_bar + beta * beta).sqrt());
        p.set(c, alpha_bar / rho);
        p.set(sn, beta / rho);
        p.set(theta, sn * alpha);
        p.set(alpha_bar, c * alpha);

        p.set(rho_bar_old, rho_bar);
        p.set(theta_bar, sn_bar * rho);
        p.set(rho_bar, ((c_bar * rho) * (c_bar * rho) + theta * theta).sqrt());
        p.set(c_bar, (c_bar * rho) / rho_bar);
        p.set(sn_bar, theta / rho_bar);
        p.set(zeta_old, zeta);
        p.set(zeta, c_bar * zeta_bar);
        p.set(zeta_bar, -(sn_bar * zeta_bar));

        // h_bar = h - (theta_bar rho / (rho_old rho_bar_old)) h_bar
        let kept = (theta_bar / rho_bar_old) * (rho / rho_old);
        p.assign(h_bar, Combination::default().plus(1.0, h).plus(-kept, h_bar));
        p.axpy((zeta / rho) / rho_bar, h_bar, s.x); //                  x += zeta/(rho rho_bar) h_bar
        // h = v - (theta/rho) h
        p.assign(h, Combination::default().plus(Expr::from(1.0) / alpha, v).plus(-(theta / rho), h));
        let norm = self.estimate.step(p, self);
        s.watch.normal(p, norm, process.normal_norm(zeta_bar.abs()), &[rho.into(), theta.into()]);
        Next::More
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        self.condition.step(record[1], record[2]);
        Seen { residual: record[0], done: false }
    }

    fn condition(&self) -> Option<f64> {
        self.condition.estimate
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
