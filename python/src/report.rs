//! Reports of solves.

use numpy::PyArray1;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// The report of one solve.
#[pyclass(frozen, module = "krylane._core")]
pub(crate) struct Report {
    inner: krylane::Report,
    x: Py<PyArray1<f64>>,
    error: Option<Py<PyAny>>,
    condition: Option<f64>,
}

impl Report {
    pub(crate) fn new(
        py: Python<'_>,
        mut inner: krylane::Report,
        error: Option<PyErr>,
        condition: Option<f64>,
    ) -> Self {
        let x = PyArray1::from_vec(py, std::mem::take(&mut inner.x)).unbind();
        Self { inner, x, error: error.map(|e| e.into_value(py).into_any()), condition }
    }
}

#[pymethods]
impl Report {
    #[getter]
    fn x(&self, py: Python<'_>) -> Py<PyArray1<f64>> {
        self.x.clone_ref(py)
    }

    /// The exception that a callable raised, if one did.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.error.as_ref().map(|e| e.clone_ref(py))
    }

    /// The condition number of A as estimated by lsqr or lsmr.
    #[getter]
    fn condition(&self) -> Option<f64> {
        self.condition
    }

    #[getter]
    fn reason(&self) -> &'static str {
        self.inner.reason.name()
    }

    #[getter]
    fn detail(&self) -> String {
        self.inner.reason.detail()
    }

    #[getter]
    fn advice(&self) -> String {
        self.inner.reason.advice().to_string()
    }

    #[getter]
    fn is_answer(&self) -> bool {
        self.inner.is_answer()
    }

    #[getter]
    fn iterations(&self) -> usize {
        self.inner.iterations
    }

    #[getter]
    fn matvecs(&self) -> usize {
        self.inner.matvecs
    }

    #[getter]
    fn restarts(&self) -> usize {
        self.inner.restarts
    }

    /// ‖b − A x‖, over ‖b‖, over ‖A‖‖x‖ + ‖b‖; ‖Aᵀr‖ and that over ‖A‖‖r‖ where they were computed; ‖b‖, ‖x‖.
    #[allow(clippy::type_complexity)]
    #[getter]
    fn certificate(&self) -> (f64, f64, f64, Option<f64>, Option<f64>, f64, f64) {
        let c = &self.inner.certificate;
        (c.absolute, c.relative, c.backward_error, c.normal_residual, c.optimality, c.rhs_norm, c.solution_norm)
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.inner.warnings.clone()
    }

    #[getter]
    fn history<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.inner.history)
    }

    /// The report without x, in the command line's JSON format.
    fn json(&self) -> PyResult<String> {
        serde_json::to_string(&self.inner).map_err(|e| PyRuntimeError::new_err(e.to_string()))
    }
}
