//! The report of a solve: the answer, how it ended, and what it cost.

use crate::analyse::certify::Certificate;
use crate::backend::{AdapterInfo, Counters, KernelTime};
use crate::error::{Called, Error};
use crate::host::machine::Run;
use crate::method::{Needs, by_name};
use crate::op::{Precisions, Stop};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::collections::BTreeMap;
use std::fmt;

/// The test that an answer passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passed {
    /// ‖r‖ ≤ rtol·‖b‖, or rtol·‖r₀‖ where that criterion was chosen.
    Rtol,
    /// ‖r‖ ≤ atol.
    Atol,
    /// ‖r‖ ≤ rtol·(‖A‖‖x‖ + ‖b‖), where that criterion was chosen.
    BackwardError,
    /// |r|_i ≤ rtol·(|A||x| + |b|)_i in every row, where that criterion was chosen.
    Componentwise,
    /// b = 0, so x = 0.
    ZeroRhs,
    /// x₀ was good enough.
    InitialGuess,
    /// The Krylov space became invariant with the solution in it.
    HappyBreakdown,
}

/// What broke down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokenDown {
    /// ⟨r̂, r⟩ ≈ 0.
    Rho,
    /// ⟨t, s⟩ ≈ 0 or ⟨t, t⟩ ≈ 0.
    Omega,
    /// A Lanczos step brought nothing new.
    Lanczos,
    /// An Arnoldi step brought nothing new and the projected matrix is singular.
    Hessenberg,
    /// The matrix is singular.
    Singular,
}

/// How a solve ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The certificate passed.
    Converged(Passed),
    /// No x solves the system (or not to the tolerance); x minimises ‖b − A x‖. Certified are ‖Aᵀr‖ ≤ rtol·‖A‖‖r‖ and,
    /// where A is damped or small enough to be factored, that no other x has ‖r‖ smaller by more than rtol/2 of it;
    /// elsewhere a further correction has found none.
    LeastSquares,
    /// ‖Aᵀr‖ is as small as was asked for or as rounding allows, but A is so ill-conditioned that a part of r may lie in its
    /// range: x is not proved to be a least-squares solution.
    IllConditioned {
        /// ‖part of r in the range of A‖ / ‖r‖, at most.
        in_range: f64,
    },
    /// A is singular to working precision, and b seems to lie outside its range: x/‖x‖ is a null vector.
    Singular {
        /// ‖A x‖ / (‖A‖‖x‖).
        null_residual: f64,
    },
    /// The limit on iterations or products was met.
    MaxIterations,
    /// The time limit was met.
    TimeLimit,
    /// The caller cancelled.
    Cancelled,
    /// The caller's callback asked to stop.
    StoppedByCallback,
    /// No progress over the window, or over three restart cycles.
    Stagnated,
    /// f64 allows no smaller residual for this x.
    AttainableAccuracy {
        /// The relative residual reached.
        floor: f64,
    },
    /// The method's own estimate passed, the certificate did not, and refining brought nothing.
    FalseConvergence {
        /// ‖r‖/‖b‖ by the method's recurrence.
        estimate: f64,
        /// ‖r‖/‖b‖ recomputed.
        truth: f64,
    },
    /// ‖r‖ grew beyond the divergence tolerance.
    Diverged {
        /// ‖r‖ over max(‖b‖, ‖r₀‖).
        growth: f64,
    },
    /// The method can't go on, and one restart did not help.
    Breakdown(BrokenDown),
    /// dᵀAd ≤ 0: A is not positive definite.
    IndefiniteOperator,
    /// rᵀMr ≤ 0: M is not positive definite.
    IndefinitePreconditioner,
    /// |a_ij − a_ji| is beyond rounding, and the method needs symmetry.
    NotSymmetric {
        /// Row, counted from 0.
        i: usize,
        /// Column, counted from 0.
        j: usize,
    },
    /// A is singular and b has a part outside its range.
    InconsistentSystem {
        /// ‖part of b outside the range of A‖ / ‖b‖.
        null_component: f64,
    },
    /// The preconditioner could not be set up.
    PreconditionerFailed {
        /// The row at fault, counted from 0.
        row: usize,
        /// What is wrong with it.
        message: String,
    },
    /// x leaves f64's range: A is too large or too small beside b.
    OutOfRange {
        /// x has entries of about 2 to this power.
        exponent: i32,
    },
    /// The device was lost, or failed; x is the last certified one.
    DeviceFailed {
        /// What the driver says.
        message: String,
    },
    /// An iterate became NaN or infinite; x is the last finite one.
    NonFinite {
        /// At which iteration.
        iteration: usize,
    },
}

impl Reason {
    /// True for [`Reason::Converged`].
    #[must_use]
    pub fn is_converged(&self) -> bool {
        matches!(self, Self::Converged(_))
    }

    /// True for an x that passed a test: a solution, or one of the least-squares problem.
    pub(crate) fn is_certified(&self) -> bool {
        self.is_converged() || *self == Self::LeastSquares
    }

    /// The flat name, as in the JSON report.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Converged(_) => "Converged",
            Self::LeastSquares => "LeastSquares",
            Self::IllConditioned { .. } => "IllConditioned",
            Self::Singular { .. } => "Singular",
            Self::MaxIterations => "MaxIterations",
            Self::TimeLimit => "TimeLimit",
            Self::Cancelled => "Cancelled",
            Self::StoppedByCallback => "StoppedByCallback",
            Self::Stagnated => "Stagnated",
            Self::AttainableAccuracy { .. } => "AttainableAccuracy",
            Self::FalseConvergence { .. } => "FalseConvergence",
            Self::Diverged { .. } => "Diverged",
            Self::Breakdown(_) => "Breakdown",
            Self::IndefiniteOperator => "IndefiniteOperator",
            Self::IndefinitePreconditioner => "IndefinitePreconditioner",
            Self::NotSymmetric { .. } => "NotSymmetric",
            Self::InconsistentSystem { .. } => "InconsistentSystem",
            Self::PreconditionerFailed { .. } => "PreconditionerFailed",
            Self::OutOfRange { .. } => "OutOfRange",
            Self::DeviceFailed { .. } => "DeviceFailed",
            Self::NonFinite { .. } => "NonFinite",
        }
    }

    /// Details of the reason.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Converged(p) => format!("{p:?}"),
            Self::AttainableAccuracy { floor } => format!("relative residual {floor:.2e}"),
            Self::FalseConvergence { estimate, truth } => format!("estimate {estimate:.2e}, truth {truth:.2e}"),
            Self::Diverged { growth } => format!("grew by a factor of {growth:.1e}"),
            Self::Breakdown(b) => format!("{b:?}"),
            Self::NotSymmetric { i, j } => format!("entries ({i}, {j}) and ({j}, {i}) differ (rows counted from 0)"),
            Self::InconsistentSystem { null_component } => {
                format!("{null_component:.2e} of b lies outside the range of A")
            }
            Self::PreconditionerFailed { row, message } => format!("row {row}: {message}"),
            Self::OutOfRange { exponent } => format!("x has entries of about 2^{exponent}"),
            Self::DeviceFailed { message } => message.clone(),
            Self::NonFinite { iteration } => format!("at iteration {iteration}"),
            Self::IllConditioned { in_range } => format!("up to {in_range:.2e} of the residual lies in the range of A"),
            Self::Singular { null_residual } => {
                format!("x/|x| is a null vector: |A x|/(|A||x|) = {null_residual:.2e}")
            }
            _ => String::new(),
        }
    }

    /// One sentence on what to try, whatever was run; [`Report::advice`] knows that, too.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Converged(_) => "The answer is certified: the residual was recomputed in f64.",
            Self::LeastSquares => {
                "x is a least-squares solution, certified by the residual of the normal equations; b - A x itself is not zero."
            }
            Self::IllConditioned { .. } => {
                "A is too ill-conditioned to prove a least-squares solution: scale its columns (jacobi), use damp, or solve a square system with gmres and lu."
            }
            Self::Singular { .. } => {
                "A is singular to working precision and b inconsistent with it: use lsqr, or the option least_squares, for a least-squares solution."
            }
            Self::MaxIterations => "Raise `max_iterations`, or use a preconditioner.",
            Self::TimeLimit => "Raise `time_limit`, or use a preconditioner.",
            Self::Cancelled | Self::StoppedByCallback => {
                "x is the best iterate so far and can serve as an initial guess."
            }
            Self::Stagnated => "Try another method (bicgstab for gmres, gmres for bicgstab) or a preconditioner.",
            Self::AttainableAccuracy { .. } => {
                "The data allow no smaller residual in f64: use a larger `rtol`, or scale the rows of the system."
            }
            Self::FalseConvergence { .. } => "Use `precision` f64, or another preconditioner.",
            Self::Diverged { .. } => "Try gmres, whose residual never grows, or check the matrix.",
            Self::Breakdown(BrokenDown::Singular | BrokenDown::Hessenberg | BrokenDown::Lanczos) => {
                "The matrix looks singular: check that b lies in its range, or use lsqr for a least-squares solution."
            }
            Self::Breakdown(_) => "Try gmres, which does not break down.",
            Self::IndefiniteOperator => "The matrix is not positive definite: use minres, or gmres.",
            Self::IndefinitePreconditioner => "The preconditioner is not positive definite: use none, or gmres.",
            Self::NotSymmetric { .. } => "The matrix is not symmetric: use gmres or bicgstab.",
            Self::InconsistentSystem { .. } => {
                "No x solves the system: project b onto the range of A, or use lsqr for a least-squares solution."
            }
            Self::PreconditionerFailed { .. } => "Use another preconditioner, or none.",
            Self::OutOfRange { .. } => {
                "x is out of the range of f64: multiply A or b by a power of two, and x accordingly."
            }
            Self::DeviceFailed { .. } => {
                "Solve again, on another adapter, or with the backend cpu; x is the best iterate so far and can serve as an initial guess."
            }
            Self::NonFinite { .. } => {
                "Values left the range of the number format: use `precision` f64, or scale the system."
            }
        }
    }

    /// The same reason told of an x with this relative residual.
    pub(crate) fn of(self, relative: f64) -> Self {
        match self {
            Self::AttainableAccuracy { .. } => Self::AttainableAccuracy { floor: relative },
            Self::FalseConvergence { estimate, .. } => Self::FalseConvergence { estimate, truth: relative },
            reason => reason,
        }
    }

    pub(crate) fn from_breakdown(stop: Stop) -> Option<Self> {
        Some(match stop {
            Stop::BreakdownRho => Self::Breakdown(BrokenDown::Rho),
            Stop::BreakdownOmega => Self::Breakdown(BrokenDown::Omega),
            Stop::BreakdownLanczos => Self::Breakdown(BrokenDown::Lanczos),
            _ => return None,
        })
    }
}

impl From<Called> for Reason {
    fn from(called: Called) -> Self {
        match called {
            Called::Cancelled => Self::Cancelled,
            Called::TimeLimit => Self::TimeLimit,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.detail() {
            d if d.is_empty() => Ok(()),
            d => write!(f, " ({d})"),
        }
    }
}

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

impl Report {
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
            writeln!(
                f,
                "    tried         {} with {} in {}: {} iterations, {}",
                rung.method, rung.preconditioner, rung.precision.working, rung.iterations, rung.reason
            )?;
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
