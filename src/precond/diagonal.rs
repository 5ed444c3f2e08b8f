//! The inverse of a diagonal, with a substitute for rows that have none.

use crate::host::scale::{exponent, largest, ldexp};
use crate::matrix::{Csr, Matrix};

/// d_i = 1/a_ii, or 1 over the row's largest entry if that is not a usable number.
pub(super) struct Diagonal {
    pub(super) inverse: Vec<f64>,
    /// The first row without a usable entry.
    pub(super) first_unusable: Option<usize>,
    /// The same, not counting empty rows.
    pub(super) first_skipped: Option<usize>,
}

/// The substitute for the inverse diagonal entry of an empty row: a number of the size of A⁻¹, so that M scales as A⁻¹
/// does; it is 1 if A is scaled to entries near 1.
pub(super) fn unit(a: &Csr) -> f64 {
    ldexp(1.0, -exponent(largest(a.values())))
}

impl Diagonal {
    /// As [`Diagonal::of`]; for an operator the diagonal it supplies, or D = I if it supplies none.
    pub(super) fn of_any(a: &Matrix) -> Self {
        let a = match a {
            Matrix::Stored(a) => return Self::of(a),
            Matrix::Free(a) => a,
        };
        let given = a.diagonal().unwrap_or_else(|| vec![1.0; a.rows()]);
        let inverse: Vec<f64> = given.into_iter().map(|d| 1.0 / d).collect();
        let first_skipped = inverse.iter().position(|v| !v.is_finite() || *v == 0.0);
        Self { inverse, first_unusable: first_skipped, first_skipped }
    }

    pub(super) fn of(a: &Csr) -> Self {
        let (mut first_unusable, mut first_skipped) = (None, None);
        let unit = unit(a);
        let inverse = a
            .diagonal()
            .into_iter()
            .enumerate()
            .map(|(i, d)| {
                let inverse = 1.0 / d;
                if d != 0.0 && inverse.is_finite() && inverse != 0.0 {
                    return inverse;
                }
                first_unusable = first_unusable.or(Some(i));
                let largest = largest(a.row(i).1);
                if largest > 0.0 {
                    first_skipped = first_skipped.or(Some(i));
                }
                if largest > 0.0 && (1.0 / largest).is_finite() { 1.0 / largest } else { unit }
            })
            .collect();
        Self { inverse, first_unusable, first_skipped }
    }
}
