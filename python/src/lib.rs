//! The part of the Python package `krylane` that is Rust: matrices and callables become krylane's, the interpreter is
//! let go while a solve runs, and reports come back. What can be Python is Python, in `krylane/`.

mod eigen;
mod errors;
mod matrix;
mod options;
mod process;
mod report;
mod solver;
mod tools;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::eigen::{eigs, svds};
    #[pymodule_export]
    use super::matrix::Matrix;
    #[pymodule_export]
    use super::report::Report;
    #[pymodule_export]
    use super::solver::Solver;
    #[pymodule_export]
    use super::tools::{cli, devices, gallery, gallery_list, methods, preconditioners, read_matrix, read_vector};

    use super::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
