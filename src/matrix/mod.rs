//! Matrices as the user gives them: CSR in f64, checked once and trusted afterwards, or operators.

mod array;
pub mod complex;
mod convert;
mod csr;
pub(crate) mod equilibrate;
pub(crate) mod format;
pub mod gallery;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod parted;
mod stats;
mod stencil;
mod symmetry;
pub(crate) mod triangular;
mod triplets;

pub use crate::host::scale::CHUNK;
pub use array::Keeper;
pub use convert::{ToCsr, ToMatrix};
pub use csr::Csr;
pub(crate) use csr::inverse_order;
pub use operator::{LinearOperator, Matrix, RowFunction, RowShader, Structure, VectorFunction};
pub use parted::Parted;
pub use stats::Stats;
pub use stencil::Stencil;
pub use triangular::Triangular;
pub(crate) use triangular::{RowOrder, halves, split};
pub use triplets::{Index, Triplets};
