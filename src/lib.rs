//! Krylov-subspace solvers for sparse linear systems on any GPU or the CPU, certified in f64.

mod error;
pub mod io;
pub mod matrix;
pub mod random;
mod suggest;

pub use error::{Error, Result};
