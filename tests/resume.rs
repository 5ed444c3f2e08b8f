//! A solver after a call that did not come to its end: it answers as a new one would.

mod common;

use common::*;
use krylane::matrix::{Matrix, RowFunction, gallery};
use krylane::{Backend, Knobs, Options, Reason, Solver};
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

/// A GPU that is lost after so many submissions, as `Backend::Auto` or by name.
fn fragile(backend: Backend, after: u64) -> Options {
    let knobs = Knobs { prefer_gpu: true, lose_device_after: Some(after), batch: Some(3), ..Knobs::default() };
    Options { knobs, precision: krylane::Precision::F64, ..options(backend, "cg", "none") }
}

#[test]
fn a_lost_device_is_told_or_gone_on_from() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let b: Vec<f64> = (0..a.rows()).map(|i| (i as f64).sin()).collect();
    let size = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let left = |x: &[f64]| size(&a.multiply(x).iter().zip(&b).map(|(p, b)| b - p).collect::<Vec<_>>()) / size(&b);
    for after in [0, 1, 2, 5, 9] {
        // Chosen by auto: the CPU takes over, and says so.
        let mut solver = Solver::new(&a, fragile(Backend::Auto, after)).unwrap();
        assert_ne!(solver.adapter().backend, "cpu");
        let report = solver.solve(&b).unwrap();
        assert!(report.reason.is_converged(), "after {after}: {}", report.reason);
        assert!(left(&report.x) <= 1.001e-8 && report.adapter.backend == "cpu");
        assert!(report.warnings.iter().any(|w| w.contains("went on on the CPU")), "{:?}", report.warnings);
        let many = Solver::new(&a, fragile(Backend::Auto, after)).unwrap().solve_many(&[&b, &b, &b]).unwrap();
        assert!(many.iter().all(|r| r.reason.is_converged() && left(&r.x) <= 1.001e-8));

        // Asked for by name: an end that keeps the best x, and the next call opens the device again.
        let mut solver = Solver::new(&a, fragile(Backend::Gpu, after)).unwrap();
        for _ in 0..2 {
            let report = solver.solve(&b).unwrap();
            assert!(matches!(report.reason, Reason::DeviceFailed { .. }), "after {after}: {}", report.reason);
            assert!(report.x.iter().all(|v| v.is_finite()) && report.certificate.relative <= 1.0);
            assert!((left(&report.x) / report.certificate.relative - 1.0).abs() < 1e-6);
            assert!(report.advice().contains("backend"), "{}", report.advice());
        }

        // Eigenvalues, too.
        let eigen = |backend| krylane::EigenOptions {
            k: 2,
            which: krylane::Which::LM,
            method: "lanczos".into(),
            backend,
            knobs: fragile(Backend::Auto, after).knobs,
            ..krylane::EigenOptions::default()
        };
        let report = krylane::eigs(&a, eigen(Backend::Auto)).unwrap();
        assert!(report.reason.is_converged(), "after {after}: {}", report.reason);
        let largest = 8.0 * (20.0 * std::f64::consts::PI / 42.0).sin().powi(2);
        assert!((report.eigenvalues[0].re / largest - 1.0).abs() < 1e-10);
        assert!(report.warnings.iter().any(|w| w.contains("failed")), "{:?}", report.warnings);
        let report = krylane::eigs(&a, eigen(Backend::Gpu)).unwrap();
        assert!(matches!(report.reason, Reason::DeviceFailed { .. }), "after {after}: {}", report.reason);
    }
}

/// Every adapter is lost as it is opened: by the test of double-single arithmetic, the first work on one without f64.
#[test]
fn adapters_that_can_not_be_opened_are_passed_over() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let broken = |backend| {
        let options = fragile(backend, 0);
        Options { knobs: Knobs { withhold: vec!["f64".into()], ..options.knobs.clone() }, ..options }
    };
    let mut solver = Solver::new(&a, broken(Backend::Auto)).unwrap();
    assert_eq!(solver.adapter().backend, "cpu");
    let told = solver.plan().iter().any(|line| line.starts_with("backend cpu") && line.contains("lost: a drill"));
    assert!(told, "{:?}", solver.plan());
    assert!(solver.solve(&vec![1.0; a.rows()]).unwrap().reason.is_converged());
    let refused = Solver::new(&a, broken(Backend::Gpu)).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("lost: a drill"), "{refused}");
}
