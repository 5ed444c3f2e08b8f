//! What can be asked for.

use crate::error::{Error, Result};
use crate::matrix::Csr;
use crate::options::{Backend, Knobs, Options, Precision};
use crate::precond::registry::Precond;
use faer::c64;
use std::sync::Arc;
use std::time::Duration;

/// Which end of the spectrum; with a shift, of 1/(λ − σ), as in ARPACK and SciPy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Largest modulus; with a shift, nearest to it.
    #[default]
    LM,
    /// Smallest modulus.
    SM,
    /// Largest, A symmetric.
    LA,
    /// Smallest, A symmetric.
    SA,
    /// Largest real part.
    LR,
    /// Smallest real part.
    SR,
    /// Largest imaginary part, by modulus: pairs stay together.
    LI,
    /// Smallest imaginary part, by modulus.
    SI,
}

impl Which {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 8] = [Self::LM, Self::SM, Self::LA, Self::SA, Self::LR, Self::SR, Self::LI, Self::SI];

    /// What sorts wanted values first.
    pub(crate) fn key(self, value: c64) -> f64 {
        match self {
            Self::LM => -value.norm(),
            Self::SM => value.norm(),
            Self::LA | Self::LR => -value.re,
            Self::SA | Self::SR => value.re,
            Self::LI => -value.im.abs(),
            Self::SI => value.im.abs(),
        }
    }
}

impl Which {
    /// The name users type.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::LM => "LM",
            Self::SM => "SM",
            Self::LA => "LA",
            Self::SA => "SA",
            Self::LR => "LR",
            Self::SR => "SR",
            Self::LI => "LI",
            Self::SI => "SI",
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

impl std::str::FromStr for Which {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|w| w.to_string().eq_ignore_ascii_case(s));
        found.ok_or_else(|| {
            let names = Self::ALL.map(|w| w.to_string());
            Error::input(crate::host::suggest::unknown("which", s, &names.each_ref().map(String::as_str)))
        })
    }
}

/// Everything an eigenproblem can be asked for.
#[derive(Clone, Debug)]
pub struct EigenOptions {
    /// How many pairs, 6.
    pub k: usize,
    /// Which.
    pub which: Which,
    /// The shift σ: pairs near it, by inner solves with A − σB.
    pub sigma: Option<f64>,
    /// B of A x = λ B x, symmetric positive definite; `None` is I.
    pub mass: Option<Arc<Csr>>,
    /// A method's id, or "auto".
    pub method: String,
    /// For lobpcg and for inner solves: the preconditioner with its own parameters.
    pub preconditioner: Precond,
    /// Bound on ‖A v − λ B v‖ / ‖A‖ for ‖v‖₂ = 1, 1e-10; ‖A‖ = √(‖A‖₁‖A‖∞).
    pub tol: f64,
    /// Columns of the basis; `None` lets the plan choose.
    pub subspace: Option<usize>,
    /// The start vector; `None` is random.
    pub start: Option<Vec<f64>>,
    /// Of the random vectors: the same seed gives the same bits.
    pub seed: u64,
    /// Bound on iterations, 100 000: columns of a basis, steps of lobpcg.
    pub max_iterations: usize,
    /// Bound on the time.
    pub time_limit: Option<Duration>,
    /// Where to work.
    pub backend: Backend,
    /// Number types of the basis.
    pub precision: Precision,
    /// Threads of the CPU backend; 0 is all.
    pub threads: usize,
    /// For tests.
    #[doc(hidden)]
    pub knobs: Knobs,
}

impl Default for EigenOptions {
    fn default() -> Self {
        Self {
            k: 6,
            which: Which::LM,
            sigma: None,
            mass: None,
            method: "auto".into(),
            preconditioner: Precond::Auto,
            tol: 1e-10,
            subspace: None,
            start: None,
            seed: 1,
            max_iterations: 100_000,
            time_limit: None,
            backend: Backend::Auto,
            precision: Precision::Auto,
            threads: 0,
            knobs: Knobs::default(),
        }
    }
}

impl EigenOptions {
    /// Finds what is wrong without a matrix.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<()> {
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(Error::input(format!("tol is {}; it must be a finite number, 0 or more", self.tol)));
        }
        if self.k == 0 {
            return Err(Error::input("k is 0; ask for at least one pair"));
        }
        if self.sigma.is_some_and(|s| !s.is_finite()) {
            return Err(Error::input("sigma must be a finite number"));
        }
        if self.method != "auto" {
            super::by_name(&self.method)?;
        }
        self.device().check()
    }

    /// Finds what is wrong with a problem of order n.
    pub(super) fn check_order(&self, n: usize) -> Result<()> {
        if self.k > n {
            return Err(Error::input(format!("k is {}; a matrix of order {n} has {n} eigenpairs", self.k)));
        }
        if let Some(b) = &self.mass
            && (b.rows() != n || b.cols() != n)
        {
            return Err(Error::input(format!("B is {} x {}; A is {n} x {n}", b.rows(), b.cols())));
        }
        if let Some(m) = self.subspace
            && m < n.min(self.k + 3)
        {
            return Err(Error::input(format!("a basis of {m} columns is too small for {} pairs", self.k)));
        }
        check_start(self.start.as_deref(), n)
    }

    /// What the choice of a device and the inner solver are told.
    pub(super) fn device(&self) -> Options {
        Options {
            backend: self.backend.clone(),
            precision: self.precision,
            threads: self.threads,
            knobs: self.knobs.clone(),
            preconditioner: self.preconditioner.clone(),
            time_limit: self.time_limit,
            ..Options::default()
        }
    }
}

/// A start vector must point somewhere.
pub(super) fn check_start(start: Option<&[f64]>, n: usize) -> Result<()> {
    let Some(v) = start else { return Ok(()) };
    if v.len() != n {
        return Err(Error::input(format!("the start vector has {} entries; it needs {n}", v.len())));
    }
    if let Some(i) = v.iter().position(|x| !x.is_finite()) {
        return Err(Error::input(format!("start[{i}] is {}", v[i])));
    }
    if v.iter().all(|&x| x == 0.0) {
        return Err(Error::input("the start vector is zero"));
    }
    Ok(())
}
