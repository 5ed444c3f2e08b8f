//! Work outside the interpreter, and in processes that were forked.

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::process;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The process that used the library first. A fork of it has none of its threads.
static FIRST: OnceLock<u32> = OnceLock::new();

/// The threads of a forked process, and which process that is.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// True in a fork of a process that has used the library.
pub(crate) fn is_fork() -> bool {
    *FIRST.get_or_init(process::id) != process::id()
}

/// Runs `f` without the interpreter; in a fork on threads of its own, as rayon's global ones were left behind.
pub(crate) fn detached<T: Send>(py: Python<'_>, f: impl FnOnce() -> T + Send) -> T {
    if !is_fork() {
        return py.detach(f);
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.as_ref().is_none_or(|p| p.0 != process::id()) {
        // What a fork of a fork inherited has no threads, and would wait for them if it were dropped.
        std::mem::forget(pool.take());
        let made = ThreadPoolBuilder::new().build().expect("a process may start threads");
        *pool = Some((process::id(), Arc::new(made)));
    }
    let threads = Arc::clone(&pool.as_ref().expect("made above").1);
    drop(pool);
    py.detach(|| threads.install(f))
}
