//! Converts keyword arguments to options.

use crate::errors::raise;
use crate::matrix::Matrix;
use crate::process::is_fork;
use krylane::precond::{Given, NearNull};
use krylane::{Backend, Criterion, EigenOptions, Error, Method, Options, Precond};
use numpy::PyReadonlyArray2;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A choice by its name.
fn parsed<T: FromStr>(value: &Bound<'_, PyAny>) -> PyResult<T>
where
    Error: From<T::Err>,
{
    let text: String = value.extract()?;
    text.parse().map_err(|e: T::Err| raise(value.py(), &Error::from(e)))
}

fn backend(value: &Bound<'_, PyAny>) -> PyResult<Backend> {
    let Ok(backend) = Backend::from_str(&value.extract::<String>()?);
    Ok(backend)
}

/// A GPU's context does not survive a fork.
fn in_this_process(py: Python<'_>, backend: &mut Backend) -> PyResult<()> {
    if is_fork() {
        match backend {
            Backend::Auto => *backend = Backend::Cpu,
            Backend::Cpu => {}
            _ => {
                let fault = "a GPU can't be used in a forked process; start it with multiprocessing's method spawn";
                return Err(raise(py, &Error::Device(fault.into())));
            }
        }
    }
    Ok(())
}

fn seconds(value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value.extract()?)
        .map_err(|e| raise(value.py(), &Error::input(format!("time_limit: {e}"))))
}

fn criterion(value: &Bound<'_, PyAny>) -> PyResult<Criterion> {
    match value.extract::<String>()?.as_str() {
        "rhs" => Ok(Criterion::RhsNorm),
        "initial" => Ok(Criterion::InitialResidual),
        "absolute" => Ok(Criterion::Absolute),
        "backward" => Ok(Criterion::BackwardError),
        other => {
            let fault = format!("criterion {other:?}: it is rhs, initial, absolute or backward");
            Err(raise(value.py(), &Error::input(fault)))
        }
    }
}

fn near_null(value: &Bound<'_, PyAny>) -> PyResult<Arc<NearNull>> {
    let (block, vectors): (usize, PyReadonlyArray2<'_, f64>) = value.extract()?;
    let vectors = vectors.as_array().columns().into_iter().map(|c| c.to_vec()).collect();
    NearNull::new(block, vectors).map(Arc::new).map_err(|e| raise(value.py(), &e))
}

/// Vectors as columns of an array.
fn columns(value: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<f64>>> {
    let vectors: PyReadonlyArray2<'_, f64> = value.extract()?;
    Ok(vectors.as_array().columns().into_iter().map(|c| c.to_vec()).collect())
}

/// Options of a linear solve; `given` is the user's preconditioner.
pub(crate) fn linear(py: Python<'_>, words: &Bound<'_, PyDict>, given: Option<&Matrix>) -> PyResult<Options> {
    let mut o = Options::default();
    let (mut method, mut own, mut subspace) = (String::from("auto"), vec![], None);
    for (key, v) in words.iter() {
        match key.extract::<String>()?.as_str() {
            "method" => method = v.extract()?,
            // Options of the method itself: they become part of the text that names it.
            key @ "side" => own.push(format!("{key}={}", v.extract::<String>()?)),
            key @ "restart" => own.push(format!("{key}={}", v.extract::<usize>()?)),
            key @ "damp" => own.push(format!("{key}={}", v.extract::<f64>()?)),
            key @ "recycle" => own.push(format!("{key}={}", v.extract::<bool>()?)),
            key @ "spectrum" => {
                let (low, high): (f64, f64) = v.extract()?;
                own.push(format!("{key}={low}..{high}"));
            }
            "subspace" => subspace = Some(columns(&v)?),
            "preconditioner" => o.preconditioner = parsed(&v)?,
            "near_null" => o.near_null = Some(near_null(&v)?),
            "backend" => o.backend = backend(&v)?,
            "precision" => o.precision = parsed(&v)?,
            "rtol" => o.rtol = v.extract()?,
            "atol" => o.atol = v.extract()?,
            "criterion" => o.criterion = criterion(&v)?,
            "max_iterations" => o.max_iterations = v.extract()?,
            "max_matvecs" => o.max_matvecs = v.extract()?,
            "time_limit" => o.time_limit = Some(seconds(&v)?),
            "threads" => o.threads = v.extract()?,
            "reorder" => o.reorder = parsed(&v)?,
            "equilibrate" => o.equilibrate = parsed(&v)?,
            "memory_limit" => o.memory_limit = Some(v.extract()?),
            other => return Err(PyTypeError::new_err(format!("unknown option {other:?}"))),
        }
    }
    if !own.is_empty() {
        let mark = if method.contains(':') { ',' } else { ':' };
        method = format!("{method}{mark}{}", own.join(","));
    }
    o.method = method.parse().map_err(|e| raise(py, &e))?;
    if let Some(subspace) = subspace {
        if !matches!(o.method, Method::Projection { .. }) {
            return Err(raise(py, &Error::input("a subspace is of the method projection; name it")));
        }
        o.method = Method::Projection { subspace };
    }
    if let Some(m) = given {
        o.preconditioner = Precond::Given(Given::matrix(m.inner.clone()));
    }
    in_this_process(py, &mut o.backend)?;
    Ok(o)
}

/// Options of an eigenproblem; `given` is the user's preconditioner.
pub(crate) fn eigen(
    py: Python<'_>,
    words: &Bound<'_, PyDict>,
    mass: Option<&Matrix>,
    given: Option<&Matrix>,
) -> PyResult<EigenOptions> {
    let mut o = EigenOptions::default();
    for (key, v) in words.iter() {
        match key.extract::<String>()?.as_str() {
            "k" => o.k = v.extract()?,
            "which" => o.which = parsed(&v)?,
            "sigma" => o.sigma = Some(v.extract()?),
            "sigma_im" => o.sigma_im = v.extract()?,
            "complex" => o.complex = v.extract()?,
            "skip_null" => o.skip_null = v.extract()?,
            "method" => o.method = v.extract()?,
            "preconditioner" => o.preconditioner = parsed(&v)?,
            "tol" => o.tol = v.extract()?,
            "subspace" => o.subspace = Some(v.extract()?),
            "start" => {
                let rows: PyReadonlyArray2<'_, f64> = v.extract()?;
                o.start = rows.as_array().rows().into_iter().map(|r| r.to_vec()).collect();
            }
            "seed" => o.seed = v.extract()?,
            "max_iterations" => o.max_iterations = v.extract()?,
            "time_limit" => o.time_limit = Some(seconds(&v)?),
            "backend" => o.backend = backend(&v)?,
            "precision" => o.precision = parsed(&v)?,
            "threads" => o.threads = v.extract()?,
            other => return Err(PyTypeError::new_err(format!("unknown option {other:?}"))),
        }
    }
    if let Some(b) = mass {
        let b = b.inner.entries().ok_or_else(|| raise(py, &Error::input("B needs stored entries")))?;
        o.mass = Some(Arc::clone(b));
    }
    if let Some(m) = given {
        o.preconditioner = Precond::Given(Given::matrix(m.inner.clone()));
    }
    in_this_process(py, &mut o.backend)?;
    Ok(o)
}
