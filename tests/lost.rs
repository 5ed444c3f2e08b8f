//! A device that is lost in the middle: auto goes on elsewhere, a named device is an end that keeps the best x, and nothing
//! hangs.

mod common;

use common::*;
use krylane::matrix::gallery;
use krylane::{Backend, EigenOptions, Knobs, Options, Precision, Reason, Solver, Which};
use std::sync::mpsc;
use std::time::Duration;

/// Longer than any drill takes on a busy machine, far shorter than the engine's patience.
const AT_MOST: Duration = Duration::from_secs(60);

/// Runs `f` on a thread of its own: one that hangs is a failure that has a name.
fn in_time<T: Send + 'static>(what: &str, f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let worker = std::thread::spawn(move || tell.send(f()).expect("somebody listens"));
    match told.recv_timeout(AT_MOST) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(_) => std::panic::resume_unwind(worker.join().expect_err("it ended without an answer")),
    }
}

/// A GPU that is lost after so many submissions, as `Backend::Auto` or by name.
fn fragile(backend: Backend, after: u64) -> Options {
    let knobs = Knobs { prefer_gpu: true, lose_device_after: Some(after), batch: Some(3), ..Knobs::default() };
    Options {
        method: "cg".parse().unwrap(),
        preconditioner: "none".parse().unwrap(),
        precision: Precision::F64,
        backend,
        knobs,
        ..Options::default()
    }
}

/// Method, preconditioner, precision, what is withheld. The fifth has its arithmetic tested as it is opened; the last is
/// corrected by the host, which certifies an x now and then.
const DRILLS: [(&str, &str, Precision, &[&str]); 6] = [
    ("cg", "none", Precision::F64, &[]),
    ("gmres:restart=8", "none", Precision::F64, &[]),
    ("cg", "amg:coarse=60", Precision::F64, &[]),
    ("cg", "none", Precision::Mixed, &[]),
    ("bicgstab", "jacobi", Precision::Mixed, &["f64"]),
    ("cg", "none", Precision::Mixed, &["f64", "double-single"]),
];

#[test]
fn a_lost_device_is_told_or_gone_on_from() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let b: Vec<f64> = (0..a.rows()).map(|i| (i as f64).sin()).collect();
    for (method, m, precision, withheld) in DRILLS {
        let mut ends = [0; 3];
        let corrected = withheld.len() == 2;
        let when = [0, 1, 2, 3, 4, 5, 10, 14, 18];
        for after in &when[..if corrected { 9 } else { 6 }] {
            let what = format!("{method} with {m}, {precision:?}, lost after {after}");
            let options = |backend| {
                let options = fragile(backend, *after);
                let withhold = withheld.iter().map(|w| (*w).to_string()).collect();
                Options {
                    method: method.parse().unwrap(),
                    preconditioner: m.parse().unwrap(),
                    precision,
                    knobs: Knobs { withhold, ..options.knobs.clone() },
                    ..options
                }
            };
            // Chosen by auto: another takes over, and says so.
            let (system, right, auto) = (a.clone(), b.clone(), options(Backend::Auto));
            let report = in_time(&what, move || Solver::new(&system, auto).unwrap().solve(&right).unwrap());
            assert_solved(&what, &a, &b, &report, 1e-8);
            assert_eq!(report.adapter.backend, "cpu", "{what}");
            let told = |lines: &[String], text: &str| lines.iter().any(|line| line.contains(text));
            let opened = told(&report.warnings, "went on on the CPU");
            assert!(opened || told(&report.plan, "lost: a drill"), "{what}: {:?}", report.warnings);

            // Asked for by name: an end that keeps the best x, and the next call opens the device again.
            let (system, right, named) = (a.clone(), b.clone(), options(Backend::Gpu));
            let reports = in_time(&what, move || {
                let mut solver = Solver::new(&system, named)?;
                Ok::<_, krylane::Error>([solver.solve(&right)?, solver.solve(&right)?])
            });
            assert_eq!(reports.is_ok(), opened, "{what}");
            ends[usize::from(opened)] += 1;
            for report in reports.into_iter().flatten() {
                assert!(matches!(report.reason, Reason::DeviceFailed { .. }), "{what}: {}", report.reason);
                let left = relative_residual(&a, &b, &report.x);
                assert!(report.certificate.relative <= 1.0, "{what}");
                assert!((left / report.certificate.relative - 1.0).abs() < 1e-6, "{what}: {left:e}");
                assert!(report.advice().contains("backend"), "{}", report.advice());
                ends[2] += usize::from(left < 1.0);
            }
        }
        // Without f64 the first submissions are those of the test at the opening.
        let at_opening = if withheld.len() == 1 { 3 } else { 0 };
        assert_eq!(ends[0], at_opening, "{method} with {m}");
        assert_eq!(ends[2] > 0, corrected, "{method} with {m}: x kept of {} ends", ends[2]);
    }
}

/// Each adapter is lost in its turn, one without f64 after the test at its opening; the CPU comes last.
#[cfg(feature = "gpu")]
#[test]
fn every_adapter_is_tried_before_the_cpu() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let b = random_vector(a.rows(), 5);
    let (system, right) = (a.clone(), b.clone());
    let options = Options { precision: Precision::Mixed, ..fragile(Backend::Auto, 4) };
    let report =
        in_time("adapter after adapter", move || Solver::new(&system, options).unwrap().solve(&right).unwrap());
    assert_solved("adapter after adapter", &a, &b, &report, 1e-8);
    let places: Vec<_> = report.warnings.iter().filter_map(|w| w.split("went on on ").nth(1)).collect();
    let others = krylane::adapters().into_iter().skip(1).map(|adapter| adapter.info.name);
    let expected: Vec<_> = others.chain(["the CPU".to_string()]).collect();
    assert_eq!(places.len(), expected.len(), "{places:?}");
    assert!(places.iter().zip(&expected).all(|(place, name)| place.starts_with(name)), "{places:?}: {expected:?}");

    // Lost at once: an adapter without f64 can't even be opened, one with it can.
    let options = Options { precision: Precision::Mixed, ..fragile(Backend::Auto, 0) };
    let solver = in_time("openings", move || Solver::new(&a, options).unwrap());
    let adapters = krylane::adapters();
    let passed_over = solver.plan().iter().filter(|line| line.starts_with("not taken: ")).count();
    match adapters.iter().position(|adapter| adapter.f64) {
        Some(k) => assert_eq!((&*solver.adapter().name, passed_over), (&*adapters[k].info.name, k)),
        None => assert_eq!(solver.adapter().backend, "cpu"),
    }
}

#[test]
fn several_right_hand_sides_outlive_their_device() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let b = random_vector(a.rows(), 5);
    for after in [0, 1, 2, 5, 9] {
        let (system, right) = (a.clone(), b.clone());
        let many = in_time("several right-hand sides", move || {
            let mut solver = Solver::new(&system, fragile(Backend::Auto, after)).unwrap();
            solver.solve_many(&[&right, &right, &right]).unwrap()
        });
        many.iter().for_each(|report| assert_solved(&format!("lost after {after}"), &a, &b, report, 1e-8));
    }
}

#[test]
fn a_search_outlives_its_device() {
    if !gpu_present() {
        return;
    }
    let _alone = one_at_a_time();
    let a = gallery::poisson2d(20);
    let largest = 8.0 * (20.0 * std::f64::consts::PI / 42.0).sin().powi(2);
    for after in [0, 1, 2, 5] {
        for precision in [Precision::F64, Precision::Mixed] {
            let options = move |backend| EigenOptions {
                k: 2,
                which: Which::LM,
                method: "lanczos".into(),
                // A basis that restarts.
                subspace: Some(20),
                backend,
                precision,
                knobs: fragile(Backend::Auto, after).knobs,
                ..EigenOptions::default()
            };
            let what = format!("{precision:?}, lost after {after}");
            let search = |backend| {
                let system = a.clone();
                in_time(&what, move || krylane::eigs(&system, options(backend)).unwrap())
            };
            let report = search(Backend::Auto);
            assert!(report.reason.is_converged(), "{what}: {}", report.reason);
            assert!((report.eigenvalues[0].re / largest - 1.0).abs() < 1e-10, "{what}");
            assert!(report.warnings.iter().any(|w| w.contains("went on on the CPU")), "{:?}", report.warnings);
            let report = search(Backend::Gpu);
            assert!(matches!(report.reason, Reason::DeviceFailed { .. }), "{what}: {}", report.reason);

            let values = |backend| {
                let system = a.clone();
                let options = EigenOptions { method: "auto".into(), ..options(backend) };
                in_time(&what, move || krylane::svds(&system, options).unwrap())
            };
            let report = values(Backend::Auto);
            assert!(report.reason.is_converged(), "{what}: {}", report.reason);
            assert!((report.singular_values[0] / largest - 1.0).abs() < 1e-10, "{what}");
            assert!(report.warnings.iter().any(|w| w.contains("went on on the CPU")), "{:?}", report.warnings);
            let report = values(Backend::Gpu);
            assert!(matches!(report.reason, Reason::DeviceFailed { .. }), "{what}: {}", report.reason);
        }
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
