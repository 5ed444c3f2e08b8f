//! Whole solves on what other adapters give: no more bindings than WebGPU guarantees, and kernels without bounds checks, as
//! they are released.

mod common;

use common::*;
use krylane::matrix::{Csr, gallery};
use krylane::{EigenOptions, Knobs, Options, Precision, Report, Which};

/// Every precision that a device without f64 has, and f64 where it is.
fn places() -> Vec<(Target, Precision)> {
    let places = gpus().into_iter().flat_map(|target| match target.single {
        true => vec![(target, Precision::Mixed)],
        false => vec![(target.clone(), Precision::F64), (target, Precision::Mixed)],
    });
    places.collect()
}

/// Method, preconditioner, matrix.
fn systems() -> [(&'static str, &'static str, Csr); 4] {
    [
        ("cg", "none", gallery::poisson2d(20)),
        // Cycles of full length, so that projections of every number of columns run.
        ("gmres:restart=12", "none", gallery::convection_diffusion2d(18, [0.4, 0.2])),
        ("bicgstab", "none", gallery::convection_diffusion2d(18, [0.4, 0.2])),
        ("cg", "amg:coarse=60", gallery::poisson2d(24)),
    ]
}

fn run((target, precision): &(Target, Precision), method: &str, m: &str, a: &Csr, knobs: Knobs) -> Report {
    let b = random_vector(a.rows(), 3);
    let preconditioner = m.parse().unwrap();
    let report = solve(a, &b, Options { preconditioner, precision: *precision, knobs, ..target.options(method) });
    assert_solved(&format!("{method} with {m} on {}, {precision:?}", target.name), a, &b, &report, 1e-8);
    report
}

#[test]
fn eight_bindings_do() {
    let _alone = one_at_a_time();
    for place in places() {
        for (method, m, a) in systems() {
            let [wide, eight] = [None, Some(8)]
                .map(|storage_buffers| run(&place, method, m, &a, Knobs { storage_buffers, ..place.0.knobs() }));
            let what = format!("{method} with {m} on {}, {:?}", place.0.name, place.1);
            assert!(
                eight.iterations.abs_diff(wide.iterations) <= 1 + wide.iterations / 10,
                "{what}: {}",
                eight.iterations
            );
            // Steps of CG are not joined across iterations then: three kernels in place of two.
            if (method, m, place.1) == ("cg", "none", Precision::F64) {
                let [wide, eight] = [&wide, &eight].map(|r| r.counters.dispatches as f64 / r.iterations as f64);
                assert!(eight > wide + 0.5, "{what}: {eight} kernels an iteration, {wide} with ten bindings");
            }
        }
    }
}

#[test]
fn released_kernels_solve_alike() {
    let _alone = one_at_a_time();
    for place in places() {
        let mut withheld = place.0.withhold.clone();
        withheld.push("checks".into());
        let released = Knobs { withhold: withheld, ..place.0.knobs() };
        for (method, m, a) in systems() {
            let [checked, unchecked] =
                [place.0.knobs(), released.clone()].map(|knobs| run(&place, method, m, &a, knobs));
            let what = format!("{method} with {m} on {}, {:?}", place.0.name, place.1);
            assert!(bits(&checked.x) == bits(&unchecked.x), "{what}: other bits");
            assert!(unchecked.counters.pipelines > 0, "{what}: what was compiled with checks ran again");
        }
        // A restart, so that a basis is rotated.
        let a = gallery::poisson2d(20);
        let [checked, unchecked] = [place.0.knobs(), released.clone()].map(|knobs| {
            let options = EigenOptions {
                k: 3,
                which: Which::LM,
                method: "lanczos".into(),
                subspace: Some(12),
                backend: place.0.backend.clone(),
                precision: place.1,
                knobs,
                ..EigenOptions::default()
            };
            krylane::eigs(&a, options).unwrap()
        });
        let what = format!("{}, {:?}", place.0.name, place.1);
        assert!(unchecked.reason.is_converged() && unchecked.restarts > 0, "{what}: {}", unchecked.reason);
        let values = |r: &krylane::EigenReport| r.eigenvalues.iter().map(|v| v.re.to_bits()).collect::<Vec<_>>();
        assert_eq!(values(&unchecked), values(&checked), "{what}");
    }
}
