//! From numbers on a device to verified pairs: a basis in f32 where the device has no more, then in f64; and again,
//! with a tighter tolerance, where estimates were too hopeful.

use super::drive::{Ended, Limits, Session, Tally};
use super::options::EigenOptions;
use super::report::{Outcome, advice};
use super::verify::Verified;
use crate::backend::Counters;
use crate::error::{Error, Result};
use crate::op::{Dtype, Plan};
use crate::options::{Backend, Options, Precision};
use crate::plan::{DeviceChoice, choose_backend};
use crate::report::{AdapterInfo, Passed, Reason, Timings};
use crate::solve::drive::Event;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What a basis in f32 can be asked for, as a part of ‖A‖.
const SINGLE: f64 = 4e-6;

/// Runs on a device in f64 before a residual that stays too large is taken for an answer.
const ATTEMPTS: usize = 3;

/// What is sought.
pub(super) trait Problem {
    /// A method on a device, asked for estimates below `tolerance`·‖A‖.
    fn session(
        &self,
        device: &DeviceChoice,
        precision: Plan,
        tolerance: f64,
        notes: &mut Vec<String>,
    ) -> Result<Session>;
    /// The pair that vectors from the device belong to; `None` for vectors that are zero or not finite.
    fn verify(&self, x: Vec<f64>, y: Option<Vec<f64>>) -> Option<Verified>;
    /// ‖A‖.
    fn norm(&self) -> f64;
    /// Entries of A.
    fn entries(&self) -> usize;
    /// What a pair gives to the start of the next run.
    fn starts(&self, pair: &Verified) -> Vec<Vec<f64>> {
        std::iter::once(pair.x.clone()).chain(pair.y.clone()).collect()
    }
}

/// Hears of every exchange; `Break` ends the search.
pub(super) type Callback = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// Ways to end a search from outside.
pub(super) struct Outside<'a> {
    pub(super) cancel: &'a AtomicBool,
    pub(super) callback: &'a mut Callback,
}

/// A basis in f64; where the device has none, one in f32 first, and what it found improved on the CPU.
pub(super) async fn search(
    problem: &impl Problem,
    options: &EigenOptions,
    device: &DeviceChoice,
    outside: &mut Outside<'_>,
    found: &mut Found,
) -> Result<Reason> {
    let single = match options.precision {
        Precision::F64 if device.widest != Dtype::F64 => {
            return Err(Error::input(format!(
                "{} has no f64 in shaders; use --precision auto (pairs are verified in f64 all the same)",
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
        if options.tol >= SINGLE && found.passes(options, problem.norm()) {
            return Ok(Reason::Converged(Passed::Rtol));
        }
        match ended {
            Ended::Limit(Reason::NonFinite { .. }) | Ended::Done | Ended::Stagnated => {}
            Ended::Limit(reason) | Ended::Inner(reason) => return Ok(reason),
        }
        found.notes.push(format!(
            "basis in f32 on {} up to {SINGLE:.0e} of the norm of A, then in f64 on the CPU from what it found",
            device.adapter.name
        ));
        let wanted = Options { backend: Backend::Cpu, ..options.device() };
        cpu = choose_backend(problem.entries(), &wanted, &mut vec![])?;
        device = &cpu;
    }
    let (ended, passed) = stage(problem, options, device, outside, found, Dtype::F64).await?;
    Ok(match ended {
        _ if passed => Reason::Converged(Passed::Rtol),
        Ended::Done => found.false_convergence(problem.norm()),
        Ended::Limit(reason) => reason,
        Ended::Stagnated => Reason::Stagnated,
        Ended::Inner(reason) => {
            found.warnings.push(format!("an inner system was not solved: {reason}. {}", reason.advice()));
            reason
        }
    })
}

/// Runs in one number type; true where the method said done and the pairs pass.
async fn stage(
    problem: &impl Problem,
    options: &EigenOptions,
    device: &DeviceChoice,
    outside: &mut Outside<'_>,
    found: &mut Found,
    dtype: Dtype,
) -> Result<(Ended, bool)> {
    let upload = Instant::now();
    let tolerance = 0.5 * options.tol.max(if dtype == Dtype::F32 { SINGLE } else { 0.0 });
    found.precision = Plan::uniform(dtype);
    let mut session = problem.session(device, found.precision, tolerance, &mut found.notes)?;
    found.timings.upload_s += upload.elapsed().as_secs_f64();
    let mut limits = Limits {
        max_iterations: options.max_iterations,
        deadline: options.time_limit.map(|t| found.start + t),
        cancel: outside.cancel,
        callback: &mut *outside.callback,
    };
    let norm = problem.norm();
    for attempt in 1.. {
        let start = Instant::now();
        let from: Vec<Vec<f64>> = match &found.pairs[..] {
            [] => options.start.iter().cloned().collect(),
            pairs => pairs.iter().flat_map(|pair| problem.starts(pair)).collect(),
        };
        let ended = session.run(&from, &mut found.tally, &mut limits).await?;
        let vectors = session.read().await?;
        found.timings.solve_s += start.elapsed().as_secs_f64();
        let start = Instant::now();
        found.pairs = vectors.into_iter().filter_map(|(x, y)| problem.verify(x, y)).collect();
        found.timings.certify_s += start.elapsed().as_secs_f64();
        let passed = ended == Ended::Done && found.passes(options, norm);
        if passed || dtype == Dtype::F32 || ended != Ended::Done || attempt == ATTEMPTS || found.pairs.is_empty() {
            found.counters = found.counters.plus(&session.engine.counters());
            return Ok((ended, passed));
        }
        // The estimates were too hopeful: again, from what was found, for as much more as was missing.
        let missed = found.worst() / (options.tol * norm).max(f64::MIN_POSITIVE);
        session.method.tighten((0.1 / missed).clamp(1e-4, 0.1));
    }
    unreachable!("attempts end")
}

/// What the stages have so far.
pub(super) struct Found {
    pub(super) pairs: Vec<Verified>,
    k: usize,
    pub(super) tally: Tally,
    pub(super) timings: Timings,
    pub(super) counters: Counters,
    pub(super) adapter: AdapterInfo,
    pub(super) precision: Plan,
    start: Instant,
    /// Words for the report's plan.
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    pub(super) fn new(options: &EigenOptions, adapter: AdapterInfo, setup: f64) -> Self {
        Self {
            pairs: vec![],
            k: options.k,
            tally: Tally::default(),
            timings: Timings { setup_s: setup, ..Timings::default() },
            counters: Counters::default(),
            adapter,
            precision: Plan::uniform(Dtype::F64),
            start: Instant::now(),
            notes: vec![],
            warnings: vec![],
        }
    }

    fn count(&self) -> usize {
        self.pairs.iter().map(|p| p.count).sum()
    }

    fn worst(&self) -> f64 {
        self.pairs.iter().map(|p| p.residual).fold(0.0, f64::max)
    }

    fn passes(&self, options: &EigenOptions, norm: f64) -> bool {
        // A NaN is not small.
        self.count() >= self.k && self.pairs.iter().all(|p| p.residual <= options.tol * norm)
    }

    fn false_convergence(&self, norm: f64) -> Reason {
        let truth = self.worst() / norm;
        if self.count() >= self.k && truth <= 64.0 * f64::EPSILON {
            Reason::AttainableAccuracy { floor: truth }
        } else {
            Reason::FalseConvergence { estimate: self.tally.history.last().copied().unwrap_or(0.0), truth }
        }
    }

    /// Everything about a search but its pairs.
    pub(super) fn outcome(self, reason: Reason, norm: f64, [method, m]: [&str; 2], plan: Vec<String>) -> Outcome {
        Outcome {
            schema: 1,
            reason_detail: reason.detail(),
            advice: advice(&reason),
            reason,
            matrix_norm: norm,
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
