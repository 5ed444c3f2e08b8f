//! Sparse matrices as the user gives them: CSR in f64, checked once and trusted afterwards.

pub mod complex;
mod csr;
pub(crate) mod format;
pub mod gallery;
mod stats;
mod triangular;

pub use csr::{Csr, Triplets};
pub use stats::Stats;
pub use triangular::Triangular;
