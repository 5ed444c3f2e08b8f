//! The same problems disturbed: bounds that are met at once, a caller that cancels, breaks off or panics. Whatever
//! happens, x stays finite, bounds hold, and the solver serves the next right-hand side.

use crate::judge::{Fault, OWN, guarded};
use crate::problems::{Case, Task};
use krylane::{Options, Reason, Solver};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What is wrong after a disturbance; `None` where all is well or the case is none of linear systems.
pub(crate) fn disturbed(case: &Case) -> Option<Fault> {
    let Task::Linear(options) = &case.task else { return None };
    let a = case.matrix().ok()?;
    let how = case.seed / 5 % 6;
    let mut options = Options::clone(options);
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
        let mut solver = Solver::new(&a, options)?;
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
    let ended = matches!(second.reason, Reason::StoppedByCallback | Reason::Cancelled);
    ended.then(|| Fault { kind: "stale", text: format!("{} of a solve that nobody disturbed", second.reason) })
}
