//! Many ways to solve one system, each tried: for `krylane compare` and the example `folder`.

use crate::error::{Called, Error, Result};
use crate::host::clock::Instant;
use crate::host::halt::Halt;
use crate::matrix::ToMatrix;
use crate::options::Options;
use crate::report::Report;
use crate::solve::Solver;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How one way ended: its report, or why it was refused, and the time of set-up and solve together.
pub type Attempt = (Result<Report>, Duration);

/// Solves A x = b in each way of `ways`, `workers` of them side by side, and tells `heard` of each one's end. One worker
/// gives each way the machine for itself: then times can be compared.
///
/// Once `halt` calls, what is left ends as [`Error::Halted`].
pub fn compare<A: ToMatrix + Sync>(
    a: &A,
    b: &[f64],
    ways: &[Options],
    workers: usize,
    halt: &Halt,
    heard: impl Fn(usize, &Attempt) + Sync,
) -> Vec<Attempt> {
    let found: Vec<OnceLock<Attempt>> = ways.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(k) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&k| k < ways.len()) {
            let attempt = try_one(a, b, &ways[k], halt);
            heard(k, &attempt);
            let _ = found[k].set(attempt);
        }
    };
    std::thread::scope(|s| {
        for _ in 1..workers {
            s.spawn(work);
        }
        work();
    });
    let missing = || (Err(Error::Halted(Called::Cancelled)), Duration::ZERO);
    found.into_iter().map(|cell| cell.into_inner().unwrap_or_else(missing)).collect()
}

fn try_one<A: ToMatrix>(a: &A, b: &[f64], way: &Options, halt: &Halt) -> Attempt {
    let start = Instant::now();
    let outcome = halt.check().and_then(|()| Solver::new(a, way.clone())).and_then(|solver| {
        let (cancel, asked) = (solver.cancel_flag(), halt.clone());
        let mut solver = solver.heeding(halt).on_iteration(move |_| {
            if asked.called().is_some() {
                cancel.store(true, Ordering::Relaxed);
            }
            std::ops::ControlFlow::Continue(())
        });
        solver.solve(b)
    });
    (outcome, start.elapsed())
}
