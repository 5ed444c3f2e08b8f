//! Matrices: stored entries from NumPy arrays, or operators that call Python.

use crate::errors::{Slot, raise};
use crate::process::detached;
use krylane::matrix::{Csr, LinearOperator, Structure, complex};
use numpy::{PyArray1, PyReadonlyArray1, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// A matrix for krylane. Created by the functions of the package, not by users.
#[pyclass(frozen, module = "krylane._core")]
pub(crate) struct Matrix {
    pub(crate) inner: krylane::matrix::Matrix,
    pub(crate) slot: Slot,
}

impl Matrix {
    pub(crate) fn stored(a: impl Into<krylane::matrix::Matrix>) -> Self {
        Self { inner: a.into(), slot: Slot::default() }
    }

    /// True if products don't call Python.
    pub(crate) fn is_stored(&self) -> bool {
        self.inner.entries().is_some()
    }
}

/// Row starts or columns from int32 or int64.
fn whole<T: TryFrom<i32> + TryFrom<i64>>(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Vec<T>> {
    let fault = |k: usize, v: i64| PyValueError::new_err(format!("{name}[{k}] is {v}; it is out of range"));
    if let Ok(a) = array.extract::<PyReadonlyArray1<'_, i32>>() {
        let a = a.as_slice()?.iter().enumerate();
        return a.map(|(k, &v)| T::try_from(v).map_err(|_| fault(k, v.into()))).collect();
    }
    if let Ok(a) = array.extract::<PyReadonlyArray1<'_, i64>>() {
        let a = a.as_slice()?.iter().enumerate();
        return a.map(|(k, &v)| T::try_from(v).map_err(|_| fault(k, v))).collect();
    }
    Err(PyTypeError::new_err(format!("{name} must be a one-dimensional array of int32 or int64")))
}

/// A matrix over the arrays themselves; `None` if they are invalid, so that a copy can report why.
fn lent(
    py: Python<'_>,
    shape: [usize; 2],
    row_ptr: Vec<usize>,
    columns: &PyReadonlyArray1<'_, i32>,
    values: &PyReadonlyArray1<'_, f64>,
) -> Option<Csr> {
    let (c, v) = (columns.as_slice().ok()?, values.as_slice().ok()?);
    if c.len() != v.len() {
        return None;
    }
    let keeper = Arc::new((columns.as_unbound().clone_ref(py), values.as_unbound().clone_ref(py)));
    // Addresses, so that the closure can move to another thread. A negative column is out of range as u32.
    let nnz = c.len();
    let (c, v) = (c.as_ptr() as usize, v.as_ptr() as usize);
    // SAFETY: NumPy keeps the buffers as long as its arrays live, and the caller promised not to change them.
    detached(py, || unsafe { Csr::lent(shape, row_ptr, c as *const u32, v as *const f64, nnz, keeper) }).ok()
}

fn structure(word: &str) -> PyResult<Structure> {
    match word {
        "general" => Ok(Structure::General),
        "symmetric" => Ok(Structure::Symmetric),
        "definite" => Ok(Structure::Definite),
        _ => Err(PyValueError::new_err(format!("structure {word:?}: it is general, symmetric or definite"))),
    }
}

#[pymethods]
impl Matrix {
    /// From the arrays of compressed rows. With `interleaved` the values are pairs (re, im), and the matrix is the
    /// equivalent real form of the complex one. With `lend` nothing is copied if the arrays allow it, and they must
    /// stay unchanged as long as the matrix lives.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, indptr, indices, data, interleaved = false, lend = false))]
    fn csr(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        indptr: &Bound<'_, PyAny>,
        indices: &Bound<'_, PyAny>,
        data: PyReadonlyArray1<'_, f64>,
        interleaved: bool,
        lend: bool,
    ) -> PyResult<Self> {
        if lend
            && !interleaved
            && let Ok(columns) = indices.extract::<PyReadonlyArray1<'_, i32>>()
            && let Some(made) = lent(py, [rows, cols], whole("indptr", indptr)?, &columns, &data)
        {
            return Ok(Self::stored(made));
        }
        let row_ptr: Vec<usize> = whole("indptr", indptr)?;
        let columns: Vec<u32> = whole("indices", indices)?;
        let values = data.as_slice()?;
        let made = if interleaved {
            let part = |k: usize| {
                let values = values.chunks_exact(2).map(|z| z[k]).collect();
                Csr::new(rows, cols, row_ptr.clone(), columns.clone(), values)
            };
            part(0).and_then(|re| complex::real_form(&re, &part(1)?))
        } else {
            let values = values.to_vec();
            detached(py, || Csr::new(rows, cols, row_ptr, columns, values))
        };
        Ok(Self::stored(made.map_err(|e| raise(py, &e))?))
    }

    /// From `matvec(x) -> y` over one-dimensional arrays of f64, called with the interpreter held.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, matvec, rmatvec = None, structure = "general", probe = true))]
    fn operator(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        matvec: Py<PyAny>,
        rmatvec: Option<Py<PyAny>>,
        structure: &str,
        probe: bool,
    ) -> PyResult<Self> {
        let slot = Slot::default();
        let structure = self::structure(structure)?;
        let backward = rmatvec.as_ref().map(|f| {
            let f = f.clone_ref(py);
            let (slot, back) = (slot.clone(), Some(matvec.clone_ref(py)));
            let forward = back
                .map(|f| Arc::new(Callable { rows, cols, f, slot: slot.clone(), structure, probe, transpose: None }));
            Arc::new(Callable { rows: cols, cols: rows, f, slot, structure, probe, transpose: forward })
        });
        let forward = Callable { rows, cols, f: matvec, slot: slot.clone(), structure, probe, transpose: backward };
        Ok(Self { inner: krylane::matrix::Matrix::free(forward), slot })
    }

    /// The same matrix with a stated structure, which is not checked.
    fn said(&self, structure: &str) -> PyResult<Self> {
        let structure = self::structure(structure)?;
        let a = self.inner.entries().ok_or_else(|| PyValueError::new_err("an operator has its word already"))?;
        Ok(Self { inner: krylane::matrix::Matrix::free(Said { a: Arc::clone(a), structure }), slot: self.slot.clone() })
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.inner.rows(), self.inner.cols())
    }

    #[getter]
    fn nnz(&self) -> Option<usize> {
        self.inner.entries().map(|a| a.nnz())
    }

    /// (indptr, indices, data) of stored entries.
    #[allow(clippy::type_complexity)]
    fn arrays<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f64>>)> {
        let a = self.inner.entries().ok_or_else(|| PyValueError::new_err("an operator has no entries"))?;
        let indptr: Vec<i64> = a.row_ptr().iter().map(|&p| p as i64).collect();
        let indices: Vec<i64> = a.columns().iter().map(|&c| i64::from(c)).collect();
        Ok((PyArray1::from_vec(py, indptr), PyArray1::from_vec(py, indices), PyArray1::from_slice(py, a.values())))
    }
}

/// y = A x by a call into Python.
struct Callable {
    rows: usize,
    cols: usize,
    f: Py<PyAny>,
    slot: Slot,
    structure: Structure,
    probe: bool,
    transpose: Option<Arc<Callable>>,
}

impl Callable {
    fn call(&self, py: Python<'_>, x: &[f64], y: &mut [f64]) -> PyResult<()> {
        // A copy: the callable may keep or overwrite what it is given.
        let out = self.f.bind(py).call1((PyArray1::from_slice(py, x),))?;
        let out = out.extract::<PyReadonlyArray1<'_, f64>>()?;
        if out.len() != y.len() {
            let fault = format!("the operator returned {} numbers; it has {} rows", out.len(), y.len());
            return Err(PyValueError::new_err(fault));
        }
        y.copy_from_slice(out.as_slice()?);
        Ok(())
    }
}

impl LinearOperator for Callable {
    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn product(&self, _rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        if self.slot.is_set() {
            y.fill(f64::NAN);
            return;
        }
        Python::attach(|py| {
            if let Err(e) = self.call(py, x, y) {
                self.slot.set(e);
                y.fill(f64::NAN);
            }
        });
    }

    fn transpose(&self) -> Option<Arc<dyn LinearOperator>> {
        self.transpose.clone().map(|t| t as Arc<dyn LinearOperator>)
    }

    fn structure(&self) -> Structure {
        self.structure
    }

    fn is_whole(&self) -> bool {
        true
    }

    fn may_be_probed(&self) -> bool {
        self.probe
    }
}

/// Stored entries with a stated structure.
struct Said {
    a: Arc<Csr>,
    structure: Structure,
}

impl LinearOperator for Said {
    fn rows(&self) -> usize {
        self.a.rows()
    }

    fn cols(&self) -> usize {
        self.a.cols()
    }

    fn product(&self, rows: Range<usize>, x: &[f64], y: &mut [f64]) {
        for (y, i) in y.iter_mut().zip(rows) {
            let (columns, values) = self.a.row(i);
            *y = columns.iter().zip(values).map(|(&j, v)| v * x[j as usize]).sum();
        }
    }

    fn structure(&self) -> Structure {
        self.structure
    }

    fn may_be_probed(&self) -> bool {
        false
    }

    fn bytes(&self) -> u64 {
        12 * self.a.nnz() as u64
    }
}
