//! The report of a solve: the answer, how it ended, and what it cost.

mod reason;

pub use reason::{BrokenDown, Passed, Reason};

use crate::analyse::certify::Certificate;
use crate::backend::{AdapterInfo, Counters, KernelTime};
use crate::error::Error;
use crate::host::machine::Run;
use crate::method::{Needs, by_name};
use crate::op::Precisions;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::collections::BTreeMap;
use std::fmt;

/// Seconds spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Timings {
    /// Checks, statistics, preconditioner, plan.
    pub setup_s: f64,
    /// Allocation and transfer of the matrix to the device, kernels made.
    pub upload_s: f64,
    /// Iterations, with transfers of vectors.
    pub solve_s: f64,
    /// Recomputing residuals in f64.
    pub certify_s: f64,
}

/// A true residual computed during a solve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrueResidual {
    /// After how many iterations.
    pub iteration: usize,
    /// ‖b − A x‖/‖b‖ recomputed.
    pub relative: f64,
}

/// A candidate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rung {
    /// Its id.
    pub method: String,
    /// The preconditioner's id.
    pub preconditioner: String,
    /// What tells it from others with the same method and preconditioner: f32, matched rows, the length of a cycle.
    pub variant: String,
    /// Number types.
    pub precision: Precisions,
    /// Seconds of its set-up.
    pub setup_s: f64,
    /// Iterations spent in it.
    pub iterations: usize,
    /// Its turns: iterations before each, and at its end.
    pub turns: Vec<(usize, usize)>,
    /// Decimal digits by which the residual fell meanwhile.
    pub digits: f64,
    /// Iterations that it was expected to need yet, where others had their turn.
    pub expected: Option<usize>,
    /// How it ended.
    pub reason: String,
}

/// The outcome of a solve.
#[derive(Clone, Debug)]
#[must_use = "a report says whether x can be trusted"]
#[non_exhaustive]
pub struct Report {
    /// The solution, or the best x found.
    pub x: Vec<f64>,
    /// How it ended.
    pub reason: Reason,
    /// The method that ended it.
    pub method: String,
    /// The preconditioner with it.
    pub preconditioner: String,
    /// All iterations, of every candidate.
    pub iterations: usize,
    /// Products with A, those of certificates apart.
    pub matvecs: usize,
    /// Applications of the preconditioner.
    pub preconditioner_applications: usize,
    /// Restarts of the recurrence or cycles of GMRES.
    pub restarts: usize,
    /// ‖r‖/‖b‖ after each iteration, by the method's estimate.
    pub history: Vec<f64>,
    /// True residuals computed during the solve.
    pub checks: Vec<TrueResidual>,
    /// The certificate of x.
    pub certificate: Certificate,
    /// Seconds.
    pub timings: Timings,
    /// Submissions, kernels, waits of this solve.
    pub counters: Counters,
    /// What kernels of a GPU took, the longest first, where that was asked for.
    #[doc(hidden)]
    pub kernel_times: Vec<KernelTime>,
    /// Bytes moved in device memory, by the model.
    pub bytes_moved: u64,
    /// Where it ran.
    pub adapter: AdapterInfo,
    /// The number types of the candidate that ended it.
    pub precision: Precisions,
    /// Candidates tried, in the order they entered.
    pub rungs: Vec<Rung>,
    /// What was chosen and why.
    pub plan: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// What was asked for: every option and its value as text, as [`Options::set`](crate::Options::set) takes them.
    pub options: Vec<(&'static str, String)>,
    /// When and where it ran.
    pub run: Run,
    /// What preconditioners can work, for the advice.
    pub(crate) fits: Fits,
}

/// What is known of A and of the device that decides which preconditioners can work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fits {
    /// A has entries.
    pub(crate) stored: bool,
    /// Its diagonal is positive.
    pub(crate) positive: bool,
    /// Multigrid may work: a positive diagonal, or near-null vectors that were given.
    pub(crate) multigrid: bool,
    /// The device solves with triangles.
    pub(crate) triangles: bool,
}

/// A report that did not converge, as an error.
#[derive(thiserror::Error)]
#[error("{}: {}", .0.reason, .0.advice())]
pub struct NotConverged(pub Box<Report>);

impl From<NotConverged> for Error {
    fn from(e: NotConverged) -> Self {
        Self::NotConverged(Box::new(e))
    }
}

impl fmt::Debug for NotConverged {
    /// As a `main` that returns it prints it: without a million numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotConverged({self})")
    }
}

impl Rung {
    /// Who it is: no other rung of the report has this name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} with {}{}", self.method, self.preconditioner, self.variant)
    }

    /// The one that had the last turn: one that was paused may have come back.
    pub(crate) fn last(rungs: &[Self]) -> Option<&Self> {
        rungs.iter().max_by_key(|r| r.turns.last().map_or(0, |turn| turn.1))
    }
}

impl Report {
    /// The method with its preconditioner that did the last iteration, as [`Rung::name`]; `None` where there was none.
    #[must_use]
    pub fn ended_by(&self) -> Option<String> {
        Rung::last(&self.rungs).filter(|rung| rung.iterations > 0).map(Rung::name)
    }

    /// True where x is what was asked for: [`Reason::Converged`], or [`Reason::LeastSquares`] of a least-squares
    /// method.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        let least_squares = || by_name(&self.method).is_ok_and(|m| m.needs == Needs::Any);
        self.reason.is_converged() || (self.reason == Reason::LeastSquares && least_squares())
    }

    /// The report itself if x is what was asked for, an error else.
    ///
    /// # Errors
    /// [`NotConverged`] with the whole report.
    pub fn into_result(self) -> Result<Self, NotConverged> {
        if self.is_answer() { Ok(self) } else { Err(NotConverged(Box::new(self))) }
    }
}

/// What was solved, how, and how it ended: a few lines for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, method, preconditioner, certificate, timings, adapter, run, .. } = self;
        writeln!(f, "{reason}: {}", self.advice())?;
        writeln!(f, "  method          {method} with {preconditioner}, {} iterations", self.precision.working)?;
        for rung in &self.rungs {
            writeln!(f, "    tried         {}: {} iterations, {}", rung.name(), rung.iterations, rung.reason)?;
        }
        writeln!(
            f,
            "  work            {} iterations, {} products, {} applications of M",
            self.iterations, self.matvecs, self.preconditioner_applications
        )?;
        writeln!(
            f,
            "  residual        {:.3e} relative, {:.3e} backward error, in f64",
            certificate.relative, certificate.backward_error
        )?;
        writeln!(
            f,
            "  seconds         {:.3} set-up, {:.3} upload, {:.3} solve, {:.3} certificates",
            timings.setup_s, timings.upload_s, timings.solve_s, timings.certify_s
        )?;
        writeln!(f, "  device          {} ({}), {}", adapter.name, adapter.backend, adapter.driver)?;
        writeln!(f, "  run             {} on {}, {} threads", run.date, run.host, run.threads)?;
        let options: Vec<String> = self.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(f, "  options         {}", options.join(" "))?;
        self.plan.iter().try_for_each(|line| writeln!(f, "  plan            {line}"))?;
        self.warnings.iter().try_for_each(|line| writeln!(f, "  warning         {line}"))
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Report", 23)?;
        s.serialize_field("schema", &1)?;
        s.serialize_field("reason", self.reason.name())?;
        s.serialize_field("reason_detail", &self.reason.detail())?;
        s.serialize_field("advice", &self.advice())?;
        s.serialize_field("method", &self.method)?;
        s.serialize_field("preconditioner", &self.preconditioner)?;
        s.serialize_field("iterations", &self.iterations)?;
        s.serialize_field("matvecs", &self.matvecs)?;
        s.serialize_field("preconditioner_applications", &self.preconditioner_applications)?;
        s.serialize_field("restarts", &self.restarts)?;
        s.serialize_field("certificate", &self.certificate)?;
        s.serialize_field("timings", &self.timings)?;
        s.serialize_field("gpu", &self.counters)?;
        if !self.kernel_times.is_empty() {
            s.serialize_field("kernel_times", &self.kernel_times)?;
        }
        s.serialize_field("bytes_moved", &self.bytes_moved)?;
        s.serialize_field("adapter", &self.adapter)?;
        s.serialize_field("precision", &self.precision)?;
        s.serialize_field("rungs", &self.rungs)?;
        s.serialize_field("plan", &self.plan)?;
        s.serialize_field("warnings", &self.warnings)?;
        s.serialize_field("checks", &self.checks)?;
        s.serialize_field("history", &self.history)?;
        s.serialize_field("options", &self.options.iter().cloned().collect::<BTreeMap<_, _>>())?;
        s.serialize_field("run", &self.run)?;
        s.end()
    }
}
