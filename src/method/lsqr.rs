//! LSQR (Paige and Saunders 1982, doi:10.1145/355984.355989): min ‖b − A x‖ by Golub–Kahan bidiagonalisation and
//! a QR factorisation of the bidiagonal matrix that grows by one Givens rotation an iteration.
//!
//! For any A: rectangular, square, singular; x is the solution of minimum norm. In exact arithmetic
//! it is CG on AᵀA x = Aᵀb, without forming AᵀA and as accurate as κ(A) allows; iterations grow with κ(A), ‖r‖ falls
//! monotonically, ‖Aᵀr‖ nearly so. Each iteration: 1 product with A, 1 with Aᵀ, 2 dots (3 with M ≈ (AᵀA)⁻¹); keeps x, d
//! and the four vectors of the process (five with M). Prefer CG, MINRES or GMRES for square systems they can solve.

use super::golub_kahan::{Condition, GolubKahan};
use super::{Method, Next, Seen, System};
use crate::op::{Combination, Expr, Program, Scalar, Space, Vector};

pub(super) struct Lsqr {
    s: System,
    process: GolubKahan,
    condition: Condition,
    /// Direction of x, times ρ.
    d: Vector,
    /// φ̄, the rest of the right-hand side: ‖r‖.
    phi_bar: Scalar,
    phi: Scalar,
    rho_bar: Scalar,
    rho: Scalar,
    /// The rotation.
    c: Scalar,
    sn: Scalar,
    theta: Scalar,
}

impl Lsqr {
    pub(super) fn new(space: &mut Space, s: System) -> Self {
        let process = GolubKahan::new(space, &s);
        let d = space.vector("d", s.n);
        let [phi_bar, phi, rho_bar, rho, c, sn, theta] =
            space.scalars(["phi_bar", "phi", "rho_bar", "rho", "c", "sn", "theta"]);
        Self { s, process, condition: Condition::default(), d, phi_bar, phi, rho_bar, rho, c, sn, theta }
    }
}

impl Method for Lsqr {
    fn start(&mut self, p: &mut Program) {
        self.condition = Condition::default();
        let Self { ref s, ref process, d, phi_bar, rho_bar, .. } = *self;
        process.start(s, p);
        p.scale(Expr::from(1.0) / process.alpha, process.v, d); //      d = v
        p.set(phi_bar, process.beta);
        p.set(rho_bar, process.alpha);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, ref process, d, phi_bar, phi, rho_bar, rho, c, sn, theta, .. } = *self;
        let GolubKahan { alpha, beta, v, .. } = *process;
        process.step(s, p);
        // The rotation that eliminates beta from the column.
        p.set(rho, (rho_bar * rho_bar + beta * beta).sqrt());
        p.set(c, rho_bar / rho);
        p.set(sn, beta / rho);
        p.set(theta, sn * alpha);
        p.set(rho_bar, -(c * alpha));
        p.set(phi, c * phi_bar);
        p.set(phi_bar, sn * phi_bar);
        p.axpy(phi / rho, d, s.x); //                                   x += (phi/rho) d
        // d = v - (theta/rho) d
        p.assign(d, Combination::default().plus(Expr::from(1.0) / alpha, v).plus(-(theta / rho), d));
        let normal = process.normal_norm(phi_bar * (alpha * c.abs()));
        s.watch.normal(p, phi_bar.into(), normal, &[rho.into(), theta.into()]);
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
