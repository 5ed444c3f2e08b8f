//! Incomplete factors on the pattern of A: ILU(0) and IC(0) (Meijerink and van der Vorst 1977,
//! doi:10.1090/S0025-5718-1977-0438681-4; Saad, Iterative Methods, 2nd ed., algorithm 10.4).
//!
//! M = (L U)⁻¹ with (L U)_ij = a_ij on the pattern of A and its diagonal. IC(0) is this factorisation of a symmetric
//! matrix, U = D Lᵀ, with every pivot positive. Set-up: about Σ_i Σ_{k<i, a_ik≠0} nnz(row k) multiplications,
//! one thread. One application: two triangular solves, together the traffic of a product; on a device without them
//! Jacobi sweeps (see `triangles`), which `ilu0:sweeps=4` requests on every device.
//!
//! A pivot below 10⁻¹² of its row's largest entry is not accepted (`lu` raises it instead): the factorisation restarts
//! on A + α diag(σ), σ_i the row's largest entry with the diagonal's sign (Manteuffel 1980,
//! doi:10.1090/S0025-5718-1980-0559197-0), α growing from 10⁻³.

use super::diagonal::unit;
use super::triangles::Pair;
use super::{Preconditioner, Request, Updates, ilut, lu};
use crate::error::{Called, Error, Result};
use crate::host::halt::Halt;
use crate::host::scale::largest;
use crate::matrix::{Csr, Triangular};
use crate::op::{Program, Space, Vector};
use std::sync::Arc;

/// M = (L U)⁻¹, applied by triangular solves.
pub struct Ilu {
    kind: Kind,
    sweeps: Option<usize>,
    factors: Factors,
    pair: Option<Pair>,
}

/// Which entries of the factors are kept.
#[derive(Clone, Copy)]
enum Kind {
    /// Those on the pattern of A.
    Own { definite: bool },
    /// Large ones.
    Threshold(Fill),
    /// All but tiny ones.
    Nearly { drop: f64 },
}

/// L with ones on its diagonal, and U.
pub(super) struct Factors {
    pub(super) lower: Arc<Triangular>,
    pub(super) upper: Arc<Triangular>,
    /// α of the shift that was needed.
    pub(super) shift: f64,
}

/// Shifts α tried in turn, as fractions of the row's largest entry.
const SHIFTS: [f64; 7] = [0.0, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0];

/// A pivot below this fraction of its row's largest entry counts as zero.
const PIVOT: f64 = 1e-12;

/// L and U, or why there are none.
pub(super) type Factored = std::result::Result<(Triangular, Triangular), Fault>;

/// Why there are no factors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The pivot of this row is bad.
    Pivot(usize, f64),
    /// A limit is exceeded in this row.
    Limit(usize),
    /// The work was cancelled.
    Halted(Called),
}

/// Bounds on a factorisation.
pub(super) struct Limits {
    /// Entries of L and U.
    pub(super) entries: usize,
    /// Multiplications.
    pub(super) operations: u64,
    pub(super) halt: Halt,
}

/// [`Halt::check_at`] within a factorisation.
pub(super) fn go_on(halt: &Halt, row: usize) -> std::result::Result<(), Fault> {
    if row & 255 == 0 { halt.called().map_or(Ok(()), |called| Err(Fault::Halted(called))) } else { Ok(()) }
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: usize::MAX, operations: u64::MAX, halt: Halt::default() }
    }
}

/// How to treat a pivot that is too small to divide by.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pivots {
    /// It is a fault.
    Kept,
    /// It is a fault, and so is a negative one.
    Positive,
    /// One below this fraction of its row's largest entry is raised to it.
    Raised(f64),
}

impl Pivots {
    /// 1/pivot in row `i` with this largest entry, if that is safe; `unit` for an empty row.
    pub(super) fn inverse(self, i: usize, pivot: f64, largest: f64, unit: f64) -> std::result::Result<f64, Fault> {
        if largest == 0.0 {
            return Ok(unit);
        }
        let (value, bad) = match self {
            Self::Raised(part) if pivot.abs() < part * largest => ((part * largest).copysign(pivot), false),
            Self::Positive => (pivot, pivot <= PIVOT * largest),
            _ => (pivot, pivot.abs() <= PIVOT * largest),
        };
        let inverse = 1.0 / value;
        if bad || !inverse.is_finite() { Err(Fault::Pivot(i, pivot)) } else { Ok(inverse) }
    }
}

/// How much an ILUT keeps (Saad 1994, doi:10.1002/nla.1680010405).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// Entries below this fraction of the row's mean size are dropped.
    pub drop: f64,
    /// Number of entries that a row of L and of U keeps, relative to A.
    pub growth: f64,
}

impl Default for Fill {
    fn default() -> Self {
        Self { drop: 1e-3, growth: 2.0 }
    }
}

impl Ilu {
    /// Factors `a` on its own pattern; `definite` requires positive pivots (IC(0)).
    ///
    /// # Errors
    /// [`Error::Preconditioner`] with the row of a pivot that no shift cures.
    pub fn new(a: &Csr, definite: bool) -> Result<Self> {
        Self::own(a, definite, None, &Halt::default())
    }

    /// Factors `a` and keeps large fill. M is not symmetric, even if A is.
    ///
    /// # Errors
    /// As [`Ilu::new`].
    pub fn with_fill(a: &Csr, fill: Fill) -> Result<Self> {
        Self::by_threshold(a, fill, None, &Halt::default())
    }

    pub(super) fn own(a: &Csr, definite: bool, sweeps: Option<usize>, halt: &Halt) -> Result<Self> {
        Ok(Self { kind: Kind::Own { definite }, sweeps, factors: Factors::new(a, definite, halt)?, pair: None })
    }

    fn by_threshold(a: &Csr, fill: Fill, sweeps: Option<usize>, halt: &Halt) -> Result<Self> {
        let limits = Limits { halt: halt.clone(), ..Limits::default() };
        let factor = |a: &Csr, shift| ilut::factor(a, shift, fill, Pivots::Kept, &limits);
        Ok(Self { kind: Kind::Threshold(fill), sweeps, factors: Factors::shifted(a, false, factor)?, pair: None })
    }

    pub(super) fn threshold(a: &Csr, fill: Fill, sweeps: Option<usize>, request: &Request) -> Result<Self> {
        if request.definite {
            return Err(Error::input("ilut is not symmetric, and this method needs a symmetric M; use ic0, or gmres"));
        }
        Self::by_threshold(a, fill, sweeps, &request.halt)
    }

    pub(super) fn nearly_whole(a: &Csr, fill: Fill, request: &Request) -> Result<Self> {
        let factors = lu::factors(&with_diagonal(a), fill, request)?;
        Ok(Self { kind: Kind::Nearly { drop: fill.drop }, sweeps: None, factors, pair: None })
    }

    fn kind(&self) -> String {
        match self.kind {
            Kind::Own { definite: true } => "ic0".into(),
            Kind::Own { .. } => "ilu0".into(),
            Kind::Threshold(fill) => format!("ilut with drop {:e}, fill {}", fill.drop, fill.growth),
            Kind::Nearly { drop } => format!("lu with drop {drop:e}"),
        }
    }
}

impl Factors {
    pub(super) fn new(a: &Csr, definite: bool, halt: &Halt) -> Result<Self> {
        let pivots = if definite { Pivots::Positive } else { Pivots::Kept };
        Self::shifted(a, definite, |a, shift| factor(a, shift, pivots, halt))
    }

    pub(super) fn of((lower, upper): (Triangular, Triangular), shift: f64) -> Self {
        Self { lower: Arc::new(lower), upper: Arc::new(upper), shift }
    }

    /// The first factors without a bad pivot, of A with increasing shifts.
    fn shifted(a: &Csr, definite: bool, factor: impl Fn(&Csr, f64) -> Factored) -> Result<Self> {
        let pattern = with_diagonal(a);
        let mut failed = None;
        for shift in SHIFTS {
            match factor(&pattern, shift) {
                Ok(factors) => return Ok(Self::of(factors, shift)),
                Err(fault @ (Fault::Halted(_) | Fault::Limit(_))) => return Err(fault.error(definite)),
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        Err(failed.expect("a shift was tried").error(definite))
    }
}

impl Fault {
    pub(super) fn error(self, definite: bool) -> Error {
        let (row, message) = match self {
            Self::Pivot(row, pivot) if definite && pivot < 0.0 => {
                (row, format!("the incomplete factors have the pivot {pivot:.1e} here: they are not positive definite"))
            }
            Self::Pivot(row, pivot) => (
                row,
                format!(
                    "the incomplete factors have the pivot {pivot:.1e} here, and no shift of the diagonal cures it"
                ),
            ),
            Self::Halted(called) => return Error::Halted(called),
            Self::Limit(row) => (row, "the factors take more entries or multiplications than they may".into()),
        };
        Error::Preconditioner { row, message }
    }
}

impl Factors {
    /// A on the pattern of L + U.
    fn places(&self, a: &Csr) -> Csr {
        let (mut row_ptr, mut columns) = (vec![0], vec![]);
        for i in 0..a.rows() {
            columns.extend_from_slice(self.lower.strict().row(i).0);
            columns.push(i as u32);
            columns.extend_from_slice(self.upper.strict().row(i).0);
            row_ptr.push(columns.len());
        }
        let rows = row_ptr.windows(2).enumerate();
        let values = rows.flat_map(|(i, w)| columns[w[0]..w[1]].iter().map(move |&j| a.get(i, j as usize))).collect();
        Csr::trusted(a.rows(), a.cols(), row_ptr, columns, values)
    }
}

/// A with zeros stored where its diagonal is missing.
pub(super) fn with_diagonal(a: &Csr) -> Csr {
    let missing = |i: usize| a.row(i).0.binary_search(&(i as u32)).is_err();
    if !(0..a.rows()).any(missing) {
        return a.clone();
    }
    let mut row_ptr = vec![0];
    let (mut columns, mut values) = (vec![], vec![]);
    for i in 0..a.rows() {
        let (cs, vs) = a.row(i);
        let before = cs.partition_point(|&j| (j as usize) < i);
        columns.extend_from_slice(&cs[..before]);
        values.extend_from_slice(&vs[..before]);
        if missing(i) {
            columns.push(i as u32);
            values.push(0.0);
        }
        columns.extend_from_slice(&cs[before..]);
        values.extend_from_slice(&vs[before..]);
        row_ptr.push(columns.len());
    }
    Csr::trusted(a.rows(), a.cols(), row_ptr, columns, values)
}

/// L and U of A + α diag(σ) on the pattern of A. The diagonal of `a` is stored.
fn factor(a: &Csr, shift: f64, pivots: Pivots, halt: &Halt) -> Factored {
    let n = a.rows();
    let (ptr, columns) = (a.row_ptr(), a.columns());
    let mut values = a.values().to_vec();
    let unit = unit(a);
    let mut diagonal = vec![0usize; n];
    let mut inverse = vec![0.0; n];
    // Position of column j in the current row, counted from 1; 0 if it is not there.
    let mut place = vec![0usize; n];
    for i in 0..n {
        go_on(halt, i)?;
        let row = ptr[i]..ptr[i + 1];
        let largest = largest(&values[row.clone()]);
        for k in row.clone() {
            place[columns[k] as usize] = k + 1;
        }
        diagonal[i] = place[i] - 1;
        let d = &mut values[diagonal[i]];
        *d += shift * largest * if *d < 0.0 { -1.0 } else { 1.0 };
        for k in ptr[i]..diagonal[i] {
            let j = columns[k] as usize;
            let l = values[k] * inverse[j];
            values[k] = l;
            if l == 0.0 {
                continue;
            }
            for m in diagonal[j] + 1..ptr[j + 1] {
                let at = place[columns[m] as usize];
                if at > 0 {
                    values[at - 1] -= l * values[m];
                }
            }
        }
        for k in row {
            place[columns[k] as usize] = 0;
        }
        inverse[i] = pivots.inverse(i, values[diagonal[i]], largest, unit)?;
    }
    let part = |upper: bool| {
        let range = |i: usize| if upper { diagonal[i] + 1..ptr[i + 1] } else { ptr[i]..diagonal[i] };
        let mut row_ptr = vec![0];
        let (mut cs, mut vs) = (vec![], vec![]);
        for i in 0..n {
            cs.extend_from_slice(&columns[range(i)]);
            vs.extend_from_slice(&values[range(i)]);
            row_ptr.push(cs.len());
        }
        Csr::trusted(n, n, row_ptr, cs, vs)
    };
    finished(part(false), part(true), inverse)
}

/// The factors from their strict parts and inverse pivots, if all entries are finite.
pub(super) fn finished(lower: Csr, upper: Csr, inverse: Vec<f64>) -> Factored {
    for strict in [&lower, &upper] {
        if let Some(k) = strict.values().iter().position(|v| !v.is_finite()) {
            return Err(Fault::Pivot(strict.row_ptr().partition_point(|&p| p <= k) - 1, f64::INFINITY));
        }
    }
    let ones = vec![1.0; inverse.len()];
    Ok((Triangular::new(lower, ones, false), Triangular::new(upper, inverse, true)))
}

impl Preconditioner for Ilu {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.pair = Some(Pair::new(space, &self.factors.lower, &self.factors.upper, exponent, self.sweeps));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        self.pair.as_ref().expect("installed before use").emit(p, r, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        // The pattern of an ILUT or LU stays as its first values determined it.
        self.factors = match self.kind {
            Kind::Own { definite } => Factors::new(a, definite, &Halt::default())?,
            Kind::Threshold(_) => Factors::new(&self.factors.places(a), false, &Halt::default())?,
            Kind::Nearly { .. } => factor(&self.factors.places(a), 0.0, lu::PIVOTS, &Halt::default())
                .map(|factors| Factors::of(factors, 0.0))
                .map_err(|fault| fault.error(false))?,
        };
        let Factors { lower, upper, .. } = &self.factors;
        Ok(self.pair.as_ref().map(|p| p.refresh(lower, upper, exponent)).unwrap_or_default())
    }

    fn describe(&self) -> Vec<String> {
        let Factors { lower, upper, shift } = &self.factors;
        let entries = lower.strict().nnz() + upper.strict().nnz() + upper.rows();
        let shifted = if *shift > 0.0 {
            format!(", diagonal shifted by {shift} of each row's largest entry")
        } else {
            String::new()
        };
        let applied = self.pair.as_ref().map_or_else(String::new, |p| format!(", {}", p.describe()));
        let levels = lower.levels().1.len() - 1;
        vec![format!("{}: {entries} entries, {levels} levels{applied}{shifted}", self.kind())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::gallery;

    /// L U, as a full matrix.
    fn product(f: &Factors) -> Vec<Vec<f64>> {
        let n = f.lower.rows();
        let l = |i: usize, j: usize| if i == j { 1.0 } else { f.lower.strict().get(i, j) };
        let u = |i: usize, j: usize| {
            if i == j { 1.0 / f.upper.inverse_diagonal()[i] } else { f.upper.strict().get(i, j) }
        };
        (0..n).map(|i| (0..n).map(|j| (0..n).map(|k| l(i, k) * u(k, j)).sum()).collect()).collect()
    }

    #[test]
    fn product_is_a_on_its_pattern() {
        for a in
            [gallery::poisson2d(5), gallery::random_general(40, 5, 2), gallery::convection_diffusion2d(5, [1.5, 0.2])]
        {
            let lu = product(&Factors::new(&a, false, &Halt::default()).unwrap());
            for i in 0..a.rows() {
                for (&j, &v) in a.row(i).0.iter().zip(a.row(i).1) {
                    assert!((lu[i][j as usize] - v).abs() < 1e-13 * 10.0, "({i}, {j})");
                }
            }
        }
    }

    #[test]
    fn exact_without_fill() {
        let a = gallery::tridiagonal(50, -1.0, 2.0, -1.0);
        let f = Factors::new(&a, true, &Halt::default()).unwrap();
        assert_eq!(f.shift, 0.0);
        let x: Vec<f64> = (0..50).map(|i| (i as f64).cos()).collect();
        let y = f.upper.solve(&f.lower.solve(&a.multiply(&x)));
        assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-12));
    }

    #[test]
    fn zero_pivots() {
        // [0 1; 1 0] has no LU; a shift makes one.
        let swap = gallery::cyclic_shift(2);
        assert!(Factors::new(&swap, false, &Halt::default()).unwrap().shift > 0.0);
        // The last pivot of a Neumann problem on a chain is zero.
        let mut chain = gallery::tridiagonal(10, -1.0, 2.0, -1.0);
        let mut values = chain.values().to_vec();
        (values[0], *values.last_mut().unwrap()) = (1.0, 1.0);
        chain.set_values(values).unwrap();
        assert!(Factors::new(&chain, true, &Halt::default()).unwrap().shift > 0.0);
        // No positive definite factors for a negative diagonal.
        let e = Factors::new(&gallery::diagonal(&[1.0, -2.0]), true, &Halt::default()).err().unwrap();
        assert!(matches!(e, Error::Preconditioner { row: 1, .. }), "{e}");
        // An empty row is left as it is.
        assert!(Factors::new(&gallery::jordan(3, 0.0), false, &Halt::default()).is_ok());
    }
}
