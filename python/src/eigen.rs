//! Eigenpairs and singular triplets.

use crate::errors::raise;
use crate::matrix::Matrix;
use crate::options;
use crate::process::{detached, watched};
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

/// Vectors, one per row.
fn rows<'py>(py: Python<'py>, vectors: &[Vec<f64>]) -> PyResult<Bound<'py, PyArray2<f64>>> {
    PyArray2::from_vec2(py, vectors).map_err(|e| PyRuntimeError::new_err(e.to_string()))
}

/// The eigenpairs as a dictionary: `re` and `im` of the values; `vectors` as rows, with the real and the imaginary part
/// for a complex pair of a real problem; `residuals` and their `bounds`; `complex`, whether the vectors are those of a
/// real form; `estimates`, value and residual of each pair at each step of lobpcg; `outcome` as JSON; `error`, the
/// exception of a callable or Ctrl-C.
#[pyfunction]
#[pyo3(signature = (a, options, mass = None, inverse = None, m = None))]
pub(crate) fn eigs<'py>(
    py: Python<'py>,
    a: &Matrix,
    options: &Bound<'py, PyDict>,
    mass: Option<&Matrix>,
    inverse: Option<&Matrix>,
    m: Option<&Matrix>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut options = options::eigen(py, options, mass, m)?;
    options.inverse = inverse.map(|m| m.inner.clone());
    let parts: Vec<&Matrix> = [Some(a), inverse, m].into_iter().flatten().collect();
    let (found, mut error) = if parts.iter().all(|m| m.is_stored()) {
        watched(py, |cancel| {
            EigenSolver::new(&a.inner, options).and_then(|mut s| {
                cancel.share(s.cancel_flag());
                s.solve()
            })
        })
    } else {
        let mut interrupted = interrupts(&a.slot);
        let found = detached(py, || {
            EigenSolver::new(&a.inner, options).and_then(|s| s.on_cycle(move |_| interrupted()).solve())
        });
        (found, None)
    };
    error = parts.iter().find_map(|m| m.slot.take()).or(error);
    let found = match (found, error.take()) {
        (Err(_), Some(e)) => return Err(e),
        (Err(e), None) => return Err(raise(py, &e)),
        (Ok(found), raised) => {
            error = raised;
            found
        }
    };
    let part = |f: fn(&krylane::Eigenvalue) -> f64| PyArray1::from_vec(py, found.eigenvalues.iter().map(f).collect());
    let steps: Vec<Vec<f64>> = found.estimates.iter().map(|pairs| pairs.iter().flatten().copied().collect()).collect();
    let d = PyDict::new(py);
    d.set_item("re", part(|v| v.re))?;
    d.set_item("im", part(|v| v.im))?;
    d.set_item("vectors", rows(py, &found.vectors)?)?;
    d.set_item("residuals", PyArray1::from_slice(py, &found.residuals))?;
    d.set_item("bounds", PyArray1::from_slice(py, &found.bounds))?;
    d.set_item("complex", found.complex)?;
    d.set_item("estimates", rows(py, &steps)?)?;
    d.set_item("outcome", json(&found.outcome)?)?;
    d.set_item("error", error.map(|e| e.into_value(py)))?;
    Ok(d)
}

/// The singular triplets as a dictionary: `values`, `left` and `right` vectors as rows, `residuals`, their `bounds`,
/// `outcome` and `error` as for `eigs`.
#[pyfunction]
pub(crate) fn svds<'py>(py: Python<'py>, a: &Matrix, options: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let options = options::eigen(py, options, None, None)?;
    let (found, error) = if a.is_stored() {
        watched(py, |cancel| krylane::eigen::svds_until(&a.inner, options, cancel.flag(), |_| {}))
    } else {
        (detached(py, || krylane::eigen::svds(&a.inner, options)), None)
    };
    let error = a.slot.take().or(error);
    let (found, error) = match (found, error) {
        (Err(_), Some(e)) => return Err(e),
        (Err(e), None) => return Err(raise(py, &e)),
        (Ok(found), error) => (found, error),
    };
    let d = PyDict::new(py);
    d.set_item("values", PyArray1::from_slice(py, &found.singular_values))?;
    d.set_item("left", rows(py, &found.left)?)?;
    d.set_item("right", rows(py, &found.right)?)?;
    d.set_item("residuals", PyArray1::from_slice(py, &found.residuals))?;
    d.set_item("bounds", PyArray1::from_slice(py, &found.bounds))?;
    d.set_item("outcome", json(&found.outcome)?)?;
    d.set_item("error", error.map(|e| e.into_value(py)))?;
    Ok(d)
}
