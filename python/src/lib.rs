//! The Rust part of the Python package `krylane`: converts matrices, callables and reports, and releases the GIL while
//! a solve runs. Everything that can be written in Python is, in `krylane/`.

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
