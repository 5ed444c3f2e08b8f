//! Preconditioners through the front door: iterations, and named outcomes where they can't work.

mod common;

use krylane::matrix::{Csr, Triplets, gallery};
use krylane::precond::{Given, NearNull};
use krylane::{Backend, Error, Knobs, Options, Precond, Reason, Report, Solver};
use std::sync::Arc;

/// These values on the pattern of `a`.
fn with_values(a: &Csr, values: Vec<f64>) -> Csr {
    let mut out = a.clone();
    out.set_values(values).unwrap();
    out
}

fn options(method: &str, preconditioner: &str) -> Options {
    Options {
        method: method.parse().unwrap(),
        preconditioner: preconditioner.parse().unwrap(),
        backend: Backend::Cpu,
        max_iterations: 2000,
        ..Options::default()
    }
}

fn rhs(a: &Csr) -> Vec<f64> {
    krylane::random::Random::new(42).vector(a.rows())
}

fn solve(a: &Csr, method: &str, preconditioner: &str) -> Report {
    Solver::new(a, options(method, preconditioner)).unwrap().solve(&rhs(a)).unwrap()
}

/// Iterations of a solve that must converge.
fn iterations(a: &Csr, method: &str, preconditioner: &str) -> usize {
    let r = solve(a, method, preconditioner);
    assert!(r.reason.is_converged(), "{method} {preconditioner}: {} after {}", r.reason, r.iterations);
    assert!(r.certificate.relative <= 1e-8);
    r.iterations
}

#[test]
fn conjugate_residuals_keep_up_with_minres_under_multigrid() {
    // Two levels and more, whose cycle would be in f32 for another method.
    for a in [gallery::poisson2d(40), gallery::chessboard2d(40, 8, 1e6)] {
        let (cr, minres) = (iterations(&a, "cr", "amg"), iterations(&a, "minres", "amg"));
        assert!(cr <= minres + 2, "{cr} {minres}");
    }
}

#[test]
fn amg_does_not_grow_with_the_grid() {
    for (make, sizes, most) in [
        (gallery::poisson2d as fn(usize) -> Csr, [64, 128], 18),
        (gallery::poisson3d, [16, 32], 18),
        (gallery::poisson27, [12, 20], 18),
        (|k| gallery::anisotropic2d(k, 1e-3), [64, 128], 30),
        (|k| gallery::chessboard2d(k, 8, 1e6), [64, 128], 22),
        (|k| gallery::geometric_graph(k * k, 14, 7), [50, 100], 26),
    ] {
        let [small, large] = sizes.map(|k| iterations(&make(k), "cg", "amg"));
        assert!(large <= small + 5 && large <= most, "{small} {large}");
    }
}

#[test]
fn fewer_iterations_than_jacobi() {
    let a = gallery::poisson2d(48);
    let jacobi = iterations(&a, "cg", "jacobi");
    for (preconditioner, part) in [
        ("amg", 0.15),
        ("ic0", 0.45),
        ("ilu0", 0.45),
        ("fsai", 0.75),
        ("isai", 0.75),
        ("block_jacobi:4", 0.95),
        ("chebyshev:4", 0.4),
        ("neumann:3", 0.6),
        ("ssor", 0.55),
        ("ssor:order=colours", 0.7),
        ("ic0:sweeps=4", 0.5),
        ("amg:smoother=l1_jacobi", 0.2),
        ("amg:smoother=spai0", 0.15),
        ("amg:smoother=gauss_seidel", 0.15),
    ] {
        let found = iterations(&a, "cg", preconditioner);
        assert!((found as f64) < part * jacobi as f64, "{preconditioner}: {found} of {jacobi}");
    }
    let a = gallery::convection_diffusion2d(40, [0.8, 0.4]);
    for method in ["gmres", "bicgstab"] {
        let plain = iterations(&a, method, "jacobi");
        for preconditioner in
            ["ilu0", "ilut", "lu", "isai", "amg", "ssor", "gauss_seidel", "ilu0:sweeps=3", "gauss_seidel:order=colours"]
        {
            let found = iterations(&a, method, preconditioner);
            assert!(found < plain, "{method} {preconditioner}: {found} of {plain}");
        }
    }
}

#[test]
fn other_systems() {
    for a in [gallery::random_spd(2000, 9, 1), gallery::graph_laplacian(3000, 6, 2, true), gallery::arrow(400)] {
        let jacobi = iterations(&a, "cg", "jacobi");
        for preconditioner in ["amg", "ic0", "fsai", "chebyshev:3"] {
            let found = iterations(&a, "cg", preconditioner);
            assert!(found <= jacobi, "{preconditioner}: {found} of {jacobi}");
        }
    }
}

/// [A Bᵀ; B 0] with the grid Laplacian A and a divergence B, and the units of unknown i scaled by `unit(i)`.
fn saddle(k: usize, unit: impl Fn(usize) -> f64) -> Csr {
    let grid = gallery::poisson2d(k);
    let (n, m) = (k * k, k * k / 2);
    let mut t = Triplets::new(n + m, n + m).unwrap();
    let mut push = |i: usize, j: usize, v: f64| t.push(i, j, v * unit(i) * unit(j)).unwrap();
    for i in 0..n {
        grid.row(i).0.iter().zip(grid.row(i).1).for_each(|(&j, &v)| push(i, j as usize, v));
    }
    for c in 0..m {
        for (j, v) in [(2 * c, 1.0), (2 * c + 1, -0.5)] {
            push(n + c, j, v);
            push(j, n + c, v);
        }
    }
    t.to_csr().unwrap()
}

#[test]
fn scaling_works_without_a_diagonal() {
    let unit = |i: usize| 10f64.powi((i * 7 % 9) as i32 - 4);
    let (plain, mixed) = (saddle(12, |_| 1.0), saddle(12, unit));
    let b: Vec<f64> = rhs(&mixed).iter().enumerate().map(|(i, b)| b * unit(i)).collect();
    let run = |spec| Solver::new(&mixed, options("minres", spec)).unwrap().solve(&b).unwrap();
    let r = run("scaling");
    let least = iterations(&plain, "minres", "none");
    assert!(r.reason.is_converged() && r.iterations < 2 * least, "{}: {}, {least}", r.reason, r.iterations);
    assert!(r.plan.iter().any(|l| l.starts_with("scaling: the factors")), "{:?}", r.plan);
    for other in ["none", "jacobi"] {
        let o = run(other);
        assert!(!o.reason.is_converged() || o.iterations > 3 * r.iterations, "{other}: {}, {}", o.reason, o.iterations);
    }
    // Jacobi's counterpart where the diagonal is all there is.
    let mass = gallery::diagonal(&(0..200).map(|i| 10f64.powi(i % 9 - 4)).collect::<Vec<_>>());
    let a = common::map(&gallery::random_spd(200, 7, 1), |i, j, v| v * (mass.get(i, i) * mass.get(j, j)).sqrt());
    let [jacobi, scaling] = ["jacobi", "scaling"].map(|m| iterations(&a, "cg", m));
    assert!(jacobi.abs_diff(scaling) <= 2, "{jacobi} with jacobi, {scaling} with scaling");
}

#[test]
fn neumann_problems() {
    for a in [gallery::neumann2d(60), gallery::graph_laplacian(2000, 6, 2, false)] {
        let b = a.multiply(&rhs(&a));
        for (method, preconditioner, most) in
            [("cg", "amg", 40), ("minres", "amg", 40), ("cg", "ic0", 200), ("cg", "chebyshev:3", 200)]
        {
            let r = Solver::new(&a, options(method, preconditioner)).unwrap().solve(&b).unwrap();
            assert!(r.reason.is_converged() && r.iterations <= most, "{preconditioner}: {} {}", r.reason, r.iterations);
        }
    }
}

/// Two grids and a few single rows.
fn disconnected() -> Csr {
    let part = gallery::poisson2d(20);
    let n = part.rows();
    let mut t = Triplets::new(2 * n + 5, 2 * n + 5).unwrap();
    for i in 0..n {
        for (&j, &v) in part.row(i).0.iter().zip(part.row(i).1) {
            t.push(i, j as usize, v).unwrap();
            t.push(n + 5 + i, n + 5 + j as usize, 100.0 * v).unwrap();
        }
    }
    (n..n + 5).for_each(|i| t.push(i, i, 7.0).unwrap());
    t.to_csr().unwrap()
}

const ALL: [&str; 14] = [
    "jacobi",
    "scaling",
    "amg",
    "amg:smoother=gauss_seidel",
    "ilu0",
    "ic0",
    "fsai",
    "isai",
    "block_jacobi:3",
    "block_jacobi",
    "chebyshev:4",
    "neumann:2",
    "ssor:omega=1.2",
    "ssor:order=colours",
];

#[test]
fn small_and_strange_systems() {
    let diagonal: Vec<f64> = (1..900).map(|i| f64::from(i) * 1e-3).collect();
    for a in [
        gallery::diagonal(&[3.0]),
        gallery::diagonal(&diagonal),
        gallery::hilbert(4),
        disconnected(),
        gallery::poisson1d(2),
    ] {
        for preconditioner in ALL {
            let found = iterations(&a, "cg", preconditioner);
            assert!(found <= 100, "{preconditioner}: {found}");
        }
    }
    // An inverse on every level: one step.
    assert!(iterations(&gallery::poisson2d(12), "cg", "amg") <= 2);
    assert!(iterations(&gallery::tridiagonal(500, -1.0, 2.5, -1.2), "gmres", "ilu0") <= 2);
}

#[test]
fn zero_pivots_have_a_row() {
    let with = |d: f64| {
        let mut t = Triplets::new(4, 4).unwrap();
        for (i, j, v) in [(0, 0, 2.0), (1, 1, 2.0), (2, 2, d), (3, 3, 2.0), (2, 3, 1.0), (3, 2, 1.0)] {
            if (i, j) != (2, 2) || d != 0.0 {
                t.push(i, j, v).unwrap();
            }
        }
        t.to_csr().unwrap()
    };
    for (preconditioner, row) in [("amg", 2), ("chebyshev", 2), ("neumann", 2), ("fsai", 2)] {
        let r = solve(&with(0.0), "minres", preconditioner);
        assert!(
            matches!(r.reason, Reason::PreconditionerFailed { row: found, .. } if found == row),
            "{preconditioner}: {}",
            r.reason
        );
    }
    // Shifted factors, not positive definite for a negative entry.
    assert!(solve(&with(0.0), "gmres", "ilu0").reason.is_converged());
    for preconditioner in ["amg", "ic0", "ilu0", "fsai", "isai", "block_jacobi:2", "chebyshev:2"] {
        let r = solve(&with(-3.0), "minres", preconditioner);
        assert!(matches!(r.reason, Reason::PreconditionerFailed { .. }), "{preconditioner}: {}", r.reason);
    }
    // Whatever happens to matrices without a diagonal has a name, and x is finite.
    for a in [gallery::cyclic_shift(30), gallery::jordan(30, 0.0), gallery::grcar(60, 3), with(0.0)] {
        for preconditioner in ALL {
            for method in ["gmres", "bicgstab"] {
                match Solver::new(&a, options(method, preconditioner)).unwrap().solve(&rhs(&a)) {
                    Ok(r) => assert!(r.x.iter().all(|v| v.is_finite()), "{method} {preconditioner}"),
                    Err(e) => assert!(matches!(e, Error::Input(_)), "{method} {preconditioner}: {e}"),
                }
            }
        }
    }
}

#[test]
fn parameters() {
    let a = gallery::poisson2d(30);
    for bad in [
        "amg:theta=2",
        "amg:levels=3",
        "amg:smoother=ilu0",
        "chebyshev:0",
        "neumann:x",
        "block_jacobi:0",
        "ilu0:sweeps=0",
        "ssor:omega=2",
        "ssor:order=color",
        "ssor:odrer=colours",
        "given",
    ] {
        let e = bad.parse::<Precond>().unwrap_err();
        assert!(e.is_bad_input(), "{bad}: {e}");
    }
    // Good for other methods or matrices.
    for bad in ["amg:block=7", "ilut", "lu", "gauss_seidel"] {
        let e = Solver::new(&a, options("cg", bad)).unwrap().solve(&rhs(&a)).unwrap_err();
        assert!(e.is_bad_input(), "{bad}: {e}");
    }
    let r = solve(&a, "cg", "amg:degree=2,theta=0.1,coarse=40");
    assert!(r.reason.is_converged() && r.plan.iter().any(|l| l.contains("operator complexity")), "{:?}", r.plan);
    // Products of the preconditioner don't count as the method's.
    assert!(r.matvecs <= r.iterations + 2, "{} {}", r.matvecs, r.iterations);
}

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
