//! The same problems disturbed: bounds that are met at once, a caller that cancels, breaks off or panics. Whatever
//! happens, x stays finite, bounds hold, pairs are what a report says of them, and the solver serves the next call.

use crate::judge::{Fault, OWN, guarded, pairs_fault, triplets_fault};
use crate::problems::{Case, Task};
use krylane::eigen::svds_until;
use krylane::matrix::Csr;
use krylane::{EigenOptions, EigenSolver, Options, Reason, Solver};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What is wrong after a disturbance; `None` where all is well.
pub(crate) fn disturbed(case: &Case) -> Option<Fault> {
    let a = case.matrix().ok()?;
    let how = case.seed / 5 % 6;
    match &case.task {
        Task::Linear(options) => system(case, &a, options, how),
        Task::Eigen(options) => pairs(case, &a, options, how),
        Task::Singular(options) => triplets(case, &a, options, how),
    }
}

/// Options with a bound that is met at once.
fn bounded(case: &Case, options: &EigenOptions, how: u64) -> EigenOptions {
    let mut options = options.clone();
    match how {
        0 | 1 => options.max_iterations = case.seed as usize % 7,
        2 => options.time_limit = Some(Duration::ZERO),
        _ => {}
    }
    options
}

fn pairs(case: &Case, a: &Csr, options: &EigenOptions, how: u64) -> Option<Fault> {
    let options = bounded(case, options, how);
    let calm = Arc::new(AtomicBool::new(false));
    let outcome = guarded(|| {
        let mut solver = EigenSolver::new(a, options.clone())?;
        let (cancel, quiet) = (solver.cancel_flag(), Arc::clone(&calm));
        solver = solver.on_cycle(move |_| {
            if quiet.load(Ordering::Relaxed) {
                return ControlFlow::Continue(());
            }
            match how {
                3 => return ControlFlow::Break(()),
                4 => cancel.store(true, Ordering::Relaxed),
                5 => panic!("{OWN}"),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        let first = match guarded(|| solver.solve()) {
            Ok(report) => Some(report?),
            Err(panic) if panic.text == OWN => None,
            Err(panic) => panic!("{}", panic.text),
        };
        calm.store(true, Ordering::Relaxed);
        let reports = [first, Some(solver.solve()?)];
        for report in reports.iter().flatten() {
            if let Some(fault) = pairs_fault(a, &options, report)? {
                return Ok(Some(fault));
            }
        }
        let second = &reports[1].as_ref().expect("made above").outcome.reason;
        Ok::<_, krylane::Error>(stale(second))
    });
    match outcome {
        Ok(found) => found.ok().flatten(),
        Err(panic) => Some(panic),
    }
}

fn triplets(case: &Case, a: &Csr, options: &EigenOptions, how: u64) -> Option<Fault> {
    let options = bounded(case, options, how);
    let cancel = Arc::new(AtomicBool::new(how == 3));
    let heard = Arc::clone(&cancel);
    let outcome = guarded(|| {
        let report = svds_until(a, options.clone(), &cancel, move |_| match how {
            4 => heard.store(true, Ordering::Relaxed),
            5 => panic!("{OWN}"),
            _ => {}
        })?;
        triplets_fault(a, &options, &report)
    });
    match outcome {
        Ok(found) => found.ok().flatten(),
        Err(panic) => (panic.text != OWN).then_some(panic),
    }
}

/// The fault of a second call that ended as the first one was told to.
fn stale(reason: &Reason) -> Option<Fault> {
    let ended = matches!(reason, Reason::StoppedByCallback | Reason::Cancelled);
    ended.then(|| Fault { kind: "stale", text: format!("{reason} of a run that nobody disturbed") })
}

fn system(case: &Case, a: &Csr, options: &Options, how: u64) -> Option<Fault> {
    let mut options = options.clone();
    match how {
        0 => options.max_iterations = case.seed as usize % 7,
        1 => options.max_matvecs = case.seed as usize % 9,
        2 => options.time_limit = Some(Duration::ZERO),
        _ => {}
    }
    let bound = (options.max_iterations, options.max_matvecs);
    let left = Arc::new(AtomicUsize::new(1 + case.seed as usize % 4));
    let outcome = guarded(|| {
        let heard = Arc::clone(&left);
        let mut solver = Solver::new(a, options)?;
        let cancel = solver.cancel_flag();
        solver = solver.on_iteration(move |_| {
            // At one iteration, and never again.
            if heard.load(Ordering::Relaxed) == 0 || heard.fetch_sub(1, Ordering::Relaxed) != 1 {
                return ControlFlow::Continue(());
            }
            match how {
                3 => ControlFlow::Break(()),
                4 => {
                    cancel.store(true, Ordering::Relaxed);
                    ControlFlow::Continue(())
                }
                5 => panic!("{OWN}"),
                _ => ControlFlow::Continue(()),
            }
        });
        let first = match guarded(|| solver.solve(&case.b)) {
            Ok(report) => Some(report?),
            Err(panic) if panic.text == OWN => None,
            Err(panic) => panic!("{}", panic.text),
        };
        // Nothing disturbs the second one but the bounds.
        left.store(0, Ordering::Relaxed);
        let second = solver.solve(&case.b)?;
        Ok::<_, krylane::Error>((first, second))
    });
    let (first, second) = match outcome {
        Ok(Ok(reports)) => reports,
        Ok(Err(_)) => return None,
        Err(panic) => return Some(panic),
    };
    for report in first.iter().chain([&second]) {
        let text = || format!("{} after {} iterations, {} products", report.reason, report.iterations, report.matvecs);
        if !report.x.iter().all(|v| v.is_finite()) {
            return Some(Fault { kind: "x not finite", text: text() });
        }
        if report.iterations > bound.0 || report.matvecs > bound.1 {
            return Some(Fault { kind: "limit exceeded", text: text() });
        }
    }
    stale(&second.reason)
}
