//! What a caller holds in hand: reports, errors, flags and callbacks.

use krylane::matrix::gallery;
use krylane::{Backend, EigenOptions, EigenSolver, Error, Method, NotConverged, Options, Reason, Solver};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

fn solver(options: Options) -> (Solver, Vec<f64>) {
    let a = gallery::poisson2d(15);
    let b = vec![1.0; a.rows()];
    (Solver::new(&a, Options { backend: Backend::Cpu, threads: 1, ..options }).unwrap(), b)
}

#[test]
fn a_report_says_what_was_asked_for_and_where_it_ran() {
    let asked = Options {
        method: "gmres:restart=7".parse().unwrap(),
        preconditioner: "ilut:drop=0.01".parse().unwrap(),
        rtol: 1e-6,
        max_matvecs: 1000,
        ..Options::default()
    };
    let (mut solver, b) = solver(asked);
    let report = solver.solve(&b).unwrap();
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    for (name, value) in [
        ("method", "gmres:restart=7"),
        ("preconditioner", "ilut:drop=0.01"),
        ("rtol", "0.000001"),
        ("max_matvecs", "1000"),
        ("threads", "1"),
        ("backend", "cpu"),
        ("criterion", "rhs-norm"),
    ] {
        assert_eq!(json["options"][name], value, "{name}");
    }
    // All that it lists can be set again.
    let mut again = Options::default();
    report.options.iter().for_each(|(name, value)| again.set(name, value).unwrap());
    assert_eq!(again.list(), report.options);
    assert_eq!(json["run"]["threads"], 1);
    let date = json["run"]["date"].as_str().unwrap();
    assert!(date.len() == 20 && date.starts_with("20") && date.ends_with('Z'), "{date}");
    assert!(!json["run"]["host"].as_str().unwrap().is_empty());
    assert_eq!(json["run"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["adapter"]["kind"], "cpu");
    let text = report.to_string();
    for part in ["Converged", "gmres with ilut", "relative", "restart=7", "CPU, 1 thread", "set-up", date] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
}

#[test]
fn not_converging_passes_through_the_question_mark() {
    fn run() -> krylane::Result<Vec<f64>> {
        let (mut solver, b) = solver(Options { method: Method::Cg, max_iterations: 3, ..Options::default() });
        Ok(solver.solve(&b)?.into_result()?.x)
    }
    let error = run().unwrap_err();
    assert!(error.to_string().starts_with("MaxIterations: Raise `max_iterations`"), "{error}");
    assert!(!error.is_bad_input());
    let Error::NotConverged(inner) = error else { panic!("{error}") };
    let NotConverged(report) = *inner.downcast::<NotConverged>().unwrap();
    assert_eq!((report.iterations, report.x.len()), (3, 225));
}

#[test]
fn a_flag_set_before_a_solve_ends_it_and_no_other() {
    for method in [Method::Auto, Method::Cg] {
        let (mut solver, b) = solver(Options { method, ..Options::default() });
        let flag = solver.cancel_flag();
        flag.store(true, Ordering::Relaxed);
        let report = solver.solve(&b).unwrap();
        assert_eq!((report.reason, report.iterations), (Reason::Cancelled, 0));
        assert!(solver.solve(&b).unwrap().reason.is_converged(), "the flag is cleared by the solve that it ended");
        flag.store(true, Ordering::Relaxed);
        let many = solver.solve_many(&[&b, &b, &b]).unwrap();
        assert!(many.iter().all(|r| r.reason == Reason::Cancelled), "{}", many[0].reason);
        assert!(solver.solve_many(&[&b, &b]).unwrap().iter().all(|r| r.reason.is_converged()));
    }
    for method in ["lanczos", "dense"] {
        let a = gallery::poisson2d(8);
        let options = EigenOptions { method: method.into(), backend: Backend::Cpu, ..EigenOptions::default() };
        let mut solver = EigenSolver::new(&a, options).unwrap();
        solver.cancel_flag().store(true, Ordering::Relaxed);
        assert_eq!(solver.solve().unwrap().reason, Reason::Cancelled, "{method}");
        assert!(solver.solve().unwrap().reason.is_converged(), "{method}");
    }
}

#[test]
fn a_callback_may_borrow() {
    let (solver, b) = solver(Options { method: Method::Cg, ..Options::default() });
    let own = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&own);
    let mut solver = solver.on_iteration(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    let mut residuals = vec![];
    let report = solver
        .solve_watched(&b, None, |event| {
            residuals.push(event.residual);
            if residuals.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((report.reason, report.iterations, residuals.len()), (Reason::StoppedByCallback, 5, 5));
    assert_eq!(own.load(Ordering::Relaxed), 0, "the solver's own callback rests meanwhile");
    let report = solver.solve_from(&b, &report.x).unwrap();
    assert_eq!(own.load(Ordering::Relaxed), report.iterations);
    solver.solve_many(&[&b, &b]).unwrap();
    assert!(own.load(Ordering::Relaxed) > report.iterations, "and is there again");
}

#[test]
fn auto_takes_a_method_that_bears_a_nonsymmetric_preconditioner() {
    for preconditioner in ["ilut", "gauss_seidel", "lu"] {
        let (mut solver, b) = solver(Options { preconditioner: preconditioner.parse().unwrap(), ..Options::default() });
        let report = solver.solve(&b).unwrap();
        assert!(report.reason.is_converged(), "{preconditioner}: {}", report.reason);
        let needs = krylane::method::by_name(&report.method).unwrap().needs;
        assert_eq!(needs, krylane::method::Needs::Square, "{preconditioner} with {}", report.method);
    }
    let (mut solver, b) = solver(Options { preconditioner: "ic0".parse().unwrap(), ..Options::default() });
    assert_eq!(solver.solve(&b).unwrap().method, "cg");
}

#[test]
fn options_without_effect_are_refused_or_warned_of() {
    let modes = krylane::precond::NearNull::new(1, vec![vec![1.0; 225]]).unwrap();
    let with = |text: &[(&str, &str)], near_null: bool| {
        let near_null = near_null.then(|| modes.clone().into());
        let mut options = Options { near_null, ..Options::default() };
        text.iter().for_each(|(name, value)| options.set(name, value).unwrap());
        let (mut solver, b) = solver(options);
        solver.solve(&b).unwrap().warnings.join("; ")
    };
    for preconditioner in ["amg", "auto"] {
        assert_eq!(with(&[("preconditioner", preconditioner)], true), "");
    }
    assert!(with(&[("preconditioner", "jacobi")], true).contains("near-null"));
    assert!(with(&[("criterion", "backward-error"), ("atol", "1e-3")], false).contains("atol is 1e-3"));
    assert!(with(&[("criterion", "absolute"), ("atol", "1e-3"), ("rtol", "1e-3")], false).contains("rtol is 1e-3"));
    assert!(with(&[("rtol", "0"), ("max_iterations", "5")], false).contains("rounding"));
    for (text, word) in [
        ("cg:restart=5", "cg has no parameter"),
        ("auto:restart=5", "goes with a method"),
        ("cg:damp=1", "cg has no parameter"),
    ] {
        assert!(text.parse::<Method>().unwrap_err().to_string().contains(word), "{text}");
    }
    let absolute = Options { criterion: krylane::Criterion::Absolute, ..Options::default() };
    assert!(absolute.check().unwrap_err().to_string().contains("set atol"));
    let least = Options { method: Method::Cg, least_squares: true, ..Options::default() };
    assert!(least.check().unwrap_err().to_string().contains("least_squares"));
}
