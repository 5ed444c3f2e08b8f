//! How a solve ends: the reason, its details in words, and one sentence of advice.

use crate::error::Called;
use crate::host::digits::apart;
use crate::op::Stop;
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
    /// elsewhere, that x is one of a matrix that differs from A in its last digits.
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
        /// The one that was asked for.
        asked: f64,
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

    /// True where the caller ended it, or the clock.
    pub(crate) fn is_from_outside(&self) -> bool {
        matches!(self, Self::Cancelled | Self::StoppedByCallback | Self::TimeLimit)
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
            Self::AttainableAccuracy { floor, asked } => {
                format!("relative residual {}, asked for {asked:e}", apart(*floor, *asked, 2))
            }
            Self::FalseConvergence { estimate, truth } => {
                format!("estimate {}, truth {}", apart(*estimate, *truth, 2), apart(*truth, *estimate, 2))
            }
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

    /// One sentence on what to try, whatever was run; [`Report::advice`](crate::Report::advice) knows that, too.
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
            Self::AttainableAccuracy { asked, .. } => Self::AttainableAccuracy { floor: relative, asked },
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
