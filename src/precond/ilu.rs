//! Incomplete factors on the pattern of A: ILU(0) and IC(0) (Meijerink and van der Vorst 1977,
//! doi:10.1090/S0025-5718-1977-0438681-4; Saad, Iterative Methods, 2nd ed., algorithm 10.4).
//!
//! M = (L U)⁻¹ with (L U)_ij = a_ij on the pattern of A and its diagonal. IC(0) is the same factorisation of a symmetric
//! matrix, U = D Lᵀ, with every pivot positive. Set-up: about Σ_i Σ_{k<i, a_ik≠0} nnz(row k) multiplications,
//! one thread. One application: two triangular solves, together the traffic of a product.
//!
//! A pivot below 10⁻¹² of its row's largest entry is not divided by: the factorisation starts again on
//! A + α diag(σ), σ_i the row's largest entry with the diagonal's sign (Manteuffel 1980,
//! doi:10.1090/S0025-5718-1980-0559197-0), α growing from 10⁻³.

use super::{Preconditioner, Request, Updates};
use crate::error::{Error, Result};
use crate::matrix::{Csr, Triangular};
use crate::op::{Program, Space, Triangle, Vector};
use std::sync::Arc;

/// L and U, solved with.
pub struct Ilu {
    definite: bool,
    factors: Factors,
    handles: Option<(Triangle, Triangle)>,
}

/// L with ones on its diagonal, and U.
pub(super) struct Factors {
    pub(super) lower: Arc<Triangular>,
    pub(super) upper: Arc<Triangular>,
    /// α of the shift that was needed.
    pub(super) shift: f64,
}

/// Shifts tried in turn, in parts of the row's largest entry.
const SHIFTS: [f64; 7] = [0.0, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0];

/// A pivot below this part of its row's largest entry counts as zero.
const PIVOT: f64 = 1e-12;

impl Ilu {
    /// Factors `a`; `definite` wants positive pivots (IC(0)).
    ///
    /// # Errors
    /// [`Error::Preconditioner`] with the row of a pivot that no shift cures.
    pub fn new(a: &Csr, definite: bool) -> Result<Self> {
        Ok(Self { definite, factors: Factors::new(a, definite)?, handles: None })
    }

    pub(super) fn build(a: &Csr, request: &Request) -> Result<Self> {
        if let Some(argument) = &request.argument {
            return Err(Error::input(format!("ilu0 and ic0 have no parameter; {argument:?} is one")));
        }
        Self::new(a, request.definite)
    }
}

impl Factors {
    pub(super) fn new(a: &Csr, definite: bool) -> Result<Self> {
        let pattern = with_diagonal(a);
        let mut failed = None;
        for shift in SHIFTS {
            match factor(&pattern, shift, definite) {
                Ok((lower, upper)) => {
                    return Ok(Self { lower: Arc::new(lower), upper: Arc::new(upper), shift });
                }
                Err(row) => failed = failed.or(Some(row)),
            }
        }
        let (row, pivot) = failed.unwrap_or_default();
        let message = if definite && pivot < 0.0 {
            format!("the incomplete factors have the pivot {pivot:.1e} here: they are not positive definite")
        } else {
            format!("the incomplete factors have the pivot {pivot:.1e} here, and no shift of the diagonal cures it")
        };
        Err(Error::Preconditioner { row, message })
    }
}

/// A with zeros stored where its diagonal is missing.
fn with_diagonal(a: &Csr) -> Csr {
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

/// L and U of A + α diag(σ), or the row and value of the first bad pivot. The diagonal of `a` is stored.
fn factor(a: &Csr, shift: f64, definite: bool) -> std::result::Result<(Triangular, Triangular), (usize, f64)> {
    let n = a.rows();
    let (ptr, columns) = (a.row_ptr(), a.columns());
    let mut values = a.values().to_vec();
    let mut diagonal = vec![0usize; n];
    let mut inverse = vec![0.0; n];
    // Where column j stands in the current row, counted from 1.
    let mut place = vec![0usize; n];
    for i in 0..n {
        let row = ptr[i]..ptr[i + 1];
        let largest = values[row.clone()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
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
        let pivot = values[diagonal[i]];
        let row_is_empty = largest == 0.0;
        let inverted = if row_is_empty { 1.0 } else { 1.0 / pivot };
        let negative = definite && pivot < 0.0;
        if !row_is_empty && (pivot.is_nan() || pivot.abs() <= PIVOT * largest || negative) || !inverted.is_finite() {
            return Err((i, pivot));
        }
        inverse[i] = inverted;
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
    let (lower, upper) = (part(false), part(true));
    for strict in [&lower, &upper] {
        if let Some(k) = strict.values().iter().position(|v| !v.is_finite()) {
            return Err((strict.row_ptr().partition_point(|&p| p <= k) - 1, f64::INFINITY));
        }
    }
    Ok((Triangular::new(lower, vec![1.0; n], false), Triangular::new(upper, inverse, true)))
}

impl Preconditioner for Ilu {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        let lower = space.triangle("L", Arc::clone(&self.factors.lower), 0);
        let upper = space.triangle("U", Arc::clone(&self.factors.upper), exponent);
        self.handles = Some((lower, upper));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        let (lower, upper) = self.handles.expect("installed before use");
        p.solve(lower, r, z);
        p.solve(upper, z, z);
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        self.factors = Factors::new(a, self.definite)?;
        let mut updates = Updates::default();
        if let Some((lower, upper)) = self.handles {
            updates.triangles.push((lower, Arc::clone(&self.factors.lower), 0));
            updates.triangles.push((upper, Arc::clone(&self.factors.upper), exponent));
        }
        Ok(updates)
    }

    fn describe(&self) -> Vec<String> {
        let Factors { lower, upper, shift } = &self.factors;
        let entries = lower.strict().nnz() + upper.strict().nnz() + upper.rows();
        let kind = if self.definite { "ic0" } else { "ilu0" };
        let shifted = if *shift > 0.0 {
            format!(", diagonal shifted by {shift} of each row's largest entry")
        } else {
            String::new()
        };
        vec![format!("{kind}: {entries} entries, {} levels{shifted}", lower.levels().1.len() - 1)]
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
            let lu = product(&Factors::new(&a, false).unwrap());
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
        let f = Factors::new(&a, true).unwrap();
        assert_eq!(f.shift, 0.0);
        let x: Vec<f64> = (0..50).map(|i| (i as f64).cos()).collect();
        let y = f.upper.solve(&f.lower.solve(&a.multiply(&x)));
        assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-12));
    }

    #[test]
    fn zero_pivots() {
        // [0 1; 1 0] has no LU; a shift makes one.
        let swap = gallery::cyclic_shift(2);
        assert!(Factors::new(&swap, false).unwrap().shift > 0.0);
        // The last pivot of a Neumann problem on a chain is zero.
        let mut chain = gallery::tridiagonal(10, -1.0, 2.0, -1.0);
        let mut values = chain.values().to_vec();
        (values[0], *values.last_mut().unwrap()) = (1.0, 1.0);
        chain.set_values(values).unwrap();
        assert!(Factors::new(&chain, true).unwrap().shift > 0.0);
        // No positive definite factors for a negative diagonal.
        let e = Factors::new(&gallery::diagonal(&[1.0, -2.0]), true).err().unwrap();
        assert!(matches!(e, Error::Preconditioner { row: 1, .. }), "{e}");
        // An empty row is left as it is.
        assert!(Factors::new(&gallery::jordan(3, 0.0), false).is_ok());
    }
}
