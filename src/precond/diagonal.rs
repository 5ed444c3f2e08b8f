//! The inverse of a diagonal, with a factor for rows that have none.

use crate::matrix::{Csr, Matrix};

/// d_i = 1/a_ii, and where that is no usable number 1 over the row's largest entry.
pub(super) struct Diagonal {
    pub(super) inverse: Vec<f64>,
    /// The first row without a usable entry, empty rows apart.
    pub(super) first_skipped: Option<usize>,
}

impl Diagonal {
    /// As [`Diagonal::of`]; for an operator its own word, and D = I where it gives none.
    pub(super) fn of_any(a: &Matrix) -> Self {
        let a = match a {
            Matrix::Stored(a) => return Self::of(a),
            Matrix::Free(a) => a,
        };
        let given = a.diagonal().unwrap_or_else(|| vec![1.0; a.rows()]);
        let inverse: Vec<f64> = given.into_iter().map(|d| 1.0 / d).collect();
        let first_skipped = inverse.iter().position(|v| !v.is_finite() || *v == 0.0);
        Self { inverse, first_skipped }
    }

    pub(super) fn of(a: &Csr) -> Self {
        let mut first_skipped = None;
        let inverse = a
            .diagonal()
            .into_iter()
            .enumerate()
            .map(|(i, d)| {
                let inverse = 1.0 / d;
                if d != 0.0 && inverse.is_finite() && inverse != 0.0 {
                    return inverse;
                }
                let largest = a.row(i).1.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                if largest > 0.0 {
                    first_skipped = first_skipped.or(Some(i));
                }
                if largest > 0.0 && (1.0 / largest).is_finite() { 1.0 / largest } else { 1.0 }
            })
            .collect();
        Self { inverse, first_skipped }
    }
}
