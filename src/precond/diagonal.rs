//! The inverse of a diagonal, with a substitute for rows that have none.

use crate::host::scale::{exponent, largest, ldexp};
use crate::host::whole::{Alone, Whole};
use crate::matrix::{Csr, Matrix};

/// d_i = 1/a_ii, or 1 over the row's largest entry if that is not a usable number.
pub(super) struct Diagonal {
    pub(super) inverse: Vec<f64>,
    /// The first row without a usable entry.
    pub(super) first_unusable: Option<usize>,
    /// The same, not counting empty rows.
    pub(super) first_skipped: Option<usize>,
    /// Rows of other ranks before these.
    first: usize,
}

/// The substitute for the inverse diagonal entry of an empty row: a number of the size of A⁻¹, so that M scales as A⁻¹
/// does; it is 1 if A is scaled to entries near 1.
pub(super) fn unit(a: &Csr) -> f64 {
    unit_of(a, &Alone)
}

fn unit_of(a: &Csr, whole: &dyn Whole) -> f64 {
    ldexp(1.0, -exponent(whole.widest(largest(a.values()))))
}

impl Diagonal {
    /// The first row with a negative entry.
    pub(super) fn first_negative(&self) -> Option<usize> {
        self.inverse.iter().position(|&d| d < 0.0).map(|i| self.first + i)
    }

    /// As [`Diagonal::of`]; for an operator the diagonal it supplies, or D = I if it supplies none.
    pub(super) fn of_any(a: &Matrix) -> Self {
        let a = match a {
            Matrix::Stored(a) => return Self::of(a),
            Matrix::Parted(a) => {
                let rows = &a.local.matrix;
                let first = a.first();
                let found = Self::found(a.diagonal(), rows, unit_of(rows, a));
                let of_all = |i: Option<usize>| i.map(|i| first + i);
                let (first_unusable, first_skipped) = (of_all(found.first_unusable), of_all(found.first_skipped));
                return Self { first_unusable, first_skipped, first, ..found };
            }
            Matrix::Free(a) => a,
        };
        let given = a.diagonal().unwrap_or_else(|| vec![1.0; a.rows()]);
        let inverse: Vec<f64> = given.into_iter().map(|d| 1.0 / d).collect();
        let first_skipped = inverse.iter().position(|v| !v.is_finite() || *v == 0.0);
        Self { inverse, first_unusable: first_skipped, first_skipped, first: 0 }
    }

    pub(super) fn of(a: &Csr) -> Self {
        Self::found(a.diagonal(), a, unit(a))
    }

    /// That of these rows, whose diagonal is `d`.
    fn found(d: Vec<f64>, a: &Csr, unit: f64) -> Self {
        let (mut first_unusable, mut first_skipped) = (None, None);
        let inverse = d
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
        Self { inverse, first_unusable, first_skipped, first: 0 }
    }
}
