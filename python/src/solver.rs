//! Linear solves.

use crate::errors::{Slot, raise};
use crate::matrix::Matrix;
use crate::options;
use crate::process::{SIGNALS, detached, watched};
use crate::report::Report;
use krylane::Event;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Number of entries from which a solve takes long enough for a thread of its own to cost nothing.
const LARGE: usize = 100_000;

/// Callbacks of a solve.
#[derive(Default)]
struct Hooks {
    /// (iteration, residual, system).
    event: Option<Py<PyAny>>,
    /// (iteration, x).
    iterate: Option<Py<PyAny>>,
}

/// State shared by a running solve and its object.
#[derive(Default)]
struct Shared {
    hooks: Mutex<Hooks>,
    has_event: AtomicBool,
    /// The condition number estimated so far, and the bound on it, as bits; 0 if there is none.
    condition: AtomicU64,
    limit: AtomicU64,
}

impl Shared {
    /// A hook of the running solve.
    fn hook(&self, py: Python<'_>, which: fn(&Hooks) -> &Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        which(&self.hooks.lock().unwrap_or_else(PoisonError::into_inner)).as_ref().map(|f| f.clone_ref(py))
    }

    fn listen(&self, event: Option<Py<PyAny>>, iterate: Option<Py<PyAny>>) {
        self.has_event.store(event.is_some(), Ordering::Relaxed);
        *self.hooks.lock().unwrap_or_else(PoisonError::into_inner) = Hooks { event, iterate };
    }

    /// True if the condition number exceeds its bound.
    fn is_ill(&self, condition: Option<f64>) -> bool {
        let Some(now) = condition else { return false };
        // A method that restarts also restarts its estimate.
        let condition = now.max(f64::from_bits(self.condition.load(Ordering::Relaxed)));
        self.condition.store(condition.to_bits(), Ordering::Relaxed);
        let limit = f64::from_bits(self.limit.load(Ordering::Relaxed));
        limit > 0.0 && condition >= limit
    }
}

/// Calls into Python; an exception or the return value True ends the solve.
fn tell(slot: &Slot, call: impl FnOnce(Python<'_>) -> PyResult<bool>) -> ControlFlow<()> {
    match Python::attach(call) {
        Ok(false) => ControlFlow::Continue(()),
        Ok(true) => ControlFlow::Break(()),
        Err(e) => {
            slot.set(e);
            ControlFlow::Break(())
        }
    }
}

/// Whether a callback's return value requests a stop.
fn stops(answer: &Bound<'_, PyAny>) -> bool {
    answer.extract::<bool>().unwrap_or(false)
}

/// Ends a solve after Ctrl-C or when a callable has failed.
pub(crate) fn interrupts(slot: &Slot) -> impl FnMut() -> ControlFlow<()> + Send + use<> {
    let (slot, mut last) = (slot.clone(), Instant::now());
    move || {
        if slot.is_set() {
            return ControlFlow::Break(());
        }
        if last.elapsed() < SIGNALS {
            return ControlFlow::Continue(());
        }
        last = Instant::now();
        tell(&slot, |py| py.check_signals().map(|()| false))
    }
}

/// A solver for one matrix.
#[pyclass(frozen, module = "krylane._core")]
pub(crate) struct Solver {
    inner: Mutex<krylane::Solver>,
    /// The slots of A and of M.
    slots: [Slot; 2],
    shared: Arc<Shared>,
    /// Large, and without calls into Python: solves run on a thread of their own.
    alone: bool,
}

#[pymethods]
impl Solver {
    /// `watched`: the solves need each x. `directions`: those of an earlier solve, one per row.
    #[new]
    #[pyo3(signature = (a, options, m = None, watched = false, directions = None))]
    fn new(
        py: Python<'_>,
        a: &Matrix,
        options: &Bound<'_, PyDict>,
        m: Option<&Matrix>,
        watched: bool,
        directions: Option<PyReadonlyArray2<'_, f64>>,
    ) -> PyResult<Self> {
        let options = options::linear(py, options, m)?;
        let slots = [a.slot.clone(), m.map(|m| m.slot.clone()).unwrap_or_default()];
        let directions = directions.map(|d| d.as_array().rows().into_iter().map(|r| r.to_vec()).collect::<Vec<_>>());
        let made = detached(py, || {
            let solver = krylane::Solver::new(&a.inner, options)?;
            match directions {
                Some(directions) => solver.start_with(directions),
                None => Ok(solver),
            }
        });
        if let Some(e) = slots.iter().find_map(Slot::take) {
            return Err(e);
        }
        let inner = made.map_err(|e| raise(py, &e))?;
        let shared = Arc::new(Shared::default());
        let alone = !watched && a.inner.entries().is_some_and(|a| a.nnz() >= LARGE) && m.is_none_or(|m| m.is_stored());
        let mut interrupted = interrupts(&slots[0]);
        let heard = Arc::clone(&shared);
        let [own, other] = slots.clone();
        let mut inner = inner.on_iteration(move |event: Event| {
            if other.is_set() {
                return ControlFlow::Break(());
            }
            if !alone {
                interrupted()?;
            }
            if heard.is_ill(event.condition) {
                return ControlFlow::Break(());
            }
            if !heard.has_event.load(Ordering::Relaxed) {
                return ControlFlow::Continue(());
            }
            tell(&own, |py| match heard.hook(py, |h| &h.event) {
                Some(f) => Ok(stops(&f.bind(py).call1((event.iteration, event.residual, event.system))?)),
                None => Ok(false),
            })
        });
        if watched {
            let heard = Arc::clone(&shared);
            let [own, other] = slots.clone();
            inner = inner.on_iterate(move |iteration, x| {
                if own.is_set() || other.is_set() {
                    return ControlFlow::Break(());
                }
                tell(&own, |py| match heard.hook(py, |h| &h.iterate) {
                    Some(f) => Ok(stops(&f.bind(py).call1((iteration, PyArray1::from_slice(py, x)))?)),
                    None => Ok(false),
                })
            });
        }
        Ok(Self { inner: Mutex::new(inner), slots, shared, alone })
    }

    /// Solves for one b; with `limit` until the condition number exceeds it.
    #[pyo3(signature = (b, x0 = None, event = None, iterate = None, limit = 0.0))]
    fn solve(
        &self,
        py: Python<'_>,
        b: PyReadonlyArray1<'_, f64>,
        x0: Option<PyReadonlyArray1<'_, f64>>,
        event: Option<Py<PyAny>>,
        iterate: Option<Py<PyAny>>,
        limit: f64,
    ) -> PyResult<Report> {
        self.shared.condition.store(0, Ordering::Relaxed);
        self.shared.limit.store(limit.to_bits(), Ordering::Relaxed);
        let b = b.as_slice()?;
        let x0 = x0.as_ref().map(|x| x.as_slice()).transpose()?;
        let (done, error) = self.work(py, event, iterate, |inner| match x0 {
            Some(x0) => inner.solve_from(b, x0),
            None => inner.solve(b),
        })?;
        let condition = Some(f64::from_bits(self.shared.condition.load(Ordering::Relaxed))).filter(|c| *c > 0.0);
        match (done, error) {
            (Ok(report), error) => Ok(Report::new(py, report, error, condition)),
            (Err(_), Some(error)) => Err(error),
            (Err(e), None) => Err(raise(py, &e)),
        }
    }

    /// Solves for several b, one per row.
    #[pyo3(signature = (b, x0 = None, event = None))]
    fn solve_many(
        &self,
        py: Python<'_>,
        b: Vec<PyReadonlyArray1<'_, f64>>,
        x0: Option<Vec<PyReadonlyArray1<'_, f64>>>,
        event: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Report>> {
        let slices = b.iter().map(|b| b.as_slice()).collect::<Result<Vec<_>, _>>()?;
        let starts = x0.as_ref().map(|x| x.iter().map(|x| x.as_slice()).collect::<Result<Vec<_>, _>>()).transpose()?;
        let (done, error) = self.work(py, event, None, |inner| match starts {
            Some(starts) => inner.solve_many_from(&slices, &starts),
            None => inner.solve_many(&slices),
        })?;
        if let Some(error) = error {
            return Err(error);
        }
        let reports = done.map_err(|e| raise(py, &e))?;
        Ok(reports.into_iter().map(|r| Report::new(py, r, None, None)).collect())
    }

    /// Sets new values on the same pattern.
    fn update(&self, py: Python<'_>, matrix: &Matrix) -> PyResult<()> {
        let a = matrix.inner.clone();
        self.work(py, None, None, |inner| inner.update(&a))?.0.map_err(|e| raise(py, &e))
    }

    /// The directions that the method kept from the last solve, one per row.
    fn directions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let kept = self.look(krylane::Solver::directions)?.map_err(|e| raise(py, &e))?;
        PyArray2::from_vec2(py, &kept).map_err(|e| PyRuntimeError::new_err(e.to_string()))
    }

    #[getter]
    fn plan(&self) -> PyResult<Vec<String>> {
        self.look(|inner| inner.plan().to_vec())
    }

    #[getter]
    fn is_symmetric(&self) -> PyResult<bool> {
        self.look(|inner| inner.is_symmetric())
    }

    /// The device's name.
    #[getter]
    fn device(&self) -> PyResult<String> {
        self.look(|inner| inner.adapter().name.clone())
    }
}

impl Solver {
    /// Runs `f` on the solver without the GIL; returns also the exception of a callable or of Ctrl-C.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        event: Option<Py<PyAny>>,
        iterate: Option<Py<PyAny>>,
        f: impl FnOnce(&mut krylane::Solver) -> T + Send,
    ) -> PyResult<(T, Option<PyErr>)> {
        let alone = self.alone && event.is_none();
        let mut held = self.inner.try_lock().map_err(|_| busy())?;
        let inner = &mut *held;
        self.shared.listen(event, iterate);
        let (done, raised) = if alone {
            watched(py, |cancel| {
                cancel.share(inner.cancel_flag());
                f(inner)
            })
        } else {
            (detached(py, || f(inner)), None)
        };
        self.shared.listen(None, None);
        Ok((done, self.slots.iter().find_map(Slot::take).or(raised)))
    }

    /// Runs `f` on the solver unless it is busy.
    fn look<T>(&self, f: impl FnOnce(&mut krylane::Solver) -> T) -> PyResult<T> {
        let mut inner = self.inner.try_lock().map_err(|_| busy())?;
        Ok(f(&mut inner))
    }
}

fn busy() -> PyErr {
    PyRuntimeError::new_err("the solver is at work, in another thread or above this callback; make one for each")
}
