//! Chebyshev's iteration (Golub and Varga 1961, doi:10.1007/BF01386013; Saad 2003, section 12.3.2).
//!
//! For A and M symmetric positive definite, the spectrum of A M in [a, b]. The residual polynomial is the smallest
//! on [a, b], T_k((b+a−2λ)/(b−a)) scaled to 1 at 0: the error falls by (√κ−1)/(√κ+1) per iteration, as in the
//! bound for CG. Each iteration: 1 product, 1 dot (only to monitor ‖r‖); keeps x, r, d, q (and z with M). Use it
//! where dots are expensive, and as a smoother; CG adapts to the spectrum, this does not.
//!
//! Without given bounds, the first iterations are steps of CG, whose coefficients give Ritz values. Cycles
//! follow, each twice as long as the last: a residual that falls more slowly than [a, b] implies reveals an
//! eigenvalue outside (after Manteuffel 1978, doi:10.1007/BF01389971), and the interval is enlarged to contain it.

use super::{Method, Next, Outbox, Seen, System};
use crate::krylov::ritz;
use crate::op::{Expr, Program, Scalar, Space, Stop, Vector};

/// CG steps that estimate the spectrum, and iterations of the first cycle.
const PROBES: usize = 20;
const CYCLE: usize = 40;

/// Safety factor: extreme Ritz values lie a little inside the spectrum.
const MARGIN: f64 = 1.05;

pub(super) struct Chebyshev {
    s: System,
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
    /// Centre and half-width of the interval, and their quotient.
    theta: Scalar,
    delta: Scalar,
    ratio: Scalar,
    given: Option<(f64, f64)>,
    interval: Option<(f64, f64)>,
    /// Iterations issued in this cycle, and its length.
    issued: usize,
    cycle: usize,
    /// (α, β) of the CG steps that have arrived.
    coefficients: Vec<(f64, f64)>,
    /// ‖r‖ after each iteration of this cycle.
    norms: Vec<f64>,
}

impl Chebyshev {
    /// With the bounds [a, b] of the spectrum of A M, if they are known.
    pub(super) fn new(space: &mut Space, s: System, given: Option<(f64, f64)>) -> Self {
        let [rho, rho_new, sigma, alpha, beta, rr] = space.scalars(["rho", "rho_new", "sigma", "alpha", "beta", "rr"]);
        let [theta, delta, ratio] = space.scalars(["theta", "delta", "ratio"]);
        let (d, q) = (space.vector("d", s.n), space.vector("q", s.n));
        let z = s.preconditioned(space, "z", s.r);
        let (interval, coefficients, norms) = (given, vec![], vec![]);
        #[rustfmt::skip]
        let method = Self {
            s, d, q, z, rho, rho_new, sigma, alpha, beta, rr, theta, delta, ratio, given, interval, issued: 0,
            cycle: CYCLE, coefficients, norms,
        };
        method
    }

    /// One step of CG; its record carries α and β too.
    fn probe(&self, p: &mut Program) {
        let Self { ref s, d, q, z, rho, rho_new, sigma, alpha, beta, rr, .. } = *self;
        p.apply(s.a, d, q);
        p.dot(d, q, sigma);
        p.set(alpha, rho / sigma);
        p.axpy(alpha, d, s.x);
        p.axpy(-alpha, q, s.r);
        s.precondition(p, s.r, z);
        p.dot(s.r, s.r, rr);
        p.dot(s.r, z, rho_new);
        p.set(beta, rho_new / rho);
        p.set(rho, rho_new);
        p.xpby(z, beta, d);
        s.watch.residual(p, rr.sqrt(), &[alpha.into(), beta.into()]);
        p.stop_if(sigma.le(0.0), Stop::Indefinite);
        p.stop_if(rho.le(0.0), Stop::IndefinitePreconditioner);
    }

    /// The interval, enlarged if the cycle's reduction of ‖r‖ contradicts it.
    fn enlarged(&self, (a, b): (f64, f64)) -> (f64, f64) {
        let (Some(&first), Some(&last)) = (self.norms.first(), self.norms.last()) else { return (a, b) };
        let (m, theta, delta) = ((self.norms.len() - 1) as f64, 0.5 * (b + a), 0.5 * (b - a));
        // ln |T_m| at the eigenvalue that dominates the residual; |T_m| ≤ 1 inside the interval.
        let excess = (last / first).ln() + m * (theta / delta).acosh();
        // A factor below e² can come from restarts and rounding.
        if excess.is_nan() || excess <= 2.0 {
            return (a, b);
        }
        let outside = delta * (excess / m).cosh();
        if last > first { (a, theta + outside) } else { ((theta - outside).clamp(0.1 * a, a), b) }
    }
}

impl Method for Chebyshev {
    fn begin(&mut self, correction: usize) {
        if correction == 0 {
            self.interval = self.given;
            self.cycle = CYCLE;
        }
    }

    fn start(&mut self, p: &mut Program) {
        let Self { ref s, d, z, rho, theta, delta, ratio, .. } = *self;
        self.issued = 0;
        self.coefficients.clear();
        self.norms.clear();
        s.precondition(p, s.r, z); //           z = M r
        if self.interval.is_none() {
            p.dot(s.r, z, rho);
            p.copy(z, d);
            return;
        }
        if let Some((a, b)) = self.given {
            p.set(theta, 0.5 * (b + a));
            p.set(delta, 0.5 * (b - a));
        }
        p.set(ratio, theta / delta);
        p.set(rho, delta / theta);
        p.scale(Expr::from(1.0) / theta, z, d);
    }

    fn step(&mut self, p: &mut Program) -> Next {
        let Self { ref s, d, q, z, rho, rho_new, rr, delta, ratio, .. } = *self;
        self.issued += 1;
        if self.interval.is_none() {
            self.probe(p);
            return if self.issued == PROBES.min(s.order) { Next::EndCycle } else { Next::More };
        }
        p.apply(s.a, d, q); //                  q = A d
        p.axpy(1.0, d, s.x); //                 x += d
        p.axpy(-1.0, q, s.r); //                r -= q
        s.precondition(p, s.r, z);
        p.dot(s.r, s.r, rr);
        p.set(rho_new, Expr::from(1.0) / (ratio * 2.0 - rho));
        // d = rho_new rho d + 2 rho_new / delta z
        let next = crate::op::Combination::default().plus(rho_new * rho, d).plus(rho_new * 2.0 / delta, z);
        p.assign(d, next);
        p.set(rho, rho_new);
        s.watch.residual(p, rr.sqrt(), &[]);
        if self.given.is_none() && self.issued == self.cycle { Next::EndCycle } else { Next::More }
    }

    fn observe(&mut self, record: &[f64]) -> Seen {
        match *record {
            [_, alpha, beta] => self.coefficients.push((alpha, beta)),
            _ => self.norms.push(record[0]),
        }
        Seen { residual: record[0], done: false }
    }

    fn end_cycle(&mut self, _p: &mut Program, host: &mut Outbox) {
        match self.interval {
            None => self.interval = ritz::extremes(&self.coefficients).map(|(a, b)| (a / MARGIN, b * MARGIN)),
            Some(interval) if self.norms.len() == self.cycle => {
                self.interval = Some(self.enlarged(interval));
                self.cycle *= 2;
            }
            Some(_) => {}
        }
        if let Some((a, b)) = self.interval {
            host.set(self.theta, 0.5 * (b + a));
            host.set(self.delta, 0.5 * (b - a));
        }
    }

    fn restarts(&self) -> bool {
        self.given.is_none()
    }

    fn system(&mut self) -> &mut System {
        &mut self.s
    }
}
