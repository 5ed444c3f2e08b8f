//! Matrices made of A.

use crate::error::{Error, Result};
use crate::matrix::{Csr, Matrix};

/// [A; λI].
pub(super) fn damped(a: &Csr, lambda: f64) -> Result<Csr> {
    let n = a.cols();
    let row_ptr = a.row_ptr().iter().copied().chain(a.nnz() + 1..=a.nnz() + n).collect();
    let columns = a.columns().iter().copied().chain(0..n as u32).collect();
    let values = a.values().iter().copied().chain(std::iter::repeat_n(lambda, n)).collect();
    Csr::new(a.rows() + n, n, row_ptr, columns, values)
}

/// Aᵀ for a method that multiplies by it.
pub(super) fn transpose(a: &Matrix) -> Result<Matrix> {
    a.transposed().ok_or_else(|| {
        Error::input(match a {
            Matrix::Parted(_) => "the method needs the transpose of A, and ranks that hold rows of A have none",
            _ => "the method needs the operator's transpose; it gives none",
        })
    })
}
