//! The one loop over iterations: batches, lag, limits, ends of cycles, corrections, certificates.
//!
//! A solve is a chain of corrections. Each takes the true residual r = b − A x, computed on the host in
//! f64, scales it by a power of two, lets the method solve A d = r on the device, and adds d to x. In f64
//! one correction is the rule. Where the iterations run in f32, the residual is renewed in a wider type now and
//! then within a correction (`refine.rs`), on devices that have one; else each correction brings a few digits.
//! Nothing is called converged here but by the certificate.

use super::awaited::{Heard, Pause};
use crate::analyse::certify::{Certified, Truth};
use crate::backend::Engine;
use crate::error::Result;
use crate::host::clock::Instant;
use crate::host::scale::{ldexp, norm2, smaller};
use crate::method::{Method, Normal, Watch};
use crate::op::schedule::Compiler;
use crate::op::{Dtype, Expr, Operator, Program, Scalar, Space, Stop, Vector};
use crate::options::Criterion;
use crate::plan::transform::Transform;
use crate::ranks::pace::{Agreement, End};
use crate::report::{BrokenDown, Passed, Reason, TrueResidual};
use crate::solve::iterate::worth_keeping;
use crate::solve::problem::{Problem, State};
use crate::solve::refine::Renewal;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// An iteration, as callbacks are told of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Iterations so far.
    pub iteration: usize,
    /// ‖r‖/‖b‖ by the method's estimate.
    pub residual: f64,
    /// Which right-hand side, where there are several.
    pub system: usize,
    /// Who is at work: its place in [`Solver::candidates`](crate::Solver::candidates).
    pub candidate: usize,
    /// The condition number of A as far as lsqr and lsmr have seen it since they last started: an estimate from below.
    pub condition: Option<f64>,
}

/// Called with x after each iteration; `Break` ends the solve.
pub(crate) type Watcher = Box<dyn FnMut(usize, &[f64]) -> ControlFlow<()> + Send>;

/// Bounds on a solve and the ways to end it from outside.
pub(crate) struct Limits<'a> {
    pub(crate) max_iterations: usize,
    pub(crate) max_matvecs: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancel: &'a AtomicBool,
    pub(crate) callback: Heard<'a>,
    pub(crate) watcher: Option<&'a mut Watcher>,
    /// Iterations without progress before a short recurrence is called stagnant.
    pub(crate) window: usize,
    /// Batches in flight beyond the one waited for; results don't depend on it.
    pub(crate) lag: Option<usize>,
    /// Iterations per batch; results don't depend on it.
    pub(crate) batch: Option<usize>,
    /// Called where `max_iterations` is reached; if it returns a larger limit, the run continues unchanged.
    pub(crate) more: Option<&'a mut (dyn FnMut(&State) -> usize + Send)>,
    pub(crate) pause: Option<Pause<'a>>,
    pub(crate) agreement: Agreement,
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        match end {
            End::Callback => Self::Callback,
            End::TimeLimit => Self::TimeLimit,
            End::Cancelled => Self::Cancelled,
        }
    }
}

impl Limits<'_> {
    /// Whether the limit on iterations is reached and `more` does not raise it.
    pub(super) fn met(&mut self, state: &State) -> bool {
        if state.iterations >= self.max_iterations
            && let Some(more) = &mut self.more
        {
            self.max_iterations = more(state).max(self.max_iterations);
        }
        state.iterations >= self.max_iterations
    }

    /// What ends the solve from outside, if anything does.
    pub(super) fn called_off(&mut self) -> Result<Option<Ended>> {
        Ok(self.agreement.end(self.cancel, self.deadline)?.map(Ended::from))
    }

    /// A callback wants the end: at once, or when ranks agree on it.
    pub(super) fn broken(&mut self) -> Option<Ended> {
        self.agreement.end_by_callback().then_some(Ended::Callback)
    }

    /// One iteration at a time where a watcher wants each x.
    pub(super) fn pace(&self, batches: bool) -> (usize, Option<usize>) {
        match self.watcher {
            Some(_) => (0, Some(1)),
            None => (self.lag.unwrap_or(if batches { 2 } else { 0 }), self.batch),
        }
    }
}

/// A method on a device, ready for any right-hand side.
pub(crate) struct Session {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) compiler: Compiler,
    pub(crate) space: Space,
    pub(crate) method: Box<dyn Method>,
    pub(crate) watch: Watch,
    pub(crate) a: Operator,
    pub(crate) x: Vector,
    pub(crate) r: Vector,
    /// Aᵀ and Aᵀr, for least-squares methods.
    pub(crate) normal: Option<Normal>,
    /// Aᵀ, for two-sided methods.
    pub(crate) transpose: Option<Operator>,
    /// The method can end at a least-squares solution.
    pub(crate) minimises: bool,
    /// For methods that restart, and for iterations in a narrower type than the residual's.
    pub(crate) renewal: Option<Renewal>,
    /// Where the bound on ‖r‖ grows with ‖x‖.
    pub(crate) growing: Option<Growing>,
    /// The change of variables between the user's system and the device's.
    pub(crate) transform: Arc<Transform>,
    /// Iterations in the next batch, chosen by measured time.
    pub(crate) batch: usize,
    /// Its state when it was paused, if it was.
    pub(crate) paused: Option<Paused>,
}

/// A paused run that may continue.
pub(crate) struct Paused {
    best: Certified,
    /// That of [`Refinement`].
    exponent: i32,
    /// The method's directions are worth keeping.
    trusted: bool,
}

/// The bound on ‖r‖ of the criterion BackwardError, from x = 0: rtol‖b‖ + rtol‖A‖‖x‖, with the x of the iteration before.
#[derive(Clone, Copy)]
pub(crate) struct Growing {
    square: Scalar,
    pub(super) floor: Scalar,
    slope: Scalar,
}

impl Growing {
    pub(crate) fn new(space: &mut Space) -> Self {
        let [square, floor, slope] = space.scalars(["x_squared", "tolerance_floor", "tolerance_slope"]);
        Self { square, floor, slope }
    }

    pub(super) fn renew(self, p: &mut Program, x: Vector, tolerance: Scalar) {
        p.dot(x, x, self.square);
        p.set(tolerance, Expr::from(self.floor) + self.slope * self.square.sqrt());
    }
}

/// What one correction hands to the next.
#[derive(Clone, Copy)]
struct Refinement {
    corrections: usize,
    /// Residuals go to the device times 2^−exponent.
    exponent: i32,
    /// The method's directions are worth keeping: the last correction ended by its estimate.
    resume: bool,
    /// The system was not solved: a least-squares solution is accepted.
    settle: bool,
    /// ‖Aᵀr‖/(‖A‖‖r‖) at which a least-squares method stops and is checked.
    optimality: f64,
}

/// How the device's run of one correction ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ended {
    Stop(Stop),
    /// The host half ended a cycle: the estimate met the tolerance.
    Estimate,
    /// The host half ended a cycle: the space is invariant.
    Invariant,
    /// x leaves f64's range: this exponent of two.
    OutOfRange(i32),
    MaxIterations,
    TimeLimit,
    Cancelled,
    Callback,
}

/// Factors from the device's units to the user's.
#[derive(Clone, Copy)]
pub(super) struct Units {
    /// ‖r‖/‖b‖ of one unit of the device's residual.
    pub(super) residual: f64,
    /// The user's x moves by the device's times 2 to this power.
    pub(super) correction: i32,
    /// rtol‖A‖ where the bound on ‖r‖ grows with ‖x‖ as the device sees it; else 0.
    pub(super) slope: f64,
}

/// A step of refinement must gain this factor to count as progress.
pub(super) const GAIN: f64 = 2.0;

impl Session {
    /// Solves until the certificate passes or nothing more can be done; `state.best` is the best x seen.
    pub(crate) async fn run(
        &mut self,
        problem: &Problem<'_>,
        state: &mut State,
        limits: &mut Limits<'_>,
    ) -> Result<Reason> {
        let resumed = self.take_up(state);
        let reason = self.refine(problem, state, limits, resumed).await?;
        let Some(aside) = state.aside.take() else { return Ok(reason) };
        // An x that passed a test is the answer, even if another x has a smaller residual.
        if reason.is_certified() || aside.truth().distance() >= state.best.truth().distance() {
            return Ok(reason);
        }
        state.best = aside;
        Ok(reason.of(state.best.truth().certificate.relative))
    }

    /// The x at the pause, if the method's directions are worth keeping and the best x is less than one digit ahead.
    fn own(&self, state: &State) -> Option<&Paused> {
        let near = |p: &&Paused| p.best.truth().distance() <= 10.0 * state.best.truth().distance();
        self.paused.as_ref().filter(|p| p.trusted).filter(near)
    }

    /// ‖b − A x‖/‖b‖ of the x that the next run starts from.
    pub(crate) fn starts_at(&self, state: &State) -> f64 {
        self.own(state).map_or(&state.best, |p| &p.best).truth().certificate.relative
    }

    /// Continues from the x at the pause with the method's directions, if there is one.
    fn take_up(&mut self, state: &mut State) -> Option<i32> {
        if self.own(state).is_none() {
            self.paused = None;
        }
        let paused = self.paused.take()?;
        let best = std::mem::replace(&mut state.best, paused.best);
        if best.truth().distance() < state.best.truth().distance() {
            state.aside = Some(best);
        }
        Some(paused.exponent)
    }

    /// The distance of x from a solution, in the norm of the iteration: ‖D_r r‖·2^−e where rows are scaled.
    fn distance(&self, truth: &Truth, e: i32) -> f64 {
        if self.transform.scales() { norm2(&self.transform.residual(&truth.residual, e)) } else { truth.distance() }
    }

    /// Correction after correction.
    async fn refine(
        &mut self,
        problem: &Problem<'_>,
        state: &mut State,
        limits: &mut Limits<'_>,
        resumed: Option<i32>,
    ) -> Result<Reason> {
        let working = self.space.plan.working;
        let (mut poor, mut breakdowns) = (0, 0);
        let start = self.transform.residual_exponent(&state.best.truth().residual, state.best.truth().norm);
        let start = resumed.unwrap_or(start);
        let mut refinement = Refinement {
            corrections: usize::from(resumed.is_some()),
            exponent: start,
            resume: resumed.is_some(),
            settle: false,
            optimality: problem.rtol,
        };
        let least_squares = self.normal.is_some() || problem.least_squares;
        if least_squares {
            problem.add_normal(&mut state.best, &mut state.certify_time);
            if proved(problem, state, &mut refinement) {
                return Ok(Reason::LeastSquares);
            }
        }
        loop {
            let before = self.distance(state.best.truth(), start);
            let (ended, estimate) = self.correct(problem, state, limits, &mut refinement).await?;
            let gain = before / self.distance(state.best.truth(), start);
            if let Some(passed) = problem.passed(state.best.truth()) {
                let happy = ended == Ended::Invariant && passed == Passed::Rtol;
                return Ok(Reason::Converged(if happy { Passed::HappyBreakdown } else { passed }));
            }
            // A method for square systems is at a least-squares solution only where it can't go on: on its way an
            // ill-conditioned A has a small ‖Aᵀr‖ as well.
            let stops = [Stop::LeastSquares, Stop::BreakdownLanczos, Stop::Stagnated, Stop::Diverged];
            let stuck = stops.iter().any(|&s| ended == Ended::Stop(s));
            if least_squares && proved(problem, state, &mut refinement) {
                return Ok(Reason::LeastSquares);
            }
            if stuck && self.minimises && !least_squares {
                let mut best = state.best.clone();
                problem.add_normal(&mut best, &mut state.certify_time);
                let found = best.truth();
                let least = || match problem.in_range(found) {
                    Some(part) => part <= problem.allowed_in_range(),
                    None => problem.beyond_rounding(found) <= 1.0,
                };
                if problem.small_gradient(found) && least() {
                    state.best = best;
                    return Ok(Reason::LeastSquares);
                }
                // Rounding hides the end of a Krylov space that holds a null vector, and x runs away along that
                // vector. A second run ends where ‖A r‖ is small enough for the certificate.
                if !refinement.settle {
                    refinement = Refinement { resume: false, settle: true, ..refinement };
                    continue;
                }
            }
            poor = if gain >= GAIN { 0 } else { poor + 1 };
            let certificate = state.best.truth().certificate;
            let at_floor = certificate.backward_error <= 4.0 * f64::EPSILON;
            let exhausted = poor > 1 || gain <= 1.0;
            let unproved = least_squares && problem.small_gradient(state.best.truth());
            let reason = match ended {
                Ended::MaxIterations => Reason::MaxIterations,
                Ended::TimeLimit => Reason::TimeLimit,
                Ended::OutOfRange(exponent) => Reason::OutOfRange { exponent },
                Ended::Cancelled => Reason::Cancelled,
                Ended::Callback => Reason::StoppedByCallback,
                Ended::Stop(Stop::NonFinite) if working == Dtype::F32 && !exhausted => continue,
                Ended::Stop(Stop::NonFinite) => Reason::NonFinite { iteration: state.iterations },
                _ if exhausted && unproved => {
                    Reason::IllConditioned { in_range: problem.in_range(state.best.truth()).unwrap_or(1.0) }
                }
                Ended::Stop(Stop::Diverged) => Reason::Diverged { growth: estimate / problem.initial.max(1.0) },
                _ if exhausted && at_floor => problem.attained(state.best.truth()),
                Ended::Stop(Stop::Indefinite) if gain < GAIN => Reason::IndefiniteOperator,
                Ended::Stop(Stop::IndefinitePreconditioner) if gain < GAIN => Reason::IndefinitePreconditioner,
                Ended::Stop(Stop::Stagnated) if working == Dtype::F64 || gain < GAIN => Reason::Stagnated,
                Ended::Stop(stop) if Reason::from_breakdown(stop).is_some() => {
                    breakdowns = if gain >= GAIN { 1 } else { breakdowns + 1 };
                    match Reason::from_breakdown(stop) {
                        Some(reason) if breakdowns > 1 => reason,
                        _ => continue,
                    }
                }
                Ended::Invariant if exhausted => Reason::Breakdown(BrokenDown::Hessenberg),
                _ if exhausted => Reason::FalseConvergence { estimate, truth: certificate.relative },
                _ => continue,
            };
            return Ok(reason);
        }
    }

    /// One correction: x += d with A d ≈ r. Returns how the device ended and the last relative estimate.
    async fn correct(
        &mut self,
        problem: &Problem<'_>,
        state: &mut State,
        limits: &mut Limits<'_>,
        refinement: &mut Refinement,
    ) -> Result<(Ended, f64)> {
        let truth = state.best.truth();
        // One scale as long as squares of the residual stay far inside f32's range: then directions of the
        // correction before fit the next one.
        let now = self.transform.residual_exponent(&truth.residual, truth.norm);
        if now < refinement.exponent - 40 {
            *refinement = Refinement { exponent: now, resume: false, ..*refinement };
        }
        let e = refinement.exponent;
        let residual = problem.residual(truth);
        let scaled = self.transform.residual(&residual, e);
        let same = problem.null.is_none() && !self.transform.scales();
        let norm = if same { ldexp(truth.norm, -e) } else { problem.norm(&scaled) };
        // Under D_r norms differ, and r may have lost a part in the null space; the part by which the whole of ‖r‖
        // has to fall is taken over.
        let before = truth.norm;
        let whole = if problem.null.is_some() { norm * (before / problem.norm(&residual)) } else { norm };
        let mut goal = whole * (problem.target(truth) / before);
        if problem.null.is_some() {
            // The rest of the solvable part must be small beside the part that can't be solved.
            goal = goal.min(0.5 * problem.rtol * whole);
        }
        let least_squares = self.normal.is_some() || problem.least_squares;
        let mut optimality = if least_squares || refinement.settle { refinement.optimality } else { 0.0 };
        if refinement.corrections > 0 {
            // The estimate met the goal and the true residual did not: aim lower.
            goal *= 0.5;
            // A settling run ends at the first x that will do: rounding may allow no more.
            optimality *= if refinement.settle { 1.0 } else { 0.5 };
        }
        if self.space.plan.working == Dtype::F32 {
            optimality = optimality.max(truth.certificate.optimality.unwrap_or(0.0) * self.method.reduction());
        }
        // In units of the user's b: how much one unit of the device's residual is.
        let unit = truth.certificate.relative / whole;
        let ceiling = self.method.growth() * (1.0f64.max(problem.initial)) / unit;
        let ceiling = if ceiling.is_finite() { ceiling } else { f64::MAX };
        let correction_exponent = e + truth.exponent;

        let epsilon = self.space.plan.working.epsilon();

        self.method.begin(refinement.corrections);
        self.engine.clear_stop();
        self.engine.write_vector(self.renewal.map_or(self.r, |n| n.b), &scaled)?;
        if let (Some(normal), Some(gradient)) = (self.normal, &truth.normal) {
            let scaled: Vec<f64> = gradient.par_iter().map(|&g| ldexp(g, -e)).collect();
            self.engine.write_vector(normal.gradient, &scaled)?;
        }
        for (scalar, value) in [
            (self.watch.optimality, optimality * problem.norms.scaled_norm),
            (self.watch.epsilon, epsilon),
            (self.watch.noise, epsilon * (4.0 / (self.transform.matrix.all_cols().max(1) as f64).sqrt()).min(1.0)),
            (self.watch.ceiling, ceiling.min(self.largest())),
            (self.watch.window, limits.window as f64),
        ] {
            self.engine.write_scalar(scalar, value);
        }
        // Under D_r and D_c norms differ, and with an x₀ the device sees a part of x alone.
        let grows = problem.criterion == Criterion::BackwardError
            && !self.transform.scales()
            && truth.certificate.solution_norm == 0.0;
        // The certificate uses the last x, not the one before it.
        let slope = if grows { 0.99 * problem.rtol * problem.norms.scaled_norm } else { 0.0 };
        if let Some(growing) = self.growing {
            self.engine.write_scalar(growing.slope, slope);
        }
        let (x, r, renewal) = (self.x, self.r, self.renewal);
        self.segment(state, |_, p| {
            p.zero(x);
            if let Some(n) = renewal {
                n.load(p, r);
            }
        })?;

        let units = Units { residual: unit, correction: correction_exponent, slope };
        let (ended, last) = self.iterate(state, limits, goal, norm, units, refinement.resume).await?;
        refinement.corrections += 1;

        let d = self.engine.read_vector(renewal.map_or(x, |n| n.solution(x))).await?;
        refinement.resume = false;
        let corrected = self.transform.corrected(state.best.x(), &d, correction_exponent);
        // From x = 0, the correction is x.
        let size = self
            .transform
            .size(&d, correction_exponent)
            .filter(|_| state.best.truth().certificate.solution_norm == 0.0);
        if let Some(exponent) = size.filter(|e| !(-1022..=1023).contains(e)) {
            return Ok((Ended::OutOfRange(exponent), last * unit));
        }
        let Some(mut candidate) = problem.certify(corrected, &mut state.certify_time) else {
            // The last finite x is kept. A limit that was reached is reported all the same.
            let by_estimate = matches!(ended, Ended::Stop(_) | Ended::Estimate | Ended::Invariant);
            return Ok((if by_estimate { Ended::Stop(Stop::NonFinite) } else { ended }, last * unit));
        };
        if least_squares {
            problem.add_normal(&mut candidate, &mut state.certify_time);
        }
        let relative = candidate.truth().certificate.relative;
        state.checks.push(TrueResidual { iteration: state.iterations, relative });
        // The best x is kept, and any x that passes.
        let (nearer, now) = (self.distance(candidate.truth(), e), self.distance(state.best.truth(), e));
        if ended == Ended::MaxIterations && limits.more.is_some() {
            let trusted = worth_keeping(norm, last, norm * (nearer / now));
            self.paused = Some(Paused { best: candidate.clone(), exponent: refinement.exponent, trusted });
        }
        if nearer < now || problem.passed(candidate.truth()).is_some() {
            let trusted = worth_keeping(norm, last, norm * (nearer / now));
            refinement.resume = ended == Ended::Stop(Stop::Estimate) && trusted;
            let aside = state.aside.as_ref().map_or(f64::INFINITY, |a| a.truth().distance());
            let left = std::mem::replace(&mut state.best, candidate);
            if left.truth().distance() < smaller(state.best.truth().distance(), aside) {
                state.aside = Some(left);
            }
        }
        Ok((ended, last * unit))
    }
}

/// Whether x is proved to be a least-squares solution. If not although ‖Aᵀr‖ is small, the next correction asks for more:
/// for as much as the part of r that lies in the range of A calls for, or, where that part is unknown, for the last digit of
/// ‖Aᵀr‖. That r falls no further proves nothing: along small singular values it falls late.
fn proved(problem: &Problem<'_>, state: &State, refinement: &mut Refinement) -> bool {
    let truth = state.best.truth();
    if !problem.small_gradient(truth) {
        return false;
    }
    let (enough, factor) = match problem.in_range(truth) {
        Some(part) => (part <= problem.allowed_in_range(), 0.5 * problem.allowed_in_range() / part),
        None => {
            let excess = problem.beyond_rounding(truth);
            (excess <= 1.0, 0.5 / excess)
        }
    };
    let optimality = truth.certificate.optimality.unwrap_or(0.0);
    refinement.optimality = (optimality * factor.min(1e-2)).max(f64::EPSILON * f64::EPSILON);
    enough || optimality == 0.0
}
