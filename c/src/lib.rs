//! The C interface of krylane: `include/krylane.h` is made from this file and says how it is used.
//!
//! Every function checks its pointers for NULL, catches panics, and leaves its outputs untouched where it fails.

mod border;
mod eigen;
mod matrix;
mod options;
mod report;
mod solver;

pub use border::{Status, krylane_last_error, krylane_version};
pub use eigen::*;
pub use matrix::*;
pub use options::*;
pub use report::*;
pub use solver::*;
