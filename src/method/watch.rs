//! The stops that every method shares, and the record that each iteration publishes.

use crate::op::{Expr, Program, Scalar, Space, Stop};

/// The stops that every method shares. The driver owns the thresholds.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    pub(crate) tolerance: Scalar,
    /// Bound on ‖Aᵀr‖/‖r‖, for least-squares methods.
    pub(crate) optimality: Scalar,
    /// The level of rounding errors in the working precision.
    pub(crate) epsilon: Scalar,
    /// 4ε/√n, at most ε: inner products below this fraction of the product of norms are noise. The errors of n terms, a
    /// few ε each, add up like random numbers. Not for methods that square their polynomial, and its errors.
    pub(crate) noise: Scalar,
    pub(crate) ceiling: Scalar,
    pub(crate) window: Scalar,
    pub(crate) best: Scalar,
    pub(crate) since_best: Scalar,
}

impl Watch {
    pub(crate) fn new(space: &mut Space) -> Self {
        let [tolerance, optimality, epsilon, noise, ceiling, window, best, since_best] =
            space.scalars(["tolerance", "optimality", "epsilon", "noise", "ceiling", "window", "best", "since_best"]);
        Self { tolerance, optimality, epsilon, noise, ceiling, window, best, since_best }
    }

    /// Publishes ‖r‖ and appends the stops: converged by estimate, not finite, diverged, stagnated.
    /// Call it at the end of an iteration. `extra` is added to the same record.
    pub fn residual(&self, p: &mut Program, norm: Expr, extra: &[Expr]) {
        self.progress(p, norm.clone());
        let record: Vec<Expr> = std::iter::once(norm.clone()).chain(extra.iter().cloned()).collect();
        p.publish(&record);
        self.stops(p, norm);
    }

    /// The same for a least-squares method that keeps track of ‖Aᵀr‖ as well: progress is measured by that norm, and
    /// a solution of the normal equations is one more stop.
    pub fn normal(&self, p: &mut Program, norm: Expr, normal: Expr, extra: &[Expr]) {
        self.progress(p, normal.clone());
        p.publish(&[std::slice::from_ref(&norm), extra].concat());
        self.stops(p, norm.clone());
        p.stop_if(normal.le(self.optimality * norm), Stop::LeastSquares);
    }

    fn progress(&self, p: &mut Program, norm: Expr) {
        // Progress is a new minimum at least one per cent below the last.
        let improved = norm.clone().lt(self.best * 0.99);
        p.set(self.since_best, Expr::select(improved.clone(), 0.0, self.since_best + 1.0));
        p.set(self.best, Expr::select(improved, norm, self.best));
    }

    fn stops(&self, p: &mut Program, norm: Expr) {
        p.stop_if(norm.clone().le(self.tolerance), Stop::Estimate);
        p.stop_if(norm.clone().not_finite(), Stop::NonFinite);
        p.stop_if(Expr::from(self.ceiling).lt(norm), Stop::Diverged);
        p.stop_if(self.window.lt(self.since_best), Stop::Stagnated);
    }
}
