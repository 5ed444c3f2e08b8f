//! The one loop over iterations: batches, lag, limits, exchanges, corrections, certificates.
//!
//! A solve is a chain of corrections. Each takes the true residual r = b − A x, computed on the host in
//! f64, scales it by a power of two, lets the method solve A d = r on the device, and adds d to x. In f64
//! one correction is the rule. Where the iterations run in f32, the residual is renewed in a wider type now and
//! then within a correction (`refine.rs`), on devices that have one; else each correction brings a few digits.
//! Nothing is called converged here but by the certificate.

use crate::analyse::certify::{Norms, Truth, certify};
use crate::analyse::facts::Facts;
use crate::backend::{Engine, Progress, deliver};
use crate::error::Result;
use crate::host::scale::{ldexp, norm2};
use crate::matrix::Matrix;
use crate::method::{Method, Next, Normal, Outbox, Watch};
use crate::op::schedule::{Compiled, Compiler};
use crate::op::{Dtype, Op, Operator, Program, Space, Stop, Vector};
use crate::options::Criterion;
use crate::plan::transform::Transform;
use crate::report::{BrokenDown, Passed, Reason, TrueResidual};
use crate::solve::refine::Renewal;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the caller hears after each iteration.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Iterations so far.
    pub iteration: usize,
    /// ‖r‖/‖b‖ by the method's estimate.
    pub residual: f64,
    /// Which right-hand side, where there are several.
    pub system: usize,
}

/// Sees x as it comes into being; `Break` ends the solve.
pub(crate) type Watcher = Box<dyn FnMut(usize, &[f64]) -> ControlFlow<()> + Send>;

/// Bounds on a solve and the ways to end it from outside.
pub(crate) struct Limits<'a> {
    pub(crate) max_iterations: usize,
    pub(crate) max_matvecs: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancel: &'a AtomicBool,
    pub(crate) callback: &'a mut dyn FnMut(Event) -> ControlFlow<()>,
    pub(crate) watcher: Option<&'a mut Watcher>,
    /// Iterations without progress before a short recurrence is called stagnant.
    pub(crate) window: usize,
    /// Batches in flight beyond the one waited for; results don't depend on it.
    pub(crate) lag: Option<usize>,
    /// Iterations a batch; results don't depend on it.
    pub(crate) batch: Option<usize>,
}

impl Limits<'_> {
    /// Whether someone or the clock ends the solve.
    fn called_off(&self) -> Option<Ended> {
        if self.cancel.load(Ordering::Relaxed) {
            return Some(Ended::Cancelled);
        }
        self.deadline.is_some_and(|d| Instant::now() >= d).then_some(Ended::TimeLimit)
    }

    /// One iteration at a time where somebody wants to see each x.
    fn pace(&self, batches: bool) -> (usize, Option<usize>) {
        match self.watcher {
            Some(_) => (0, Some(1)),
            None => (self.lag.unwrap_or(if batches { 2 } else { 0 }), self.batch),
        }
    }
}

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
    /// Relative residual of x₀.
    pub(crate) initial: f64,
}

impl Problem<'_> {
    pub(crate) fn truth(&self, x: &[f64], spent: &mut Duration) -> Truth {
        let start = Instant::now();
        let truth = certify(self.matrix, self.norms, self.b, x);
        *spent += start.elapsed();
        truth
    }

    /// The right-hand side of a correction.
    fn residual<'t>(&self, truth: &'t Truth) -> Cow<'t, [f64]> {
        match self.null {
            Some(facts) => Cow::Owned(facts.split_null(&truth.residual).1),
            None => Cow::Borrowed(&truth.residual),
        }
    }

    /// Adds Aᵀr to what is known of an x.
    fn add_normal(&self, truth: &mut Truth, spent: &mut Duration) {
        let start = Instant::now();
        if let (Some(transpose), None) = (self.transpose, &truth.normal) {
            truth.add_normal(transpose, self.norms);
        }
        *spent += start.elapsed();
    }

    /// The bound on ‖r‖ in the scaled units of `t`.
    pub(crate) fn target(&self, t: &Truth) -> f64 {
        let atol = ldexp(self.atol, -t.exponent);
        let rhs = ldexp(t.certificate.rhs_norm, -t.exponent);
        match self.criterion {
            Criterion::RhsNorm => (self.rtol * rhs).max(atol),
            Criterion::InitialResidual => (self.rtol * self.initial * rhs).max(atol),
            Criterion::Absolute => atol,
            Criterion::BackwardError if t.certificate.backward_error > 0.0 => {
                self.rtol * t.norm / t.certificate.backward_error
            }
            Criterion::BackwardError => 0.0,
        }
    }

    /// Which test `t` passes, if any.
    pub(crate) fn passed(&self, t: &Truth) -> Option<Passed> {
        // A NaN is not small.
        let small = t.norm <= self.target(t);
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

    /// Whether x is a least-squares solution, as far as the tolerance asks.
    pub(crate) fn minimised(&self, t: &Truth) -> bool {
        t.certificate.optimality.is_some_and(|o| o <= self.rtol)
    }
}

/// What a solve has so far; rungs hand it on.
pub(crate) struct State {
    /// The right-hand side's number.
    pub(crate) system: usize,
    pub(crate) x: Vec<f64>,
    pub(crate) truth: Truth,
    /// An earlier x of smaller ‖r‖, where the iteration goes by ‖D r‖.
    pub(crate) aside: Option<(Vec<f64>, Truth)>,
    pub(crate) iterations: usize,
    pub(crate) matvecs: usize,
    pub(crate) applications: usize,
    pub(crate) restarts: usize,
    pub(crate) bytes: u64,
    pub(crate) history: Vec<f64>,
    pub(crate) checks: Vec<TrueResidual>,
    pub(crate) certify_time: Duration,
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
    /// How the user's system looks on the device.
    pub(crate) transform: Arc<Transform>,
    /// How many iterations a batch held last, by measured time.
    pub(crate) batch: usize,
}

/// What one correction hands to the next.
#[derive(Clone, Copy)]
struct Refinement {
    corrections: usize,
    /// Residuals go to the device times 2^−exponent.
    exponent: i32,
    /// The method's directions are worth keeping: the last correction ended by its estimate.
    resume: bool,
    /// Nothing was found that solves the system: a least-squares solution will do.
    settle: bool,
}

/// How the device's run of one correction ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ended {
    Stop(Stop),
    /// The host half ended a cycle: the estimate met the tolerance.
    Estimate,
    /// The host half ended a cycle: the space is invariant.
    Invariant,
    MaxIterations,
    TimeLimit,
    Cancelled,
    Callback,
}

/// How the device's numbers are told to the user.
#[derive(Clone, Copy)]
struct Units {
    /// ‖r‖/‖b‖ of one unit of the device's residual.
    residual: f64,
    /// The user's x moves by the device's times 2 to this power.
    correction: i32,
}

/// An iteration that was issued and whose record has not been read.
struct Issued {
    products: usize,
    applications: usize,
    bytes: u64,
}

/// Aim for this long a batch on a device that has batches.
const BATCH_SECONDS: f64 = 0.03;

/// A step of refinement must gain this factor to count as progress.
const GAIN: f64 = 2.0;

impl Session {
    /// Solves until the certificate passes or nothing more can be done; `state.x` is the best x seen.
    pub(crate) async fn run(
        &mut self,
        problem: &Problem<'_>,
        state: &mut State,
        limits: &mut Limits<'_>,
    ) -> Result<Reason> {
        let reason = self.refine(problem, state, limits).await?;
        if let Some((x, truth)) = state.aside.take()
            && truth.distance() < state.truth.distance()
        {
            (state.x, state.truth) = (x, truth);
        }
        Ok(reason)
    }

    /// How far x is from what the iteration looks for: by ‖D_r r‖·2^−e where rows are scaled.
    fn distance(&self, truth: &Truth, e: i32) -> f64 {
        if self.transform.scales() { norm2(&self.transform.residual(&truth.residual, e)) } else { truth.distance() }
    }

    /// Correction after correction.
    async fn refine(&mut self, problem: &Problem<'_>, state: &mut State, limits: &mut Limits<'_>) -> Result<Reason> {
        let working = self.space.plan.working;
        let (mut poor, mut breakdowns) = (0, 0);
        let start = self.transform.residual_exponent(&state.truth.residual, state.truth.norm);
        let mut refinement = Refinement { corrections: 0, exponent: start, resume: false, settle: false };
        if problem.least_squares {
            problem.add_normal(&mut state.truth, &mut state.certify_time);
            if problem.minimised(&state.truth) {
                return Ok(Reason::LeastSquares);
            }
        }
        loop {
            let before = self.distance(&state.truth, start);
            let (ended, estimate) = self.correct(problem, state, limits, &mut refinement).await?;
            let gain = before / self.distance(&state.truth, start);
            if let Some(passed) = problem.passed(&state.truth) {
                let happy = ended == Ended::Invariant && passed == Passed::Rtol;
                return Ok(Reason::Converged(if happy { Passed::HappyBreakdown } else { passed }));
            }
            // A method for square systems is at a least-squares solution only where it can't go on: on its way an
            // ill-conditioned A has a small ‖Aᵀr‖ as well.
            let stops = [Stop::LeastSquares, Stop::BreakdownLanczos, Stop::Stagnated, Stop::Diverged];
            let stuck = stops.iter().any(|&s| ended == Ended::Stop(s));
            if problem.least_squares && problem.minimised(&state.truth) {
                return Ok(Reason::LeastSquares);
            }
            if stuck && self.minimises && !problem.least_squares {
                let mut truth = state.truth.clone();
                problem.add_normal(&mut truth, &mut state.certify_time);
                if problem.minimised(&truth) {
                    state.truth = truth;
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
            let at_floor = state.truth.certificate.backward_error <= 4.0 * f64::EPSILON;
            let exhausted = poor > 1 || gain <= 1.0;
            let reason = match ended {
                Ended::MaxIterations => Reason::MaxIterations,
                Ended::TimeLimit => Reason::TimeLimit,
                Ended::Cancelled => Reason::Cancelled,
                Ended::Callback => Reason::StoppedByCallback,
                Ended::Stop(Stop::NonFinite) if working == Dtype::F32 && !exhausted => continue,
                Ended::Stop(Stop::NonFinite) => Reason::NonFinite { iteration: state.iterations },
                Ended::Stop(Stop::Diverged) => Reason::Diverged { growth: estimate / problem.initial.max(1.0) },
                _ if exhausted && at_floor => Reason::AttainableAccuracy { floor: state.truth.certificate.relative },
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
                _ if exhausted => Reason::FalseConvergence { estimate, truth: state.truth.certificate.relative },
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
        let truth = &state.truth;
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
        let norm = if same { ldexp(truth.norm, -e) } else { norm2(&scaled) };
        // Under D_r norms differ, and r may have lost a part in the null space; the part by which the whole of ‖r‖
        // has to fall is taken over.
        let before = truth.norm;
        let whole = if problem.null.is_some() { norm * (before / norm2(&residual)) } else { norm };
        let mut goal = whole * (problem.target(truth) / before);
        if problem.null.is_some() {
            // What is left of the solvable part shall vanish beside what can't be solved.
            goal = goal.min(0.5 * problem.rtol * whole);
        }
        let mut optimality = match (problem.least_squares, refinement.settle) {
            (true, _) => problem.rtol,
            (_, true) => problem.rtol,
            _ => 0.0,
        };
        if refinement.corrections > 0 {
            // The first estimate was too hopeful: ask for more this time.
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
            (self.watch.noise, epsilon * (4.0 / (self.space.len(self.x).max(1) as f64).sqrt()).min(1.0)),
            (self.watch.ceiling, ceiling.min(self.largest())),
            (self.watch.window, limits.window as f64),
        ] {
            self.engine.write_scalar(scalar, value);
        }
        let (x, r, renewal) = (self.x, self.r, self.renewal);
        self.segment(state, |_, p| {
            p.zero(x);
            if let Some(n) = renewal {
                n.load(p, r);
            }
        })?;

        let units = Units { residual: unit, correction: correction_exponent };
        let (ended, last) = self.iterate(state, limits, goal, norm, units, refinement.resume).await?;
        refinement.corrections += 1;

        let d = self.engine.read_vector(renewal.map_or(x, |n| n.solution(x))).await?;
        let candidate = self.transform.corrected(&state.x, &d, correction_exponent);
        let mut truth = problem.truth(&candidate, &mut state.certify_time);
        if problem.least_squares {
            problem.add_normal(&mut truth, &mut state.certify_time);
        }
        state.checks.push(TrueResidual { iteration: state.iterations, relative: truth.certificate.relative });
        // The best x is kept; a NaN is never better.
        refinement.resume = false;
        let (nearer, now) = (self.distance(&truth, e), self.distance(&state.truth, e));
        if nearer < now {
            let trusted = worth_keeping(norm, last, norm * (nearer / now));
            refinement.resume = ended == Ended::Stop(Stop::Estimate) && trusted;
            let best = state.aside.as_ref().map_or(f64::INFINITY, |a| a.1.distance());
            let left = (std::mem::replace(&mut state.x, candidate), std::mem::replace(&mut state.truth, truth));
            if left.1.distance() < state.truth.distance().min(best) {
                state.aside = Some(left);
            }
        }
        Ok((ended, last * unit))
    }

    /// Runs iterations, exchanges and renewals until the device or the host half stops, or a limit is met.
    async fn iterate(
        &mut self,
        state: &mut State,
        limits: &mut Limits<'_>,
        goal: f64,
        mut norm: f64,
        units: Units,
        mut resume: bool,
    ) -> Result<(Ended, f64)> {
        let unit = units.residual;
        let mut last = norm;
        // ‖r‖ at the start and at the end of each cycle.
        let mut cycles = vec![norm];
        let mut poor = 0;
        loop {
            // Look at the truth before a residual kept in f32 has drifted from it.
            let narrow = self.space.plan.working == Dtype::F32;
            let tolerance = if narrow { goal.max(norm * self.method.reduction()) } else { goal };
            self.watch_from(tolerance);
            self.segment(state, |method, p| if resume { method.resume(p) } else { method.start(p) })?;
            resume = false;
            let mut ended = self.pump(state, limits, tolerance, units, &mut last).await?;
            if self.method.restarts() {
                let mut outbox = Outbox::default();
                let mut p = Program::new(&self.space);
                self.method.exchange(&mut p, &mut outbox);
                deliver(outbox, &mut *self.engine)?;
                let (ops, applications, inner) = (p.ops, p.preconditioned, p.inner_products);
                self.issue_extra(state, ops, applications, inner)?;
                cycles.push(last);
                ended = ended.or(self.show(state, limits, units).await?);
            }
            let refines = self.renewal.is_some_and(|n| n.refines());
            let estimated = matches!(ended, Some(Ended::Stop(Stop::Estimate) | Ended::Estimate));
            if let Some(ended) = ended
                && (!refines || !estimated || poor > 1 || state.matvecs >= limits.max_matvecs)
            {
                self.finish(state).await?;
                return Ok((ended, last));
            }
            // A cycle ended without an answer.
            if let [.., third, _, _, now] = cycles[..]
                && now > 0.99 * third
            {
                self.finish(state).await?;
                return Ok((Ended::Stop(Stop::Stagnated), last));
            }
            if !estimated && (state.iterations >= limits.max_iterations || state.matvecs >= limits.max_matvecs) {
                self.finish(state).await?;
                return Ok((Ended::MaxIterations, last));
            }
            if refines {
                let truth = self.renew_and_measure(state).await?;
                state.checks.push(TrueResidual { iteration: state.iterations, relative: truth * unit });
                resume = estimated && worth_keeping(norm, last, truth);
                // A NaN ends here, too, and the certificate tells.
                let go_on = estimated && truth > goal && truth.is_finite() || ended.is_none();
                if !go_on {
                    return Ok((ended.unwrap_or(Ended::Estimate), truth));
                }
                if let Some(ended) = limits.called_off() {
                    return Ok((ended, truth));
                }
                poor = if GAIN * truth > norm { poor + 1 } else { 0 };
                (norm, last) = (truth, truth);
                if let Some(end) = cycles.last_mut() {
                    *end = truth;
                }
            } else {
                let (x, r, renewal) = (self.x, self.r, self.renewal.expect("a method that exchanges restarts"));
                self.segment(state, |_, p| renewal.renew(p, x, r))?;
            }
            state.restarts += usize::from(self.method.restarts());
        }
    }

    /// Renews the residual in the wider type and waits for its norm.
    async fn renew_and_measure(&mut self, state: &mut State) -> Result<f64> {
        let (x, r, renewal) = (self.x, self.r, self.renewal.expect("a session that refines renews"));
        self.engine.clear_stop();
        self.segment(state, |_, p| {
            renewal.renew(p, x, r);
            renewal.measure(p, r);
        })?;
        let published = self.drain().await?;
        Ok(published.first().and_then(|r| r.first()).copied().unwrap_or(f64::NAN))
    }

    /// Brings the solution of the correction up to date.
    async fn finish(&mut self, state: &mut State) -> Result<()> {
        if let Some(renewal) = self.renewal
            && renewal.refines()
        {
            self.drain().await?;
            self.engine.clear_stop();
            let x = self.x;
            self.segment(state, |_, p| renewal.collect(p, x))?;
        }
        self.drain().await?;
        Ok(())
    }

    /// The largest number of the iteration's type.
    fn largest(&self) -> f64 {
        if self.space.plan.working == Dtype::F32 { f64::from(f32::MAX) } else { f64::MAX }
    }

    /// Sets the stops of the iterations to come.
    fn watch_from(&mut self, tolerance: f64) {
        let largest = self.largest();
        for (scalar, value) in
            [(self.watch.tolerance, tolerance), (self.watch.best, largest), (self.watch.since_best, 0.0)]
        {
            self.engine.write_scalar(scalar, value);
        }
    }

    /// Issues and reads iterations until a stop, a limit (`Some`) or an exchange (`None`).
    async fn pump(
        &mut self,
        state: &mut State,
        limits: &mut Limits<'_>,
        tolerance: f64,
        units: Units,
        last: &mut f64,
    ) -> Result<Option<Ended>> {
        let unit = units.residual;
        let mut pending: VecDeque<Issued> = VecDeque::new();
        let mut closing = false;
        let mut limit_met = false;
        let mut ended: Option<Ended> = None;
        let (lag, batch) = limits.pace(self.engine.batch_limit() > 1);
        loop {
            while !closing && self.engine.in_flight() <= lag {
                let room = limits.max_iterations.saturating_sub(state.iterations + pending.len());
                let size = batch.unwrap_or(self.batch).min(self.engine.batch_limit().max(batch.unwrap_or(1)));
                let mut issued = 0;
                while issued < size.min(room) && !closing {
                    let ahead: usize = pending.iter().map(|i| i.products).sum();
                    let mut p = Program::new(&self.space);
                    let next = self.method.step(&mut p);
                    let (applications, inner) = (p.preconditioned, p.inner_products);
                    let compiled = self.compiler.compile(p.ops, &self.space);
                    let products = self.products(&compiled) - inner;
                    if state.matvecs + ahead + products > limits.max_matvecs {
                        closing = true;
                        limit_met = true;
                        break;
                    }
                    let bytes = self.engine.enqueue(&compiled)?;
                    pending.push_back(Issued { products, applications, bytes });
                    issued += 1;
                    closing |= next == Next::Exchange;
                }
                if size > room && !closing {
                    closing = true;
                    limit_met = true;
                }
                self.engine.flush()?;
            }
            if self.engine.in_flight() == 0 {
                break;
            }
            let progress = self.engine.collect().await?;
            self.adapt_batch(&progress);
            for record in progress.records {
                if ended.is_some() && self.method.restarts() {
                    break;
                }
                let issued = pending.pop_front().expect("a record for every iteration issued");
                state.iterations += 1;
                state.matvecs += issued.products;
                state.applications += issued.applications;
                state.bytes += issued.bytes;
                let seen = self.method.observe(&record);
                *last = seen.residual;
                state.history.push(seen.residual * unit);
                let event = Event { iteration: state.iterations, residual: seen.residual * unit, system: state.system };
                if (limits.callback)(event).is_break() {
                    ended = ended.or(Some(Ended::Callback));
                }
                if self.method.restarts() {
                    if !seen.residual.is_finite() {
                        ended = ended.or(Some(Ended::Stop(Stop::NonFinite)));
                    } else if seen.residual <= tolerance {
                        ended = ended.or(Some(Ended::Estimate));
                    } else if seen.done {
                        ended = ended.or(Some(Ended::Invariant));
                    }
                }
            }
            if let Some(stop) = progress.stop {
                ended = ended.or(Some(Ended::Stop(stop)));
            }
            if !self.method.restarts() {
                ended = ended.or(self.show(state, limits, units).await?);
            }
            ended = ended.or_else(|| limits.called_off());
            closing |= ended.is_some();
        }
        Ok(ended.or(limit_met.then_some(Ended::MaxIterations)))
    }

    /// Lets the watcher see x. Where iterations run in f32, x is whole only when it is renewed; nothing is shown then.
    async fn show(&mut self, state: &State, limits: &mut Limits<'_>, units: Units) -> Result<Option<Ended>> {
        let Some(watcher) = limits.watcher.as_mut() else { return Ok(None) };
        if self.renewal.is_some_and(|n| n.refines()) {
            return Ok(None);
        }
        let d = self.engine.read_vector(self.renewal.map_or(self.x, |n| n.solution(self.x))).await?;
        let x = self.transform.corrected(&state.x, &d, units.correction);
        Ok(watcher(state.iterations, &x).is_break().then_some(Ended::Callback))
    }

    /// Products with A and Aᵀ in a segment, those inside preconditioners among them.
    fn products(&self, compiled: &Compiled) -> usize {
        let others = [self.renewal.map(|n| n.a), self.normal.map(|n| n.transpose), self.transpose];
        let ours = |&&a: &&Operator| a == self.a || others.contains(&Some(a));
        compiled.products.iter().filter(ours).count()
    }

    /// Issues a segment that is no iteration; it goes off with the batch that follows.
    fn segment(&mut self, state: &mut State, write: impl FnOnce(&mut dyn Method, &mut Program)) -> Result<()> {
        let mut p = Program::new(&self.space);
        write(&mut *self.method, &mut p);
        let (ops, applications, inner) = (p.ops, p.preconditioned, p.inner_products);
        self.issue_extra(state, ops, applications, inner)
    }

    fn issue_extra(&mut self, state: &mut State, ops: Vec<Op>, applications: usize, inner: usize) -> Result<()> {
        let compiled: Arc<Compiled> = self.compiler.compile(ops, &self.space);
        state.matvecs += self.products(&compiled) - inner;
        state.applications += applications;
        state.bytes += self.engine.enqueue(&compiled)?;
        Ok(())
    }

    /// Waits for everything sent off; the records that nobody has read.
    async fn drain(&mut self) -> Result<Vec<Vec<f64>>> {
        self.engine.flush()?;
        let mut records = vec![];
        while self.engine.in_flight() > 0 {
            records.extend(self.engine.collect().await?.records);
        }
        Ok(records)
    }

    /// Sizes batches by time: long enough to hide the wait, short enough for a watchdog and for Ctrl-C.
    fn adapt_batch(&mut self, progress: &Progress) {
        let done = progress.records.len();
        if done == 0 || progress.elapsed.is_zero() {
            return;
        }
        let each = progress.elapsed.as_secs_f64() / done as f64;
        let wanted = (BATCH_SECONDS / each).floor().max(1.0) as usize;
        // At most double, so that one lucky reading can't make a batch that runs for seconds.
        self.batch = wanted.min(2 * self.batch).clamp(1, self.engine.batch_limit());
    }
}

/// Directions that led from ‖r‖ = `start` to an estimate far from the truth, or down to the rounding of f32, are
/// not worth keeping.
fn worth_keeping(start: f64, estimate: f64, truth: f64) -> bool {
    truth <= 2.0 * estimate && estimate >= 1e-6 * start
}
