//! Method × preconditioner on an adapter without f64: iterations in f32, residuals in double-single, answers certified in
//! f64. By itself the adapter is the first one with f64 withheld; `tests/run.sh swiftshader` runs it on SwiftShader, which
//! has none, flushes denormals and has subgroups of four.

mod common;

use common::*;
use krylane::matrix::gallery;
use krylane::{Backend, Knobs, Options, Precision, Solver};

const METHODS: [&str; 5] = ["cg", "minres", "gmres:restart=20", "bicgstab", "idrs"];
const PRECONDITIONERS: [&str; 6] = ["none", "jacobi", "ssor", "ilu0", "chebyshev", "amg:coarse=60"];

/// The adapter is the one that `tests/run.sh` means, if it means one, and has no f64 to withhold.
fn check_adapter() {
    let Ok(name) = std::env::var("KRYLANE_ADAPTER") else { return };
    #[cfg(feature = "gpu")]
    for adapter in krylane::adapters() {
        assert!(adapter.info.name.to_lowercase().contains(&name), "{:?}", adapter.info);
        assert!(!adapter.f64 && adapter.why_not.is_none(), "{adapter:?}");
    }
}

#[test]
fn every_pair_is_certified() {
    if !gpu_present() {
        return;
    }
    check_adapter();
    let _alone = one_at_a_time();
    let mut solved = 0;
    for (system, symmetric, a) in [
        ("poisson2d 16", true, gallery::poisson2d(16)),
        ("convection 14", false, gallery::convection_diffusion2d(14, [0.5, 0.2])),
    ] {
        let b = random_vector(a.rows(), 9);
        for method in METHODS.iter().filter(|m| symmetric || !["cg", "minres"].contains(m)) {
            for m in PRECONDITIONERS.iter().filter(|m| symmetric || !["ssor", "chebyshev"].contains(m)) {
                let options = Options {
                    method: method.parse().unwrap(),
                    preconditioner: m.parse().unwrap(),
                    backend: Backend::Gpu,
                    precision: Precision::Mixed,
                    max_iterations: 500,
                    knobs: Knobs { withhold: vec!["f64".into()], ..Knobs::default() },
                    ..Options::default()
                };
                let what = format!("{method} with {m} on {system}");
                let mut solver = Solver::new(&a, options).unwrap();
                assert!(solver.plan().iter().any(|line| line.contains("double-single")), "{what}: {:?}", solver.plan());
                let report = solver.solve(&b).unwrap();
                assert_solved(&what, &a, &b, &report, 1e-8);
                assert_eq!(report.rungs.len(), 1, "{what}: f32 did not do: {:?}", report.rungs);
                assert_ne!(report.adapter.backend, "cpu", "{what}");
                solved += 1;
            }
        }
    }
    assert_eq!(solved, 5 * 6 + 3 * 4);
}
