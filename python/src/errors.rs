//! krylane's errors as Python exceptions, and storage for an exception of a callable until it can be raised.

use krylane::Error;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// The package's exception for `e`.
pub(crate) fn raise(py: Python<'_>, e: &Error) -> PyErr {
    let named = |name: &str| {
        let class = py.import("krylane.errors").and_then(|m| m.getattr(name));
        match class.and_then(|c| c.call1((e.to_string(),))) {
            Ok(value) => PyErr::from_value(value),
            Err(_) => PyRuntimeError::new_err(e.to_string()),
        }
    };
    match e {
        Error::OutOfMemory { .. } => PyMemoryError::new_err(e.to_string()),
        Error::Io { .. } => PyOSError::new_err(e.to_string()),
        Error::NoAdapter(_) | Error::Device(_) => named("DeviceError"),
        Error::Halted(..) => named("KrylaneError"),
        _ => named("InputError"),
    }
}

/// The first exception that a callable raised during a solve. After it Python is not called, and the solve ends.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<PyErr>>>);

impl Slot {
    pub(crate) fn set(&self, e: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
