//! Eigenpairs and singular triplets.

use crate::errors::raise;
use crate::matrix::Matrix;
use crate::options;
use crate::process::detached;
use crate::solver::interrupts;
use krylane::EigenSolver;
use krylane::eigen::Outcome;
use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

fn json(outcome: &Outcome) -> PyResult<String> {
    serde_json::to_string(outcome).map_err(|e| PyRuntimeError::new_err(e.to_string()))
}

/// Vectors, one a row.
fn rows<'py>(py: Python<'py>, vectors: &[Vec<f64>]) -> PyResult<Bound<'py, PyArray2<f64>>> {
    PyArray2::from_vec2(py, vectors).map_err(|e| PyRuntimeError::new_err(e.to_string()))
}

type Numbers<'py> = Bound<'py, PyArray1<f64>>;
type Vectors<'py> = Bound<'py, PyArray2<f64>>;

/// (real parts, imaginary parts, vectors as rows, residuals, their bounds, whether the vectors are those of a real form,
/// the outcome as JSON); of a complex pair of a real problem the vectors are the real and the imaginary part.
#[allow(clippy::type_complexity)]
#[pyfunction]
#[pyo3(signature = (a, options, mass = None, inverse = None))]
pub(crate) fn eigs<'py>(
    py: Python<'py>,
    a: &Matrix,
    options: &Bound<'py, PyDict>,
    mass: Option<&Matrix>,
    inverse: Option<&Matrix>,
) -> PyResult<(Numbers<'py>, Numbers<'py>, Vectors<'py>, Numbers<'py>, Numbers<'py>, bool, String)> {
    let mut options = options::eigen(py, options, mass)?;
    options.inverse = inverse.map(|m| m.inner.clone());
    let mut interrupted = interrupts(&a.slot);
    let found = detached(py, || {
        EigenSolver::new(&a.inner, options).and_then(|s| s.on_cycle(move |_| interrupted()).solve())
    });
    if let Some(e) = [Some(a), inverse].into_iter().flatten().find_map(|m| m.slot.take()) {
        return Err(e);
    }
    let found = found.map_err(|e| raise(py, &e))?;
    let part = |f: fn(&krylane::Eigenvalue) -> f64| PyArray1::from_vec(py, found.eigenvalues.iter().map(f).collect());
    Ok((
        part(|v| v.re),
        part(|v| v.im),
        rows(py, &found.vectors)?,
        PyArray1::from_slice(py, &found.residuals),
        PyArray1::from_slice(py, &found.bounds),
        found.complex,
        json(&found.outcome)?,
    ))
}

/// (singular values, left vectors as rows, right vectors as rows, residuals, the outcome as JSON).
#[pyfunction]
pub(crate) fn svds<'py>(
    py: Python<'py>,
    a: &Matrix,
    options: &Bound<'py, PyDict>,
) -> PyResult<(Numbers<'py>, Vectors<'py>, Vectors<'py>, Numbers<'py>, String)> {
    let options = options::eigen(py, options, None)?;
    let found = detached(py, || krylane::svds(&a.inner, options));
    if let Some(e) = a.slot.take() {
        return Err(e);
    }
    let found = found.map_err(|e| raise(py, &e))?;
    Ok((
        PyArray1::from_slice(py, &found.singular_values),
        rows(py, &found.left)?,
        rows(py, &found.right)?,
        PyArray1::from_slice(py, &found.residuals),
        json(&found.outcome)?,
    ))
}
