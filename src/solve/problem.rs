//! The user's system, the test that its answer must pass, and what is known of the answer so far.

use crate::analyse::certify::{Certified, Norms, Truth, certify};
use crate::analyse::facts::Facts;
use crate::analyse::range::{Range, backward_error};
use crate::host::clock::Instant;
use crate::host::scale::{ldexp, norm2, norm2_of};
use crate::matrix::{Csr, Matrix};
use crate::options::Criterion;
use crate::report::{BrokenDown, Passed, Reason, TrueResidual};
use std::borrow::Cow;
use std::time::Duration;

/// The user's system and the test its answer must pass.
pub(crate) struct Problem<'a> {
    pub(crate) matrix: &'a Matrix,
    /// Aᵀ, where a least-squares solution may be an answer.
    pub(crate) transpose: Option<&'a Matrix>,
    /// A least-squares solution is looked for: ‖Aᵀr‖ is kept track of.
    pub(crate) least_squares: bool,
    /// Where b has a part in a known null space: what takes it out of the residual.
    pub(crate) null: Option<&'a Facts>,
    pub(crate) norms: &'a Norms,
    pub(crate) b: &'a [f64],
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
    pub(crate) criterion: Criterion,
    /// ‖r₀‖/‖b‖.
    pub(crate) initial: f64,
    /// ‖r₀‖·2^−e, and e.
    pub(crate) start: (f64, i32),
    /// What is in the range of A.
    pub(crate) range: &'a Range,
}

impl Problem<'_> {
    /// x with its certificate; `None` where x is not finite.
    pub(super) fn certify(&self, x: Vec<f64>, spent: &mut Duration) -> Option<Certified> {
        let start = Instant::now();
        let certified = certify(self.matrix, self.norms, self.b, x);
        *spent += start.elapsed();
        certified
    }

    /// The norm of a vector like b.
    pub(super) fn norm(&self, v: &[f64]) -> f64 {
        norm2_of(v, self.matrix.whole())
    }

    /// The right-hand side of a correction.
    pub(super) fn residual<'t>(&self, truth: &'t Truth) -> Cow<'t, [f64]> {
        match self.null {
            Some(facts) => Cow::Owned(facts.split_null(&truth.residual, self.matrix.whole()).1),
            None => Cow::Borrowed(&truth.residual),
        }
    }

    /// Adds Aᵀr to what is known of an x.
    pub(super) fn add_normal(&self, certified: &mut Certified, spent: &mut Duration) {
        let start = Instant::now();
        if let Some(transpose) = self.transpose {
            certified.add_normal(transpose, self.norms);
        }
        *spent += start.elapsed();
    }

    /// The bound on ‖r‖ in the scaled units of `t`.
    pub(crate) fn target(&self, t: &Truth) -> f64 {
        let atol = ldexp(self.atol, -t.exponent);
        let c = &t.certificate;
        // A part of a whole that grows with x: what `t` leaves of its own whole tells how large that is now.
        let of_whole = |error: f64| if error > 0.0 { self.rtol * t.norm / error } else { 0.0 };
        match self.criterion {
            Criterion::RhsNorm => (self.rtol * t.rhs).max(atol),
            Criterion::InitialResidual => {
                let (norm, e) = self.start;
                let first = if norm.is_finite() { self.rtol * ldexp(norm, e - t.exponent) } else { 0.0 };
                first.max(atol)
            }
            Criterion::Absolute => atol,
            Criterion::BackwardError => of_whole(c.backward_error),
            Criterion::Componentwise => of_whole(c.componentwise.unwrap_or(f64::INFINITY)),
        }
    }

    /// That bound as a part of ‖b‖.
    pub(crate) fn relative_target(&self, t: &Truth) -> f64 {
        self.target(t) / t.norm * t.certificate.relative
    }

    /// That f64 allows no less than `t`.
    pub(crate) fn attained(&self, t: &Truth) -> Reason {
        Reason::AttainableAccuracy { floor: t.certificate.relative, asked: self.relative_target(t) }
    }

    /// Which test `t` passes, if any.
    pub(crate) fn passed(&self, t: &Truth) -> Option<Passed> {
        if self.criterion == Criterion::Componentwise {
            let small = t.certificate.componentwise.is_some_and(|error| error <= self.rtol);
            return small.then_some(Passed::Componentwise);
        }
        // An x that is all null vector has a small backward error and solves nothing.
        let whole = t.norm / t.certificate.backward_error;
        let astray = self.criterion == Criterion::BackwardError
            && t.norm > 0.0
            && whole * NULL > t.rhs
            && t.certificate.rhs_norm > 0.0;
        // A NaN is not small, and neither is infinity.
        let small = t.norm.is_finite() && t.norm <= self.target(t) && !astray;
        if !small {
            return None;
        }
        Some(match self.criterion {
            Criterion::BackwardError => Passed::BackwardError,
            Criterion::Absolute => Passed::Atol,
            _ if t.norm <= ldexp(self.atol, -t.exponent) => Passed::Atol,
            _ => Passed::Rtol,
        })
    }

    /// Whether ‖Aᵀr‖ is as small as the tolerance asks beside ‖A‖‖r‖. Where A is ill-conditioned, that proves nothing,
    /// and where x = 0 leaves less, it is no minimum.
    pub(crate) fn small_gradient(&self, t: &Truth) -> bool {
        t.certificate.optimality.is_some_and(|o| o <= self.rtol) && t.norm <= t.rhs * (1.0 + self.rtol)
    }

    /// ‖P r‖/‖r‖, P the projector onto the range of A: what another x would take away of r. `None` where that is unknown.
    pub(crate) fn in_range(&self, t: &Truth) -> Option<f64> {
        match self.null {
            // The null vectors of a symmetric A: all the rest is its range.
            Some(facts) if t.norm > 0.0 => {
                Some(self.norm(&facts.split_null(&t.residual, self.matrix.whole()).1) / t.norm)
            }
            _ => self.range.part(self.matrix, self.norms, t),
        }
    }

    /// How far x is from a least-squares solution of data that differ by rounding: at most 1 for one.
    pub(crate) fn beyond_rounding(&self, t: &Truth) -> f64 {
        self.transpose.map_or(f64::INFINITY, |transpose| backward_error(self.matrix, transpose, self.norms, t))
    }

    /// The largest ‖P r‖/‖r‖ of a least-squares solution: no other x has ‖r‖ smaller by more than rtol/2 of it.
    pub(crate) fn allowed_in_range(&self) -> f64 {
        self.rtol.sqrt()
    }

    /// What a failed solve tells of A: that it is singular, or its range without b, where the last x shows it.
    pub(crate) fn diagnosed(&self, reason: Reason, best: &Certified) -> Reason {
        let open = matches!(
            reason,
            Reason::AttainableAccuracy { .. }
                | Reason::Stagnated
                | Reason::FalseConvergence { .. }
                | Reason::Diverged { .. }
                | Reason::Breakdown(_)
        );
        let t = best.truth();
        let c = &t.certificate;
        if !open || !c.relative.is_finite() {
            return reason;
        }
        // The residual is what no x takes away, or most of it.
        if let Some(a) = self.matrix.entries()
            && let Some(part) = super::singular::unreachable(a, self.b, c.solution_norm)
            && part >= 0.5 * c.relative
        {
            return Reason::InconsistentSystem { null_component: part };
        }
        if c.relative < 1e-4 {
            return reason;
        }
        // A x = b − r, in the units of `t`.
        let product: Vec<f64> = self.b.iter().zip(&t.residual).map(|(&b, r)| ldexp(b, -t.exponent) - r).collect();
        let whole = t.norm / c.backward_error - t.rhs;
        let null_residual = self.norm(&product) / whole;
        if whole * NULL >= t.rhs && null_residual <= 4.0 * NULL {
            return Reason::Singular { null_residual };
        }
        let undecided = matches!(reason, Reason::FalseConvergence { .. } | Reason::Breakdown(_));
        match self.matrix.entries() {
            Some(_) if self.outside_range(t) => Reason::InconsistentSystem { null_component: c.relative },
            Some(a) if undecided && has_empty_line(a) => Reason::Breakdown(BrokenDown::Singular),
            _ => reason,
        }
    }

    /// True where r is orthogonal to the range of A but for rounding, so that no x takes any of it away.
    fn outside_range(&self, t: &Truth) -> bool {
        let Some(a) = self.matrix.entries() else { return false };
        let mut gradient = vec![0.0; a.cols()];
        for (i, r) in t.residual.iter().enumerate() {
            let (columns, values) = a.row(i);
            columns.iter().zip(values).for_each(|(&j, &v)| gradient[j as usize] += ldexp(v, -self.norms.exponent) * r);
        }
        let optimality = norm2(&gradient) / (self.norms.scaled_norm * t.norm);
        optimality <= NULL && self.in_range(t).map_or(optimality <= 64.0 * f64::EPSILON, |part| part <= 1e-6)
    }
}

/// Whether a row or a column has no entry but zeros, so that A is singular whatever the rest.
fn has_empty_line(a: &Csr) -> bool {
    let empty = |a: &Csr| (0..a.rows()).any(|i| a.row(i).1.iter().all(|v| *v == 0.0));
    empty(a) || empty(&a.transpose())
}

/// ‖A v‖/‖A‖ for ‖v‖ = 1 below which v counts as a null vector.
const NULL: f64 = 1e3 * f64::EPSILON;

/// What a solve has so far; rungs hand it on.
pub(crate) struct State {
    /// The right-hand side's number.
    pub(crate) system: usize,
    /// Who works on it.
    pub(crate) candidate: usize,
    /// The best x so far, as the iteration sees it, or one that passed.
    pub(crate) best: Certified,
    /// An earlier x of smaller ‖r‖, where the iteration goes by ‖D r‖.
    pub(crate) aside: Option<Certified>,
    pub(crate) iterations: usize,
    pub(crate) matvecs: usize,
    pub(crate) applications: usize,
    pub(crate) restarts: usize,
    pub(crate) bytes: u64,
    pub(crate) history: Vec<f64>,
    pub(crate) checks: Vec<TrueResidual>,
    pub(crate) certify_time: Duration,
}
