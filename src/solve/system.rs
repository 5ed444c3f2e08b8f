//! A right-hand side between the user's call and the report.

use super::awaited::{Heard, Pause};
use super::problem::{Problem, State};
use super::solver::Solver;
use crate::analyse::certify::{Certificate, Norms, Truth, certify};
use crate::analyse::facts::Facts;
use crate::analyse::range::Range;
use crate::backend::Counters;
use crate::host::clock::Instant;
use crate::host::machine::Run;
use crate::host::scale::ldexp;
use crate::matrix::Matrix;
use crate::method::Needs;
use crate::method::registry::Method;
use crate::options::Options;
use crate::report::{Fits, Passed, Reason, Report, Rung, Timings};
use std::sync::Arc;

/// One system on its way to its answer.
pub(super) struct System<'a> {
    pub(super) problem: Problem<'a>,
    pub(super) state: State,
    /// The report's lines: each candidate once, in the order they entered.
    pub(super) rungs: Vec<Rung>,
    /// Candidates of this race, each with its place among `rungs`.
    pub(super) places: Vec<(usize, usize)>,
    pub(super) timings: Timings,
    /// How it ended, once it has.
    pub(super) reason: Option<Reason>,
    /// This candidate has failed before.
    pub(super) failed: Option<usize>,
    /// b is known to be outside the range of A, and a least-squares solution will do.
    pub(super) minimise: bool,
}

/// One call of the user's: what may end it early.
pub(super) struct Call<'a> {
    pub(super) deadline: Option<Instant>,
    pub(super) callback: Heard<'a>,
    pub(super) pause: Option<Pause<'a>>,
    /// The callback wanted the end, and other ranks have not heard of it.
    pub(super) broken: bool,
}

/// What the problems of one call refer to while the solver is at work on them.
pub(super) struct Held {
    pub(super) a: Matrix,
    pub(super) transpose: Option<Matrix>,
    pub(super) range: Arc<Range>,
    pub(super) norms: Norms,
    pub(super) null: Option<Facts>,
    pub(super) may_minimise: bool,
}

impl Solver {
    pub(super) fn held(&self) -> Held {
        // MINRES may end at a least-squares solution, and its A is its own transpose.
        let own = || {
            (self.facts.symmetric() && self.candidates.iter().any(|r| r.method.traits.least_squares)).then_some(&self.a)
        };
        let asked = &self.candidates[self.first].method;
        // A method asked for by name may minimise where nothing solves; a race says so before it starts.
        let may_minimise = asked.traits.least_squares && self.options.method != Method::Auto;
        let null = may_minimise && asked.needs != Needs::Any && self.facts.null_components.1 > 0;
        Held {
            a: self.a.clone(),
            transpose: self.transpose.as_ref().or_else(own).cloned(),
            range: Arc::clone(&self.range),
            norms: self.facts.norms.clone(),
            null: null.then(|| self.facts.clone()),
            may_minimise,
        }
    }

    /// The system, what is known of x₀, and the reason where there is nothing to iterate for.
    pub(super) fn begin<'a>(&self, held: &'a Held, b: &'a [f64], x0: Option<&[f64]>, timings: Timings) -> System<'a> {
        let mut x = x0.map_or_else(|| vec![0.0; self.a.cols()], <[f64]>::to_vec);
        let zero_rhs = !held.a.whole().any(b.iter().any(|&v| v != 0.0));
        if zero_rhs {
            x.fill(0.0);
        }
        let certify_start = Instant::now();
        let best = certify(&held.a, &held.norms, b, x).expect("x0 was found finite");
        let inconsistent = self.null_component(best.truth());
        let minimise = held.may_minimise && inconsistent.is_some();
        let problem = Problem {
            matrix: &held.a,
            transpose: held.transpose.as_ref(),
            least_squares: minimise || self.candidates[self.first].method.needs == Needs::Any,
            null: held.null.as_ref().filter(|_| minimise),
            norms: &held.norms,
            b,
            rtol: self.options.rtol,
            atol: self.options.atol,
            criterion: self.options.criterion,
            initial: best.truth().certificate.relative,
            start: (best.truth().norm, best.truth().exponent),
            range: &held.range,
        };
        let state = State {
            system: 0,
            candidate: self.first,
            best,
            aside: None,
            iterations: 0,
            matvecs: 0,
            applications: 0,
            restarts: 0,
            bytes: 0,
            history: vec![],
            checks: vec![],
            certify_time: certify_start.elapsed(),
        };
        let reason = if zero_rhs {
            Some(Reason::Converged(Passed::ZeroRhs))
        } else if problem.passed(state.best.truth()).is_some() {
            Some(Reason::Converged(Passed::InitialGuess))
        } else {
            self.refusal(inconsistent.filter(|_| !minimise && self.minimising().is_none()))
        };
        let minimise = inconsistent.is_some() && self.minimising().is_some();
        System { problem, state, rungs: vec![], places: vec![], timings, reason, failed: None, minimise }
    }

    pub(super) fn report(
        &self,
        reason: Reason,
        state: State,
        rungs: Vec<Rung>,
        timings: Timings,
        counters: Counters,
    ) -> Report {
        let last = Rung::last(&rungs);
        let first = &self.candidates[self.first];
        let (x, certificate) = state.best.into_answer();
        let mut warnings = self.warnings.clone();
        warnings.extend(unseen_rows(&reason, &certificate, &self.options));
        Report {
            reason,
            method: last.map_or_else(|| first.method.id.to_string(), |r| r.method.clone()),
            preconditioner: last.map_or_else(|| first.preconditioner.clone(), |r| r.preconditioner.clone()),
            precision: last.map_or(first.precision, |r| r.precision),
            iterations: state.iterations,
            matvecs: state.matvecs,
            preconditioner_applications: state.applications,
            restarts: state.restarts,
            history: state.history,
            checks: state.checks,
            certificate,
            timings: Timings { certify_s: state.certify_time.as_secs_f64(), ..timings },
            counters,
            kernel_times: self.device.take_kernel_times(),
            bytes_moved: state.bytes,
            adapter: self.device.adapter.clone(),
            rungs,
            plan: self.plan.clone(),
            warnings,
            options: self.options.list(),
            run: Run::now(self.options.threads),
            fits: self.fits(),
            x,
        }
    }

    fn fits(&self) -> Fits {
        let (stored, positive) = (self.a.entries().is_some(), self.facts.diagonal.0 == self.a.all_rows());
        let multigrid = stored && (positive || self.options.near_null.is_some());
        Fits { stored, positive: stored && positive, multigrid, triangles: self.device.is_host() }
    }

    /// Reasons not to iterate at all; `inconsistent` is what of b nothing can solve.
    fn refusal(&self, inconsistent: Option<f64>) -> Option<Reason> {
        let first = &self.candidates[self.first];
        if first.method.needs.symmetry()
            && let Some((i, j)) = self.facts.asymmetry
        {
            return Some(Reason::NotSymmetric { i, j });
        }
        inconsistent.map(|null_component| Reason::InconsistentSystem { null_component })
    }

    /// The candidate that has the last word where a solution in the sense of least squares will do.
    pub(super) fn minimising(&self) -> Option<usize> {
        self.candidates.iter().position(|r| self.options.method == Method::Auto && r.method.needs == Needs::Any)
    }

    /// ‖part of r in known null vectors of a symmetric A‖ / ‖b‖, where that is more than the tolerance.
    fn null_component(&self, truth: &Truth) -> Option<f64> {
        if self.facts.null_components.1 == 0 {
            return None;
        }
        let (null, _) = self.facts.split_null(&truth.residual, self.a.whole());
        let rhs = ldexp(truth.certificate.rhs_norm, -truth.exponent);
        let target = self.options.rtol * rhs + ldexp(self.options.atol, -truth.exponent);
        (null > target.max(64.0 * f64::EPSILON * rhs)).then_some(null / rhs)
    }
}

/// Whether another candidate may end better than by `reason`.
pub(super) fn another_may_help(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Stagnated
            | Reason::FalseConvergence { .. }
            | Reason::Diverged { .. }
            | Reason::Breakdown(_)
            | Reason::IndefiniteOperator
            | Reason::IndefinitePreconditioner
            | Reason::IllConditioned { .. }
            | Reason::NonFinite { .. }
    )
}

/// A part of its own size that a row may be left with before a user hears of it.
const UNSEEN: f64 = 1e-5;

/// Rows that the norm of a residual which passed does not see, because they are small beside others.
fn unseen_rows(reason: &Reason, c: &Certificate, options: &Options) -> Option<String> {
    let left = c.rowwise.filter(|&left| reason.is_converged() && left > UNSEEN.max(100.0 * options.rtol))?;
    // Of rows of one size, a residual within its bound leaves no more than this.
    (left > 1e3 * c.backward_error).then(|| {
        format!(
            "small rows are hardly solved: |r|_i/(|a_i||x| + |b_i|) is up to {left:.1e}, by component {:.1e}; x may be wrong \
             there. Scale the rows, or ask for the criterion componentwise",
            c.componentwise.unwrap_or(left)
        )
    })
}
