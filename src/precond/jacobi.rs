//! Jacobi: M = diag(A)⁻¹ (Jacobi 1845). One entrywise product, n values. For least squares M = diag(AᵀA)⁻¹,
//! the same as scaling the columns of A to norm 1.

use super::diagonal::Diagonal;
use super::{Preconditioner, Updates};
use crate::error::{Error, Result};
use crate::host::scale::{exponent, largest, ldexp};
use crate::matrix::{Csr, equilibrate};
use crate::op::{Program, Space, Vector};
use std::sync::Arc;

/// Whose diagonal, and with which sign.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    A,
    Absolute,
    Normal,
}

/// The inverse of the diagonal, with a substitute in rows without a usable diagonal entry.
pub struct Jacobi {
    /// 1/d_i; for AᵀA its root, 1 over the norm of column i.
    inverse: Vec<f64>,
    of: Of,
    skipped: Option<usize>,
    vector: Option<Vector>,
}

impl Jacobi {
    /// Inverts the diagonal of `a`. If an entry is zero or missing, its row gets the factor 1 over the largest
    /// |a_ij| of the row, so that M stays regular; [`Jacobi::first_skipped`] reports it. `absolute` takes |a_ii|,
    /// for methods that need M positive definite.
    #[must_use]
    pub fn new(a: &Csr, absolute: bool) -> Self {
        Self::of(Diagonal::of(a), absolute)
    }

    pub(super) fn of(diagonal: Diagonal, absolute: bool) -> Self {
        let Diagonal { mut inverse, first_unusable: skipped, .. } = diagonal;
        if absolute {
            inverse.iter_mut().for_each(|v| *v = v.abs());
        }
        Self { inverse, of: if absolute { Of::Absolute } else { Of::A }, skipped, vector: None }
    }

    /// Inverts a diagonal given alone.
    ///
    /// # Errors
    /// [`Error::Preconditioner`] for an entry that is zero or without a finite inverse.
    pub fn of_diagonal(diagonal: &[f64], absolute: bool) -> Result<Self> {
        let inverse: Vec<f64> = diagonal.iter().map(|&d| 1.0 / if absolute { d.abs() } else { d }).collect();
        match inverse.iter().position(|v| !v.is_finite() || *v == 0.0) {
            None => Ok(Self { inverse, of: if absolute { Of::Absolute } else { Of::A }, skipped: None, vector: None }),
            Some(row) => {
                Err(Error::Preconditioner { row, message: format!("the diagonal entry is {}", diagonal[row]) })
            }
        }
    }

    /// Inverts the diagonal of AᵀA; an empty column gets the scale of the largest entry of A.
    #[must_use]
    pub fn normal(a: &Csr) -> Self {
        // Each column in a scale of its own: no square leaves the range.
        let exponents = equilibrate::column_exponents(a);
        let mut squares = vec![0.0; a.cols()];
        for (&c, &v) in a.columns().iter().zip(a.values()) {
            squares[c as usize] += ldexp(v, -exponents[c as usize].unwrap_or(0)).powi(2);
        }
        let skipped = exponents.iter().position(Option::is_none);
        let whole = exponent(largest(a.values()));
        let factor = |(&s, e): (&f64, &Option<i32>)| e.map_or(ldexp(1.0, -whole), |e| ldexp(1.0 / s.sqrt(), -e));
        let inverse = squares.iter().zip(&exponents).map(factor).collect();
        Self { inverse, of: Of::Normal, skipped, vector: None }
    }

    /// The first row (column, for AᵀA) without a usable diagonal entry.
    #[must_use]
    pub fn first_skipped(&self) -> Option<usize> {
        self.skipped
    }

    fn scaled(&self, exponent: i32) -> Vec<f64> {
        let scaled = self.inverse.iter().map(|&v| ldexp(v, -exponent));
        if self.of == Of::Normal { scaled.map(|v| v * v).collect() } else { scaled.collect() }
    }
}

impl Preconditioner for Jacobi {
    fn install(&mut self, space: &mut Space, exponent: i32) {
        self.vector = Some(space.constant("inverse_diagonal", Arc::new(self.scaled(exponent))));
    }

    fn emit(&self, p: &mut Program, r: Vector, z: Vector) {
        p.multiply(self.vector.expect("installed before use"), r, z);
    }

    fn install_transposed(&mut self, _space: &mut Space, _exponent: i32) -> bool {
        true
    }

    fn refresh(&mut self, a: &Arc<Csr>, exponent: i32) -> Result<Updates> {
        let vector = self.vector;
        let anew = if self.of == Of::Normal { Self::normal(a) } else { Self::new(a, self.of == Of::Absolute) };
        *self = Self { vector, ..anew };
        let vectors = vector.map(|v| (v, self.scaled(exponent))).into_iter().collect();
        Ok(Updates { vectors, ..Updates::default() })
    }
}
