//! Work without the GIL, and in forked processes.

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;
use std::{process, thread};

/// The process that first used the library. A fork of it has none of its threads.
static FIRST: OnceLock<u32> = OnceLock::new();

/// The threads of a forked process, and which process that is.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// True in a fork of a process that has used the library.
pub(crate) fn is_fork() -> bool {
    *FIRST.get_or_init(process::id) != process::id()
}

/// Threads for a fork, as rayon's global ones were left behind.
fn own_threads() -> Arc<ThreadPool> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.as_ref().is_none_or(|p| p.0 != process::id()) {
        // The pool inherited from a forked parent has no threads; dropping it would wait for them.
        std::mem::forget(pool.take());
        let made = ThreadPoolBuilder::new().build().expect("a process may start threads");
        *pool = Some((process::id(), Arc::new(made)));
    }
    Arc::clone(&pool.as_ref().expect("made above").1)
}

/// Runs `f` without the GIL; in a fork on a thread pool of its own.
pub(crate) fn detached<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> T {
    if !is_fork() {
        return py.detach(f);
    }
    py.detach(|| own_threads().install(f))
}

/// How often a solve checks for Ctrl-C.
pub(crate) const SIGNALS: Duration = Duration::from_millis(50);

/// Cancels work from outside: its own flag, and one that the work may share later.
#[derive(Default)]
pub(crate) struct Cancel {
    own: AtomicBool,
    other: Mutex<Option<Arc<AtomicBool>>>,
}

impl Cancel {
    /// The flag that the work watches.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.own
    }

    /// Another flag that the work watches.
    pub(crate) fn share(&self, flag: Arc<AtomicBool>) {
        *self.other.lock().unwrap_or_else(PoisonError::into_inner) = Some(flag);
    }

    fn set(&self) {
        self.own.store(true, Ordering::Relaxed);
        if let Some(flag) = &*self.other.lock().unwrap_or_else(PoisonError::into_inner) {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `f`, which does not call Python, on a new thread, while this one checks for Ctrl-C: only Python's main thread
/// receives signals, and set-up and factorisation don't check for them. The flag is set repeatedly, as a solve may
/// clear it at its start.
pub(crate) fn watched<T: Send>(py: Python<'_>, f: impl FnOnce(&Cancel) -> T + Send) -> (T, Option<PyErr>) {
    let cancel = Cancel::default();
    let mut error = None;
    let done = thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let receiver = Mutex::new(receiver);
        let cancel = &cancel;
        let fork = is_fork();
        scope.spawn(move || {
            let out = if fork { own_threads().install(|| f(cancel)) } else { f(cancel) };
            // Nothing receives any more if this side panicked.
            let _ = sender.send(out);
        });
        loop {
            match py.detach(|| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(SIGNALS)) {
                Ok(out) => break Some(out),
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if error.is_none() {
                error = py.check_signals().err();
            }
            if error.is_some() {
                cancel.set();
            }
        }
    });
    // The scope has propagated a panic of the work.
    (done.expect("the work has ended"), error)
}
