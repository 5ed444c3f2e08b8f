//! The report of an eigenproblem.

use crate::backend::{AdapterInfo, Counters};
use crate::op::Precisions;
use crate::report::{Reason, Timings};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Deref;

/// λ; a plain number in JSON if it is real.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigenvalue {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl fmt::Display for Eigenvalue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.im == 0.0 { write!(f, "{}", self.re) } else { write!(f, "{}{:+}i", self.re, self.im) }
    }
}

impl Eigenvalue {
    /// The value with the digits that an error of this size leaves certain; `0 ± error` if it is below the error.
    #[must_use]
    pub fn within(&self, error: f64) -> String {
        if self.re.hypot(self.im) < error && error.is_finite() {
            return format!("0 ± {error:.0e}");
        }
        match (digits(self.re, error), digits(self.im, error)) {
            (re, im) if im == "0" => re,
            (re, im) if re == "0" => format!("{im}i"),
            (re, im) => format!("{re}{}{im}i", if im.starts_with('-') { "" } else { "+" }),
        }
    }
}

/// `v` rounded to the place of `error`'s first digit.
fn digits(v: f64, error: f64) -> String {
    if !(error > 0.0 && error.is_finite() && v.is_finite()) {
        return v.to_string();
    }
    if v.abs() < error {
        return "0".into();
    }
    let (first, last) = (v.abs().log10().floor() as i32, error.log10().floor() as i32);
    if last <= 0 && (-4..7).contains(&first) {
        return format!("{v:.*}", last.unsigned_abs().min((15 - first).unsigned_abs()) as usize);
    }
    format!("{v:.*e}", (first - last).clamp(0, 16) as usize)
}

impl Serialize for Eigenvalue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.im == 0.0 {
            return serializer.serialize_f64(self.re);
        }
        let mut s = serializer.serialize_struct("Eigenvalue", 2)?;
        s.serialize_field("re", &self.re)?;
        s.serialize_field("im", &self.im)?;
        s.end()
    }
}

/// How a search for eigenpairs or singular triplets ended, and what it cost.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// Version of this layout.
    pub schema: u32,
    /// How it ended.
    #[serde(serialize_with = "name")]
    pub reason: Reason,
    /// Details of the reason.
    pub reason_detail: String,
    /// One sentence on what to try.
    pub advice: String,
    /// ‖A‖ = √(‖A‖₁‖A‖∞), which residuals are relative to; with B it is ‖A‖ + |λ| ‖B‖.
    pub matrix_norm: f64,
    /// ‖B‖.
    pub mass_norm: Option<f64>,
    /// The bound on residuals relative to these norms: `tol`, or what rounding allows.
    pub tolerance: f64,
    /// The method.
    pub method: String,
    /// The preconditioner of lobpcg, or of the inner solver.
    pub preconditioner: String,
    /// Columns of a basis, or steps of lobpcg.
    pub iterations: usize,
    /// Products with A on the device; those of inner solves are `inner_iterations`.
    pub matvecs: usize,
    /// Inner systems solved.
    pub inner_solves: usize,
    /// Iterations of the inner solver.
    pub inner_iterations: usize,
    /// Restarts and passes.
    pub restarts: usize,
    /// The largest estimated residual of a wanted pair over its bound, at the end of each cycle.
    pub history: Vec<f64>,
    /// Seconds.
    pub timings: Timings,
    /// Submissions, kernels, waits.
    pub gpu: Counters,
    /// Where it ran.
    pub adapter: AdapterInfo,
    /// The number types of the last basis.
    pub precision: Precisions,
    /// What was chosen and why.
    pub plan: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// Eigenpairs, and how they were found; the fields of [`Outcome`] can be read directly from the report.
#[derive(Clone, Debug, Serialize)]
#[must_use = "a report says whether the pairs can be trusted"]
#[non_exhaustive]
pub struct EigenReport {
    /// The wanted eigenvalues, the most wanted first; complex ones in pairs, the positive imaginary part first. One
    /// more than asked for if k would split a pair; what was found if the search did not converge.
    pub eigenvalues: Vec<Eigenvalue>,
    /// ‖A v − λ B v‖ of each, recomputed in f64, for ‖v‖₂ = 1.
    pub residuals: Vec<f64>,
    /// The bound that each residual must meet: `tol` (‖A‖ + |λ| ‖B‖), or less where rows of A and B are much smaller than
    /// others and a residual lies in them. A pair that meets it is valid in any case.
    pub bounds: Vec<f64>,
    /// One vector each; for a complex pair the real part, then the imaginary part, of the first vector. Orthonormal (in
    /// the inner product of B, if there is one) for symmetric A. For complex problems, vectors of the real form.
    #[serde(skip)]
    pub vectors: Vec<Vec<f64>>,
    /// Vectors are those of a real form: A is complex, or σ is.
    pub complex: bool,
    /// λ and ‖A x − λ B x‖ of each wanted pair at each step of lobpcg, as it estimated them for xᵀB x = 1; empty for
    /// other methods.
    #[serde(skip)]
    pub estimates: Vec<Vec<[f64; 2]>>,
    /// The rest.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Deref for EigenReport {
    type Target = Outcome;
    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

/// Singular triplets, and how they were found; as in [`EigenReport`].
#[derive(Clone, Debug, Serialize)]
#[must_use = "a report says whether the triplets can be trusted"]
#[non_exhaustive]
pub struct SvdReport {
    /// The wanted singular values, the most wanted first.
    pub singular_values: Vec<f64>,
    /// √(‖A v − σ u‖² + ‖Aᵀu − σ v‖²) of each, recomputed in f64.
    pub residuals: Vec<f64>,
    /// The bound that each residual must meet: `tol` ‖A‖.
    pub bounds: Vec<f64>,
    /// The u, orthonormal.
    #[serde(skip)]
    pub left: Vec<Vec<f64>>,
    /// The v, orthonormal.
    #[serde(skip)]
    pub right: Vec<Vec<f64>>,
    /// The rest.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl SvdReport {
    /// The singular values with the digits that their residuals leave certain.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let text = |(&v, (&r, &b)): (&f64, (&f64, &f64))| Eigenvalue { re: v, im: 0.0 }.within(self.error(r, b));
        self.singular_values.iter().zip(self.residuals.iter().zip(&self.bounds)).map(text).collect()
    }
}

impl Deref for SvdReport {
    type Target = Outcome;
    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

/// What to try after this outcome.
pub(super) fn advice(reason: &Reason, shifts: bool) -> String {
    match reason {
        Reason::Converged(_) => "Every pair is verified: its residual was recomputed in f64.",
        Reason::MaxIterations if shifts => "Raise `max_iterations` or `subspace`, or use a shift near what is wanted.",
        Reason::MaxIterations => "Raise `max_iterations` or `subspace`.",
        Reason::Stagnated if shifts => "Raise `subspace`, loosen `tol`, or use a shift near what is wanted.",
        Reason::Stagnated => "Raise `subspace`, or loosen `tol`.",
        Reason::TimeLimit => "Raise the time limit; what stands here is the best so far.",
        Reason::Cancelled | Reason::StoppedByCallback => "What stands here is the best so far.",
        Reason::NotSymmetric { .. } => "The matrix is not symmetric: use arnoldi.",
        Reason::AttainableAccuracy { .. } => "The data allow no smaller residual in f64: loosen `tol`.",
        Reason::FalseConvergence { .. } => {
            "Residuals are larger than the method estimated: raise `subspace`, or move the shift."
        }
        Reason::InconsistentSystem { .. } | Reason::Breakdown(_) => {
            "Shifted systems were not solved: move sigma a little, or take the preconditioner lu."
        }
        other => other.advice(),
    }
    .into()
}

pub(super) fn name<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.name())
}

/// A report whose pairs are not all good enough, as an error.
#[derive(thiserror::Error)]
#[error("{}: {}", .0.reason, .0.advice)]
pub struct NotFound(pub Box<Outcome>);

impl fmt::Debug for NotFound {
    /// What a `main` that returns it prints: without the vectors.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotFound({self})")
    }
}

impl Outcome {
    /// The error of a value estimated from its residual and the bound on that; for symmetric A without B it is a bound.
    fn error(&self, residual: f64, bound: f64) -> f64 {
        let norm = bound / self.tolerance;
        (residual + f64::EPSILON * norm) / self.mass_norm.filter(|&b| b > 0.0).unwrap_or(1.0)
    }
}

impl EigenReport {
    /// The eigenvalues with the digits that their residuals justify. If A is far from normal, fewer may be correct.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let text = |(v, (&r, &b)): (&Eigenvalue, (&f64, &f64))| v.within(self.error(r, b));
        self.eigenvalues.iter().zip(self.residuals.iter().zip(&self.bounds)).map(text).collect()
    }

    /// Real and imaginary parts of vector `j`, of any kind of problem.
    #[must_use]
    pub fn vector(&self, j: usize) -> (Vec<f64>, Vec<f64>) {
        let v = &self.vectors[j];
        if self.complex {
            return crate::matrix::complex::split(v);
        }
        match self.eigenvalues[j].im {
            0.0 => (v.clone(), vec![0.0; v.len()]),
            im if im > 0.0 => (v.clone(), self.vectors[j + 1].clone()),
            _ => (self.vectors[j - 1].clone(), v.iter().map(|v| -v).collect()),
        }
    }

    /// The report itself if it converged, an error otherwise.
    ///
    /// # Errors
    /// [`NotFound`] with how it ended.
    pub fn into_result(self) -> Result<Self, NotFound> {
        if self.reason.is_converged() { Ok(self) } else { Err(NotFound(Box::new(self.outcome))) }
    }
}

impl SvdReport {
    /// As [`EigenReport::into_result`].
    ///
    /// # Errors
    /// [`NotFound`] with how it ended.
    pub fn into_result(self) -> Result<Self, NotFound> {
        if self.reason.is_converged() { Ok(self) } else { Err(NotFound(Box::new(self.outcome))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_within_their_error() {
        let text = |re, im, error| Eigenvalue { re, im }.within(error);
        assert_eq!(text(9.44287518166168, 0.0, 4e-9), "9.442875182");
        assert_eq!(text(-7.06e-10, 0.0, 1.2e-9), "0 ± 1e-9");
        assert_eq!(text(2.952498e-5, 0.0, 1.4e-10), "2.95250e-5");
        assert_eq!(text(1.0, 2.0, 1e-3), "1.000+2.000i");
        assert_eq!(text(1e-9, -2.0, 1e-3), "-2.000i");
        assert_eq!(text(318951.7598, 0.0, 30.0), "3.1895e5");
        assert_eq!(text(318951.7598, 0.0, 1e-30), "318951.7598000000");
        assert_eq!(text(0.0, 0.0, 0.0), "0");
        assert_eq!(text(f64::INFINITY, 0.0, 1.0), "inf");
    }
}
