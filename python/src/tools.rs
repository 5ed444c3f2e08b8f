//! Besides solving: model problems, files, devices, the command line, the tables of names.

use crate::errors::raise;
use crate::matrix::Matrix;
use crate::process::detached;
use krylane::io::{self, ReadOptions};
use krylane::matrix::gallery as families;
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::OsString;
use std::path::PathBuf;

/// A model problem by its name; complex ones in their real form.
#[pyfunction]
pub(crate) fn gallery(py: Python<'_>, name: &str, size: usize, params: Vec<(String, f64)>) -> PyResult<Matrix> {
    let made = detached(py, || families::by_name(name, size, &params));
    Ok(Matrix::stored(made.map_err(|e| raise(py, &e))?))
}

/// (name, what it is, its parameters with their defaults) of every model problem.
#[pyfunction]
pub(crate) fn gallery_list() -> Vec<(String, String, Vec<(String, f64)>)> {
    let params = |p: &[(&str, f64)]| p.iter().map(|(k, v)| ((*k).to_string(), *v)).collect();
    families::NAMES.iter().map(|f| (f.name.to_string(), f.about.to_string(), params(f.params))).collect()
}

fn read_options(complex: bool) -> ReadOptions {
    ReadOptions { pattern_as_ones: true, complex, ..ReadOptions::default() }
}

/// A matrix from a file, and its imaginary part if asked for.
#[pyfunction]
pub(crate) fn read_matrix(py: Python<'_>, path: PathBuf, complex: bool) -> PyResult<(Matrix, Option<Matrix>)> {
    let loaded = detached(py, || io::read_matrix(&path, &read_options(complex))).map_err(|e| raise(py, &e))?;
    Ok((Matrix::stored(loaded.matrix), loaded.imaginary.map(Matrix::stored)))
}

/// The columns of a file of vectors; with `complex` real and imaginary parts alternate.
#[pyfunction]
pub(crate) fn read_vector<'py>(
    py: Python<'py>,
    path: PathBuf,
    complex: bool,
) -> PyResult<Vec<Bound<'py, PyArray1<f64>>>> {
    let columns = detached(py, || io::read_columns(&path, &read_options(complex))).map_err(|e| raise(py, &e))?;
    Ok(columns.into_iter().map(|c| PyArray1::from_vec(py, c)).collect())
}

/// A dictionary for every adapter.
#[pyfunction]
pub(crate) fn devices(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    #[cfg(feature = "gpu")]
    {
        let adapters = detached(py, krylane::adapters);
        let entry = |a: &krylane::AdapterDetails| -> PyResult<Bound<'_, PyDict>> {
            let d = PyDict::new(py);
            d.set_item("index", a.index)?;
            d.set_item("name", &a.info.name)?;
            d.set_item("backend", &a.info.backend)?;
            d.set_item("driver", &a.info.driver)?;
            d.set_item("kind", a.info.kind.to_string())?;
            d.set_item("f64", a.f64)?;
            d.set_item("max_binding", a.max_binding)?;
            d.set_item("max_buffer", a.max_buffer)?;
            d.set_item("why_not", a.why_not.clone())?;
            Ok(d)
        };
        adapters.iter().map(entry).collect()
    }
    #[cfg(not(feature = "gpu"))]
    Ok(vec![])
}

/// (id, what it is) of every method.
#[pyfunction]
pub(crate) fn methods() -> Vec<(&'static str, &'static str)> {
    METHODS.iter().map(|m| (m.id, m.about)).collect()
}

/// (id, what it is) of every preconditioner.
#[pyfunction]
pub(crate) fn preconditioners() -> Vec<(&'static str, &'static str)> {
    PRECONDITIONERS.iter().map(|m| (m.id, m.about)).collect()
}

/// Runs the program `krylane` with these words; returns its exit code.
#[pyfunction]
pub(crate) fn cli(py: Python<'_>, words: Vec<OsString>) -> u8 {
    detached(py, || krylane::cli::run(words))
}
