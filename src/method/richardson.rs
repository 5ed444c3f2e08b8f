//! Richardson's iteration (Richardson 1911, doi:10.1098/rsta.1911.0009): x += ω M r with one ω throughout.
//!
//! For A with the spectrum of A M in the right half plane. For A M with real spectrum in [a, b], a > 0, the best
//! ω is 2/(a + b), and the error falls by (κ−1)/(κ+1) per iteration. Each iteration: 1 product, 1 dot; keeps x,
//! r, q (and z with M). For teaching, smoothing, and where dots are expensive; Chebyshev is √κ times faster.
//!
//! Without given bounds, the first iterations are minimal residual steps, and ω is the smallest of their step
//! lengths. Such steps soon alternate between two lengths whose reciprocals add up to a + b (Nocedal,
//! Sartenaer and Zhu 2002, doi:10.1023/A:1014897230089, for steepest descent), so that ω lies in [1/b, 2/(a + b)]:
//! stable, and within a factor 2 of the best. For nonsymmetric A it is the
//! most cautious of the steps tried, without a guarantee.

use super::{Method, Next, System};
use crate::op::{Expr, Program, Scalar, Space, Stop, Vector};

/// Iterations that estimate ω.
const PROBES: usize = 20;

pub(super) struct Richardson {
    s: System,
    /// M r; r itself without M.
    z: Vector,
    /// A z.
    q: Vector,
    omega: Scalar,
    alpha: Scalar,
    qr: Scalar,
    qq: Scalar,
    rr: Scalar,
    rr_old: Scalar,
    given: Option<f64>,
    /// Iterations issued since the start.
    issued: usize,
}

impl Richardson {
    /// With the bounds [a, b] of the spectrum of A M, if they are known.
    pub(super) fn new(space: &mut Space, s: System, spectrum: Option<(f64, f64)>) -> Self {
        let [omega, alpha, qr, qq, rr, rr_old] = space.scalars(["omega", "alpha", "qr", "qq", "rr", "rr_old"]);
        let q = space.vector("q", s.n);
        let z = s.preconditioned(space, "z", s.r);
        let given = spectrum.map(|(a, b)| 2.0 / (a + b));
        Self { s, z, q, omega, alpha, qr, qq, rr, rr_old, given, issued: 0 }
    }
}

impl Method for Richardson {
    fn start(&mut self, p: &mut Program) {
        self.issued = 0;
        p.set(self.omega, self.given.unwrap_or(f64::from(f32::MAX)));
        p.dot(self.s.r, self.s.r, self.rr);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, z, q, omega, alpha, qr, qq, rr, rr_old, .. } = *self;
        let probe = self.given.is_none() && self.issued < PROBES;
        self.issued += 1;
        s.precondition(p, s.r, z); //           z = M r
        p.apply(s.a, z, q); //                  q = A z
        if probe {
            p.dot(q, s.r, qr);
            p.dot(q, q, qq);
            p.set(rr_old, rr);
            p.set(alpha, qr / qq);
            p.set(omega, Expr::from(omega).min(alpha));
        } else {
            p.set(alpha, omega);
        }
        p.axpy(alpha, z, s.x); //               x += omega z
        p.axpy(-alpha, q, s.r); //              r -= omega q
        p.dot(s.r, s.r, rr);
        s.watch.residual(p, rr.sqrt(), &[]);
        if probe {
            // No omega > 0 lowers the residual.
            p.stop_if(qr.le(qq.sqrt() * rr_old.sqrt() * s.watch.epsilon), Stop::BreakdownOmega);
        }
        Next::More
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
