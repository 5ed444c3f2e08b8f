//! Limits, ends on request, bad input.

use super::*;

#[test]
fn limits_are_met_exactly() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 20);
            let limits: &[usize] = if target.gpu { &[13] } else { &[0, 1, 2, 5, 7, 10, 13] };
            for &limit in limits {
                let what = format!("{method} on {}, limit {limit}", target.name);
                let options = Options { method: restarted(method, 5), rtol: 1e-14, ..target.options(method) };
                let report = solve(&a, &b, Options { max_iterations: limit, ..options.clone() });
                assert_eq!((report.iterations, report.reason.name()), (limit, "MaxIterations"), "{what}");
                assert_eq!(report.history.len(), limit, "{what}");
                if limit == 0 {
                    assert!(report.x.iter().all(|&x| x == 0.0), "{what}");
                    assert_eq!(report.certificate.relative, 1.0, "{what}");
                } else {
                    let truth = relative_residual(&a, &b, &report.x);
                    assert!((truth - report.certificate.relative).abs() <= 1e-12, "{what}");
                }
                let report = solve(&a, &b, Options { max_matvecs: limit, ..options });
                assert!(report.matvecs <= limit, "{what}: {} products", report.matvecs);
                assert_eq!(report.reason.name(), "MaxIterations", "{what}");
            }
        }
    }
    // x0 is looked at even so.
    let (a, b) = system("cg", 6);
    let x = solve(&a, &b, cpu().options("cg")).x;
    let options = Options { max_iterations: 0, ..cpu().options("cg") };
    let report = Solver::new(&a, options).unwrap().solve_from(&b, &x).unwrap();
    assert_eq!(report.reason, Reason::Converged(Passed::InitialGuess));
}

#[test]
fn solves_end_when_asked() {
    let _guard = one_at_a_time();
    for target in targets() {
        for method in METHODS {
            let (a, b) = system(method, 12);
            let what = format!("{method} on {}", target.name);
            let options = Options {
                knobs: Knobs { lag: Some(0), batch: Some(1), ..target.knobs() },
                method: restarted(method, 9),
                ..target.options(method)
            };
            let seen = Arc::new(AtomicUsize::new(0));
            let last = Arc::clone(&seen);
            let mut solver = Solver::new(&a, options.clone()).unwrap().on_iteration(move |e| {
                last.store(e.iteration, Ordering::Relaxed);
                if e.iteration == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let report = solver.solve(&b).unwrap();
            assert_eq!((report.reason.clone(), report.iterations), (Reason::StoppedByCallback, 4), "{what}");
            assert_eq!(seen.load(Ordering::Relaxed), 4, "{what}");
            assert!(report.certificate.relative < 1.0, "{what}: x has what four iterations brought");

            let solver = Solver::new(&a, options.clone()).unwrap();
            let flag = solver.cancel_flag();
            let mut solver = solver.on_iteration(move |e| {
                flag.store(e.iteration >= 4, Ordering::Relaxed);
                ControlFlow::Continue(())
            });
            let report = solver.solve(&b).unwrap();
            assert_eq!((report.reason, report.iterations), (Reason::Cancelled, 4), "{what}");
            if !target.gpu {
                let limited = Options { time_limit: Some(Duration::ZERO), ..options };
                let report = solve(&a, &b, limited);
                assert_eq!(report.reason, Reason::TimeLimit, "{what}");
                assert!(report.iterations <= 1, "{what}: {}", report.iterations);
            }
        }
    }
}

#[test]
fn bad_input_is_an_error_with_a_name() {
    let a = gallery::poisson1d(4);
    let text = |options: Options| match Solver::new(&a, options) {
        Err(e) => {
            assert!(e.is_bad_input() || matches!(e, Error::NoAdapter(_)), "{e}");
            e.to_string()
        }
        Ok(_) => panic!("accepted"),
    };
    let unknown = ["gmers".parse::<Method>().err(), "jacoby".parse::<Precond>().err()].map(|e| e.unwrap().to_string());
    assert!(unknown[0].contains("gmres") && unknown[1].contains("jacobi"), "{unknown:?}");
    let endless = Options { knobs: Knobs { batch: Some(0), ..cpu().knobs() }, ..cpu().options("cg") };
    assert!(text(endless).contains("batch is 0"));
    assert!(text(Options { method: restarted("gmres", 0), ..cpu().options("gmres") }).contains("restart"));
    for v in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(text(Options { rtol: v, ..cpu().options("cg") }).contains("rtol"));
        assert!(text(Options { atol: v, ..cpu().options("cg") }).contains("atol"));
    }
    assert!(
        text(Options { knobs: Knobs { withhold: vec!["f46".into()], ..cpu().knobs() }, ..cpu().options("cg") })
            .contains("f64")
    );
    #[cfg(feature = "gpu")]
    assert!(text(Options { backend: Backend::Adapter("99".into()), ..cpu().options("cg") }).contains("99"));
    #[cfg(not(feature = "gpu"))]
    assert!(text(Options { backend: Backend::Gpu, ..cpu().options("cg") }).contains("gpu"));
    let wide = {
        let mut t = krylane::matrix::Triplets::new(2, 3).unwrap();
        t.push(0, 0, 1.0).unwrap();
        t.to_csr().unwrap()
    };
    let error = Solver::new(&wide, cpu().options("cg")).err().unwrap();
    assert!(error.to_string().contains("lsqr"), "{error}");
    let mut solver = Solver::new(&a, cpu().options("cg")).unwrap();
    assert!(solver.solve(&[1.0; 3]).unwrap_err().to_string().contains("b has 3 entries"));
    assert!(solver.solve(&[1.0, f64::INFINITY, 0.0, 0.0]).unwrap_err().to_string().contains("b[1] is inf"));
    assert!(solver.solve_from(&[1.0; 4], &[f64::NAN; 4]).unwrap_err().to_string().contains("x0[0]"));
}
