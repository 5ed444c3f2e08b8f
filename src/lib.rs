//! Krylov-subspace solvers for sparse linear systems on any GPU or the CPU, certified in f64.

mod error;
pub mod matrix;

pub use error::{Error, Result};
