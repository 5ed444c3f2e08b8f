//! Linear solves.

use crate::errors::{Slot, raise};
use crate::matrix::Matrix;
use crate::options;
use crate::process::detached;
use crate::report::Report;
use krylane::Event;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a solve asks whether Ctrl-C was pressed.
const SIGNALS: Duration = Duration::from_millis(50);

/// What a solve calls.
#[derive(Default)]
struct Hooks {
    /// (iteration, residual, system).
    event: Option<Py<PyAny>>,
    /// (iteration, x).
    iterate: Option<Py<PyAny>>,
}

type Shared = Arc<Mutex<Hooks>>;

/// Calls into Python; an exception, or True as the answer, ends the solve.
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

/// A hook of the running solve.
fn hook(hooks: &Shared, py: Python<'_>, which: fn(&Hooks) -> &Option<Py<PyAny>>) -> Option<Py<PyAny>> {
    which(&hooks.lock().unwrap_or_else(PoisonError::into_inner)).as_ref().map(|f| f.clone_ref(py))
}

/// Whether the answer of a callback asks to stop.
fn stops(answer: &Bound<'_, PyAny>) -> bool {
    answer.extract::<bool>().unwrap_or(false)
}

/// Ends a search or a solve when Ctrl-C was pressed or a callable has failed.
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
    /// Of A and of M.
    slots: [Slot; 2],
    hooks: Shared,
    has_event: Arc<AtomicBool>,
}

#[pymethods]
impl Solver {
    /// `watched`: the solves will want to see each x.
    #[new]
    #[pyo3(signature = (a, options, m = None, watched = false))]
    fn new(
        py: Python<'_>,
        a: &Matrix,
        options: &Bound<'_, PyDict>,
        m: Option<&Matrix>,
        watched: bool,
    ) -> PyResult<Self> {
        let options = options::linear(py, options, m)?;
        let slots = [a.slot.clone(), m.map(|m| m.slot.clone()).unwrap_or_default()];
        let made = detached(py, || krylane::Solver::new(&a.inner, options));
        if let Some(e) = slots.iter().find_map(Slot::take) {
            return Err(e);
        }
        let inner = made.map_err(|e| raise(py, &e))?;
        let hooks = Shared::default();
        let has_event = Arc::new(AtomicBool::new(false));
        let mut interrupted = interrupts(&slots[0]);
        let (heard, asked) = (Arc::clone(&hooks), Arc::clone(&has_event));
        let [own, other] = slots.clone();
        let mut inner = inner.on_iteration(move |event: Event| {
            if other.is_set() {
                return ControlFlow::Break(());
            }
            interrupted()?;
            if !asked.load(Ordering::Relaxed) {
                return ControlFlow::Continue(());
            }
            tell(&own, |py| match hook(&heard, py, |h| &h.event) {
                Some(f) => Ok(stops(&f.bind(py).call1((event.iteration, event.residual, event.system))?)),
                None => Ok(false),
            })
        });
        if watched {
            let heard = Arc::clone(&hooks);
            let [own, other] = slots.clone();
            inner = inner.on_iterate(move |iteration, x| {
                if own.is_set() || other.is_set() {
                    return ControlFlow::Break(());
                }
                tell(&own, |py| match hook(&heard, py, |h| &h.iterate) {
                    Some(f) => Ok(stops(&f.bind(py).call1((iteration, PyArray1::from_slice(py, x)))?)),
                    None => Ok(false),
                })
            });
        }
        Ok(Self { inner: Mutex::new(inner), slots, hooks, has_event })
    }

    /// Solves for one b.
    #[pyo3(signature = (b, x0 = None, event = None, iterate = None))]
    fn solve(
        &self,
        py: Python<'_>,
        b: PyReadonlyArray1<'_, f64>,
        x0: Option<PyReadonlyArray1<'_, f64>>,
        event: Option<Py<PyAny>>,
        iterate: Option<Py<PyAny>>,
    ) -> PyResult<Report> {
        let b = b.as_slice()?;
        let x0 = x0.as_ref().map(|x| x.as_slice()).transpose()?;
        let done = self.work(py, event, iterate, |inner| match x0 {
            Some(x0) => inner.solve_from(b, x0),
            None => inner.solve(b),
        })?;
        let error = self.slots.iter().find_map(Slot::take);
        match (done, error) {
            (Ok(report), error) => Ok(Report::new(py, report, error)),
            (Err(_), Some(error)) => Err(error),
            (Err(e), None) => Err(raise(py, &e)),
        }
    }

    /// Solves for several b, one a row.
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
        let done = self.work(py, event, None, |inner| match starts {
            Some(starts) => inner.solve_many_from(&slices, &starts),
            None => inner.solve_many(&slices),
        })?;
        if let Some(error) = self.slots.iter().find_map(Slot::take) {
            return Err(error);
        }
        let reports = done.map_err(|e| raise(py, &e))?;
        Ok(reports.into_iter().map(|r| Report::new(py, r, None)).collect())
    }

    /// New values on the same pattern.
    fn update(&self, py: Python<'_>, matrix: &Matrix) -> PyResult<()> {
        let a = matrix.inner.clone();
        self.work(py, None, None, |inner| inner.update(&a))?.map_err(|e| raise(py, &e))
    }

    #[getter]
    fn plan(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.work(py, None, None, |inner| inner.plan().to_vec())
    }

    #[getter]
    fn is_symmetric(&self, py: Python<'_>) -> PyResult<bool> {
        self.work(py, None, None, |inner| inner.is_symmetric())
    }

    /// The device's name.
    #[getter]
    fn device(&self, py: Python<'_>) -> PyResult<String> {
        self.work(py, None, None, |inner| inner.adapter().name.clone())
    }
}

impl Solver {
    /// Runs `f` on the solver without the interpreter.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        event: Option<Py<PyAny>>,
        iterate: Option<Py<PyAny>>,
        f: impl FnOnce(&mut krylane::Solver) -> T + Send,
    ) -> PyResult<T> {
        let done = detached(py, || {
            let mut inner = self.inner.try_lock().ok()?;
            self.listen(event, iterate);
            let done = f(&mut inner);
            self.listen(None, None);
            Some(done)
        });
        done.ok_or_else(|| {
            let busy = "the solver is at work, in another thread or above this callback; make one for each";
            PyRuntimeError::new_err(busy)
        })
    }

    fn listen(&self, event: Option<Py<PyAny>>, iterate: Option<Py<PyAny>>) {
        self.has_event.store(event.is_some(), Ordering::Relaxed);
        *self.hooks.lock().unwrap_or_else(PoisonError::into_inner) = Hooks { event, iterate };
    }
}
