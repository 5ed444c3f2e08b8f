//! f64 answers from f32 iterations, whatever the adapter knows: residuals in f64, in double-single, on the CPU.

mod common;

use krylane::matrix::{Csr, gallery};
use krylane::{Backend, Knobs, Options, Precision, Reason, Solver};

/// What adapters may lack, step by step.
const WITHHELD: [&[&str]; 3] = [&[], &["f64"], &["f64", "double-single"]];

/// Where f32 iterations run: the CPU, and the GPU with ever fewer types.
fn places() -> Vec<(Backend, &'static [&'static str])> {
    let mut places = vec![(Backend::Cpu, WITHHELD[0])];
    if common::gpu_present() {
        places.extend(WITHHELD.map(|w| (Backend::Gpu, w)));
    }
    places
}

fn mixed(method: &str, (backend, withhold): &(Backend, &[&str]), rtol: f64) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: "none".parse().unwrap(),
        backend: backend.clone(),
        precision: Precision::Mixed,
        rtol,
        knobs: Knobs { withhold: withhold.iter().map(|w| (*w).to_string()).collect(), ..Knobs::default() },
        ..Options::default()
    }
}

#[test]
fn ten_digits_on_every_kind_of_adapter() {
    let _guard = common::one_at_a_time();
    let systems: [(&str, Csr, &[&str]); 3] = [
        ("poisson2d 40", gallery::poisson2d(40), &["cg", "cr", "minres", "gmres", "bicgstab", "idrs"]),
        ("poisson3d 12", gallery::poisson3d(12), &["cg", "gmres", "bicgstab"]),
        ("convection 24", gallery::convection_diffusion2d(24, [0.4, 0.2]), &["gmres", "bicgstab", "tfqmr"]),
    ];
    let mut slow = vec![];
    for (name, a, methods) in systems {
        let b = common::random_vector(a.rows(), 3);
        for method in methods {
            let double = Options { precision: Precision::F64, ..mixed(method, &(Backend::Cpu, &[]), 1e-10) };
            let plain = common::solve(&a, &b, double).iterations;
            for place in places() {
                let report = common::solve(&a, &b, mixed(method, &place, 1e-10));
                let what = format!("{method} on {name}, {place:?}");
                common::assert_solved(&what, &a, &b, &report, 1e-10);
                assert_eq!(report.rungs.len(), 1, "{what}: f32 did not do: {:?}", report.rungs);
                // CG keeps its directions and follows f64 closely; others start afresh now and then, and the bicg
                // family is chaotic: another rounding is another path.
                let limit = if *method == "cg" { 1.3 } else { 2.5 };
                let most = (limit * plain as f64) as usize + 2;
                if report.iterations > most {
                    slow.push(format!("{what}: {} iterations, f64 took {plain}", report.iterations));
                }
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

#[test]
fn the_plan_names_where_residuals_come_from() {
    let a = gallery::poisson2d(8);
    for place in places() {
        let wanted = match (&place.0, place.1.len()) {
            (Backend::Cpu, _) | (_, 0) => "residual and x in f64, renewed",
            (_, 1) => "residual and x in double-single, renewed",
            _ => "residual and x in f64 on the CPU",
        };
        let solver = Solver::new(&a, mixed("cg", &place, 1e-8)).unwrap();
        assert!(solver.plan().iter().any(|line| line.contains(wanted)), "{place:?}: {:?}", solver.plan());
    }
}

#[test]
fn renewals_need_no_transfer() {
    let _guard = common::one_at_a_time();
    let a = gallery::poisson2d(40);
    let b = common::random_vector(a.rows(), 3);
    for place in places().iter().filter(|p| p.0 == Backend::Gpu && p.1.len() < 2) {
        let report = common::solve(&a, &b, mixed("cg", place, 1e-8));
        // x0, then one certificate on the host; the renewals before it were the device's.
        let host = report.timings.certify_s > 0.0 && report.checks.len() > 2;
        assert!(host, "{place:?}: {:?}", report.checks);
        let fine = report.checks.last().unwrap().relative / report.checks[report.checks.len() - 2].relative;
        assert!((fine - 1.0).abs() < 0.05, "the device's residual is the host's: {:?}", report.checks);
    }
}

#[test]
fn attainable_accuracy_is_reached_or_named() {
    let _guard = common::one_at_a_time();
    let a = gallery::poisson2d(30);
    let b = common::random_vector(a.rows(), 5);
    for place in places() {
        let report = common::solve(&a, &b, mixed("cg", &place, 1e-12));
        common::assert_solved(&format!("{place:?}"), &a, &b, &report, 1e-12);
        let report = common::solve(&a, &b, mixed("cg", &place, 1e-17));
        assert!(
            matches!(report.reason, Reason::AttainableAccuracy { floor, .. } if floor < 1e-13),
            "{place:?}: {}",
            report.reason
        );
    }
}
