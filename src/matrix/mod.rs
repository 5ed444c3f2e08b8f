//! Sparse matrices as the user gives them: CSR in f64, checked once and trusted afterwards.

pub mod complex;
mod csr;
pub(crate) mod equilibrate;
pub(crate) mod format;
pub mod gallery;
pub(crate) mod matching;
pub(crate) mod rcm;
mod stats;
mod triangular;

pub(crate) use csr::inverse_order;
pub use csr::{Csr, Triplets};
pub use stats::Stats;
pub use triangular::Triangular;
