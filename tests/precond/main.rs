//! Preconditioners through the front door: iterations, and named outcomes where they can't work.

#[path = "../common/mod.rs"]
mod common;
mod strong;

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
