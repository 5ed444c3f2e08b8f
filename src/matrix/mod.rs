//! Matrices as the user gives them: CSR in f64, checked once and trusted afterwards, or operators.

pub(crate) mod colouring;
pub mod complex;
mod csr;
pub(crate) mod equilibrate;
pub(crate) mod format;
pub mod gallery;
pub(crate) mod matching;
pub(crate) mod minimum_degree;
pub(crate) mod operator;
pub(crate) mod rcm;
mod stats;
mod stencil;
mod triangular;

pub(crate) use csr::inverse_order;
pub use csr::{Csr, Triplets};
pub use operator::{LinearOperator, Matrix, RowFunction, RowShader, Structure};
pub use stats::Stats;
pub use stencil::Stencil;
pub use triangular::Triangular;
pub(crate) use triangular::{RowOrder, halves, split};
