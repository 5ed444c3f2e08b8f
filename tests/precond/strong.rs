//! Nearly complete factors, hierarchies for new values, modes of elasticity, preconditioners of one's own.

use super::*;

/// [A Bᵀ; B −C] with a Laplacian A and C = `penalty`·I; four entries a row of B.
fn saddle_point(k: usize, penalty: f64) -> Csr {
    let a = gallery::poisson2d(k);
    let (n, m) = (a.rows(), a.rows() / 3);
    let mut t = Triplets::new(n + m, n + m).unwrap();
    for i in 0..n {
        a.row(i).0.iter().zip(a.row(i).1).for_each(|(&j, &v)| t.push(i, j as usize, v).unwrap());
    }
    for (q, v) in krylane::random::Random::new(3).vector(4 * m).into_iter().enumerate() {
        let (row, column) = (n + q / 4, (q / 4 * 3 + [0, 18, 70, 156][q % 4]) % n);
        t.push(row, column, v).unwrap();
        t.push(column, row, v).unwrap();
    }
    if penalty > 0.0 {
        (n..n + m).for_each(|i| t.push(i, i, -penalty).unwrap());
    }
    t.to_csr().unwrap()
}

#[test]
fn nearly_complete_factors_solve_what_others_do_not() {
    let waves = gallery::helmholtz2d(60, 0.35, 20, 2.0);
    let convection = gallery::convection_diffusion2d(60, [50.0, -30.0]);
    let stiff = gallery::elasticity2d([30, 10], 0.4999, true).0;
    for (name, a) in [
        ("waves", waves),
        ("convection", convection),
        ("saddle point", saddle_point(20, 0.0)),
        ("penalised", saddle_point(20, 1e-6)),
        ("nearly incompressible", stiff),
        ("no diagonal", gallery::cyclic_shift(300)),
    ] {
        for method in ["gmres", "bicgstab"] {
            let r = solve(&a, method, "lu");
            assert!(r.reason.is_converged() && r.iterations <= 8, "{name}, {method}: {} {}", r.reason, r.iterations);
        }
        // Left alone, too.
        let r = solve(&a, "auto", "auto");
        assert!(r.reason.is_converged(), "{name}: {} {:?}", r.reason, r.rungs);
    }
    // Counted before they are made, they come early.
    let r = solve(&gallery::helmholtz2d(80, 0.35, 27, 2.0), "auto", "auto");
    assert!(r.preconditioner.starts_with("lu"), "{:?}", r.rungs);
    assert!(
        r.rungs.len() <= 8 && r.plan.iter().any(|l| l.starts_with("candidate bicgstab with lu: ")),
        "{:?}",
        r.rungs
    );
}

#[test]
fn new_values_keep_the_places_of_nearly_complete_factors() {
    let a = saddle_point(15, 0.0);
    let mut solver = Solver::new(&a, options("gmres", "lu")).unwrap();
    assert!(solver.solve(&rhs(&a)).unwrap().iterations <= 4);
    let values: Vec<f64> = a.values().iter().enumerate().map(|(k, v)| v * (1.0 + 0.1 * (k as f64).sin())).collect();
    solver.update(&with_values(&a, values)).unwrap();
    let after = solver.solve(&rhs(&a)).unwrap();
    assert!(after.reason.is_converged() && after.iterations <= 20, "{} {}", after.reason, after.iterations);
}

#[test]
fn nearly_complete_factors_keep_to_the_memory() {
    let a = gallery::helmholtz2d(40, 0.35, 14, 2.0);
    let limited = Options { memory_limit: Some(2 << 20), ..options("gmres", "lu") };
    let r = Solver::new(&a, limited).unwrap().solve(&rhs(&a)).unwrap();
    let Reason::PreconditionerFailed { row, message } = &r.reason else { panic!("{}", r.reason) };
    assert!(*row < a.rows() && message.contains("a larger drop needs less"), "{message}");
}

#[test]
fn new_values_keep_the_hierarchy() {
    let a = gallery::poisson2d(60);
    let mut solver = Solver::new(&a, options("cg", "amg")).unwrap();
    let before = solver.solve(&rhs(&a)).unwrap();
    let mut shifted: Vec<f64> = a.values().iter().map(|v| v * 0.37).collect();
    for i in 0..a.rows() {
        let at = a.row_ptr()[i] + a.row(i).0.iter().position(|&j| j as usize == i).unwrap();
        shifted[at] += 0.01;
    }
    solver.update(&with_values(&a, shifted)).unwrap();
    let after = solver.solve(&rhs(&a)).unwrap();
    assert!(after.reason.is_converged() && after.iterations <= before.iterations + 2);
}

#[test]
fn same_counts_on_one_thread() {
    let a = gallery::poisson3d(24);
    for preconditioner in ["amg", "ic0", "fsai", "ssor:order=colours", "amg:smoother=gauss_seidel"] {
        let one = Options { threads: 1, ..options("cg", preconditioner) };
        let one = Solver::new(&a, one).unwrap().solve(&rhs(&a)).unwrap();
        assert_eq!(one.x, solve(&a, "cg", preconditioner).x, "{preconditioner}");
    }
}

#[test]
fn a_hierarchy_in_f32_costs_no_iteration() {
    for (a, least) in [
        (gallery::poisson2d(120), 1e-12),
        (gallery::poisson3d(24), 1e-12),
        (gallery::anisotropic2d(80, 1e-3), 1e-12),
        (gallery::chessboard2d(80, 8, 1e6), 1e-10),
        (gallery::geometric_graph(6000, 12, 7), 1e-12),
    ] {
        for rtol in [1e-8, least] {
            for smoother in ["amg", "amg:smoother=gauss_seidel"] {
                let [f32, f64] = ["", "precision=full"].map(|precision| {
                    let spec = if smoother.contains(':') {
                        format!("{smoother},{precision}")
                    } else {
                        format!("{smoother}:{precision}")
                    };
                    let r = Solver::new(&a, Options { rtol, ..options("cg", &spec) }).unwrap().solve(&rhs(&a)).unwrap();
                    assert!(r.reason.is_converged(), "{spec} to {rtol:e}: {}", r.reason);
                    let word = if precision.is_empty() { "in f32" } else { "in f64" };
                    assert!(r.plan.iter().any(|l| l.contains(word)), "{:?}", r.plan);
                    (r.iterations, r.bytes_moved)
                });
                assert!(f32.0.abs_diff(f64.0) <= 1, "{smoother} to {rtol:e}: {} in f32, {} in f64", f32.0, f64.0);
                assert!(f32.1 < f64.1 * 8 / 10, "{smoother}: {} bytes in f32, {} in f64", f32.1, f64.1);
            }
        }
    }
    // Numbers that f32 does not hold stay in f64.
    let wide = gallery::diagonal(&(0..900).map(|i| 10f64.powi(i % 80 - 40)).collect::<Vec<_>>());
    let spread = common::map(&gallery::poisson2d(30), |i, j, v| v * (wide.get(i, i) * wide.get(j, j)).sqrt());
    let as_given = Options { equilibrate: krylane::When::Never, ..options("cg", "amg") };
    let r = Solver::new(&spread, as_given).unwrap().solve(&rhs(&spread)).unwrap();
    assert!(r.plan.iter().any(|l| l.starts_with("amg") && l.contains("in f64")), "{:?}", r.plan);
}

#[test]
fn rigid_body_modes() {
    let with = |near_null: Option<NearNull>, a: &Csr, spec: &str| {
        let options = Options { near_null: near_null.map(Arc::new), ..options("cg", spec) };
        let r = Solver::new(a, options).unwrap().solve(&rhs(a)).unwrap();
        assert!(r.reason.is_converged(), "{spec}: {}", r.reason);
        r.iterations
    };
    for k in [24, 48] {
        let (a, points) = gallery::elasticity2d([k, k], 0.3, true);
        let modes = NearNull::rigid_body_modes(&points).unwrap();
        let found = with(Some(modes.clone()), &a, "amg");
        let translations = with(None, &a, "amg:block=2");
        assert!(found <= 22 && found < translations, "{k}: {found}, translations {translations}");
        // Given vectors do the same as coordinates.
        let given = NearNull::new(2, modes.vectors().to_vec()).unwrap();
        assert_eq!(with(Some(given), &a, "amg"), found);
        assert!(with(Some(modes), &a, "amg:smoother=gauss_seidel") <= found);
    }
    let (a, points) = gallery::elasticity3d([9, 8, 8], 0.3, true);
    let modes = NearNull::rigid_body_modes(&points).unwrap();
    assert!(with(Some(modes), &a, "amg") <= 22);
    // A plate without supports: all modes at once are its null space.
    let (a, points) = gallery::elasticity2d([20, 20], 0.3, false);
    let near_null = Some(Arc::new(NearNull::rigid_body_modes(&points).unwrap()));
    let b = a.multiply(&rhs(&a));
    let r = Solver::new(&a, Options { near_null, ..options("cg", "amg") }).unwrap().solve(&b).unwrap();
    assert!(r.reason.is_converged() && r.iterations <= 22, "{} after {}", r.reason, r.iterations);
    let short = NearNull::new(1, vec![vec![1.0; 5]]).unwrap();
    let bad = Options { near_null: Some(Arc::new(short)), ..options("cg", "amg") };
    assert!(Solver::new(&a, bad).unwrap().solve(&b).unwrap_err().is_bad_input());
}

#[test]
fn gauss_seidel_smooths_as_in_the_natural_order() {
    for (a, most) in [
        (gallery::poisson2d(100), 10),
        (gallery::poisson3d(20), 9),
        (gallery::poisson27(20), 8),
        (gallery::anisotropic2d(100, 1e-3), 14),
        (gallery::chessboard2d(100, 8, 1e6), 12),
        (gallery::geometric_graph(6000, 12, 7), 18),
    ] {
        let found = iterations(&a, "cg", "amg:smoother=gauss_seidel");
        assert!(found <= most, "{found} of {most}");
    }
}

#[test]
fn nonsymmetric_systems() {
    for [small, large] in [
        [10, 20].map(|k| gallery::upwind3d(k, [1.0, 0.5, 0.25])),
        [40, 80].map(|k| gallery::convection_diffusion2d(k, [0.5, 0.25])),
    ] {
        for (method, most) in [("gmres", 30), ("fgmres", 30), ("bicgstab", 20)] {
            // Steps with a diagonal alone grow a little with the grid, as they damp what is carried along less.
            for (spec, growth) in [("amg", 6), ("amg:smoother=spai0", 10), ("amg:smoother=gauss_seidel", 6)] {
                let [one, two] = [&small, &large].map(|a| iterations(a, method, spec));
                assert!(two <= one + growth && two <= most, "{method} {spec}: {one} {two}");
            }
        }
    }
}

#[test]
fn a_preconditioner_of_ones_own() {
    let a = gallery::poisson2d(20);
    // Twice Jacobi: M = (2D)^-1 changes no iterate.
    let m = gallery::diagonal(&vec![0.125; a.rows()]);
    let with = |given: Given| Options { preconditioner: Precond::Given(given), ..options("cg", "none") };
    let mut solver = Solver::new(&a, with(Given::matrix(m))).unwrap();
    let r = solver.solve(&rhs(&a)).unwrap();
    assert_eq!(r.iterations, iterations(&a, "cg", "jacobi"));
    // In other units the matrix stays what it was.
    solver.update(&with_values(&a, a.values().iter().map(|v| 8.0 * v).collect())).unwrap();
    assert_eq!(solver.solve(&rhs(&a)).unwrap().iterations, r.iterations);
    // One that writes operations: ic0, built by hand.
    let own = Given::new(|a| Ok(Box::new(krylane::precond::Ilu::new(a, true)?)));
    let r = Solver::new(&a, with(own)).unwrap().solve(&rhs(&a)).unwrap();
    assert_eq!(r.iterations, iterations(&a, "cg", "ic0"));
    let scaled = Options { equilibrate: krylane::When::Always, ..with(Given::matrix(gallery::diagonal(&[1.0]))) };
    assert!(Solver::new(&a, scaled).is_err_and(|e| e.is_bad_input()));
    let wrong = Given::matrix(gallery::diagonal(&[1.0]));
    assert!(Solver::new(&a, with(wrong)).unwrap().solve(&rhs(&a)).unwrap_err().is_bad_input());
}

#[test]
fn memory_of_the_hierarchy() {
    for a in [gallery::poisson2d(150), gallery::poisson3d(32), gallery::poisson27(20)] {
        for spec in ["amg", "amg:smoother=spai0", "amg:precision=full", "amg:smoother=gauss_seidel"] {
            let r = solve(&a, "cg", spec);
            let line = r.plan.iter().find(|l| l.contains("beside the matrix")).unwrap();
            let part: f64 = line.split('(').next_back().unwrap().split(' ').next().unwrap().parse().unwrap();
            assert!(part <= 2.5, "{spec}: {line}");
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_cycle_in_lockstep() {
    if !common::gpu_present() {
        return;
    }
    let _guard = common::one_at_a_time();
    let (plate, points) = gallery::elasticity2d([9, 8], 0.3, true);
    let modes = Some(Arc::new(NearNull::rigid_body_modes(&points).unwrap()));
    for (a, near_null) in [(gallery::poisson2d(16), None), (plate, modes)] {
        for spec in [
            "amg:coarse=20",
            "amg:coarse=20,degree=2",
            "amg:coarse=20,smoother=spai0",
            "amg:coarse=20,smoother=gauss_seidel",
            "ic0",
            "ssor",
            "ssor:order=colours",
        ] {
            for withhold in [vec![], vec!["f64".to_string()]] {
                let lockstep = Options {
                    backend: Backend::Lockstep,
                    knobs: Knobs { withhold, ..Knobs::default() },
                    near_null: near_null.clone(),
                    ..options("cg", spec)
                };
                // Panics at the first operation after which the two differ.
                let r = Solver::new(&a, lockstep).unwrap().solve(&rhs(&a)).unwrap();
                assert!(r.reason.is_converged(), "{spec}: {}", r.reason);
            }
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn same_counts_on_a_gpu() {
    use krylane::Precision;
    let a = gallery::poisson2d(40);
    for (method, preconditioner) in [
        ("cg", "amg:coarse=50"),
        ("cg", "amg:degree=2,coarse=50"),
        ("cg", "fsai"),
        ("gmres", "isai"),
        ("cg", "chebyshev:4"),
        ("cg", "ssor:sweeps=2"),
        ("cg", "ssor:order=colours"),
    ] {
        for precision in [Precision::F64, Precision::F32] {
            let cpu = Options { precision, ..options(method, preconditioner) };
            let gpu = Options { backend: Backend::Gpu, ..cpu.clone() };
            let mut solver = match Solver::new(&a, gpu) {
                Ok(solver) => solver,
                Err(Error::NoAdapter(e) | Error::Input(e)) => {
                    eprintln!("skipped: {e}");
                    continue;
                }
                Err(e) => panic!("{e}"),
            };
            let found = solver.solve(&rhs(&a)).unwrap();
            let expected = Solver::new(&a, cpu).unwrap().solve(&rhs(&a)).unwrap();
            assert!(found.reason.is_converged(), "{preconditioner} {precision:?}: {}", found.reason);
            assert!(found.iterations.abs_diff(expected.iterations) <= 2, "{preconditioner} {precision:?}");
            let exactly = found.plan.iter().any(|l| l.contains("solved exactly by 1 Jacobi sweep a triangle"));
            assert_eq!(exactly, preconditioner == "ssor:order=colours", "{:?}", found.plan);
        }
    }
}
