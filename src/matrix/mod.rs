//! Sparse matrices as the user gives them: CSR in f64, checked once and trusted afterwards.

mod csr;

pub use csr::{Csr, Triplets};
