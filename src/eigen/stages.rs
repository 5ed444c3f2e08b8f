//! From numbers on a device to verified pairs: a basis in f32 if the device has no f64, then in f64; and again,
//! with a tighter tolerance, if estimates were too optimistic.

use super::drive::{Ended, Limits, Session, Tally};
use super::options::EigenOptions;
use super::report::{Outcome, advice};
use super::verify::Verified;
use crate::backend::{AdapterInfo, Counters};
use crate::error::{Error, Result};
use crate::host::clock::Instant;
use crate::host::scale::larger;
use crate::op::{Dtype, Precisions};
use crate::options::{Backend, Options, Precision};
use crate::plan::{DeviceChoice, choose_backend, cpu};
use crate::ranks::pace::Agreement;
use crate::report::{BrokenDown, Passed, Reason, Timings};
use crate::solve::drive::Event;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

/// The residual that a basis in f32 can reach, relative to ‖A‖.
const SINGLE: f64 = 4e-6;

/// Maximum number of runs in f64 before a residual that stays too large is reported.
const ATTEMPTS: usize = 3;

/// The problem of a search.
pub(super) trait Problem {
    /// A method on a device, asked for estimates below `tolerance`·‖A‖.
    fn session(
        &self,
        device: &DeviceChoice,
        precision: Precisions,
        tolerance: f64,
        notes: &mut Vec<String>,
    ) -> Result<Session>;
    /// The pairs that vectors from the device belong to; none for vectors that are zero or not finite.
    fn verify(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Vec<Verified>;
    /// The wanted ones of verified pairs, in their order, each once.
    fn select(&self, pairs: Vec<Verified>) -> Vec<Verified>;
    /// The same pairs, those that fall short improved where that is possible.
    fn polish(&self, pairs: Vec<Verified>) -> Vec<Verified> {
        pairs
    }
    /// True if no wanted pair is missing from these, as far as products tell.
    fn is_complete(&self, _pairs: &[Verified]) -> bool {
        true
    }
    /// Entries of A.
    fn entries(&self) -> usize;
    /// What a pair contributes to the start of the next run.
    fn starts(&self, pair: &Verified) -> Vec<Vec<f64>> {
        std::iter::once(pair.x.clone()).chain(pair.y.clone()).collect()
    }
}

/// Called at the end of every cycle; `Break` ends the search.
pub(super) type Callback = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// Ways to end a search from outside.
pub(super) struct Outside<'a> {
    pub(super) cancel: &'a AtomicBool,
    pub(super) callback: &'a mut Callback,
}

/// A search on `device`; if it fails and was chosen automatically, on another GPU or the CPU from what was found.
pub(super) async fn search(
    problem: &impl Problem,
    options: &EigenOptions,
    device: &DeviceChoice,
    outside: &mut Outside<'_>,
    found: &mut Found,
) -> Result<Reason> {
    let mut other: Option<DeviceChoice> = None;
    loop {
        let device = other.as_ref().unwrap_or(device);
        let message = match search_on(problem, options, device, outside, found).await {
            Err(Error::Device(message)) => message,
            ended => return ended,
        };
        if options.backend != Backend::Auto {
            return Ok(Reason::DeviceFailed { message });
        }
        let next = choose_backend(problem.entries(), &options.device(), &device.lost(), &mut found.notes).await?;
        let suits = options.precision != Precision::F64 || next.widest == Dtype::F64;
        let next = if suits { next } else { cpu(&options.device()) };
        found.warnings.push(format!(
            "the device {} failed ({message}); the search went on on {}",
            device.adapter.name,
            next.place()
        ));
        found.adapter = next.adapter.clone();
        other = Some(next);
    }
}

/// A basis in f64; if the device has no f64, one in f32 first, and what it found is improved on the CPU.
async fn search_on(
    problem: &impl Problem,
    options: &EigenOptions,
    device: &DeviceChoice,
    outside: &mut Outside<'_>,
    found: &mut Found,
) -> Result<Reason> {
    let single = match options.precision {
        Precision::F64 if device.widest != Dtype::F64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use the precision auto (pairs are verified in f64 all the same)",
                device.adapter.name
            )));
        }
        Precision::F64 => false,
        Precision::Auto => device.widest != Dtype::F64,
        Precision::F32 | Precision::Mixed => true,
    };
    let cpu;
    let mut device = device;
    if single {
        let (ended, _) = stage(problem, options, device, outside, found, Dtype::F32).await?;
        // Vectors in f32 are no more orthogonal than that, even where their residuals are exact.
        if options.tol >= SINGLE && found.passes(options) {
            return Ok(Reason::Converged(Passed::Rtol));
        }
        match ended {
            Ended::Limit(Reason::NonFinite { .. }) | Ended::Done | Ended::Stagnated => {}
            Ended::Limit(reason) => return Ok(reason),
            Ended::Inner(why) => return Ok(found.not_solved(&why)),
        }
        found.notes.push(format!(
            "basis in f32 on {} up to {SINGLE:.0e} of the norm of A, then in f64 on the CPU from what it found",
            device.adapter.name
        ));
        let wanted = Options { backend: Backend::Cpu, ..options.device() };
        cpu = choose_backend(problem.entries(), &wanted, &[], &mut vec![]).await?;
        device = &cpu;
    }
    let (ended, passed) = stage(problem, options, device, outside, found, Dtype::F64).await?;
    if passed {
        return Ok(Reason::Converged(Passed::Rtol));
    }
    // Checked once more: pairs that pass are valid, whatever the estimates said.
    let stopped = matches!(ended, Ended::Limit(Reason::MaxIterations) | Ended::Stagnated);
    if stopped && found.passes(options) && problem.is_complete(&found.pairs) {
        found.warnings.push(
            "the search ended before its last pass: every pair is verified, but copies of multiple eigenvalues were not \
             looked for"
                .into(),
        );
        return Ok(Reason::Converged(Passed::Rtol));
    }
    Ok(match ended {
        Ended::Done => found.false_convergence(),
        Ended::Limit(reason) => reason,
        Ended::Stagnated => Reason::Stagnated,
        Ended::Inner(why) => found.not_solved(&why),
    })
}

/// Runs in one number type; true if the method reported that it is done and the pairs pass.
async fn stage(
    problem: &impl Problem,
    options: &EigenOptions,
    device: &DeviceChoice,
    outside: &mut Outside<'_>,
    found: &mut Found,
    dtype: Dtype,
) -> Result<(Ended, bool)> {
    let upload = Instant::now();
    let tolerance = 0.5 * options.bound().max(if dtype == Dtype::F32 { SINGLE } else { 0.0 });
    found.precision = Precisions::uniform(dtype);
    let mut session = problem.session(device, found.precision, tolerance, &mut found.notes)?;
    found.timings.upload_s += upload.elapsed().as_secs_f64();
    let mut limits = Limits {
        max_iterations: options.max_iterations,
        deadline: options.knobs.deadline.or(options.time_limit.and_then(|t| found.start.checked_add(t))),
        cancel: outside.cancel,
        callback: &mut *outside.callback,
        agreement: Agreement::of(options.ranks.as_ref(), false),
    };
    for attempt in 1.. {
        let start = Instant::now();
        let from: Vec<Vec<f64>> = match &found.pairs[..] {
            [] => options.start.clone(),
            pairs => pairs.iter().flat_map(|pair| problem.starts(pair)).collect(),
        };
        let ended = session.run(&from, &mut found.tally, &mut limits).await?;
        let vectors = session.read().await?;
        let vectors = if session.purify { purified(&mut session, vectors, found).await? } else { vectors };
        found.timings.solve_s += start.elapsed().as_secs_f64();
        let verified = |vectors: &[(Vec<f64>, Option<Vec<f64>>)]| {
            problem.select(vectors.iter().flat_map(|(x, y)| problem.verify(x.clone(), y.clone())).collect())
        };
        let start = Instant::now();
        found.pairs = verified(&vectors);
        let ends = matches!(ended, Ended::Done | Ended::Stagnated | Ended::Limit(Reason::MaxIterations));
        let short = found.count() >= found.k && !found.passes(options);
        if ends && dtype == Dtype::F64 && short && (session.shifted || found.only_rows()) {
            let before = std::mem::take(&mut found.pairs);
            let again = purified(&mut session, vectors, found).await?;
            found.pairs = verified(&again);
            if !found.nearer(&before) {
                found.pairs = before;
            }
            found.pairs = problem.polish(std::mem::take(&mut found.pairs));
        }
        found.timings.certify_s += start.elapsed().as_secs_f64();
        let passed = ended == Ended::Done && found.passes(options) && problem.is_complete(&found.pairs);
        if passed || dtype == Dtype::F32 || ended != Ended::Done || attempt == ATTEMPTS || found.pairs.is_empty() {
            found.counters = found.counters.plus(&session.engine.counters());
            return Ok((ended, passed));
        }
        // The estimates were too optimistic: again, from what was found, tighter by as much as was missing.
        let missed = found.worst() / options.bound();
        session.method.tighten((0.1 / missed).clamp(1e-4, 0.1));
    }
    unreachable!("attempts end")
}

/// Eigenvalues that the pairs stand for.
pub(super) fn count(pairs: &[Verified]) -> usize {
    pairs.iter().map(|p| p.count).sum()
}

fn worst(pairs: &[Verified]) -> f64 {
    pairs.iter().map(Verified::relative).fold(0.0, larger)
}

/// Vectors after a step of inverse iteration with the session's shift.
async fn purified(
    session: &mut Session,
    mut vectors: Vec<(Vec<f64>, Option<Vec<f64>>)>,
    found: &mut Found,
) -> Result<Vec<(Vec<f64>, Option<Vec<f64>>)>> {
    for (x, y) in &mut vectors {
        *x = session.purified(std::mem::take(x), &mut found.tally).await?;
        if let Some(y) = y {
            *y = session.purified(std::mem::take(y), &mut found.tally).await?;
        }
    }
    Ok(vectors)
}

/// What the stages have found so far.
pub(super) struct Found {
    pub(super) pairs: Vec<Verified>,
    k: usize,
    tolerance: f64,
    /// A run ended because inner systems were not solved.
    pub(super) inner_failed: bool,
    pub(super) tally: Tally,
    pub(super) timings: Timings,
    pub(super) counters: Counters,
    pub(super) adapter: AdapterInfo,
    pub(super) precision: Precisions,
    start: Instant,
    /// Notes for the report's plan.
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    pub(super) fn new(options: &EigenOptions, adapter: AdapterInfo, setup: f64) -> Self {
        Self {
            pairs: vec![],
            k: options.k,
            tolerance: options.bound(),
            inner_failed: false,
            tally: Tally::default(),
            timings: Timings { setup_s: setup, ..Timings::default() },
            counters: Counters::default(),
            adapter,
            precision: Precisions::uniform(Dtype::F64),
            start: Instant::now(),
            notes: vec![],
            warnings: vec![],
        }
    }

    fn count(&self) -> usize {
        count(&self.pairs)
    }

    fn worst(&self) -> f64 {
        worst(&self.pairs)
    }

    /// A NaN does not pass.
    pub(super) fn good(&self, pair: &Verified) -> bool {
        pair.relative() <= self.tolerance
    }

    pub(super) fn passes(&self, options: &EigenOptions) -> bool {
        debug_assert_eq!(self.tolerance, options.bound());
        self.count() >= self.k && self.pairs.iter().all(|p| self.good(p))
    }

    /// True if all residuals keep their bounds, as far as norms tell.
    fn only_rows(&self) -> bool {
        self.pairs.iter().all(|p| p.residual <= self.tolerance * p.scale)
    }

    /// True if there are more pairs than `before`, or as many that are nearer to their bounds.
    pub(super) fn nearer(&self, before: &[Verified]) -> bool {
        self.count() > count(before) || self.count() == count(before) && self.worst() < worst(before)
    }

    /// Looks for all pairs in another way; what was found before stays where that does not pass.
    pub(super) fn replaced(&mut self, directly: impl FnOnce(&mut Self) -> Result<bool>) -> Result<bool> {
        let before = std::mem::take(&mut self.pairs);
        let passed = directly(self)?;
        if !passed {
            self.pairs = before;
        }
        Ok(passed)
    }

    pub(super) fn false_convergence(&self) -> Reason {
        let truth = self.worst();
        if self.count() >= self.k && truth <= 64.0 * f64::EPSILON {
            Reason::AttainableAccuracy { floor: truth, asked: self.tolerance }
        } else {
            Reason::FalseConvergence { estimate: self.tally.history.last().copied().unwrap_or(0.0), truth }
        }
    }

    /// The outcome of a run whose inner systems were not solved.
    fn not_solved(&mut self, why: &str) -> Reason {
        self.inner_failed = true;
        self.warnings.push(format!("a shifted system was not solved: {why}"));
        Reason::Breakdown(BrokenDown::Singular)
    }

    /// Everything about a search except its pairs; takes ‖A‖ and ‖B‖.
    pub(super) fn outcome(
        self,
        reason: Reason,
        (norm, mass_norm): (f64, Option<f64>),
        [method, m]: [&str; 2],
        plan: Vec<String>,
    ) -> Outcome {
        Outcome {
            schema: 1,
            reason_detail: reason.detail(),
            // Singular values take no shift.
            advice: advice(&reason, method != "golub_kahan"),
            reason,
            matrix_norm: norm,
            mass_norm,
            tolerance: self.tolerance,
            method: method.into(),
            preconditioner: m.into(),
            iterations: self.tally.iterations,
            matvecs: self.tally.matvecs,
            inner_solves: self.tally.inner_solves,
            inner_iterations: self.tally.inner_iterations,
            restarts: self.tally.restarts,
            history: self.tally.history,
            timings: self.timings,
            gpu: self.counters,
            adapter: self.adapter,
            precision: self.precision,
            plan,
            warnings: self.warnings,
        }
    }
}
