//! A solver after a call that did not come to its end: it answers as a new one would.

mod common;

use common::*;
use krylane::matrix::{Matrix, RowFunction, gallery};
use krylane::{Backend, Options, Solver};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn options(backend: Backend, method: &str, preconditioner: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: preconditioner.parse().unwrap(),
        backend,
        ..Options::default()
    }
}

/// The CPU, and a GPU where there is one.
fn backends() -> Vec<Backend> {
    if gpu_present() { vec![Backend::Cpu, Backend::Gpu] } else { vec![Backend::Cpu] }
}

#[test]
fn after_a_callback_that_panics() {
    let a = gallery::poisson2d(12);
    let b: Vec<f64> = (0..a.rows()).map(|i| (i as f64).cos()).collect();
    let _alone = one_at_a_time();
    for backend in backends() {
        for method in ["cg", "gmres"] {
            let fresh = Solver::new(&a, options(backend.clone(), method, "none")).unwrap().solve(&b).unwrap();
            let heard = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&heard);
            let mut solver =
                Solver::new(&a, options(backend.clone(), method, "none")).unwrap().on_iteration(move |_| {
                    assert!(count.fetch_add(1, Ordering::Relaxed) != 5, "as the test wants it");
                    ControlFlow::Continue(())
                });
            assert!(catch_unwind(AssertUnwindSafe(|| solver.solve(&b))).is_err());
            let again = solver.solve(&b).unwrap();
            assert_eq!(again.x, fresh.x, "{backend:?} {method}");
            assert_eq!((again.history.len(), again.iterations), (fresh.history.len(), fresh.iterations));
            // Several at once, too.
            heard.store(0, Ordering::Relaxed);
            assert!(catch_unwind(AssertUnwindSafe(|| solver.solve_many(&[b.clone(), b.clone()]))).is_err());
            let many = solver.solve_many(&[b.clone(), b.clone()]).unwrap();
            assert!(many.iter().all(|r| r.reason.is_converged()), "{backend:?} {method}");
        }
    }
}

#[test]
fn after_an_operator_that_panics() {
    let n = 40;
    let armed = Arc::new(AtomicUsize::new(usize::MAX));
    let count = Arc::clone(&armed);
    let at = |x: &[f64], i: usize| x.get(i).copied().unwrap_or(0.0);
    let line = RowFunction::new(n, n, move |i, x: &[f64]| {
        assert!(count.fetch_sub(1, Ordering::Relaxed) != 0, "as the test wants it");
        2.5 * x[i] - at(x, i.wrapping_sub(1)) - at(x, i + 1)
    })
    .definite();
    let a = Matrix::free(line);
    let b = vec![1.0; n];
    let mut solver = Solver::new(&a, options(Backend::Cpu, "cg", "none")).unwrap();
    let fresh = solver.solve(&b).unwrap();
    for rows in [0, 1, 100, 500] {
        armed.store(rows, Ordering::Relaxed);
        assert!(catch_unwind(AssertUnwindSafe(|| solver.solve(&b))).is_err(), "{rows}");
        armed.store(usize::MAX, Ordering::Relaxed);
        assert_eq!(solver.solve(&b).unwrap().x, fresh.x, "{rows}");
    }
}

#[test]
fn after_values_that_no_factors_exist_for() {
    let a = gallery::poisson2d(10);
    let b = vec![1.0; a.rows()];
    let _alone = one_at_a_time();
    for backend in backends() {
        let mut solver = Solver::new(&a, options(backend.clone(), "cg", "ic0")).unwrap();
        let before = solver.solve(&b).unwrap();
        // Symmetric, so the plan holds, but no factors are positive definite.
        let mut negative = a.clone();
        negative.set_values(a.values().iter().map(|v| -v).collect()).unwrap();
        solver.update(&negative).unwrap();
        assert!(!solver.solve(&b).unwrap().reason.is_converged(), "{backend:?}");
        solver.update(&a).unwrap();
        let after = solver.solve(&b).unwrap();
        assert_eq!((&after.x, &after.reason), (&before.x, &before.reason), "{backend:?}");
    }
}
