//! A way to cancel long work: reading a file, setting up a preconditioner, iterating.

use super::clock::Instant;
use crate::error::{Called, Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Between two looks at the clock while another thread works.
const PATIENCE: Duration = Duration::from_millis(5);

/// Flags that another thread may set, and a deadline. Long loops call [`Halt::check`] now and
/// then, and need no clock of their own.
#[derive(Clone, Debug, Default)]
pub struct Halt {
    cancel: Vec<Arc<AtomicBool>>,
    deadline: Option<Instant>,
    budget: Option<Arc<Budget>>,
}

/// Modelled work in nanoseconds.
#[derive(Debug, Default)]
struct Budget {
    most: u64,
    spent: AtomicU64,
    /// What all of the work is expected to take, once that is found to be too much.
    needed: AtomicU64,
}

impl Halt {
    /// Cancels work once `cancel` is set.
    #[must_use]
    pub fn new(cancel: Arc<AtomicBool>) -> Self {
        Self { cancel: vec![cancel], deadline: None, budget: None }
    }

    /// Also ends work `limit` from now. A limit too long for the clock means no limit.
    #[must_use]
    pub fn within(self, limit: Option<Duration>) -> Self {
        Self { deadline: limit.and_then(|limit| Instant::now().checked_add(limit)), ..self }
    }

    /// Also cancels work where `other` does.
    #[must_use]
    pub(crate) fn or(mut self, other: &Self) -> Self {
        self.cancel.extend(other.cancel.iter().cloned());
        self
    }

    /// Also ends work at `deadline`.
    #[must_use]
    pub(crate) fn until(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Limits work that calls [`Halt::spend`] to this many nanoseconds.
    #[must_use]
    pub(crate) fn with_budget(self, ns: Option<f64>) -> Self {
        Self { budget: ns.map(|ns| Arc::new(Budget { most: ns as u64, ..Budget::default() })), ..self }
    }

    /// Takes `ns` from the budget. False if there was less, or if `expected` in all is more than twice what it was.
    pub(crate) fn spend(&self, ns: u64, expected: u64) -> bool {
        let Some(budget) = &self.budget else { return true };
        let spent = budget.spent.fetch_add(ns, Ordering::Relaxed) + ns;
        if spent < budget.most && expected <= 2 * budget.most {
            return true;
        }
        budget.needed.store(expected.max(spent), Ordering::Relaxed);
        false
    }

    /// Where the budget ended the work: what was spent, and what all of it is expected to take, in nanoseconds.
    pub(crate) fn overdrawn(&self) -> Option<(f64, f64)> {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64;
        self.budget.as_ref().map(|b| (of(&b.spent), of(&b.needed))).filter(|&(_, needed)| needed > 0.0)
    }

    /// Whether the work is cancelled, and by what.
    #[must_use]
    pub fn called(&self) -> Option<Called> {
        if self.cancel.iter().any(|c| c.load(Ordering::Relaxed)) {
            return Some(Called::Cancelled);
        }
        self.deadline.is_some_and(|d| Instant::now() >= d).then_some(Called::TimeLimit)
    }

    /// The time left, if there is a deadline.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.deadline.map(|d| d.saturating_duration_since(Instant::now()))
    }

    /// Returns an error if the work must end.
    ///
    /// # Errors
    /// [`Error::Halted`] if the work is cancelled or past its deadline.
    pub fn check(&self) -> Result<()> {
        self.called().map_or(Ok(()), |called| Err(Error::Halted(called)))
    }

    /// Does the work of a library that looks at no clock, on a thread of its own; where this work must end, that thread is
    /// left to its own end.
    ///
    /// # Errors
    /// As [`Halt::check`].
    pub(crate) fn leaving<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.check()?;
        // A page in a browser has one thread.
        if cfg!(target_arch = "wasm32") || self.cancel.is_empty() && self.deadline.is_none() {
            return Ok(work());
        }
        let (tell, told) = mpsc::channel();
        let work = Arc::new(Mutex::new(Some(work)));
        let theirs = Arc::clone(&work);
        let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let body = move || drop(take(&theirs).map(|work| tell.send(work())));
        let Ok(thread) = std::thread::Builder::new().name("set-up".into()).spawn(body) else {
            // No thread was granted.
            return Ok(take(&work).expect("nobody else has begun it")());
        };
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(done) => return Ok(done),
                Err(mpsc::RecvTimeoutError::Timeout) => self.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("it tells before it ends"),
                },
            }
        }
    }

    /// [`Halt::check`] at every 256th step of a loop: the clock costs more than a short row.
    ///
    /// # Errors
    /// As [`Halt::check`].
    pub(crate) fn check_at(&self, step: usize) -> Result<()> {
        if step & 255 == 0 { self.check() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_flag_and_by_clock_and_not_otherwise() {
        assert_eq!(Halt::default().called(), None);
        let flag = Arc::new(AtomicBool::new(false));
        let halt = Halt::new(Arc::clone(&flag)).within(Some(Duration::MAX));
        assert!(halt.check().is_ok() && halt.check_at(0).is_ok());
        flag.store(true, Ordering::Relaxed);
        assert!(matches!(halt.check(), Err(Error::Halted(Called::Cancelled))));
        assert!(halt.check_at(255).is_ok() && halt.check_at(256).is_err());
        let bounded = Halt::default().with_budget(Some(100.0));
        assert!(bounded.spend(60, 190) && bounded.overdrawn().is_none());
        assert!(!bounded.clone().spend(10, 210) && bounded.overdrawn() == Some((70.0, 210.0)));
        assert!(!bounded.spend(30, 0) && bounded.overdrawn() == Some((100.0, 100.0)));
        assert_eq!(Halt::default().leaving(|| 7).unwrap(), 7);
        let soon = Halt::default().within(Some(Duration::from_millis(30)));
        assert_eq!(soon.leaving(|| 8).unwrap(), 8);
        let begun = Instant::now();
        let left = soon.leaving(|| std::thread::sleep(Duration::from_secs(20)));
        assert!(matches!(left, Err(Error::Halted(Called::TimeLimit))) && begun.elapsed() < Duration::from_secs(10));
        let late = Halt::default().within(Some(Duration::ZERO));
        assert_eq!(late.called(), Some(Called::TimeLimit));
    }
}
