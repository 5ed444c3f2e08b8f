//! Random options on random small systems: whatever is asked for, an answer or an error comes back, nothing panics or
//! loops for ever, no NaN leaves, and what is called converged is.

mod common;

use common::{one_at_a_time, relative_residual};
use krylane::matrix::{Csr, gallery};
use krylane::method::METHODS;
use krylane::precond::PRECONDITIONERS;
use krylane::random::Random;
use krylane::{Backend, EigenOptions, Knobs, Options, Passed, Reason, Solver, Which, eigs};
use proptest::prelude::*;
use std::time::Duration;

/// Matrices of up to 40 rows: good ones, singular ones, ones without a diagonal, wide and tall ones.
fn matrix() -> impl Strategy<Value = Csr> {
    (0usize..9, 1usize..6, 0u64..1000).prop_map(|(kind, k, seed)| {
        let v = Random::new(seed).vector(400);
        let random = |m: usize, n: usize| {
            let places = (0..3 * m).map(|q| (q / 3, (seed as usize + 7 * q + q * q) % n, v[q]));
            Csr::from_triplets(m, n, places).unwrap()
        };
        match kind {
            0 => gallery::poisson2d(k),
            1 => gallery::convection_diffusion2d(k, [v[0], v[1]]),
            2 => gallery::neumann2d(k),
            3 => random(k * k, k * k),
            4 => random(2 * k, k),
            5 => random(k, 2 * k),
            6 => gallery::diagonal(&v[..k].iter().map(|x| x * 10f64.powi((seed % 300) as i32)).collect::<Vec<_>>()),
            7 => Csr::from_triplets(k, k, std::iter::empty::<(usize, usize, f64)>()).unwrap(),
            _ => gallery::random_spd(8 * k, 3, seed),
        }
    })
}

/// Names and texts for [`Options::set`], good and bad.
fn pair() -> impl Strategy<Value = (&'static str, String)> {
    let words = |name: &'static str, list: &'static [&'static str]| {
        proptest::sample::select(list).prop_map(move |text| (name, text.to_string()))
    };
    let methods: Vec<String> =
        METHODS.iter().map(|m| m.id.to_string()).chain(["auto".into(), "gmrse".into()]).collect();
    let preconditioners =
        PRECONDITIONERS.iter().map(|p| p.id).chain(["auto", "amg:coarse=5", "block_jacobi:2", "lu:fill=1"]);
    let preconditioners: Vec<&str> = preconditioners.collect();
    prop_oneof![
        4 => proptest::sample::select(methods).prop_map(|m| ("method", m)),
        4 => proptest::sample::select(preconditioners).prop_map(|m| ("preconditioner", m.to_string())),
        1 => words("precision", &["auto", "f32", "f64", "mixed", "f16"]),
        1 => words("rtol", &["0", "1e-12", "1e-3", "1", "1e300", "-1", "nan", "inf"]),
        1 => words("atol", &["0", "1e-300", "1e-6", "1e300", "nan"]),
        1 => words("criterion", &["rhs-norm", "initial-residual", "absolute", "backward-error", "componentwise"]),
        1 => words("max_iterations", &["0", "1", "7", "60", "18446744073709551615"]),
        1 => words("max_matvecs", &["0", "1", "9"]),
        1 => words("restart", &["0", "1", "2", "30", "10000", "10001"]),
        1 => words("side", &["auto", "left", "right", "split"]),
        1 => words("damp", &["0", "0.5", "1e200", "-1"]),
        1 => words("spectrum", &["0.1..8", "1..1", "0..1", "2..1", "x"]),
        1 => words("reorder", &["auto", "always", "never"]),
        1 => words("equilibrate", &["auto", "always", "never"]),
        1 => words("least_squares", &["true", "false"]),
        1 => words("memory_limit", &["0", "1", "100000"]),
        1 => words("threads", &["0", "1", "3"]),
        1 => words("time_limit", &["0", "1e-9", "5", "-1", "1e300"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn options_of_solvers(
        a in matrix(),
        pairs in proptest::collection::vec(pair(), 0..6),
        (lag, batch, fuse) in (proptest::option::of(0usize..4), proptest::option::of(0usize..4), any::<bool>()),
        (seed, zero, many) in (0u64..100, 0u8..8, any::<bool>()),
    ) {
        let _guard = one_at_a_time();
        let knobs = Knobs { lag, batch, fuse, ..Knobs::default() };
        let mut options = Options { backend: Backend::Cpu, max_iterations: 200, knobs, ..Options::default() };
        for (name, text) in &pairs {
            // What is refused leaves the options as they are.
            let _ = options.set(name, text);
        }
        // Some would run for long and rightly so.
        options.max_iterations = options.max_iterations.min(200);
        options.time_limit = Some(options.time_limit.unwrap_or(Duration::from_secs(20)).min(Duration::from_secs(20)));
        let rtol = options.rtol;
        let Ok(mut solver) = Solver::new(&a, options) else { return Ok(()) };
        let b = if zero == 0 { vec![0.0; a.rows()] } else { Random::new(seed).vector(a.rows()) };
        let reports = match many {
            true => solver.solve_many(&[&b[..], &b[..]]),
            false => solver.solve(&b).map(|r| vec![r]),
        };
        for report in reports.into_iter().flatten() {
            prop_assert_eq!(report.x.len(), a.cols());
            prop_assert!(report.x.iter().all(|v| v.is_finite()), "{}", report.reason);
            if report.reason == Reason::Converged(Passed::Rtol) && report.method != "lsqr" && report.method != "lsmr" {
                let truth = relative_residual(&a, &b, &report.x);
                // An initial residual is that of x = 0, which is b.
                prop_assert!(truth <= rtol * 1.001 + 1e-15, "{} {truth:e} {}", report.reason, report);
            }
            let text = report.to_string();
            prop_assert!(text.contains(report.reason.name()) && text.contains("options"));
        }
    }

    #[test]
    fn options_of_eigensolvers(
        a in matrix(),
        (k, which, method) in (0usize..50, 0usize..Which::ALL.len(), 0usize..7),
        (subspace, sigma, tol) in (
            proptest::option::of(prop_oneof![0usize..50, Just(70_000usize), Just(usize::MAX)]),
            proptest::option::of(-3.0..3.0f64),
            prop_oneof![Just(0.0), Just(1e-6), Just(f64::NAN)],
        ),
    ) {
        let _guard = one_at_a_time();
        let options = EigenOptions {
            k,
            which: Which::ALL[which],
            method: ["auto", "lanczos", "lobpcg", "arnoldi", "power", "inverse", "none"][method].into(),
            subspace,
            sigma,
            tol,
            max_iterations: 200,
            time_limit: Some(Duration::from_secs(5)),
            backend: Backend::Cpu,
            ..EigenOptions::default()
        };
        if let Ok(report) = eigs(&a, options) {
            prop_assert!(report.vectors.iter().flatten().all(|v| v.is_finite()), "{}", report.reason);
        }
    }
}
