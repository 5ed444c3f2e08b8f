//! The problem A x = λ B x: what A and B are, and how large.

use super::options::EigenOptions;
use super::verify::norm_of;
use crate::analyse::certify::Norms;
use crate::analyse::direct::{self, Direct, Refused};
use crate::analyse::facts::Facts;
use crate::analyse::probe::norms;
use crate::error::{Error, Result};
use crate::host::halt::Halt;
use crate::host::random::Random;
use crate::host::scale::{exponent, ldexp};
use crate::matrix::complex::real_form;
use crate::matrix::equilibrate::{Scales, column_exponents, scales, spread};
use crate::matrix::{Csr, Matrix, Triplets};
use faer::c64;
use std::sync::Arc;

/// Limit on multiplications to factor B and learn whether it is definite; beyond it, products with B tell.
const EFFORT: f64 = 2e9;

/// Rows of B below this fraction of its largest entry belong to infinite eigenvalues: |λ| would be beyond 1/ε.
const NOTHING: f64 = f64::EPSILON;

/// Powers of two between the largest entries of rows up to which they need no scales of their own.
const NEAR: i32 = 10;

/// What B is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mass {
    /// There is no B.
    Identity,
    Definite,
    /// Symmetric, positive semidefinite: an inner product except on vectors of infinite eigenvalues.
    Semidefinite,
    /// Indefinite, or not symmetric: no inner product.
    General,
}

/// A and B with what is known of them.
pub(super) struct Pencil {
    pub(super) a: Matrix,
    pub(super) facts: Facts,
    pub(super) b: Option<Arc<Csr>>,
    pub(super) b_norms: Option<Norms>,
    pub(super) mass: Mass,
    /// A and B are real forms of complex matrices.
    pub(super) complex: bool,
    /// Rows of B that are not negligible: a bound on the number of finite eigenvalues.
    pub(super) finite: usize,
    /// A typical |λ|: the median over the rows of |a_i| / |b_i|.
    pub(super) unit: f64,
    /// B is singular to working precision, as far as its rows or affordable factors tell.
    pub(super) singular: bool,
    /// Powers of two for the rows and columns of |A| + unit |B|, where their sizes are far apart.
    pub(super) scales: Option<Scales>,
    /// Σ_j |a_ij| c_j and Σ_j |b_ij| c_j over the rows, c_j the scales of columns; `None` for an operator.
    pub(super) sizes: Option<[Vec<f64>; 2]>,
}

/// The real form of a real matrix, taken as a complex one.
fn embedded(a: &Csr) -> Result<Csr> {
    real_form(a, &Csr::new(a.rows(), a.cols(), vec![0; a.rows() + 1], vec![], vec![])?)
}

/// Σ_j |a_ij| c_j of each row.
fn row_sizes(a: &Csr, scale: impl Fn(usize) -> i32) -> Vec<f64> {
    let size = |(&j, &v): (&u32, &f64)| ldexp(v.abs(), scale(j as usize));
    (0..a.rows()).map(|i| a.row(i).0.iter().zip(a.row(i).1).map(size).sum()).collect()
}

/// Scales for |A| + unit |B|; `None` where rows and columns are of much the same size.
fn far_apart(a: &Csr, b: Option<&Csr>, unit: f64, symmetric: bool) -> Result<Option<Scales>> {
    if spread(a, symmetric) <= NEAR && b.is_none_or(|b| spread(b, symmetric) <= NEAR) {
        return Ok(None);
    }
    let identity = Csr::identity(a.rows())?;
    let e = exponent(a.values().iter().fold(unit, |m, v| m.max(v.abs())));
    let mut both = Triplets::new(a.rows(), a.cols())?;
    for (m, factor) in [(a, 1.0), (b.unwrap_or(&identity), ldexp(unit, -e))] {
        let by = if factor == 1.0 { -e } else { 0 };
        for i in 0..m.rows() {
            let (columns, values) = m.row(i);
            for (&j, &v) in columns.iter().zip(values) {
                both.push(i, j as usize, ldexp(v.abs(), by) * factor)?;
            }
        }
    }
    let both = both.to_csr()?;
    if spread(&both, symmetric) <= NEAR {
        return Ok(None);
    }
    scales(&both, 0, symmetric, &Halt::default()).map(Some)
}

/// Rows of B that are zero, or negligible against its largest entry.
fn empty_rows(b: &Csr) -> Vec<bool> {
    let largest = b.values().iter().fold(0.0f64, |m, v| m.max(v.abs()));
    (0..b.rows()).map(|i| b.row(i).1.iter().all(|v| v.abs() <= NOTHING * largest)).collect()
}

/// B with its diagonal times 1 + `more`; empty rows are replaced by those of the identity.
fn lifted(b: &Csr, empty: &[bool], more: f64) -> Result<Csr> {
    let mut t = Triplets::new(b.rows(), b.cols())?;
    for (i, &empty_row) in empty.iter().enumerate() {
        if empty_row {
            t.push(i, i, 1.0)?;
            continue;
        }
        let (columns, values) = b.row(i);
        for (&j, &v) in columns.iter().zip(values).filter(|e| !empty[*e.0 as usize]) {
            t.push(i, j as usize, if j as usize == i { v * (1.0 + more) } else { v })?;
        }
    }
    t.to_csr()
}

impl Mass {
    /// What B is, and in words why it is no inner product.
    fn of(b: &Csr, empty: &[bool], complex: bool) -> Result<(Self, Option<String>)> {
        let facts = Facts::of(b);
        if let Some((i, j)) = facts.asymmetry {
            return Ok((Self::General, Some(format!("B is not symmetric: entries ({i}, {j}) and ({j}, {i}) differ"))));
        }
        if let Some(i) = b.diagonal().iter().position(|&d| d < 0.0) {
            return Ok((Self::General, Some(format!("B is indefinite: its diagonal is negative in row {i}"))));
        }
        let semidefinite = empty.contains(&true);
        let known = if semidefinite { Self::Semidefinite } else { Self::Definite };
        if facts.dominance < 1.0 && !semidefinite {
            return Ok((known, None));
        }
        let indefinite = (Self::General, Some("B is indefinite: v'Bv < 0 for some v".to_string()));
        let whole = lifted(b, empty, 0.0)?;
        if direct::cost(&whole).operations > EFFORT {
            let mut random = Random::new(0xb);
            let negative = (0..4).any(|_| {
                let v = random.vector(b.rows());
                let w = b.multiply(&v);
                v.iter().zip(&w).map(|(v, w)| v * w).sum::<f64>() < 0.0
            });
            return Ok(if negative { indefinite } else { (known, None) });
        }
        Ok(match Direct::new(&whole, true, true, complex) {
            Ok(_) => (known, None),
            Err(Refused::Singular) => (Self::Semidefinite, None),
            Err(_) => match Direct::new(&lifted(b, empty, 1e-10)?, true, true, complex) {
                Ok(_) => (Self::Semidefinite, None),
                Err(_) => indefinite,
            },
        })
    }
}

/// True if B is known to be singular to working precision.
fn singular(b: &Csr, mass: Mass, complex: bool) -> bool {
    match mass {
        Mass::Identity | Mass::Definite => false,
        Mass::Semidefinite => true,
        Mass::General => {
            empty_rows(b).contains(&true)
                || column_exponents(b).contains(&None)
                || direct::cost(b).operations <= EFFORT
                    && Direct::new(b, false, false, complex).err() == Some(Refused::Singular)
        }
    }
}

impl Pencil {
    /// A and `options.mass`, in real forms where the problem is complex.
    pub(super) fn new(
        a: Matrix,
        options: &EigenOptions,
        notes: &mut Vec<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let (mut a, mut b) = (a, options.mass.clone());
        let complex = options.complex || options.sigma_im != 0.0;
        if complex && !options.complex {
            let stored = a.entries().ok_or_else(|| Error::input("a complex shift needs the entries of A"))?;
            a = embedded(stored)?.into();
            b = b.map(|b| embedded(&b).map(Arc::new)).transpose()?;
            notes.push("complex shift: in the real form of complex numbers".into());
        }
        let n = a.rows();
        let (mut mass, mut finite) = (Mass::Identity, n);
        if let Some(b) = &b {
            let empty = empty_rows(b);
            finite = empty.iter().filter(|e| !**e).count();
            let parts = if complex { 2 } else { 1 };
            if finite < n {
                warnings.push(format!(
                    "B has {} rows that are zero or below {NOTHING:.0e} of its largest entry: as many eigenvalues are \
                     infinite and left out",
                    (n - finite) / parts
                ));
            }
            if finite == 0 {
                return Err(Error::input("B is zero"));
            }
            if options.k * parts > finite {
                return Err(Error::input(format!(
                    "k is {}; A x = lambda B x has no more than {} finite eigenvalues",
                    options.k,
                    finite / parts
                )));
            }
            let (kind, amiss) = Mass::of(b, &empty, complex)?;
            mass = kind;
            if let Some(amiss) = amiss {
                notes.push("methods for nonsymmetric problems: B gives no inner product".into());
                warnings.push(amiss);
            } else if mass == Mass::Semidefinite {
                notes.push("B is semidefinite: start vectors go through the inverse".into());
            }
        }
        let mut facts = Facts::find(&a)?;
        if let Matrix::Free(operator) = &a
            && facts.norms.scaled_norm == 0.0
        {
            // Residuals are measured by it, so it is worth the products.
            facts.norms = norms(&**operator)?;
        }
        let sizes = a.entries().map(|a| row_sizes(a, |_| 0));
        let others = b.as_ref().map(|b| row_sizes(b, |_| 0));
        let mut units: Vec<f64> = match (sizes, others) {
            (Some(a), Some(b)) => a.iter().zip(&b).map(|(a, b)| a / b).collect(),
            (Some(a), None) => a,
            _ => vec![],
        };
        units.retain(|u| u.is_finite() && *u > 0.0);
        units.sort_by(f64::total_cmp);
        let norm = norm_of(&facts.norms);
        let unit = units.get(units.len() / 2).copied().unwrap_or(if norm > 0.0 { norm } else { 1.0 });
        let singular = b.as_deref().is_some_and(|b| singular(b, mass, complex));
        let mut found = Self {
            b_norms: b.as_ref().map(|b| Norms::of(b)),
            a,
            facts,
            b,
            mass,
            complex,
            finite,
            unit,
            singular,
            scales: None,
            sizes: None,
        };
        if let Some(a) = found.a.entries() {
            found.scales = far_apart(a, found.b.as_deref(), unit, found.symmetric())?;
            let scale = |j: usize| found.scales.as_ref().map_or(0, |s| s.columns[j]);
            let own = || (0..n).map(|j| ldexp(1.0, scale(j))).collect();
            let of_b = found.b.as_deref().map_or_else(own, |b| row_sizes(b, scale));
            found.sizes = Some([row_sizes(a, scale), of_b]);
        }
        Ok(found)
    }

    /// Order of the real form, or of A itself.
    pub(super) fn n(&self) -> usize {
        self.a.rows()
    }

    /// Real vectors per wanted pair: two in the real form of complex numbers.
    pub(super) fn parts(&self) -> usize {
        if self.complex { 2 } else { 1 }
    }

    /// A = Aᵀ, and B an inner product: real eigenvalues and orthonormal vectors.
    pub(super) fn symmetric(&self) -> bool {
        self.facts.symmetric() && self.mass != Mass::General
    }

    /// B x.
    pub(super) fn dual(&self, x: &[f64]) -> Vec<f64> {
        self.b.as_ref().map_or_else(|| x.to_vec(), |b| b.multiply(x))
    }

    /// ‖A‖ and ‖B‖.
    pub(super) fn norms(&self) -> (f64, Option<f64>) {
        (norm_of(&self.facts.norms), self.b_norms.as_ref().map(norm_of))
    }

    /// What the residual of a pair with this value is relative to: ‖A‖ + |λ| ‖B‖, or ‖A‖ where there is no B.
    pub(super) fn scale(&self, value: c64) -> f64 {
        let (a, b) = self.norms();
        a + b.map_or(0.0, |b| value.norm() * b)
    }

    /// What [`Self::shifted`] makes, in words.
    pub(super) fn shifted_name(&self) -> &'static str {
        if self.b.is_some() { "A - sigma B" } else { "A - sigma I" }
    }

    /// A − σB.
    pub(super) fn shifted(&self, sigma: c64) -> Result<Csr> {
        let a = self.a.entries().ok_or_else(|| Error::input("a shift needs the entries of A"))?;
        let n = a.rows();
        let mut t = Triplets::new(n, n)?;
        let mut add = |m: &Csr, re: f64, im: f64| -> Result<()> {
            for i in 0..n {
                let (columns, values) = m.row(i);
                for (&j, &v) in columns.iter().zip(values) {
                    let j = j as usize;
                    if re != 0.0 {
                        t.push(i, j, re * v)?;
                    }
                    // i (B + iC) in the real form: the two rows of an unknown are swapped, one of them negated.
                    if im != 0.0 {
                        t.push(i ^ 1, j, if i.is_multiple_of(2) { im * v } else { -im * v })?;
                    }
                }
            }
            Ok(())
        };
        add(a, 1.0, 0.0)?;
        match &self.b {
            Some(b) => add(b, -sigma.re, -sigma.im)?,
            None => add(&Csr::identity(n)?, -sigma.re, -sigma.im)?,
        }
        t.to_csr()
    }

    /// −iA: the real parts of its eigenvalues are the imaginary parts of those of A.
    pub(super) fn turned(&self) -> Result<Csr> {
        let a = self.a.entries().ok_or_else(|| Error::input("LI and SI need the entries of A"))?;
        let mut t = Triplets::new(a.rows(), a.cols())?;
        for i in 0..a.rows() {
            let (columns, values) = a.row(i);
            for (&j, &v) in columns.iter().zip(values) {
                t.push(i ^ 1, j as usize, if i.is_multiple_of(2) { -v } else { v })?;
            }
        }
        t.to_csr()
    }

    /// |λ| below which an eigenvalue belongs to the null space.
    pub(super) fn null_bound(&self, tol: f64) -> f64 {
        let (a, b) = self.norms();
        tol.max(1e-12) * b.map_or(a, |b| (a / b).min(self.unit))
    }

    /// What rounding in A − σB does to its eigenvalues, as scaled on the device.
    pub(super) fn device_noise(&self, sigma: c64) -> f64 {
        let (e, b) = (self.facts.norms.exponent, self.b_norms.as_ref());
        let sigma = ldexp(sigma.norm(), b.map_or(0, |b| b.exponent) - e);
        64.0 * f64::EPSILON * (self.device_norm() / b.map_or(1.0, |b| b.scaled_norm) + sigma)
    }

    /// ‖A‖ as scaled on the device.
    pub(super) fn device_norm(&self) -> f64 {
        ldexp(norm_of(&self.facts.norms), -self.facts.norms.exponent)
    }
}
