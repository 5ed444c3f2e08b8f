//! The options of an eigenproblem.

use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix};
use crate::options::{Backend, Knobs, Options, Precision};
use crate::precond::registry::Precond;
use crate::ranks::Ranks;
use faer::c64;
use std::sync::Arc;
use std::time::Duration;

/// Which end of the spectrum; with a shift, of 1/(λ − σ), as in ARPACK and SciPy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Which {
    /// Largest modulus; with a shift, nearest to it.
    #[default]
    LM,
    /// Smallest modulus.
    SM,
    /// Largest, A symmetric; taken as LR for a nonsymmetric problem.
    LA,
    /// Smallest, A symmetric; taken as SR for a nonsymmetric problem.
    SA,
    /// Largest real part.
    LR,
    /// Smallest real part.
    SR,
    /// Largest imaginary part; by modulus for a real A, whose pairs stay together.
    LI,
    /// Smallest imaginary part; by modulus for a real A.
    SI,
    /// Half from each end, one more from the upper end where k is odd; A symmetric.
    BE,
}

impl Which {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 9] =
        [Self::LM, Self::SM, Self::LA, Self::SA, Self::LR, Self::SR, Self::LI, Self::SI, Self::BE];

    /// A sort key that puts wanted values first; for BE those of the upper end.
    pub(crate) fn key(self, value: c64) -> f64 {
        match self {
            Self::LM => -value.norm(),
            Self::SM => value.norm(),
            Self::LA | Self::LR | Self::BE => -value.re,
            Self::SA | Self::SR => value.re,
            Self::LI => -value.im.abs(),
            Self::SI => value.im.abs(),
        }
    }

    /// The indices of `values`, the most wanted first; BE takes from both ends in turn.
    pub(crate) fn order(self, values: &[c64]) -> Vec<usize> {
        let mut places: Vec<usize> = (0..values.len()).collect();
        places.sort_by(|&i, &j| self.key(values[i]).total_cmp(&self.key(values[j])));
        if self == Self::BE {
            let n = places.len();
            let from_both = |k: usize| places[if k.is_multiple_of(2) { k / 2 } else { n - 1 - k / 2 }];
            places = (0..n).map(from_both).collect();
        }
        places
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
            Self::BE => "BE",
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

/// The options of an eigenproblem.
#[derive(Clone, Debug)]
pub struct EigenOptions {
    /// How many pairs, 6.
    pub k: usize,
    /// Which pairs.
    pub which: Which,
    /// The real part of the shift σ: pairs near it, by solving with A − σB.
    pub sigma: Option<f64>,
    /// The imaginary part of σ, 0. For a real A too; vectors are those of a real form then, as for `complex`.
    pub sigma_im: f64,
    /// x ↦ (A − σB)⁻¹ x for this very σ, if you have it; otherwise A − σB is factored, or solved with iteratively.
    pub inverse: Option<Matrix>,
    /// B of A x = λ B x; `None` is I. With a symmetric A, a symmetric positive semidefinite B gives a symmetric
    /// problem; any other B needs arnoldi.
    pub mass: Option<Arc<Csr>>,
    /// A and B are [real forms](crate::matrix::complex::real_form) of complex matrices. The pairs are the complex
    /// ones: each value with one vector of that form, (Re x₁, Im x₁, Re x₂, …).
    pub complex: bool,
    /// Find the smallest eigenvalues of a positive semidefinite A without the eigenvalue 0, whatever its multiplicity.
    pub skip_null: bool,
    /// A method's id, or "auto".
    pub method: String,
    /// For lobpcg and for inner solves: the preconditioner with its own parameters.
    pub preconditioner: Precond,
    /// Bound on ‖A v − λ v‖ / ‖A‖, with B on ‖A v − λ B v‖ / (‖A‖ + |λ| ‖B‖), for ‖v‖₂ = 1; 1e-10.
    /// ‖A‖ = √(‖A‖₁‖A‖∞); in rows much smaller than others also on their own. 0 asks for what rounding allows.
    pub tol: f64,
    /// Columns of the basis; `None` lets the plan choose.
    pub subspace: Option<usize>,
    /// Start vectors: a block for lobpcg, which fills it up with random ones; power and inverse start from the first
    /// vector, other methods from their sum. Random if there are none.
    pub start: Vec<Vec<f64>>,
    /// Seed of the random vectors: the same seed gives the same bits.
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
    /// The ranks that share the work; alone if `None`. Every rank makes the same calls with the same options.
    pub ranks: Option<Ranks>,
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
            sigma_im: 0.0,
            inverse: None,
            mass: None,
            complex: false,
            skip_null: false,
            method: "auto".into(),
            preconditioner: Precond::Auto,
            tol: 1e-10,
            subspace: None,
            start: vec![],
            seed: 1,
            max_iterations: 100_000,
            time_limit: None,
            backend: Backend::Auto,
            precision: Precision::Auto,
            threads: 0,
            ranks: None,
            knobs: Knobs::default(),
        }
    }
}

impl EigenOptions {
    /// Checks what can be checked without a matrix.
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
        // A basis has fewer than 2^16 columns, and the plan adds some to what is asked for.
        const MOST: usize = 20_000;
        if let Some((name, m)) = [("k", Some(self.k)), ("subspace", self.subspace)]
            .into_iter()
            .find_map(|(name, m)| Some((name, m.filter(|m| *m > MOST)?)))
        {
            return Err(Error::input(format!("{name} is {m}; it may be up to {MOST}")));
        }
        if self.sigma.is_some_and(|s| !s.is_finite()) || !self.sigma_im.is_finite() {
            return Err(Error::input("sigma must be a finite number"));
        }
        if self.sigma.is_none() && self.sigma_im != 0.0 {
            return Err(Error::input("sigma_im is given without sigma; set sigma, to 0 if it is imaginary"));
        }
        if self.sigma.is_none() && self.inverse.is_some() {
            return Err(Error::input("an inverse belongs to a shift; set sigma"));
        }
        if self.skip_null && (self.sigma.is_some() || !matches!(self.which, Which::SM | Which::SA | Which::SR)) {
            return Err(Error::input("skip_null is for the smallest eigenvalues (SM or SA), without sigma"));
        }
        if self.method != "auto" {
            super::by_name(&self.method)?;
        }
        self.device().check()
    }

    /// Checks the options for a problem of order n.
    pub(super) fn check_order(&self, n: usize) -> Result<()> {
        for (name, shape) in [
            ("B", self.mass.as_ref().map(|b| (b.rows(), b.cols()))),
            ("the inverse", self.inverse.as_ref().map(|m| (m.rows(), m.cols()))),
        ] {
            if let Some((rows, cols)) = shape.filter(|&s| s != (n, n)) {
                return Err(Error::input(format!("{name} is {rows} x {cols}; A is {n} x {n}")));
            }
        }
        if self.complex && !n.is_multiple_of(2) {
            return Err(Error::input(format!("A is {n} x {n}; the real form of a complex matrix has an even order")));
        }
        let pairs = if self.complex { n / 2 } else { n };
        if self.k > pairs {
            return Err(Error::input(format!("k is {}; a matrix of order {pairs} has {pairs} eigenpairs", self.k)));
        }
        if let Some(m) = self.subspace
            && m < n.min(self.k + 3)
        {
            return Err(Error::input(format!("a basis of {m} columns is too small for {} pairs", self.k)));
        }
        check_start(&self.start, n)
    }

    /// The bound on residuals that is used: no smaller than rounding allows.
    pub(super) fn bound(&self) -> f64 {
        self.tol.max(64.0 * f64::EPSILON)
    }

    /// The options for the choice of a device and for the inner solver.
    pub(super) fn device(&self) -> Options {
        Options {
            backend: self.backend.clone(),
            precision: self.precision,
            threads: self.threads,
            ranks: self.ranks.clone(),
            knobs: self.knobs.clone(),
            preconditioner: self.preconditioner.clone(),
            time_limit: self.time_limit,
            ..Options::default()
        }
    }
}

/// Start vectors must have n finite entries and not be zero.
pub(super) fn check_start(start: &[Vec<f64>], n: usize) -> Result<()> {
    for v in start {
        if v.len() != n {
            return Err(Error::input(format!("the start vector has {} entries; it needs {n}", v.len())));
        }
        if let Some(i) = v.iter().position(|x| !x.is_finite()) {
            return Err(Error::input(format!("start[{i}] is {}", v[i])));
        }
        if v.iter().all(|&x| x == 0.0) {
            return Err(Error::input("the start vector is zero"));
        }
    }
    Ok(())
}
